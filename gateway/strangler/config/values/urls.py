"""URLs of stores; their passwords must not be in the YAML."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from strangler.config.text.environment import Substituted
from strangler.config.text.problems import described


def url_parts(value: str) -> SplitResult:
    """A URL taken apart, with a port that can be one."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        # It names a piece of the URL, and that may be a piece of a password.
        said = "" if isinstance(value, Substituted) else f": {error}"
        raise ValueError(f"'{value}' is not a URL{said}") from None
    return parts


def check_password(value: str, parts: SplitResult) -> None:
    """Raise ValueError for a password that was not taken from the environment."""
    if parts.password and not isinstance(value, Substituted):
        raise ValueError("a password must not be in the YAML: write ${NAME} and set it in the environment")


def parse_redis_url(value: object) -> str:
    """`redis://`, `rediss://` (TLS) or `unix://`; a password must come from the environment."""
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as redis://127.0.0.1:6379, found {described(value)}")
    parts = url_parts(value)
    located = parts.path if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in ("redis", "rediss", "unix") or not located or parts.port == 0:
        raise ValueError(f"expected a URL such as redis://127.0.0.1:6379, found {described(value)}")
    check_password(value, parts)
    return str(value)


def parse_store_url(value: object) -> str:
    """`sqlite:///PATH` or `postgresql://…`; a password must come from the environment."""
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as sqlite:///var/strangler.sqlite3, found {described(value)}")
    parts = url_parts(value)
    if parts.scheme == "sqlite" and value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return str(value)
    if parts.scheme in ("postgresql", "postgres") and parts.hostname:
        check_password(value, parts)
        return str(value)
    raise ValueError("expected sqlite:///PATH or postgresql://HOST/DATABASE")
