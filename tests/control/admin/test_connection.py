"""A connection to the admin API has a deadline for each head."""

from __future__ import annotations

import asyncio
import socket
from contextlib import nullcontext

import pytest
import uvicorn
from starlette.applications import Starlette

from strangler.control.admin import connection as admin_connection

DEADLINE = 60.0


def test_an_unfinished_head_on_the_admin_port_ends_by_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_connection, "HEAD_DEADLINE", 0.3)

    def closed(port: int, *parts: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as sending:
            received = b""
            for number, part in enumerate(parts):
                if number:
                    # The response to the part before, without which the next would be read together with that.
                    received += sending.recv(65_536)
                sending.sendall(part)
            while data := sending.recv(65_536):
                received += data
            return received

    async def main() -> None:
        config = uvicorn.Config(
            Starlette(), http=admin_connection.AdminConnection, lifespan="off", log_config=None, timeout_keep_alive=60
        )
        server = uvicorn.Server(config)
        monkeypatch.setattr(server, "capture_signals", nullcontext)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(closed, port) == b""
            assert await asyncio.to_thread(closed, port, b"GET /status HTTP/1.1\r\nHost: localhost\r\nX: ") == b""
            whole = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
            response = await asyncio.to_thread(closed, port, whole, b"GET /again HTTP/1.1\r\n")
            assert response.count(b"HTTP/1.1 404") == 1
            server.should_exit = True
            await serving

    asyncio.run(main())
