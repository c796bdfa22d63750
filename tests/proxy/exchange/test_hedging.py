"""A second try beside the first, until one of them is answered or the time of both is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from strangler.config.load import load
from tests.proxy.in_process import Plane, Transport, run, transport_of

CONFIGURATION = """
version: 1
upstreams:
  shop:
    endpoints: ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    connections: 1
    timeouts: {response: %s, total: %s}
routes:
  - {name: all, match: {path: /**}, upstream: shop, hedging: {after: 20ms}, retries: {attempts: 0}}
access_log: {enabled: false}
"""
MIGRATION = """
version: 1
upstreams:
  legacy: {endpoints: ["http://127.0.0.1:1"]}
  extracted: {endpoints: ["http://127.0.0.1:2", "http://127.0.0.1:3"]}
migrations:
  catalog:
    from: legacy
    to: extracted
    stage: extracted
    routes: [{match: {path: /**}, hedging: {after: 100ms}, retries: {attempts: 0}}]
access_log: {enabled: false}
"""
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def plane_of(folder: Path, configuration: str) -> Plane:
    file = folder / "gateway.yaml"
    file.write_text(configuration)
    return Plane(load(file).snapshot)


async def answer(client: Transport) -> bytes:
    async with asyncio.timeout(10):
        while not client.written:
            await asyncio.sleep(0.01)
    return client.take()


async def hedged(plane: Plane) -> Transport:
    """A client whose request has gone to both endpoints."""
    client = plane.client()
    client.feed(GET)
    async with asyncio.timeout(10):
        while len(plane.busy()) < 2:
            await asyncio.sleep(0.005)
    return client


@pytest.mark.parametrize(
    ("response", "total", "detail"),
    [
        ("400ms", "60s", b"The upstream took too long to answer."),
        ("60s", "500ms", b"The request took longer than it may."),
        # The first has expired, and the second has the time that the whole request has left.
        ("400ms", "700ms", b"The request took longer than it may."),
    ],
)
def test_where_neither_endpoint_answers_the_request_fails(
    tmp_path: Path, response: str, total: str, detail: bytes
) -> None:
    async def test() -> None:
        plane = plane_of(tmp_path, CONFIGURATION % (response, total))
        client = await hedged(plane)
        answered = await answer(client)
        assert answered.startswith(b"HTTP/1.1 504 ")
        assert detail in answered
        await plane.settle()
        assert not plane.busy()
        assert all(transport_of(one).closed for one in plane.loop.connections)

    run(test)


def test_a_second_try_without_a_connection_ends_with_its_time_too(tmp_path: Path) -> None:
    async def test() -> None:
        plane = plane_of(tmp_path, CONFIGURATION % ("300ms", "60s"))
        client = plane.client()
        client.feed(GET)
        await plane.settle()
        # Whoever has the only connection of the other endpoint keeps it.
        other = plane.client()
        other.feed(GET.replace(b"GET", b"POST"))
        await plane.settle()
        assert len(plane.busy()) == 2
        assert (await answer(client)).startswith(b"HTTP/1.1 504 ")
        assert [len(pool.waiting) for pool in plane.plane.pools["shop"].endpoints] == [0, 0]

    run(test)


def test_the_second_try_has_its_own_time_after_the_first_has_expired(tmp_path: Path) -> None:
    async def test() -> None:
        plane = plane_of(tmp_path, CONFIGURATION % ("300ms", "60s"))
        client = await hedged(plane)
        async with asyncio.timeout(10):
            while len(plane.busy()) > 1:
                await asyncio.sleep(0.005)
        assert not client.written
        plane.busy()[0].feed(OK)
        assert client.take().endswith(b"ok")

    run(test)


def test_a_request_that_has_fallen_back_is_not_sent_to_its_first_upstream_again(tmp_path: Path) -> None:
    async def test() -> None:
        plane = plane_of(tmp_path, MIGRATION)
        client = plane.client()
        client.feed(GET)
        await plane.settle()
        plane.busy()[0].feed(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        await plane.settle()
        await asyncio.sleep(0.2)
        (upstream,) = [one for one in plane.loop.connections if one.exchange is not None]
        assert upstream.pool.owner.upstream.name == "legacy"
        transport_of(upstream).feed(OK)
        assert client.take().endswith(b"ok")

    run(test)
