"""The user of a session cookie, read without any effect on the session.

`django.contrib.auth.get_user` is not used: it flushes a session whose hash is wrong and cycles the key of one that
was signed with a fallback of SECRET_KEY. Both would log a user out who only made a request through the gateway.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from django_strangler.guard.sessions import read_only_sessions

AUTH_TIME = "_strangler_auth_time"
"""The key of the session that holds when its user logged in, in Unix seconds."""


def session_of(cookie: str) -> SessionBase:
    """The session that the cookie value `cookie` names; an empty one if there is none."""
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store(cookie)


def user_of(cookie: str) -> tuple[AbstractBaseUser | None, int | None]:
    """The user whom the session of `cookie` belongs to, and when the user logged in, as far as it is known."""
    with read_only_sessions():
        session = session_of(cookie)
        user = _user(session)
        at = session.get(AUTH_TIME)
    return (user, at if isinstance(at, int) else None) if user is not None else (None, None)


def _user(session: SessionBase) -> AbstractBaseUser | None:
    stored, backend_path = session.get(SESSION_KEY), session.get(BACKEND_SESSION_KEY)
    if stored is None or backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    key: Any = get_user_model()._meta.pk.to_python(stored)
    user: AbstractBaseUser | None = load_backend(str(backend_path)).get_user(key)
    if user is None or not _is_signed(user, session.get(HASH_SESSION_KEY)):
        return None
    return user


def _is_signed(user: AbstractBaseUser, session_hash: str | None) -> bool:
    """Whether the session was made with the user's present password, under any of the secret keys."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    if not session_hash:
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, one) for one in hashes)
