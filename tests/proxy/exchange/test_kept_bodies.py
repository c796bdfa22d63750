"""What is kept of a request's body to send it again: all of it or nothing, at a cost that grows with it alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.exchange.attempts import Attempts
from tests.proxy.in_process import Plane, run

CONFIGURATION = """
version: 1
upstreams: {shop: {endpoints: ["http://127.0.0.1:1", "http://127.0.0.1:2"]}}
routes: [{name: all, match: {path: /**}, upstream: shop, retries: {methods: [PUT], body: 10000}}]
access_log: {enabled: false}
"""
PUT = b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Part(bytes):
    """Counts how often it is asked for its length."""

    asked = 0

    def __len__(self) -> int:
        Part.asked += 1
        return super().__len__()


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """An upstream of two endpoints, and a route that keeps 10,000 bytes of a body."""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIGURATION)
    return load(file).snapshot


def test_each_part_is_counted_once(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(PUT)
        await plane.settle()
        exchange = cast(ClientConnection, client.protocol).exchange
        assert exchange is not None
        attempts = exchange.attempts
        assert isinstance(attempts, Attempts)
        Part.asked = 0
        for _ in range(500):
            attempts.keep_body([Part(b"x")])
        assert attempts.kept is not None
        assert Part.asked == 500

    run(test)


@pytest.mark.parametrize(("parts", "status"), [(1400, b" 200 "), (1700, b" 502 ")])
def test_a_body_of_many_parts_is_sent_again_where_all_of_it_is_kept(
    snapshot: Snapshot, parts: int, status: bytes
) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(PUT)
        await plane.settle()
        (first,) = plane.busy()
        first.take()
        for _ in range(parts):
            client.feed(b"1\r\nx\r\n")
        client.feed(b"0\r\n\r\n")
        sent = first.take()
        assert sent.count(b"x") == parts
        first.close()
        await plane.settle()
        async with asyncio.timeout(10):
            while not (client.written or plane.busy()):
                await asyncio.sleep(0.01)
        for again in plane.busy():
            assert again.take().endswith(sent)
            again.feed(OK)
        assert status in client.take()[:14]

    run(test)
