"""A payments service in this process, the fake provider as a process, and keys to make service tokens."""

import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from payments_service.app import build_app
from payments_service.database import open_engine
from payments_service.migrate import migrate
from payments_service.settings import Settings, read_settings

from .sides import serving

PAYMENTS = Path(__file__).parents[1]
SECRET = "webhook-secret"


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
        claims = {"iss": "orders", "sub": "orders", "aud": "payments", "iat": now, "exp": now + 60}
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        # Not `jwt.encode`, which refuses to make what a test of refusals needs.
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.key, "RS256", headers={"typ": "JWT", "kid": kid or self.kid})


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


class ProviderProcess:
    """The fake provider, as a process."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def control(self, **values: str) -> None:
        httpx.post(f"{self.url}/control", json=values).raise_for_status()

    def charge(self, key: str) -> dict[str, Any] | None:
        """What the provider knows by an idempotency key."""
        charges = httpx.get(f"{self.url}/ledger").json()["charges"]
        return next((charge for charge in charges if charge["key"] == key), None)

    def charges_of(self, reference: str) -> list[dict[str, Any]]:
        charges = httpx.get(f"{self.url}/ledger").json()["charges"]
        return [charge for charge in charges if charge["reference"] == reference]


@pytest.fixture(scope="session")
def provider_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderProcess]:
    folder = tmp_path_factory.mktemp("provider")
    variables = {"PORT": "0", "PROVIDER_API_KEY": "key", "WEBHOOK_SECRET": SECRET, "PYTHONPATH": str(PAYMENTS)}
    with serving([sys.executable, "-m", "fake_provider"], folder, variables, folder / "log") as served:
        yield ProviderProcess(served.port)


@pytest.fixture
def provider(provider_process: ProviderProcess) -> ProviderProcess:
    provider_process.control(mode="up", webhook_url="")
    return provider_process


@pytest.fixture
def variables(tmp_path: Path, issuer: Issuer, provider: ProviderProcess) -> dict[str, str]:
    """The environment of a service whose database is migrated, whose caller's keys are in a file, and that is quick."""
    (tmp_path / "jwks.json").write_bytes(issuer.document())
    variables = {
        "CALLERS": f"orders={tmp_path}/jwks.json",
        "DATABASE_URL": f"sqlite:///{tmp_path}/var/payments.sqlite3",
        "PROVIDER_URL": provider.url,
        "PROVIDER_API_KEY": "key",
        "PROVIDER_TIMEOUT_SECONDS": "1.5",
        "WEBHOOK_SECRETS": f"next-secret,{SECRET}",
        "SETTLE_PAUSE_SECONDS": "0.05",
        "BREAKER_PAUSE_SECONDS": "0.2",
        "PORT": "0",
    }
    engine = open_engine(variables["DATABASE_URL"])
    migrate(engine)
    engine.dispose()
    return variables


@pytest.fixture
def settings(variables: dict[str, str]) -> Settings:
    return read_settings(variables)


@contextlib.asynccontextmanager
async def serving_here(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service in this process."""
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://payments") as client,
    ):
        yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_here(settings) as client:
        yield client


Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def bearer(issuer: Issuer) -> Bearer:
    """Headers with a token; the arguments are those of `Issuer.token`."""
    return lambda **kwargs: {"Authorization": f"Bearer {issuer.token(**kwargs)}"}
