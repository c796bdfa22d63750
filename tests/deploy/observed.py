"""A gateway whose configuration leads to every metric."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.certificates import Authority
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer


def configuration(legacy: str, extracted: str, nobody: str) -> dict[str, Any]:
    """Everything that has metrics of its own; at `nobody` no one listens."""
    return {
        "auth": {
            "providers": {
                "shop": {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks": "jwks.json"}
            }
        },
        "upstreams": {
            "monolith": {"endpoints": [legacy], "health": {"path": "/healthz"}, "breaker": {}},
            "catalog": {"endpoints": [extracted], "concurrency": {"limit": 100}},
            "dead": {"endpoints": [nobody]},
            "secure": {"endpoints": [nobody.replace("http:", "https:")], "tls": {"ca": "ca.crt"}},
        },
        "default": "monolith",
        "redis": {"url": nobody.replace("http:", "redis:")},
        "store": {"url": "sqlite:///store.sqlite3"},
        "migrations": {
            "catalog": {
                "from": "monolith",
                "to": "catalog",
                "stage": "shadow",
                "routes": [{"name": "products", "match": {"path": "/catalog/**"}}],
            },
            "prices": {
                "from": "monolith",
                "to": "catalog",
                "stage": "rollout",
                "rollout": {},
                "routes": [{"name": "all", "match": {"path": "/prices/**"}}],
            },
            "dead": {
                "from": "monolith",
                "to": "dead",
                "stage": "extracted",
                "fallback": {"enabled": False},
                "routes": [{"name": "all", "match": {"path": "/dead/**"}}],
            },
        },
        "routes": [
            {
                "name": "orders",
                "match": {"path": "/orders/**"},
                "upstream": "monolith",
                "auth": {"provider": "shop"},
                "rate_limits": [{"requests": 10, "per": "1s", "key": "ip"}],
            }
        ],
    }


@contextmanager
def observed_gateway(folder: Path, nobody: str) -> Iterator[GatewayProcess]:
    """The gateway with two workers, before two upstreams."""
    Issuer().write_key_set(folder)
    (folder / "ca.crt").write_bytes(Authority().pem)
    with (
        RecordingUpstream("legacy") as legacy,
        RecordingUpstream("extracted") as extracted,
        GatewayProcess(folder, configuration(legacy.url, extracted.url, nobody), workers=2) as gateway,
    ):
        yield gateway
