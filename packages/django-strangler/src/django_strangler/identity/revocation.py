"""Telling the gateway at once that what it remembers of a session or a user is no longer true.

The call comes after the response's work is done: a gateway that asked again before the session is gone would
remember the old identity for its whole `ttl`. A call that fails is logged; then the logout counts within `ttl`.
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import time
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest

from django_strangler.conf import options
from django_strangler.guard.guard import current_guard
from django_strangler.headers import CALL
from django_strangler.identity.claims import NoIdentity, identity_of
from django_strangler.identity.endpoint import session_digest
from django_strangler.identity.session_user import AUTH_TIME
from django_strangler.signatures import REVOKE, body_digest, stamp

PATH = "/identities/revoke"
"""The path on the gateway's admin address."""

_log = logging.getLogger("django_strangler")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Revoked:
    """What the gateway shall forget: digests of session cookies, and identities."""

    sessions: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)


_pending: ContextVar[Revoked | None] = ContextVar("strangler_revoked", default=None)


@contextmanager
def collected() -> Iterator[Revoked]:
    """Collect what is revoked meanwhile, for the caller to send when the request's work is done."""
    revoked = Revoked()
    token = _pending.set(revoked)
    try:
        yield revoked
    finally:
        _pending.reset(token)


def send(revoked: Revoked) -> None:
    """Tell every gateway of `revoked`. A gateway that can't be reached is logged, and costs `gateway_timeout`."""
    if not (revoked.sessions or revoked.subjects) or current_guard() is not None:
        return
    chosen = options()
    document = {"sessions": sorted(revoked.sessions), "subjects": sorted(revoked.subjects)}
    body = json.dumps(document).encode()
    for gateway in chosen.gateways:
        signed = stamp(chosen.secrets[0], REVOKE, ("POST", PATH, body_digest(body)), time())
        request = urllib.request.Request(
            gateway.rstrip("/") + PATH, body, {"Content-Type": "application/json", CALL: signed}, method="POST"
        )
        try:
            _opener.open(request, timeout=chosen.gateway_timeout).close()
        except (OSError, urllib.error.URLError) as error:
            _log.warning("the gateway at %s was not told of a logout, and learns of it later: %s", gateway, error)


def revoke(*, sessions: set[str] | None = None, subjects: set[str] | None = None) -> None:
    """Revoke digests of session cookies and identities: after the request's response, else after the transaction."""
    if not options().gateways:
        return
    pending = _pending.get()
    if pending is not None:
        pending.sessions |= sessions or set()
        pending.subjects |= subjects or set()
        return
    revoked = Revoked(sessions or set(), subjects or set())
    transaction.on_commit(lambda: send(revoked))


def _revoke_user(user: AbstractBaseUser) -> None:
    if not options().gateways:
        return
    try:
        revoke(subjects={identity_of(user)})
    except (NoIdentity, ImproperlyConfigured) as error:
        _log.error("a change of a user was not reported to the gateway: %s", error)


def on_login(request: HttpRequest | None, **_: Any) -> None:
    """Remember when the session's user logged in; forget what the cookie stood for until now."""
    if request is None or not hasattr(request, "session"):
        return
    request.session[AUTH_TIME] = int(time())
    _revoke_cookie(request)


def on_logout(request: HttpRequest | None, **_: Any) -> None:
    """Revoke the session that is being logged out."""
    if request is not None:
        _revoke_cookie(request)


def _revoke_cookie(request: HttpRequest) -> None:
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if cookie:
        revoke(sessions={session_digest(cookie)})


_CHANGED = "_strangler_changed"


def before_save(instance: AbstractBaseUser, **_: Any) -> None:
    """Note a changed password: Django keeps the new one in `_password` until the user is saved.

    A hash that is only renewed at login has no `_password`, and sessions outlive it.
    """
    setattr(instance, _CHANGED, getattr(instance, "_password", None) is not None or not instance.is_active)


def after_save(instance: AbstractBaseUser, created: bool, **_: Any) -> None:
    """Revoke all sessions of a user whose password changed or who is no longer active."""
    if getattr(instance, _CHANGED, False) and not created:
        _revoke_user(instance)


def after_delete(instance: AbstractBaseUser, **_: Any) -> None:
    """Revoke all sessions of a deleted user."""
    _revoke_user(instance)


def groups_changed(instance: Any, action: str, **_: Any) -> None:
    """Let the gateway ask again for the scopes of a user whose groups changed."""
    if action.startswith("post_") and isinstance(instance, AbstractBaseUser):
        _revoke_user(instance)
