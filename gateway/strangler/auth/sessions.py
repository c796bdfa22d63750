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
READ_LINES, READ_BYTES = 2048, 4096
"""How many Cookie fields are remembered with the session in them, and how long each of them is at most."""


class SessionCookie:
    """The value of a session cookie, and its digest, by which it is known to the app and remembered here."""

    __slots__ = ("digest", "key", "value")

    def __init__(self, value: str) -> None:
        self.value = value
        self.digest = hashlib.sha256(value.encode("latin-1")).hexdigest()
        self.key = self.digest.encode("ascii")

    def __repr__(self) -> str:
        return f"<SessionCookie {self.digest[:12]}>"


class UnknownSession(Exception):
    """The session of `cookie` is not known; its project has to be asked."""

    def __init__(self, provider: str, cookie: SessionCookie) -> None:
        super().__init__("the session has to be asked for")
        self.provider = provider
        self.cookie = cookie


class SeveralSessions(Exception):
    """A request has different values of the session cookie; servers differ in which they read."""


class CookieReader:
    """Finds the session cookie among a request's fields.

    A browser sends the same field with each request, and reading it costs ten
    times as much as all else that is done for a remembered session. So the
    newest fields are remembered, as bearer tokens are.
    """

    def __init__(self, name: str) -> None:
        self._name = name.encode("latin-1")
        self._read: dict[bytes, SessionCookie | None] = {}

    def __call__(self, lines: list[bytes]) -> SessionCookie | None:
        """The cookie in the field lines of a request, None without a usable one. Raises SeveralSessions."""
        field = b""
        for line in lines:
            if line[:7] in _COOKIE or line[:7].lower() == b"cookie:":
                # Several fields are allowed in HTTP/2, and joined like this where it becomes HTTP/1.1.
                field = field + b";" + line[7:] if field else line[7:]
        if not field:
            return None
        try:
            return self._read[field]
        except KeyError:
            cookie = self._cookie(field)
        if len(field) <= READ_BYTES:
            if len(self._read) >= READ_LINES:
                self._read.clear()
            self._read[field] = cookie
        return cookie

    def _cookie(self, field: bytes) -> SessionCookie | None:
        values = set()
        for pair in field.split(b";"):
            key, _, value = pair.strip(b" \t\r\n").partition(b"=")
            if key == self._name:
                values.add(value.strip(b'"'))
        values.discard(b"")
        if len(values) > 1:
            raise SeveralSessions
        value = values.pop() if values else b""
        return SessionCookie(value.decode("latin-1")) if 0 < len(value) <= COOKIE_BYTES else None


_COOKIE = frozenset({b"Cookie:", b"cookie:"})


class SessionRefused(Exception):
    """The response to a call is not one that the app signed for it; the text says why."""


class NotKnown:
    """The type of NOT_KNOWN."""


NOT_KNOWN: Final = NotKnown()
"""Nothing is remembered of a session; None is the result that it has no user."""


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
    """Results by the key of their cookie, for `ttl` seconds each; bounded in number and in memory."""

    def __init__(self, source: SessionSource, count: int) -> None:
        self._ttl = source.ttl
        self._callers = RememberedCallers(count)
        self._anonymous: LRUCache[bytes, float] = LRUCache(max(count, 1))

    def get(self, key: bytes, now: float) -> Identity | NotKnown | None:
        """The caller of a session, None if it has no user, NOT_KNOWN if that has to be asked."""
        identity = self._callers.get(key)
        if identity is not None and identity.expires_at > now:
            return identity
        until = self._anonymous.get(key)
        return None if until is not None and until > now else NOT_KNOWN

    def remember(self, key: bytes, identity: Identity | None, now: float) -> None:
        """Keep a result."""
        if identity is None:
            self._anonymous[key] = now + self._ttl
        else:
            self._anonymous.pop(key, None)
            self._callers.remember(key, identity)

    def forget(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Forget results by digests of cookies, and by the subjects of their callers."""
        for digest in sessions:
            self._callers.forget(digest.encode("ascii"))
            self._anonymous.pop(digest.encode("ascii"), None)
        if subjects:
            self._callers.forget_subjects(subjects)
