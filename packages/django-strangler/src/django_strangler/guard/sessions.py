"""Sessions that are read and never written: for shadow copies, and for the gateway's question who a session is.

The methods of the project's session store are replaced once by ones that look whether sessions are read-only in this
context. A session that a copy creates or renews gets a key as usual, so the view goes on, and is stored nowhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from django.conf import settings

_read_only: ContextVar[bool] = ContextVar("strangler_read_only_sessions", default=False)
_locked: set[type] = set()


@contextmanager
def read_only_sessions() -> Iterator[None]:
    """Read sessions without saving, renewing or deleting any in this context."""
    lock_store(import_module(settings.SESSION_ENGINE).SessionStore)
    token = _read_only.set(True)
    try:
        yield
    finally:
        _read_only.reset(token)


def lock_store(store: type[Any]) -> None:
    """Make the writing methods of the session store `store` obey `read_only_sessions`."""
    if store in _locked:
        return
    _locked.add(store)
    for name, instead in {"save": _nothing, "delete": _nothing, "create": _new_key}.items():
        _replace(store, name, instead)
        if hasattr(store, "a" + name):
            _replace_async(store, "a" + name, instead)


def _nothing(session: Any, *_: Any, **__: Any) -> None:
    """Neither save nor delete."""


def _new_key(session: Any, *_: Any, **__: Any) -> None:
    """Give the session a key that is stored nowhere."""
    session._session_key = session._get_new_session_key()
    session.modified = True


def _replace(store: type[Any], name: str, instead: Callable[..., None]) -> None:
    original = getattr(store, name)

    @functools.wraps(original)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        return instead(self, *args, **kwargs) if _read_only.get() else original(self, *args, **kwargs)

    setattr(store, name, locked)


def _replace_async(store: type[Any], name: str, instead: Callable[..., None]) -> None:
    original = getattr(store, name)

    @functools.wraps(original)
    async def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _read_only.get():
            return await original(self, *args, **kwargs)
        # A key of a database session is looked up, which must not happen in the event loop.
        if instead is _new_key:
            self._session_key = await self._aget_new_session_key()
            self.modified = True
        return None

    setattr(store, name, locked)
