"""A database of orders, and the environment of a service whose neighbours are not there."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.engine import Engine

from orders_service.database import open_engine
from orders_service.migrate import migrate
from orders_service.settings import Settings, read_settings

ISSUER = "https://id.shop.example"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Issuer:
    """Signs tokens as the shop does, or in any wrong way that a test wants."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "key-1"

    def jwk(self, **changes: Any) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        members = {"kty": "RSA", "n": public["n"], "e": public["e"], "kid": self.kid, "use": "sig"}
        return {name: value for name, value in (members | changes).items() if value is not None}

    def document(self) -> bytes:
        return json.dumps({"keys": [self.jwk()]}).encode()

    def token(self, subject: str = "user-1") -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": subject, "aud": "shop", "iat": now, "exp": now + 60, "scope": "orders"}
        return jwt.encode(claims, self.key, "RS256", headers={"kid": self.kid})


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def variables(tmp_path: Path, issuer: Issuer) -> dict[str, str]:
    """The environment of a service whose database is migrated; nothing listens where it looks for other services."""
    (tmp_path / "jwks.json").write_bytes(issuer.document())
    variables = {
        "JWKS": str(tmp_path / "jwks.json"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/var/orders.sqlite3",
        "SIGNING_KEYS": f"{tmp_path}/var/signing-key.pem",
        "PORT": "0",
    } | {f"{name}_URL": "http://127.0.0.1:1" for name in ("INVENTORY", "PAYMENTS", "CATALOG")}
    engine = open_engine(variables["DATABASE_URL"])
    migrate(engine)
    engine.dispose()
    return variables


@pytest.fixture
def settings(variables: dict[str, str]) -> Settings:
    return read_settings(variables)


@pytest.fixture
def engine(variables: dict[str, str]) -> Iterator[Engine]:
    engine = open_engine(variables["DATABASE_URL"])
    yield engine
    engine.dispose()
