"""A users service in this process, with three users, and keys to make tokens for it."""

import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa

from users_service.app import build_app
from users_service.database import open_engine
from users_service.migrate import migrate
from users_service.schema import users
from users_service.settings import Settings, read_settings

ISSUER = "https://id.shop.example"

ROWS = [
    (
        1,
        "alice",
        "Alice Adler",
        "alice@shop.example",
        False,
        True,
        datetime(2025, 11, 1, 9, 0, 0, 999999, UTC),
    ),
    (2, "zoë", "Zoë Ångström", "zoe@shop.example", True, True, datetime(2025, 11, 2, 9, 7, tzinfo=UTC)),
    (3, "gone", "Gone Girl", "gone@shop.example", False, False, datetime(2025, 11, 3, tzinfo=UTC)),
]


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

    def token(
        self, subject: object = "user-1", scope: object = "profile", *, kid: str | None = None, **changes: Any
    ) -> str:
        """A token; a claim given as None is left out."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": subject, "aud": "shop", "iat": now, "exp": now + 60, "scope": scope}
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        header = {"kid": kid or self.kid}
        # Not `jwt.encode`, which refuses to make what a test of refusals needs.
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.key, "RS256", headers={"typ": "JWT", **header})


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def settings(tmp_path: Path, issuer: Issuer) -> Settings:
    """Of a service whose database is migrated and filled, and whose keys are in a file."""
    (tmp_path / "jwks.json").write_bytes(issuer.document())
    settings = read_settings(
        {"JWKS": str(tmp_path / "jwks.json"), "DATABASE_URL": f"sqlite:///{tmp_path}/var/users.sqlite3"}
    )
    engine = open_engine(settings.database_url)
    migrate(engine)
    names = ("id", "name", "full_name", "email", "is_staff", "is_active", "created_at")
    with engine.begin() as connection:
        connection.execute(sa.insert(users), [dict(zip(names, row, strict=True)) for row in ROWS])
    engine.dispose()
    return settings


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://users") as client,
    ):
        yield client


Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def bearer(issuer: Issuer) -> Bearer:
    """Headers with a token; the arguments are those of `Issuer.token`."""
    return lambda *args, **kwargs: {"Authorization": f"Bearer {issuer.token(*args, **kwargs)}"}
