"""What counts as a bearer token at all: its shape and its size, before anything is decoded."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from strangler.auth.verify import TokenRefused
from tests.auth.issuing import NOW, Issuer, compact, encoded, refusal

NOT_COMPACT = "The token is not a signed JSON Web Token."


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_read_in_any_case(issuer: Issuer, scheme: bytes) -> None:
    credentials = scheme + issuer.credentials().removeprefix(b"Bearer")
    assert issuer.verifier().verify(credentials, NOW).subject == "user-17"


@pytest.mark.parametrize(
    "credentials",
    [b"", b" ", b"Basic dXNlcjpwYXNz", b"Bearer\tabc.def.ghi", b"Bearerabc.def.ghi", b"DPoP a.b.c", b"abc.def.ghi"],
)
def test_another_scheme_counts_as_no_token(issuer: Issuer, credentials: bytes) -> None:
    """RFC 6750 section 3.1: no error code where the client tried another way to authenticate."""
    with pytest.raises(TokenRefused) as caught:
        issuer.verifier().verify(credentials, NOW)
    assert (caught.value.status, caught.value.error) == (401, "")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a",
        "a.b",
        "a.b.",
        ".b.c",
        "a..c",
        "a.b.c.d",
        "a.b.c.d.e",
        "a b.c.d",
        "a.b.c d",
        "a.b.c\t",
        "a.b\n.c",
        "a.b.c,a.b.c",
        "a.b.c=",
        "a=.b.c",
        "a.b.c%3D",
        "a.b.+/",
        "a.b.c\x00",
        "é.b.c",
        '"a.b.c"',
        '{"payload":"a","signatures":[]}',
    ],
)
def test_a_token_of_another_form_is_refused(issuer: Issuer, token: str) -> None:
    assert refusal(issuer.verifier(), b"Bearer " + token.encode()) == NOT_COMPACT


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("change", ["padded", "standard alphabet", "inner space", "not ascii", "cut short"])
def test_a_good_token_in_another_encoding_is_refused(issuer: Issuer, part: int, change: str) -> None:
    parts = issuer.credentials("ed").removeprefix(b"Bearer ").split(b".")
    parts[part] = {
        "padded": parts[part] + b"=" * (-len(parts[part]) % 4 or 4),
        "standard alphabet": b"+/" + parts[part],
        "inner space": parts[part][:4] + b" " + parts[part][4:],
        "not ascii": parts[part] + "é".encode(),
        "cut short": parts[part][:1],
    }[change]
    refusal(issuer.verifier(), b"Bearer " + b".".join(parts))


def test_a_signature_with_stray_last_bits_is_refused(issuer: Issuer) -> None:
    """Base64 of 64 bytes leaves four bits unused: were they ignored, one token would have sixteen spellings."""
    credentials = issuer.credentials("ed")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(credentials[-1:]) + 1 :][:1]
    changed = credentials[:-1] + other
    assert base64.urlsafe_b64decode(changed.rpartition(b".")[2] + b"==") == base64.urlsafe_b64decode(
        credentials.rpartition(b".")[2] + b"=="
    )
    assert refusal(issuer.verifier(), changed) == "The token can't be verified."


def test_spaces_around_the_token_are_ignored(issuer: Issuer) -> None:
    """RFC 9110 section 11.4 allows several spaces after the scheme."""
    token = issuer.credentials().removeprefix(b"Bearer ")
    assert issuer.verifier().verify(b"Bearer   " + token, NOW).subject == "user-17"


def test_a_token_of_the_maximum_size_is_accepted(issuer: Issuer) -> None:
    credentials = issuer.credentials("ed", note="x" * 3000)
    size = len(credentials) - len(b"Bearer ")
    assert issuer.verifier(token_bytes=size).verify(credentials, NOW).subject == "user-17"
    assert refusal(issuer.verifier(token_bytes=size - 1), credentials) == "The token is too long."


def test_an_oversized_token_is_refused_before_it_is_decoded(issuer: Issuer) -> None:
    assert refusal(issuer.verifier(), b"Bearer " + b"{" * 8193) == "The token is too long."
    assert refusal(issuer.verifier(), b"Bearer " + b"{" * 8192) == NOT_COMPACT


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 3000, b'{"a":' * 800])
def test_a_header_that_is_not_a_json_object_is_refused(issuer: Issuer, header: bytes) -> None:
    credentials = compact(header or b"x", issuer.bearing(), issuer.keys["ed"].private.sign)
    assert refusal(issuer.verifier(), credentials) == "The token can't be verified."


def test_an_encrypted_token_is_refused(issuer: Issuer) -> None:
    header = encoded(b'{"alg":"RSA-OAEP","enc":"A256GCM"}')
    assert refusal(issuer.verifier(), f"Bearer {header}.a.b.c.d".encode()) == NOT_COMPACT


@pytest.mark.parametrize("part", ["header", "claims"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_signed_part_that_is_not_plain_utf_8_is_refused(issuer: Issuer, part: str, encoding: str) -> None:
    """RFC 8259 section 8.1: JSON is UTF-8 without a mark; a parser that guesses may read what another does not."""
    parts = {"header": {"alg": "ES256", "kid": issuer.keys["es256"].kid}, "claims": issuer.bearing()}
    encodings = {"header": "utf-8", "claims": "utf-8", part: encoding}
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    credentials = compact(
        *(json.dumps(value).encode(encodings[name]) for name, value in parts.items()),
        lambda signed: algorithm.sign(signed, issuer.keys["es256"].private),
    )
    assert refusal(issuer.verifier(), credentials) == "The token can't be verified."


def test_a_signed_part_may_begin_with_white_space(issuer: Issuer) -> None:
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    credentials = compact(
        b'\n {"alg": "ES256", "kid": "%b"}' % issuer.keys["es256"].kid.encode(),
        b" " + json.dumps(issuer.bearing()).encode(),
        lambda signed: algorithm.sign(signed, issuer.keys["es256"].private),
    )
    assert issuer.verifier().verify(credentials, NOW).subject == "user-17"
