"""`strangler token`: tokens that the development key set verifies and the gateway accepts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tests.cli.conftest import ROOT, Strangler
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import RecordingUpstream

JWKS = ROOT / "config/dev/jwks.json"
KEY = ROOT / "config/dev/signing-key.pem"


def verified(token: str) -> dict[str, Any]:
    """The claims of `token`, which the development key set must verify."""
    keys = jwt.PyJWKSet.from_json(JWKS.read_text())
    claims: dict[str, Any] = jwt.decode(
        token, keys[jwt.get_unverified_header(token)["kid"]], ["RS256"], audience="shop"
    )
    return claims


def pem(private: Any, encryption: KeySerializationEncryption | None = None) -> bytes:
    """A private key as a file holds it."""
    content: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return content


def test_a_token_is_for_the_reference_system_by_default(strangler_process: Strangler) -> None:
    before = int(time.time())
    said = strangler_process("token")
    assert said.code == 0
    claims = verified(said.out.strip())
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("https://id.shop.example", "shop", "user-1")
    assert claims["scope"] == "profile orders"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 3600


def test_a_token_has_the_given_claims(strangler: Strangler) -> None:
    options = ["--subject", "user-7", "--scope", "a b", "--lifetime", "60", "--key", str(KEY)]
    said = strangler("token", *options, "--claim", "tenant=acme", "--claim", 'roles=["admin","staff"]')
    claims = verified(said.out.strip())
    assert (claims["sub"], claims["scope"], claims["tenant"]) == ("user-7", "a b", "acme")
    assert claims["roles"] == ["admin", "staff"]
    assert claims["exp"] - claims["iat"] == 60


def test_an_expired_token_can_be_issued(strangler: Strangler) -> None:
    said = strangler("token", "--lifetime", "-60", "--key", KEY)
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(said.out.strip())


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
def test_the_algorithm_is_that_of_the_key(strangler: Strangler, tmp_path: Path, private: Any, algorithm: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(private))
    token = strangler("token", "--key", file).out.strip()
    assert jwt.decode(token, private.public_key(), [algorithm], audience="shop")["sub"] == "user-1"


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"no key",
        pem(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")),
        pem(dsa.generate_private_key(1024)),
        pem(ec.generate_private_key(ec.SECP256K1())),
    ],
)
def test_a_key_that_can_not_sign_is_reported(strangler: Strangler, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    said = strangler("token", "--key", file)
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith(f"strangler: the key {file} ")


@pytest.mark.parametrize("claim", ["tenant", "=acme", "roles=[", 'roles={"a"'])
def test_an_invalid_claim_is_wrong_usage(strangler: Strangler, claim: str) -> None:
    said = strangler("token", "--key", KEY, "--claim", claim)
    assert said.code == 2
    assert said.out == ""
    assert "--claim" in said.err


def test_the_gateway_accepts_the_token(strangler: Strangler, tmp_path: Path) -> None:
    provider = {
        "issuer": "https://id.shop.example",
        "audience": "shop",
        "jwks": str(JWKS),
        "algorithms": ["RS256"],
    }
    token = strangler("token", "--subject", "user-7", "--scope", "a", "--key", KEY).out.strip()
    other = strangler("token", "--audience", "other", "--key", KEY).out.strip()
    with RecordingUpstream("shop") as upstream:
        config = {
            "auth": {"providers": {"shop": provider}},
            "upstreams": {"shop": {"endpoints": [upstream.url]}},
            "routes": [
                {"name": "r", "match": {"path": "/**"}, "upstream": "shop", "auth": {"provider": "shop", "scopes": "a"}}
            ],
        }
        with GatewayProcess(tmp_path, config) as gateway:
            assert ask(gateway.port, "/", f"Authorization: Bearer {token}").status == 200
            assert upstream.last("/").value(b"X-Auth-Subject") == b"user-7"
            assert ask(gateway.port, "/", f"Authorization: Bearer {other}").status == 401


def test_the_kid_is_that_of_the_committed_key_set(strangler: Strangler) -> None:
    token = strangler("token", "--key", KEY).out.strip()
    assert [key["kid"] for key in json.loads(JWKS.read_text())["keys"]] == [jwt.get_unverified_header(token)["kid"]]
