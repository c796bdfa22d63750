"""Pairs for tests: what a worker would have sent."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from strangler.config.load import load
from strangler.model.migration import SideName
from strangler.model.snapshot import Snapshot
from strangler.shadow.pair import Pair, SideResponse

REQUEST = (
    b"GET /items/1?q=shown HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer abc.def.ghi\r\nX-Shadow: 1\r\n\r\n"
)


def snapshot(folder: Path, **shadow: Any) -> Snapshot:
    """A migration `items` with two routes in stage shadow, noise off and no delay unless told otherwise."""
    settings = {"confirm_after": "0s", "noise_percent": 0, "store": "values", **shadow}
    configuration = {
        "version": 1,
        "upstreams": {"old": {"endpoints": "http://127.0.0.1:1"}, "new": {"endpoints": "http://127.0.0.1:2"}},
        "default": "old",
        "migrations": {
            "items": {
                "from": "old",
                "to": "new",
                "stage": "shadow",
                "shadow": settings,
                "routes": [
                    {"name": "one", "match": {"path": "/items/{id}"}},
                    {"name": "all", "match": {"path": "/items"}},
                ],
            }
        },
        "store": {"url": "sqlite:///store.sqlite3"},
    }
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(configuration))
    return load(file, {}).snapshot


def answered(
    body: object, status: int = 200, seconds: float = 0.01, endpoint: str = "http://127.0.0.1:1"
) -> SideResponse:
    """A JSON response."""
    return SideResponse(endpoint, status, b"Content-Type: application/json\r\n", json.dumps(body).encode(), seconds)


def request_for(target: str) -> bytes:
    """A GET of `target`."""
    return b"GET %b HTTP/1.1\r\nHost: shop.example\r\nX-Shadow: 1\r\n\r\n" % target.encode()


def missing(reason: str, endpoint: str = "http://127.0.0.1:2") -> SideResponse:
    """No response, for `reason`."""
    return SideResponse(endpoint, 0, b"", b"", 0.01, reason)


def pair(
    legacy: object,
    extracted: object,
    *,
    request: bytes = REQUEST,
    status: int = 200,
    caller: int = 1,
    at: float | None = None,
    served: SideName = "legacy",
) -> Pair:
    """A pair of JSON responses, or of whole ones as they are given, to a request of the route `one`."""
    sides = [
        given if isinstance(given, SideResponse) else answered(given, status, seconds, endpoint)
        for given, seconds, endpoint in (
            (legacy, 0.01, "http://127.0.0.1:1"),
            (extracted, 0.02, "http://127.0.0.1:2"),
        )
    ]
    now = time.time() if at is None else at
    return Pair("items", "items/one", "GET /items/{id}", now, served, caller, request, "", sides[0], sides[1])


def different_pairs(count: int, legacy: object, extracted: object, first: int = 0) -> list[Pair]:
    """`count` pairs of the same responses, each of another caller who asks for something else, from the `first` on."""
    return [
        pair(legacy, extracted, request=request_for(f"/items/{number}"), caller=number)
        for number in range(first, first + count)
    ]
