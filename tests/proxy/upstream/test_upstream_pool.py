"""Which endpoints get requests while the endpoints, or what is known of them, change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from tests.proxy.in_process import Plane, run


@pytest.fixture
def snapshot_of(tmp_path: Path) -> Callable[..., Snapshot]:
    """Compiles a configuration with one upstream, `shop`, of two endpoints."""

    def compiled(**upstream: Any) -> Snapshot:
        file = tmp_path / "gateway.yaml"
        shop = {"endpoints": ["http://127.0.0.1:1", "http://127.0.0.1:2"], **upstream}
        file.write_text(
            json.dumps({"version": 1, "upstreams": {"shop": shop}, "default": "shop", "access_log": {"enabled": False}})
        )
        return load(file, {}).snapshot

    return compiled


def at(*ports: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"http://127.0.0.1:{port}", "127.0.0.1", port, b"shop") for port in ports)


def chosen(plane: Plane) -> set[int]:
    """The ports that a few hundred requests would go to."""
    pool = plane.plane.pools["shop"]
    return {pool.next(None).endpoint.port for _ in range(300)}


@pytest.mark.parametrize("policy", ["round_robin", "least_requests"])
def test_while_one_warms_up_requests_go_to_those_that_are_available_alone(
    snapshot_of: Callable[..., Snapshot], policy: str
) -> None:
    async def test() -> None:
        plane = Plane(snapshot_of(balancing={"policy": policy, "slow_start": "30s"}))
        pool = plane.plane.pools["shop"]
        pool.set_endpoints(at(1, 2, 3))
        plane.plane.now += 5
        pool.tick(plane.plane.now)
        plane.plane.set_down(frozenset({("shop", "http://127.0.0.1:1")}))
        assert chosen(plane) <= {2, 3}
        plane.plane.set_down(frozenset())
        assert chosen(plane) <= {1, 2, 3}
        pool.set_endpoints(at(1, 2, 3, 4))
        assert chosen(plane) <= {1, 2, 3, 4}
        pool.set_endpoints(at(2, 3, 5))
        assert chosen(plane) <= {2, 3, 5}
        plane.plane.now += 60
        pool.tick(plane.plane.now)
        assert chosen(plane) == {2, 3, 5}

    run(test)


def test_an_endpoint_that_two_names_mean_is_one_and_retires_as_one(snapshot_of: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Plane(snapshot_of())
        pool = plane.plane.pools["shop"]
        pool.set_endpoints(at(3, 3, 4))
        before = pool.endpoints
        assert [one.endpoint.port for one in before] == [3, 4]
        pool.set_endpoints(at(4, 5))
        assert [one.retired for one in before] == [True, False]

    run(test)


def test_what_fails_in_one_tick_is_reported_and_the_next_one_comes(
    snapshot_of: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        plane = Plane(snapshot_of())
        ticks: list[float] = []

        def expire(now: float) -> None:
            ticks.append(now)
            if len(ticks) == 1:
                raise ValueError

        monkeypatch.setattr(plane.plane.listener, "expire", expire)
        async with asyncio.timeout(10):
            while len(ticks) < 2:
                await asyncio.sleep(0.02)
        assert [type(one["exception"]) for one in reported] == [ValueError]

    run(test)
