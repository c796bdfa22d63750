"""What all tests share: keys that are made once, and patience with a busy machine."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import settings

from tests.auth.issuing import Issuer, SigningKey

# Properties hold however long a busy machine takes to try one example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """An issuer with a key of every kind."""
    keys = [
        SigningKey("rsa-1", "RS256", rsa.generate_private_key(65537, 2048)),
        SigningKey("es-256", "ES256", ec.generate_private_key(ec.SECP256R1())),
        SigningKey("es-384", "ES384", ec.generate_private_key(ec.SECP384R1())),
        SigningKey("ed-1", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ]
    return Issuer(dict(zip(("rsa", "es256", "es384", "ed"), keys, strict=True)))
