"""Whatever a token holds, the answer is an identity or one of the three documented refusals, never a crash."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from strangler.auth.identity import Identity
from strangler.auth.verify import NoKeys, TokenRefused, UnknownKey, Verifier
from tests.auth.issuing import NOW, PROVIDER, Issuer, compact

SECRET = b"0123456789abcdef" * 4
SYMMETRIC = replace(PROVIDER, algorithms=("HS256",), jwks_file=None, secret=SECRET)
GOOD = {"iss": PROVIDER.issuer, "aud": "shop", "sub": "user-17", "exp": NOW + 60, "scope": "a b"}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from([NOW, NOW + 60, str(NOW), "shop", PROVIDER.issuer, "HS256", "none", "ES256", "es-256", "JWT"])
)
NAMES = st.sampled_from([*GOOD, "nbf", "iat", "jti", "scp", "alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5c"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def outcome(verifier: Verifier, credentials: bytes) -> Identity | Exception:
    """What verify() comes to; what it does not document passes through and fails the test."""
    try:
        return verifier.verify(credentials, NOW)
    except (TokenRefused, UnknownKey, NoKeys) as refused:
        str(refused).encode("ascii")
        return refused


def hs256(signed: bytes) -> bytes:
    return hmac.digest(SECRET, signed, hashlib.sha256)


@settings(max_examples=500, deadline=None)
@given(header=OBJECTS, claims=OBJECTS)
def test_signed_tokens_with_anything_in_them(header: dict[str, Any], claims: dict[str, Any]) -> None:
    verifier = Verifier(SYMMETRIC, None)
    found = outcome(verifier, compact({"alg": "HS256", **header}, {**GOOD, **claims}, hs256))
    if isinstance(found, Identity):
        said = {**GOOD, **claims}
        assert found.subject == str(said["sub"])
        assert said["iss"] == PROVIDER.issuer
        assert "shop" in ([said["aud"]] if isinstance(said["aud"], str) else said["aud"])
        assert said["exp"] > NOW - PROVIDER.leeway
        assert found.header_lines.count(b"\r\n") == 3
        assert found.header_lines.isascii()


@settings(max_examples=200, deadline=None)
@given(header=OBJECTS)
def test_any_header_selects_nothing_but_a_key(issuer: Issuer, header: dict[str, Any]) -> None:
    fields = {"alg": "EdDSA", "kid": "ed-1", **header}
    found = outcome(issuer.verifier(), compact(fields, GOOD, issuer.keys["ed"].private.sign))
    if isinstance(found, Identity):
        assert (fields["alg"], fields["kid"]) == ("EdDSA", "ed-1")
    else:
        assert isinstance(found, TokenRefused | UnknownKey)


@settings(max_examples=300, deadline=None)
@given(header=st.binary(max_size=40), claims=st.binary(max_size=40), plain=st.booleans())
@example(header=b'{"alg":"HS256"}', claims=b"[" * 2000, plain=False)
@example(header=b'{"alg":"HS256","a":' + b"[" * 2000, claims=b"{}", plain=False)
@example(header=b'{"alg":"HS256"}', claims=b'{"exp":1e400}', plain=False)
@example(header=b'{"alg":"HS256"}', claims=json.dumps(GOOD).encode("utf-16"), plain=False)
def test_signed_bytes_of_any_kind(header: bytes, claims: bytes, plain: bool) -> None:
    outcome(Verifier(SYMMETRIC, None), compact(header, GOOD if plain else claims, hs256))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.from_regex(rb"[Bb]earer +[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,4}"))
def test_credentials_of_any_kind_are_never_accepted(issuer: Issuer, credentials: bytes) -> None:
    assert not isinstance(outcome(issuer.verifier(), credentials), Identity)
