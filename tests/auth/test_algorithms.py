"""Which signatures count: algorithms come from the configuration and belong to a key (checklist 43 and 44)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strangler.auth.verify import Verifier
from tests.auth.issuing import NOW, Issuer, compact, refusal

SECRET = b"0123456789abcdef" * 4
SYMMETRIC: dict[str, Any] = {"algorithms": ("HS256", "HS384", "HS512"), "jwks_file": None, "secret": SECRET}


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [("rsa", "RS256"), ("rsa", "PS256"), ("es256", "ES256"), ("es384", "ES384"), ("ed", "EdDSA")],
)
def test_a_configured_algorithm_is_accepted(issuer: Issuer, key: str, algorithm: str) -> None:
    assert issuer.verifier().verify(issuer.credentials(key, algorithm=algorithm), NOW).subject == "user-17"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_shared_secret_is_accepted_where_it_is_configured(issuer: Issuer, algorithm: str) -> None:
    verifier = Verifier(replace(issuer.provider, **SYMMETRIC), None)
    token = jwt.encode(issuer.bearing(), SECRET, algorithm=algorithm, headers={"kid": "whatever"})
    assert verifier.verify(b"Bearer " + token.encode(), NOW).subject == "user-17"


def test_another_secret_is_refused(issuer: Issuer) -> None:
    verifier = Verifier(replace(issuer.provider, **SYMMETRIC), None)
    token = jwt.encode(issuer.bearing(), SECRET[::-1], algorithm="HS256")
    assert refusal(verifier, b"Bearer " + token.encode()) == "The token's signature is wrong."


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", ""])
@pytest.mark.parametrize("signature", [b"", b"x", b"\x00" * 64])
def test_an_unsigned_token_is_refused_in_every_spelling_of_none(issuer: Issuer, name: str, signature: bytes) -> None:
    credentials = compact({"alg": name, "kid": "es-256"}, issuer.bearing(), lambda _: signature)
    refusal(issuer.verifier(), credentials)


@pytest.mark.parametrize("algorithm", [None, 5, True, ["ES256"], {"ES256": 1}])
def test_an_algorithm_that_is_not_text_is_refused(issuer: Issuer, algorithm: Any) -> None:
    credentials = compact({"alg": algorithm, "kid": "es-256"}, issuer.bearing(), lambda _: b"x" * 64)
    assert refusal(issuer.verifier(), credentials) == "The token's algorithm is not accepted."


def test_a_token_without_an_algorithm_is_refused(issuer: Issuer) -> None:
    credentials = compact({"kid": "es-256"}, issuer.bearing(), lambda _: b"x" * 64)
    assert refusal(issuer.verifier(), credentials) == "The token's algorithm is not accepted."


@pytest.mark.parametrize("key", ["rsa", "es256", "ed"])
def test_an_empty_signature_is_refused(issuer: Issuer, key: str) -> None:
    signed = issuer.credentials(key).rpartition(b".")[0]
    for credentials in (signed, signed + b"."):
        assert refusal(issuer.verifier(), credentials) == "The token is not a signed JSON Web Token."


def test_a_changed_signature_is_refused(issuer: Issuer) -> None:
    for key in issuer.keys:
        signed, _, signature = issuer.credentials(key).rpartition(b".")
        changed = signed + b"." + (b"B" if signature[:1] == b"A" else b"A") + signature[1:]
        assert refusal(issuer.verifier(), changed) == "The token's signature is wrong."


def test_changed_claims_are_refused(issuer: Issuer) -> None:
    header, _, signature = issuer.credentials().split(b".")
    other = issuer.credentials(sub="root").split(b".")[1]
    assert refusal(issuer.verifier(), b".".join([header, other, signature])) == "The token's signature is wrong."


def test_an_algorithm_that_is_not_in_the_providers_list_is_refused(issuer: Issuer) -> None:
    verifier = issuer.verifier(algorithms=("RS256",))
    for key, algorithm in [("es256", "ES256"), ("ed", "EdDSA"), ("rsa", "PS256"), ("rsa", "RS384")]:
        credentials = issuer.credentials(key, algorithm=algorithm)
        assert refusal(verifier, credentials) == "The token's algorithm is not accepted."


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "modulus"])
def test_a_public_rsa_key_is_never_an_hmac_secret(issuer: Issuer, form: str) -> None:
    public = issuer.keys["rsa"].private.public_key()
    entry = issuer.keys["rsa"].public_jwk()
    secret = {
        "pem": public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(entry).encode(),
        "modulus": base64.urlsafe_b64decode(entry["n"] + "=="),
    }[form]
    credentials = compact(
        {"alg": "HS256", "kid": "rsa-1"},
        issuer.bearing(),
        lambda signed: hmac.digest(secret, signed, hashlib.sha256),
    )
    assert refusal(issuer.verifier(), credentials) == "The token's algorithm is not accepted."
    # Not even where somebody has listed both kinds, which the configuration forbids.
    both = issuer.verifier(algorithms=("RS256", "HS256"))
    assert refusal(both, credentials) == "The token's algorithm does not match its key."


@pytest.mark.parametrize(("alg", "signed_with"), [("RS256", "PS256"), ("PS256", "RS256")])
def test_a_key_that_names_its_algorithm_is_used_with_no_other(issuer: Issuer, alg: str, signed_with: str) -> None:
    verifier = issuer.verifier(issuer.keys["rsa"].public_jwk(alg=alg))
    assert verifier.verify(issuer.credentials("rsa", algorithm=alg), NOW).subject == "user-17"
    credentials = issuer.credentials("rsa", algorithm=signed_with)
    assert refusal(verifier, credentials) == "The token's algorithm does not match its key."


@pytest.mark.parametrize(("key", "kid"), [("es256", "es-384"), ("es384", "es-256"), ("ed", "es-256"), ("rsa", "ed-1")])
def test_a_key_of_another_curve_or_kind_is_not_tried(issuer: Issuer, key: str, kid: str) -> None:
    credentials = issuer.credentials(key, header={"kid": kid})
    assert refusal(issuer.verifier(), credentials) == "The token's algorithm does not match its key."


def test_es256_over_another_curve_is_refused(issuer: Issuer) -> None:
    header = {"alg": "ES256", "kid": "es-384"}
    es384 = jwt.get_algorithm_by_name("ES384")
    credentials = compact(header, issuer.bearing(), lambda signed: es384.sign(signed, issuer.keys["es384"].private))
    assert refusal(issuer.verifier(), credentials) == "The token's algorithm does not match its key."


@pytest.mark.parametrize("zeros", [1, 32, 66])
def test_an_ecdsa_signature_of_zeros_is_refused(issuer: Issuer, zeros: int) -> None:
    credentials = compact({"alg": "ES256", "kid": "es-256"}, issuer.bearing(), lambda _: bytes(zeros * 2))
    assert refusal(issuer.verifier(), credentials) == "The token's signature is wrong."


def test_the_signature_of_a_strangers_key_is_refused(issuer: Issuer) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode(issuer.bearing(), stranger, algorithm="ES256", headers={"kid": "es-256"})
    assert refusal(issuer.verifier(), b"Bearer " + token.encode()) == "The token's signature is wrong."
