"""An issuer who signs tokens, right ones and odd ones, and what the gateway says to them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest

from strangler.auth.keys import KeySet, parse_key_set
from strangler.auth.verify import TokenRefused, Verifier
from strangler.model.auth import Provider

NOW = 2_000_000_000.0
"""The time of the tests, in Unix seconds; far from the machine's, whose clock must not count."""

PROVIDER = Provider(
    "shop",
    "https://id.shop.example",
    ("shop",),
    ("RS256", "PS256", "ES256", "ES384", "EdDSA"),
    jwks_file="jwks.json",
)
_JWK = {
    "RSA": jwt.algorithms.RSAAlgorithm,
    "EC": jwt.algorithms.ECAlgorithm,
    "OKP": jwt.algorithms.OKPAlgorithm,
}


@dataclass(frozen=True)
class SigningKey:
    """A private key, its `kid`, and the algorithm that it signs with."""

    kid: str
    algorithm: str
    private: Any

    def public_jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key as an entry of a key set; a field that is None is left out."""
        kty = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[self.algorithm[:2]]
        entry = {**_JWK[kty].to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, "use": "sig"}
        entry.pop("key_ops", None)
        entry |= changes
        return {name: value for name, value in entry.items() if value is not None}


@dataclass(frozen=True)
class Issuer:
    """Signs tokens that are right unless a test says otherwise, and verifies them as the gateway does."""

    keys: Mapping[str, SigningKey]
    provider: Provider = PROVIDER
    claims: Mapping[str, Any] = field(
        default_factory=lambda: {
            "iss": PROVIDER.issuer,
            "aud": "shop",
            "sub": "user-17",
            "exp": NOW + 600,
            "iat": NOW,
            "scope": "orders:read",
        }
    )

    def bearing(self, **changes: Any) -> dict[str, Any]:
        """The usual claims with `changes`; a claim that is None is left out."""
        return {name: value for name, value in {**self.claims, **changes}.items() if value is not None}

    def credentials(
        self,
        key: str = "es256",
        *,
        header: Mapping[str, Any] | None = None,
        algorithm: str | None = None,
        **changes: Any,
    ) -> bytes:
        """The value of an Authorization field whose token `key` has signed."""
        signer = self.keys[key]
        token = jwt.encode(
            self.bearing(**changes),
            signer.private,
            algorithm=algorithm or signer.algorithm,
            headers={"kid": signer.kid, **(header or {})},
        )
        return b"Bearer " + token.encode()

    def key_set(self, *entries: Mapping[str, Any]) -> KeySet:
        """A key set of `entries`, or of all public keys."""
        return parse_key_set(
            json.dumps({"keys": list(entries) or [key.public_jwk() for key in self.keys.values()]}).encode()
        )

    def verifier(self, *entries: Mapping[str, Any], **changes: Any) -> Verifier:
        """A verifier of the provider with `changes`, with the key set of `entries`."""
        return Verifier(replace(self.provider, **changes), self.key_set(*entries))


def encoded(data: bytes) -> str:
    """Base64url without padding, as in RFC 7515 section 2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> bytes:
    """The credentials of a token put together by hand; bytes stand as they are, `sign` gets what is to be signed."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = ".".join(map(encoded, parts)).encode()
    return b"Bearer " + signed + b"." + encoded(sign(signed)).encode()


def refusal(verifier: Verifier, credentials: bytes, now: float = NOW) -> str:
    """Why `verifier` refuses `credentials`, as an invalid token."""
    with pytest.raises(TokenRefused) as caught:
        verifier.verify(credentials, now)
    assert caught.value.status == 401
    assert caught.value.error == "invalid_token"
    return caught.value.detail
