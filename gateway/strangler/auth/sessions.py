"""Callers by their login session at a Django project: what is asked, what the response says, what is remembered.

The project's app (django-strangler) responds to a signed call with a token for
that one call: its nonce stands in the token. Results are remembered by a digest
of the cookie, never by the cookie itself. Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import jwt
from cachetools import LRUCache

from strangler.auth.identity import ClaimsRefused, Identity, identity_of
from strangler.auth.remembered import RememberedCallers
from strangler.auth.signatures import CALL_HEADER, SESSION_CALL, body_digest, derived_key, stamp
from strangler.model.auth import Provider, SessionSource

ISSUER = "django-strangler"
AUDIENCE = "strangler-gateway"
KEY_USE = "session identity"
COOKIE_BYTES = 4096
"""A longer cookie belongs to no session: browsers don't store one."""


class UnknownSession(Exception):
    """The session of the cookie `cookie` is not known; its project has to be asked."""

    def __init__(self, provider: str, cookie: str) -> None:
        super().__init__("the session has to be asked for")
        self.provider = provider
        self.cookie = cookie


class SessionRefused(Exception):
    """The response to a call is not one that the app signed for it; the text says why."""


class NotKnown:
    """The type of NOT_KNOWN."""


NOT_KNOWN: Final = NotKnown()
"""Nothing is remembered of a session; None is the result that it has no user."""


def digest_of(cookie: str) -> str:
    """How gateway and app name a session to each other, without the cookie."""
    return hashlib.sha256(cookie.encode("latin-1")).hexdigest()


def call(source: SessionSource, cookie: str, now: float) -> tuple[bytes, str]:
    """The request that asks for the session of `cookie`, and its nonce."""
    body = json.dumps({"session": cookie}).encode()
    value, nonce = stamp(source.secret, SESSION_CALL, ("POST", source.path, body_digest(body)), now)
    head = (
        f"POST {source.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{CALL_HEADER}: {value}\r\n\r\n"
    )
    return head.encode("ascii") + body, nonce


def caller_in(status: int, body: bytes, nonce: str, provider: Provider, now: float) -> Identity | None:
    """The caller whom the response to a call names, None for a session without a user. Raises SessionRefused."""
    assert provider.session is not None
    if status != 200:
        raise SessionRefused(f"the app responded with {status}")
    try:
        claims = jwt.decode(
            json.loads(body)["token"],
            derived_key(provider.session.secret, KEY_USE),
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "nonce"]},
            leeway=provider.leeway,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SessionRefused(f"the response has no token: {type(error).__name__}") from None
    except jwt.PyJWTError as error:
        raise SessionRefused(f"the token is refused: {error}") from None
    return _caller(claims, nonce, provider, now)


def _caller(claims: dict[str, Any], nonce: str, provider: Provider, now: float) -> Identity | None:
    assert provider.session is not None
    if claims["nonce"] != nonce:
        raise SessionRefused("the token is for another call")
    if claims.get("anonymous") is True:
        return None
    try:
        return identity_of(claims, provider, now + provider.session.ttl)
    except ClaimsRefused as refused:
        raise SessionRefused(str(refused)) from None


class RememberedSessions:
    """Results by the digest of their cookie, for `ttl` seconds each; bounded in number and in memory."""

    def __init__(self, source: SessionSource, count: int) -> None:
        self._ttl = source.ttl
        self._callers = RememberedCallers(count)
        self._anonymous: LRUCache[bytes, float] = LRUCache(max(count, 1))

    def get(self, digest: str, now: float) -> Identity | NotKnown | None:
        """The caller of a session, None if it has no user, NOT_KNOWN if that has to be asked."""
        key = digest.encode("ascii")
        identity = self._callers.get(key)
        if identity is not None and identity.expires_at > now:
            return identity
        until = self._anonymous.get(key)
        return None if until is not None and until > now else NOT_KNOWN

    def remember(self, digest: str, identity: Identity | None, now: float) -> None:
        """Keep a result."""
        key = digest.encode("ascii")
        if identity is None:
            self._anonymous[key] = now + self._ttl
        else:
            self._anonymous.pop(key, None)
            self._callers.remember(key, identity)

    def forget(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Forget results by digests of cookies, and by the subjects of their callers."""
        for digest in sessions:
            self._callers.pop(digest.encode("ascii"), None)
            self._anonymous.pop(digest.encode("ascii"), None)
        if subjects:
            for key in [key for key, identity in self._callers.items() if identity.subject in subjects]:
                del self._callers[key]
