"""One gateway with two workers for all tests that leave it as it is, before upstreams that record."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer

NEW_ISSUER = "https://new-id.shop.example"
SHORT = {"connect": "400ms", "response": "400ms", "idle": "400ms"}


@dataclass(frozen=True)
class System:
    """A gateway, the upstreams behind it, and the issuer whose tokens it takes."""

    gateway: GatewayProcess
    legacy: RecordingUpstream
    extracted: RecordingUpstream
    issuer: Issuer


def provider(jwks: str, **changes: Any) -> dict[str, Any]:
    """The section of a provider that takes the test issuer's tokens."""
    return {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks": jwks, **changes}


def route(name: str, upstream: str = "legacy", **auth: Any) -> dict[str, Any]:
    """The section of a route for everything below `/name/`."""
    section: dict[str, Any] = {"name": name, "match": {"path": f"/{name}/**"}, "upstream": upstream}
    return {**section, "auth": auth} if auth else section


def shared_configuration(legacy: RecordingUpstream, extracted: RecordingUpstream, nobody: str) -> dict[str, Any]:
    """What the shared gateway runs by; at `nobody` no one listens."""
    return {
        "auth": {
            "providers": {
                "shop": provider("jwks.json"),
                "passing": provider("jwks.json", forward_token=True),
                "successor": provider("jwks.json", issuer=NEW_ISSUER, audience="new shop", forward_token=True),
                "keyless": provider(f"{nobody}/jwks.json"),
            }
        },
        "upstreams": {
            "legacy": {"endpoints": [legacy.url]},
            "extracted": {"endpoints": [extracted.url]},
            "impatient": {"endpoints": [legacy.url], "timeouts": SHORT},
            "half": {"endpoints": [nobody, legacy.url]},
            "dead": {"endpoints": [nobody, nobody.replace("127.0.0.1", "localhost")]},
        },
        "default": "legacy",
        "routes": [
            route("private", provider="shop"),
            route("optional", provider="shop", required=False),
            route("either", provider=["shop", "successor"]),
            route("scoped", provider="shop", scopes=["orders:write"]),
            route("passing", provider="passing"),
            route("keyless", provider="keyless"),
            route("impatient", "impatient"),
            route("half", "half"),
            route("dead", "dead"),
        ],
        "migrations": {
            "catalog": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": 50, "sticky": ["claim:sub", "visitor"]},
                "always": ["claim:tenant=acme"],
                "never": ["claim:tenant=careful"],
                "override": {"header": "X-Side", "permitted": "scope:migrations"},
                "auth": {"provider": "shop", "required": False},
                "routes": [{"name": "products", "match": {"path": "/catalog/**"}}],
            },
        },
    }


@pytest.fixture(scope="session")
def nobody() -> Iterator[str]:
    """The URL of a port at which connections are refused, kept from being given to anybody else."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """The issuer with a fresh key."""
    return Issuer()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer, nobody: str) -> Iterator[System]:
    """The shared gateway; tests use paths of their own and leave everything else as it is."""
    folder = tmp_path_factory.mktemp("gateway")
    issuer.write_key_set(folder)
    with RecordingUpstream("legacy") as legacy, RecordingUpstream("extracted") as extracted:
        configuration = shared_configuration(legacy, extracted, nobody)
        with GatewayProcess(folder, configuration, workers=2, fresh=True) as gateway:
            yield System(gateway, legacy, extracted, issuer)
        assert not legacy.failed, legacy.failed
        assert not extracted.failed, extracted.failed


Start = Callable[..., GatewayProcess]


@pytest.fixture
def start(tmp_path: Path, issuer: Issuer) -> Iterator[Start]:
    """Starts gateways of a test's own, with the issuer's `jwks.json` beside the configuration."""
    issuer.write_key_set(tmp_path)
    with ExitStack() as running:

        def started(config: Mapping[str, Any], **options: Any) -> GatewayProcess:
            return running.enter_context(GatewayProcess(tmp_path, config, **options))

        yield started


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    """An upstream of a test's own."""
    with RecordingUpstream("legacy") as recording:
        yield recording
        assert not recording.failed, recording.failed
