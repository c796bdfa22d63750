"""Callers by their login session: what a response proves, and what is remembered of it."""

from __future__ import annotations

import json
from time import time
from typing import Any

import jwt
import pytest

from strangler.auth.identity import Identity
from strangler.auth.sessions import (
    AUDIENCE,
    ISSUER,
    KEY_USE,
    NOT_KNOWN,
    READ_LINES,
    CookieReader,
    RememberedSessions,
    SessionCookie,
    SessionRefused,
    SeveralSessions,
    caller_in,
)
from strangler.auth.signatures import derived_key
from strangler.model.auth import Provider, SessionSource

SECRET = b"a secret that both sides know, long enough"
SOURCE = SessionSource("monolith", SECRET, ttl=60)
PROVIDER = Provider("sessions", ISSUER, None, (), session=SOURCE, scopes_claim=("scp",))
NONE: frozenset[str] = frozenset()


def response(secret: bytes = SECRET, use: str = KEY_USE, **claims: Any) -> bytes:
    """The body of the app's response to the call with the nonce `n-1`."""
    now = int(time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60, "nonce": "n-1", "sub": "alice", **claims}
    whole = {name: value for name, value in whole.items() if value is not None}
    return json.dumps({"token": jwt.encode(whole, derived_key(secret, use), "HS256")}).encode()


def test_a_response_names_the_caller_for_the_ttl() -> None:
    caller = caller_in(200, response(scp=["orders", "two words"]), "n-1", PROVIDER, 1000.0)
    assert caller is not None
    assert (caller.subject, caller.scopes, caller.expires_at) == ("alice", {"orders"}, 1060.0)
    assert caller.header_lines.startswith(b"X-Auth-Subject: alice\r\nX-Auth-Scopes: orders\r\n")


def test_a_session_without_a_user_has_no_caller() -> None:
    assert caller_in(200, response(sub=None, anonymous=True), "n-1", PROVIDER, time()) is None


@pytest.mark.parametrize(
    ("status", "claims"),
    [
        (404, {}),
        (200, {"secret": b"another secret of thirty-two bytes"}),
        (200, {"use": "another use"}),
        (200, {"nonce": "n-2"}),
        (200, {"nonce": None}),
        (200, {"aud": "another"}),
        (200, {"iss": "another"}),
        (200, {"exp": 1000}),
        (200, {"exp": None}),
        (200, {"sub": None}),
        (200, {"sub": "a\r\nb"}),
    ],
)
def test_a_response_that_was_not_signed_for_the_call_is_refused(status: int, claims: dict[str, Any]) -> None:
    with pytest.raises(SessionRefused):
        caller_in(status, response(**claims), "n-1", PROVIDER, time())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 5}', b"\xff", b"[" * 5000])
def test_a_malformed_response_is_refused(body: bytes) -> None:
    with pytest.raises(SessionRefused):
        caller_in(200, body, "n-1", PROVIDER, time())


def key_of(cookie: str) -> bytes:
    """The key of a session cookie."""
    return SessionCookie(cookie).key


def caller(subject: str) -> Identity:
    """A caller until second 60."""
    return Identity(subject, None, frozenset(), {}, 60.0)


def test_results_are_remembered_for_the_ttl() -> None:
    remembered = RememberedSessions(SOURCE, 10)
    alice, nobody = key_of("one"), key_of("two")
    remembered.remember(alice, caller("alice"), 0.0)
    remembered.remember(nobody, None, 0.0)
    known = remembered.get(alice, 59.0)
    assert isinstance(known, Identity)
    assert known.subject == "alice"
    assert remembered.get(nobody, 59.0) is None
    assert remembered.get(alice, 60.0) is NOT_KNOWN
    assert remembered.get(nobody, 60.0) is NOT_KNOWN
    assert remembered.get(key_of("three"), 0.0) is NOT_KNOWN


def test_results_are_forgotten_by_session_and_by_subject() -> None:
    remembered = RememberedSessions(SOURCE, 10)
    digests = [key_of(name) for name in ("one", "two", "three", "four")]
    for digest, subject in zip(digests, ("alice", "alice", "bob", None), strict=True):
        remembered.remember(digest, caller(subject) if subject else None, 0.0)
    remembered.forget(frozenset(key.decode() for key in digests[:1] + digests[3:]), NONE)
    assert [remembered.get(digest, 1.0) is NOT_KNOWN for digest in digests] == [True, False, False, True]
    remembered.forget(NONE, frozenset({"alice"}))
    assert [remembered.get(digest, 1.0) is NOT_KNOWN for digest in digests] == [True, True, False, True]


def test_made_up_cookies_fill_no_memory() -> None:
    remembered = RememberedSessions(SOURCE, 3)
    digests = [key_of(str(number)) for number in range(100)]
    for number, digest in enumerate(digests):
        remembered.remember(digest, None, 0.0)
        remembered.remember(key_of(f"u{number}"), caller("alice"), 0.0)
    assert sum(remembered.get(digest, 1.0) is None for digest in digests) == 3


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([b"Cookie: sessionid=one\r\n"], "one"),
        ([b"Host: x\r\n", b"COOKIE:theme=dark;sessionid=one; a=b\r\n"], "one"),
        ([b'cookie: sessionid="one"\r\n'], "one"),
        ([b"Cookie: a=b\r\n", b"Cookie: sessionid=one\r\n"], "one"),
        ([b"Cookie: sessionid=one; sessionid=one\r\n"], "one"),
        ([b"Cookie: sessionid=a=b\r\n"], "a=b"),
        ([b"Cookie: sessionid=\xff\r\n"], "\xff"),
        ([b"Cookie: xsessionid=one; sessionidx=two\r\n"], None),
        ([b"Cookie: sessionid=\r\n"], None),
        ([b"Cookie: sessionid\r\n"], None),
        ([b"Cookie: sessionid=" + b"x" * 4097 + b"\r\n"], None),
        ([b"X-Cookie: sessionid=one\r\n"], None),
        ([], None),
    ],
)
def test_the_session_cookie_is_found(lines: list[bytes], value: str | None) -> None:
    read = CookieReader("sessionid")
    for _ in range(2):
        cookie = read(lines)
        assert (None if cookie is None else cookie.value) == value


def test_two_different_sessions_are_refused_each_time() -> None:
    read = CookieReader("sessionid")
    for lines in ([b"Cookie: sessionid=a; sessionid=b\r\n"], [b"Cookie: sessionid=a\r\n", b"Cookie: sessionid=b\r\n"]):
        for _ in range(2):
            with pytest.raises(SeveralSessions):
                read(lines)


def test_read_fields_are_bounded() -> None:
    read = CookieReader("sessionid")
    for number in range(3 * READ_LINES):
        read([b"Cookie: sessionid=%d\r\n" % number])
        read([b"Cookie: sessionid=%d; x=%b\r\n" % (number, b"x" * 5000)])
    assert len(read._read) <= READ_LINES
