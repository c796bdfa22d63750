"""The configuration and the keys of the fuzzed data plane."""

from __future__ import annotations

from pathlib import Path

from strangler.auth.keys import KeySet, parse_key_set
from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from tests.conformance.tables.identity import ISSUER
from tests.proxy.conftest import CONFIGURATION

KEYS: dict[str, KeySet | None] = {"shop": parse_key_set(ISSUER.key_set())}


def fuzzed_snapshot(folder: Path) -> Snapshot:
    """Two upstreams of one connection each, a migration, routes that need a token; `folder` takes the files."""
    ISSUER.write_key_set(folder)
    wider = CONFIGURATION.replace("target_bytes: 60, header_bytes: 2000", "target_bytes: 200, header_bytes: 2000")
    (folder / "gateway.yaml").write_text(
        wider.replace(
            "routes:\n  - {name: private",
            "routes:\n  - {name: optional, match: {path: /optional/**}, upstream: legacy, "
            "auth: {provider: shop, required: false}}\n"
            "  - {name: admin, match: {path: /admin/**}, upstream: legacy, auth: {provider: shop}}\n"
            "  - {name: private",
        )
    )
    return load(folder / "gateway.yaml").snapshot
