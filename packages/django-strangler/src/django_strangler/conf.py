"""The setting STRANGLER, read once and complete: a mistake is reported with the name of its key.

STRANGLER = {
    "SECRETS": [os.environ["STRANGLER_SECRET"]],   # shared with the gateway; the first signs, all verify
    "IDENTITY_ID": "email",                        # attribute of the user, or "package.module.function"
    "SCOPES": "groups",                            # or "package.module.function"
    "GATEWAYS": ["http://127.0.0.1:8081"],         # admin addresses: told of logouts at once
    "KEYS": "http://127.0.0.1:8081/.well-known/strangler/jwks.json",   # or the path of a file
    "AUDIENCE": "monolith",                        # the upstream's name in the gateway's configuration
}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

SECRET_BYTES = 32
"""A shorter secret can be found by trying."""


@dataclass(frozen=True)
class Options:
    """STRANGLER, with its defaults. Times are in seconds.

    `session_path` is where the gateway asks who a session belongs to. `user` maps a token to a user where
    `identity_id` can't be looked up. `guard_statement` is the longest that a statement of a shadow copy may take
    (PostgreSQL), so that a copy's row locks don't hold up clients. `guard_body` bounds the bytes of a copy's
    response that are read before the copy is undone.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    identity_id: str = ""
    scopes: str = "groups"
    session_path: str = "/.strangler/session"
    token_ttl: int = 60
    gateways: tuple[str, ...] = ()
    gateway_timeout: float = 0.5
    keys: str = ""
    keys_refresh: float = 300.0
    issuer: str = "strangler-gateway"
    audience: str = ""
    leeway: float = 5.0
    user: str = ""
    create_users: bool = False
    guard_statement: float = 5.0
    guard_body: int = 8_388_608
    cache: str = "default"
    outbox: str = ""


def options() -> Options:
    """The setting STRANGLER of the project. Raises ImproperlyConfigured, which names the key."""
    return _parsed()


@lru_cache(maxsize=1)
def _parsed() -> Options:
    given = getattr(settings, "STRANGLER", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("STRANGLER must be a dictionary.")
    known = {item.name.upper(): item for item in fields(Options)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ImproperlyConfigured(f"STRANGLER has no key {name!r}; it has {', '.join(sorted(known))}.")
        values[known[name].name] = _value(name, value, known[name].default)
    return Options(**values)


def _value(name: str, value: Any, default: Any) -> Any:
    """`value` in the type of its `default`."""
    if isinstance(default, tuple):
        if isinstance(value, str) or not all(isinstance(item, str) and item for item in value):
            raise ImproperlyConfigured(f"STRANGLER[{name!r}] must be a list of texts.")
        if name == "SECRETS" and any(len(item.encode()) < SECRET_BYTES for item in value):
            raise ImproperlyConfigured(f"A text of STRANGLER['SECRETS'] is shorter than {SECRET_BYTES} bytes.")
        return tuple(value)
    wanted = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ImproperlyConfigured(f"STRANGLER[{name!r}] must be of type {type(default).__name__}.")
    if not isinstance(value, str | bool) and value <= 0:
        raise ImproperlyConfigured(f"STRANGLER[{name!r}] must be above 0.")
    return value


def function(path: str, key: str) -> Callable[..., Any]:
    """The function with the dotted `path`, which the key `key` of STRANGLER names."""
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"STRANGLER[{key!r}]: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"STRANGLER[{key!r}]: {path} is not callable.")
    return found  # type: ignore[no-any-return]


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "STRANGLER":
        _parsed.cache_clear()


setting_changed.connect(_forget)
