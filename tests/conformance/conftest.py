"""One gateway for all tables, before an upstream in the hands of the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from strangler.proxy.plane import PLAIN_PASS
from tests.conformance.tables.identity import ISSUER
from tests.conformance.wire import Wire
from tests.e2e.conftest import provider
from tests.e2e.gateway_process import GatewayProcess


@dataclass(frozen=True)
class Between:
    """A gateway, and both of its ends."""

    gateway: GatewayProcess
    wire: Wire


def configuration(port: int) -> dict[str, object]:
    """An upstream at `port`, some paths that need a token, and some that are matched in ways that could be fooled."""
    return {
        "auth": {"providers": {"shop": provider("jwks.json")}},
        "upstreams": {"legacy": {"endpoints": [f"http://127.0.0.1:{port}"]}},
        "default": "legacy",
        "access_log": {"enabled": False},
        "routes": [
            {"name": "public", "match": {"path": "/public/**"}, "upstream": "legacy"},
            {"name": "admin", "match": {"path": "/admin/**"}, "upstream": "legacy", "auth": {"provider": "shop"}},
            {
                "name": "report",
                "match": {"path": "/reports/secret"},
                "upstream": "legacy",
                "auth": {"provider": "shop"},
            },
            {
                "name": "optional",
                "match": {"path": "/optional/**"},
                "upstream": "legacy",
                "auth": {"provider": "shop", "required": False},
            },
        ],
        "limits": {"target_bytes": 8192, "header_bytes": 32_768, "header_count": 100},
    }


@contextmanager
def _started(folder: Path, environment: Mapping[str, str]) -> Iterator[Between]:
    """A gateway and its ends; one worker, so that one pool holds all upstream connections."""
    ISSUER.write_key_set(folder)
    with (
        Wire() as wire,
        GatewayProcess(folder, configuration(wire.port), fresh=True, environment=environment) as gateway,
    ):
        yield Between(gateway, wire)


@pytest.fixture(scope="session")
def as_ever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    """A gateway as it is started everywhere."""
    with _started(tmp_path_factory.mktemp("conformance"), {}) as between:
        yield between


@pytest.fixture(scope="session")
def parsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    """A gateway whose parser reads plain heads, too (decision 0028)."""
    with _started(tmp_path_factory.mktemp("parsing"), {PLAIN_PASS: "off"}) as between:
        yield between
