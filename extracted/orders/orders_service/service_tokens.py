"""Service tokens: how this service says to others who calls.

Short-lived JWTs, signed with the service's own key, each for one called service. The key set that verifies them is
public (`/.well-known/jwks.json`). To rotate, put a new key first: it signs from the next start on, while the old one
stays in the set until its last token has expired.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from orders_service.key_set import ALGORITHM, LEAST_RSA_BITS

LIFETIME = 60
"""Seconds."""


class SigningKeyError(Exception):
    """A signing key is not usable; the message says which and why."""


class ServiceTokens:
    """Signs as `name`."""

    def __init__(self, name: str, keys: Sequence[RSAPrivateKey]) -> None:
        self._name = name
        self._signing = keys[0]
        members = [_jwk(key) for key in keys]
        self._kid = members[0]["kid"]
        self.jwks: dict[str, Any] = {"keys": members}
        self._tokens: dict[str, tuple[float, str]] = {}

    def token(self, audience: str) -> str:
        """A token for a called service; the same one for the first half of its life."""
        now = time.time()
        renewed_at, token = self._tokens.get(audience, (0.0, ""))
        if now >= renewed_at:
            claims = {
                "iss": self._name,
                "sub": self._name,
                "aud": audience,
                "iat": int(now),
                "exp": int(now) + LIFETIME,
            }
            token = jwt.encode(claims, self._signing, ALGORITHM, headers={"kid": self._kid})
            self._tokens[audience] = (now + LIFETIME / 2, token)
        return token


def read_keys(paths: Sequence[Path]) -> list[RSAPrivateKey]:
    """The keys in PEM files; the first one is made if it is not there. Raises `SigningKeyError`."""
    if not paths[0].exists():
        _make_key(paths[0])
    keys = []
    for path in paths:
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise SigningKeyError(f"{path}: {error}") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_RSA_BITS:
            raise SigningKeyError(f"{path}: must be an RSA key of at least {LEAST_RSA_BITS} bits")
        keys.append(key)
    return keys


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(65537, LEAST_RSA_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Whole or not at all, and for no other user to read.
    part = path.with_suffix(f".{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    part.rename(path)


def _jwk(key: RSAPrivateKey) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    # RFC 7638: the thumbprint is of exactly these members in exactly this form.
    members = {name: public[name] for name in ("e", "kty", "n")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {"kty": "RSA", "use": "sig", "alg": ALGORITHM, "kid": kid, "n": public["n"], "e": public["e"]}
