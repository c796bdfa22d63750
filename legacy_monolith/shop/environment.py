"""Reading settings from environment variables."""

import os

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def flag(name: str, default: bool = False) -> bool:
    """The yes-or-no variable `name`; anything that is neither is ImproperlyConfigured."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def items(name: str) -> list[str]:
    """The comma-separated members of the variable `name`, without blanks and empty ones."""
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def required(name: str, development: str | None) -> str:
    """The variable `name`; without it `development`, and without that ImproperlyConfigured."""
    value = os.environ.get(name) or development
    if not value:
        raise ImproperlyConfigured(f"Set {name}, or SHOP_DEVELOPMENT=1 to use development values.")
    return value


def header(name: str) -> tuple[str, str] | None:
    """The variable `name` of the form `X-Forwarded-Proto: https`, as Django names headers."""
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    field, separator, content = value.partition(":")
    if not separator or not field.strip() or not content.strip():
        raise ImproperlyConfigured(f"{name} must look like 'X-Forwarded-Proto: https', not {value!r}")
    key = field.strip().upper().replace("-", "_")
    return (key if key.startswith("HTTP_") else f"HTTP_{key}", content.strip())
