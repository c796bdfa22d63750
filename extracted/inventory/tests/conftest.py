"""An inventory service in this process, with three products, and keys to make service tokens for it."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa

from inventory_service.app import build_app
from inventory_service.database import open_engine
from inventory_service.migrate import migrate
from inventory_service.schema import stock
from inventory_service.settings import Settings, read_settings

STOCK = {1: 17, 2: 3, 3: 0}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Issuer:
    """Signs service tokens as the orders service does, or in any wrong way that a test wants."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "key-1"

    def jwk(self, **changes: Any) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        members = {"kty": "RSA", "n": public["n"], "e": public["e"], "kid": self.kid, "use": "sig"}
        return {name: value for name, value in (members | changes).items() if value is not None}

    def document(self) -> bytes:
        return json.dumps({"keys": [self.jwk()]}).encode()

    def token(self, *, kid: str | None = None, **changes: Any) -> str:
        """A token; a claim given as None is left out."""
        now = int(time.time())
        claims = {"iss": "orders", "sub": "orders", "aud": "inventory", "iat": now, "exp": now + 60}
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        # Not `jwt.encode`, which refuses to make what a test of refusals needs.
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.key, "RS256", headers={"typ": "JWT", "kid": kid or self.kid})


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def settings(tmp_path: Path, issuer: Issuer) -> Settings:
    """Of a service whose database is migrated and filled, and whose caller's keys are in a file."""
    (tmp_path / "jwks.json").write_bytes(issuer.document())
    settings = read_settings(
        {"CALLERS": f"orders={tmp_path}/jwks.json", "DATABASE_URL": f"sqlite:///{tmp_path}/var/inventory.sqlite3"}
    )
    engine = open_engine(settings.database_url)
    migrate(engine)
    with engine.begin() as connection:
        rows = [{"product_id": product, "available": count, "reserved": 0} for product, count in STOCK.items()]
        connection.execute(sa.insert(stock), rows)
    engine.dispose()
    return settings


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://inventory") as client,
    ):
        yield client


Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def bearer(issuer: Issuer) -> Bearer:
    """Headers with a token; the arguments are those of `Issuer.token`."""
    return lambda **kwargs: {"Authorization": f"Bearer {issuer.token(**kwargs)}"}
