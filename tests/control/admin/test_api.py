"""The admin API shows what the gateway's status says, to this machine alone on loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from strangler.control.admin.api import application
from strangler.model.snapshot import Snapshot
from tests.shadow.pairs import snapshot as snapshot_in


class Gateway:
    """What the admin API is given to show."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.reason: str | None = None
        self.problems: list[str] = []

    def why_not_ready(self) -> str | None:
        return self.reason

    def degraded(self) -> list[str]:
        return self.problems

    async def metrics(self) -> bytes:
        return b"strangler_workers 2.0\n"

    async def status(self) -> dict[str, Any]:
        return {"ready": self.reason is None}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(snapshot_in(tmp_path))


def get(gateway: Gateway, path: str, host: str = "localhost") -> httpx.Response:
    """The response to a GET of `path`."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(application(gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers={"Host": host})

    return asyncio.run(request())


def test_readyz_names_the_reason_while_not_ready(gateway: Gateway) -> None:
    response = get(gateway, "/readyz")
    assert (response.status_code, response.text) == (200, "ready\n")
    gateway.reason = "draining"
    response = get(gateway, "/readyz")
    assert (response.status_code, response.text) == (503, "draining\n")


def test_readyz_fails_for_degraded_parts_only_when_strict(gateway: Gateway) -> None:
    gateway.problems = ["evidence can't be stored: disk full"]
    for query, status in (("", 200), ("?strict=0", 200), ("?strict=1", 503), ("?strict=true", 503)):
        response = get(gateway, f"/readyz{query}")
        assert response.status_code == status, query
        assert response.text == "ready\ndegraded: evidence can't be stored: disk full\n"


def test_other_paths_show_what_the_status_says(gateway: Gateway) -> None:
    assert get(gateway, "/livez").text == "live\n"
    assert get(gateway, "/metrics").text == "strangler_workers 2.0\n"
    assert get(gateway, "/status").json() == {"ready": True}
    assert [route["name"] for route in get(gateway, "/routes").json()] == ["items/one", "items/all"]


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1:9000", 200), ("[::1]:9000", 200), ("evil.example", 421), ("evil.example:80", 421)],
)
def test_on_loopback_another_host_name_is_refused(gateway: Gateway, host: str, status: int) -> None:
    assert get(gateway, "/livez", host).status_code == status
