"""An issuer of the tests: a fresh key, its public set, and tokens that are right unless a test says otherwise."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "https://id.shop.example"
AUDIENCE = "shop"


class Issuer:
    """Signs ES256 tokens with one key; `kid` is its name in the key set."""

    def __init__(self, kid: str = "key-1") -> None:
        self.kid = kid
        self.private_key = ec.generate_private_key(ec.SECP256R1())

    def public_jwk(self) -> dict[str, Any]:
        """The public key as an entry of a key set."""
        entry = jwt.algorithms.ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        return {**entry, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def key_set(self, *others: Issuer) -> bytes:
        """The key set document of this key and of the `others`."""
        return json.dumps({"keys": [issuer.public_jwk() for issuer in (self, *others)]}).encode()

    def write_key_set(self, folder: Path) -> Path:
        """The file with the key set, in `folder`."""
        file = folder / "jwks.json"
        file.write_bytes(self.key_set())
        return file

    def token(self, subject: str = "user-17", *, kid: str | None = None, **claims: Any) -> str:
        """A signed token; a claim that is None is left out."""
        content = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "exp": int(time.time()) + 600,
            "scope": "orders:read",
            **claims,
        }
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(content, self.private_key, algorithm="ES256", headers={"kid": kid or self.kid})

    def bearer(self, subject: str = "user-17", *, kid: str | None = None, **claims: Any) -> str:
        """The Authorization line with such a token."""
        return f"Authorization: Bearer {self.token(subject, kid=kid, **claims)}"
