"""What every contender is asked to do: the same routes, tokens, split and origin.

Facts that the figures depend on, in one place:

- Tokens are RS256 with a 2048-bit key, valid for a day. A contender that remembers
  verified tokens verifies each once; others verify it each time. How many tokens
  there are is what rows differ in (traffic).
- Requests go round over all routes, so that no contender profits from having
  matched the same path just before.
- Every caller's side is a stable function of the claim `sub`, 25 % extracted.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://id.bench.example"
AUDIENCE = "bench"
KEY_ID = "bench-1"
ROUTES = 30
PERCENT = 25
# The subject of the load's token. Which side it falls on differs between
# contenders (each has its own hash) and costs the same: both sides are one nginx.
SUBJECT = "user-17"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A signing key of this run and what the contenders need to check its tokens."""

    private_key: rsa.RSAPrivateKey = field(repr=False)
    public_pem: bytes
    jwks: str

    @classmethod
    def create(cls) -> Credentials:
        """A fresh RSA key; nothing of it outlives the run."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        public |= {"kid": KEY_ID, "use": "sig", "alg": "RS256"}
        public.pop("key_ops", None)
        return cls(
            private_key=key,
            public_pem=key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            jwks=json.dumps({"keys": [public]}),
        )

    def token(self, subject: str = SUBJECT, *, lifetime: float = 86_400) -> str:
        """A signed token for `subject` that expires in `lifetime` seconds (negative: it has expired)."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + int(lifetime),
            "scope": "catalog:read orders:read",
        }
        return jwt.encode(claims, self.private_key, algorithm="RS256", headers={"kid": KEY_ID})


def prefixes(count: int) -> tuple[str, ...]:
    """The path prefixes of `count` routes, each ending in a slash."""
    width = max(2, len(str(count - 1)))
    return tuple(f"/api/service{number:0{width}d}/" for number in range(count))


def targets(count: int) -> tuple[str, ...]:
    """One request target below each of the `count` routes."""
    return tuple(f"{prefix}items/42?page=2" for prefix in prefixes(count))


@dataclass(frozen=True, slots=True)
class Certificate:
    """What contenders present to TLS clients: an ECDSA P-256 certificate. `both` holds both in one file."""

    certificate: Path
    key: Path
    both: Path

    @classmethod
    def create(cls, directory: Path) -> Certificate:
        """A fresh certificate for loopback in files of `directory`, which is made."""
        directory.mkdir()
        issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
        made = cls(directory / "server.pem", directory / "server.key", directory / "both.pem")
        issued.cert_chain_pems[0].write_to_path(made.certificate)
        issued.private_key_pem.write_to_path(made.key)
        issued.private_key_and_cert_chain_pem.write_to_path(made.both)
        return made


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything a contender needs to know to write its configuration.

    `job` is "bare" (plain proxying to `legacy`, no access log), "full" (token,
    routes, split, headers, access log), "stream" (bare, made for large bodies) or
    "shadow" (the full job in another stage, a token not required). With `certificate`
    clients use TLS.
    """

    job: str
    directory: Path
    port: int
    admin_port: int
    legacy_port: int
    extracted_port: int
    credentials: Credentials
    routes: int = ROUTES
    certificate: Certificate | None = None

    @property
    def url(self) -> str:
        """Where the contender listens."""
        return f"{'http' if self.certificate is None else 'https'}://127.0.0.1:{self.port}"

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the contender's own folder."""
        path = self.directory / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path
