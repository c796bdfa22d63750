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
    RememberedSessions,
    SessionRefused,
    caller_in,
    digest_of,
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


def caller(subject: str) -> Identity:
    """A caller until second 60."""
    return Identity(subject, None, frozenset(), {}, 60.0)


def test_results_are_remembered_for_the_ttl() -> None:
    remembered = RememberedSessions(SOURCE, 10)
    alice, nobody = digest_of("one"), digest_of("two")
    remembered.remember(alice, caller("alice"), 0.0)
    remembered.remember(nobody, None, 0.0)
    known = remembered.get(alice, 59.0)
    assert isinstance(known, Identity)
    assert known.subject == "alice"
    assert remembered.get(nobody, 59.0) is None
    assert remembered.get(alice, 60.0) is NOT_KNOWN
    assert remembered.get(nobody, 60.0) is NOT_KNOWN
    assert remembered.get(digest_of("three"), 0.0) is NOT_KNOWN


def test_results_are_forgotten_by_session_and_by_subject() -> None:
    remembered = RememberedSessions(SOURCE, 10)
    digests = [digest_of(name) for name in ("one", "two", "three", "four")]
    for digest, subject in zip(digests, ("alice", "alice", "bob", None), strict=True):
        remembered.remember(digest, caller(subject) if subject else None, 0.0)
    remembered.forget(frozenset(digests[:1] + digests[3:]), NONE)
    assert [remembered.get(digest, 1.0) is NOT_KNOWN for digest in digests] == [True, False, False, True]
    remembered.forget(NONE, frozenset({"alice"}))
    assert [remembered.get(digest, 1.0) is NOT_KNOWN for digest in digests] == [True, True, False, True]


def test_made_up_cookies_fill_no_memory() -> None:
    remembered = RememberedSessions(SOURCE, 3)
    digests = [digest_of(str(number)) for number in range(100)]
    for digest in digests:
        remembered.remember(digest, None, 0.0)
        remembered.remember(digest_of("u" + digest), caller("alice"), 0.0)
    assert sum(remembered.get(digest, 1.0) is None for digest in digests) == 3
