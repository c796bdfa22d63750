"""What a token's own header may say: which key of the set, and nothing else (checklist 45)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from strangler.auth.verify import NoKeys, UnknownKey, Verifier
from tests.auth.issuing import NOW, PROVIDER, Issuer, SigningKey, compact, refusal


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["x"], [], "exp", None, {}, [1], [["exp"]]])
def test_a_critical_extension_is_refused_whatever_it_is(issuer: Issuer, crit: Any) -> None:
    refusal(issuer.verifier(), issuer.credentials(header={"crit": crit, "x": 1}))


@pytest.mark.parametrize("encoding", [False, True, None, 0])
def test_the_b64_header_is_refused(issuer: Issuer, encoding: Any) -> None:
    """RFC 7797: where `b64` is false, what is signed is not what is decoded."""
    header = {"alg": "EdDSA", "kid": "ed-1", "b64": encoding}
    credentials = compact(header, issuer.bearing(), issuer.keys["ed"].private.sign)
    refusal(issuer.verifier(), credentials)


def test_irrelevant_header_fields_are_ignored(issuer: Issuer) -> None:
    header = {"typ": "at+jwt", "cty": "x", "x5t": "AAAA", "x5t#S256": "AAAA", "anything": {"else": [1]}}
    assert issuer.verifier().verify(issuer.credentials(header=header), NOW).subject == "user-17"


@pytest.mark.parametrize(
    "kid",
    [
        "unknown",
        "",
        "ES-256",
        " es-256",
        "es-256 ",
        "../../../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "https://evil.example/key",
        "' OR '1'='1",
        "es-256' UNION SELECT 'x",
        "es-256\x00",
        "| cat /etc/passwd",
        "é\ud800",
        "0",
        "k" * 4000,
    ],
)
def test_a_key_id_is_looked_up_and_nothing_else(issuer: Issuer, kid: str) -> None:
    with pytest.raises(UnknownKey) as caught:
        issuer.verifier().verify(issuer.credentials(header={"kid": kid}), NOW)
    assert caught.value.kid == kid


@pytest.mark.parametrize("kid", [None, 0, 1.5, True, ["es-256"], {"es-256": 1}, [], {}])
def test_a_key_id_that_is_not_text_is_refused(issuer: Issuer, kid: Any) -> None:
    signer = issuer.keys["ed"]
    credentials = compact({"alg": "EdDSA", "kid": kid}, issuer.bearing(), signer.private.sign)
    assert refusal(issuer.verifier(), credentials) == "The token can't be verified."


def test_without_a_key_id_the_only_key_of_the_set_counts(issuer: Issuer) -> None:
    signer = issuer.keys["ed"]
    credentials = compact({"alg": "EdDSA"}, issuer.bearing(), signer.private.sign)
    assert issuer.verifier(signer.public_jwk()).verify(credentials, NOW).subject == "user-17"
    assert issuer.verifier(signer.public_jwk(kid=None)).verify(credentials, NOW).subject == "user-17"


def test_without_a_key_id_several_matching_keys_verify_nothing(issuer: Issuer) -> None:
    credentials = compact({"alg": "EdDSA"}, issuer.bearing(), issuer.keys["ed"].private.sign)
    other = SigningKey("ed-2", "EdDSA", ed25519.Ed25519PrivateKey.generate())
    verifier = issuer.verifier(issuer.keys["ed"].public_jwk(), other.public_jwk())
    assert refusal(verifier, credentials) == "The token does not name its key."


def test_an_empty_key_id_is_not_a_missing_one(issuer: Issuer) -> None:
    verifier = issuer.verifier(issuer.keys["ed"].public_jwk(kid=None))
    with pytest.raises(UnknownKey):
        verifier.verify(issuer.credentials("ed"), NOW)


@pytest.mark.parametrize("keys", ["none yet", "none usable"])
def test_without_any_key_nothing_is_accepted(issuer: Issuer, keys: str) -> None:
    weak = issuer.keys["es256"].public_jwk(use="enc")
    verifier = Verifier(PROVIDER, None if keys == "none yet" else issuer.key_set(weak))
    with pytest.raises(NoKeys):
        verifier.verify(issuer.credentials(), NOW)
