"""A drain is over when the last connection is gone, whatever kind it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from strangler.config.load import load
from tests.proxy.in_process import Plane, Transport, run

CONFIGURATION = """
version: 1
proxy_protocol: true
trusted_proxies: ["192.0.2.7"]
upstreams: {shop: {endpoints: ["http://127.0.0.1:1"]}}
default: shop
access_log: {enabled: false}
"""


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 203.0", b"GET / HTTP/1.1\r\n"])
def test_a_connection_that_ends_before_it_is_introduced_ends_the_drain(tmp_path: Path, header: bytes) -> None:
    async def test() -> None:
        file = tmp_path / "gateway.yaml"
        file.write_text(CONFIGURATION)
        plane = Plane(load(file).snapshot)
        connection = plane.plane.listener.accept()
        transport = Transport(connection)
        connection.connection_made(transport)
        draining = asyncio.create_task(plane.plane.drain(60))
        await asyncio.sleep(0.05)
        assert not draining.done()
        if header:
            transport.feed(header)
        transport.close()
        async with asyncio.timeout(10):
            await draining

    run(test)
