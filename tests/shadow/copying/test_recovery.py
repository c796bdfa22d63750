"""What is compared when an attempt failed: the answer that the caller got, and nothing where the other side gave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from tests.proxy.in_process import run
from tests.shadow.copying.test_mirror import OK, Shadowed

GET = b"GET /items/1 HTTP/1.1\r\nHost: a\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


def extracted(folder: Path, **migration: Any) -> Snapshot:
    """Stage extracted, compared in reverse; the extracted side has two endpoints, on ports 2 and 3."""
    configuration = {
        "version": 1,
        "upstreams": {
            "old": {"endpoints": "http://127.0.0.1:1"},
            "new": {"endpoints": ["http://127.0.0.1:2", "http://127.0.0.1:3"]},
        },
        "migrations": {
            "items": {
                "from": "old",
                "to": "new",
                "stage": "extracted",
                "shadow": {"reverse": True},
                "routes": [{"name": "one", "match": {"path": "/items/**"}}],
                **migration,
            }
        },
        "access_log": {"enabled": False},
    }
    (folder / "gateway.yaml").write_text(json.dumps(configuration))
    return load(folder / "gateway.yaml", {}).snapshot


def test_an_answer_of_the_legacy_side_instead_is_compared_with_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        plane = Shadowed(extracted(tmp_path))
        client = plane.client()
        client.feed(GET)
        await plane.settle()
        new = [*plane.side(2), *plane.side(3)]
        new[0].feed(BUSY)
        await plane.settle()
        plane.side(1)[0].feed(OK)
        await plane.settle()
        assert client.take().startswith(b"HTTP/1.1 200 OK")
        assert plane.sent.counts == {"caller not answered": 1}
        assert not plane.sent.pairs
        assert plane.held == 0

    run(test)


def test_after_a_retry_what_the_caller_got_is_compared(tmp_path: Path) -> None:
    async def test() -> None:
        plane = Shadowed(extracted(tmp_path, retries={"statuses": [503], "backoff": 0}))
        client = plane.client()
        client.feed(GET)
        await plane.settle()
        [*plane.side(2), *plane.side(3)][0].feed(BUSY)
        await plane.settle()
        [*plane.side(2), *plane.side(3)][0].feed(OK)
        await plane.settle()
        assert client.take().startswith(b"HTTP/1.1 200 OK")
        plane.side(1)[0].feed(OK)
        await plane.settle()
        (pair,) = plane.sent.pairs
        assert (pair.extracted.status, pair.extracted.body) == (200, b"{}")
        assert plane.sent.total == 1

    run(test)
