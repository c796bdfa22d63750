"""A snapshot for data planes in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.snapshot import Snapshot

CONFIGURATION = """
version: 1
auth:
  providers:
    shop: {issuer: "https://id.shop.example", audience: shop, algorithms: [ES256], jwks: jwks.json}
upstreams:
  legacy: {endpoints: ["http://127.0.0.1:1"], connections: 1}
  extracted: {endpoints: ["http://127.0.0.1:2"], connections: 1}
default: legacy
migrations:
  catalog:
    from: legacy
    to: extracted
    stage: canary
    canary: {percent: 50, sticky: ["claim:sub", "header:X-Tenant"]}
    auth: {provider: shop, required: false}
    routes: [{match: {path: /catalog/**}}]
routes:
  - {name: private, match: {path: /private/**}, upstream: legacy, auth: {provider: shop}}
access_log: {enabled: false}
limits: {target_bytes: 60, header_bytes: 2000, header_count: 12}
"""


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Two upstreams of one connection each, a migration, a private route, narrow limits, no access log."""
    folder: Path = tmp_path_factory.mktemp("plane")
    (folder / "jwks.json").write_text('{"keys": []}')
    (folder / "gateway.yaml").write_text(CONFIGURATION)
    return load(folder / "gateway.yaml").snapshot
