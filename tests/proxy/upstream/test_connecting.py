"""Several addresses of one name: one that is silent or refuses costs little (RFC 8305)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from strangler.config.load import load
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.plane import DataPlane
from strangler.proxy.upstream import connecting
from strangler.proxy.upstream.connecting import Address, connect_first, in_turn
from tests.e2e.silent_address import silent_address
from tests.free_ports import free_ports
from tests.proxy.in_process import Transport, run

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)


@contextlib.contextmanager
def accepting(host: str, port: int = 0) -> Iterator[int]:
    with socket.create_server((host, port)) as listening:
        yield listening.getsockname()[1]


def at(host: str, port: int) -> Address:
    return V4, (host, port)


def test_families_are_tried_in_turn_beginning_with_the_resolvers_first() -> None:
    six = [(V6, (f"2001:db8::{number}", 80, 0, 0)) for number in (1, 2, 3)]
    four = [(V4, (f"192.0.2.{number}", 80)) for number in (1, 2)]
    assert in_turn([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert in_turn([*four, *six]) == [four[0], six[0], four[1], six[1], six[2]]
    assert in_turn([]) == []


def test_a_silent_address_does_not_hold_up_the_next_one() -> None:
    async def test() -> None:
        (port,) = free_ports(1)
        failed: list[int] = []
        with silent_address("127.0.0.2", port), accepting("127.0.0.3", port):
            loop = asyncio.get_running_loop()
            addresses = [at("127.0.0.2", port), at("127.0.0.3", port)]
            # Far less than the kernel would wait, and far more than the delay of an attempt.
            async with asyncio.timeout(20):
                connected, place = await connect_first(loop, addresses, failed.append)
            with connected:
                assert connected.getpeername() == ("127.0.0.3", port)
            assert (place, failed) == (1, [0])

    run(test)


def test_an_address_that_is_silent_for_a_while_may_still_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "ATTEMPT_DELAY", 0.01)

    async def test() -> None:
        (port,) = free_ports(1)
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as silence, accepting("127.0.0.3") as other:
            silence.enter_context(silent_address("127.0.0.2", port))
            silence.enter_context(silent_address("127.0.0.3", port))
            asking = asyncio.create_task(
                connect_first(loop, [at("127.0.0.2", port), at("127.0.0.3", port), at("127.0.0.3", other)], print)
            )
            connected, place = await asking
            connected.close()
            assert place == 2

    run(test)


def test_refusals_are_passed_over_at_once_and_told_if_there_is_nothing_else() -> None:
    async def test() -> None:
        (port,) = free_ports(1)
        failed: list[int] = []
        loop = asyncio.get_running_loop()
        with accepting("127.0.0.3") as other:
            found = await connect_first(loop, [at("127.0.0.2", port), at("127.0.0.3", other)], failed.append)
            found[0].close()
        assert failed == [0]
        with pytest.raises(ConnectionRefusedError):
            await connect_first(loop, [at("127.0.0.2", port), at("127.0.0.3", port)], failed.append)
        assert failed == [0, 0, 1]

    run(test)


def test_nothing_remains_of_an_attempt_that_is_given_up() -> None:
    async def test() -> None:
        (port,) = free_ports(1)
        with silent_address("127.0.0.2", port):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connect_first(asyncio.get_running_loop(), [at("127.0.0.2", port)], print)
            assert len(asyncio.all_tasks()) == 1

    run(test)


def test_a_lack_of_descriptors_is_no_fault_of_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    async def test() -> None:
        failed: list[int] = []
        monkeypatch.setattr(connecting.socket, "socket", refused)
        with pytest.raises(OSError, match="Too many open files"):
            await connect_first(asyncio.get_running_loop(), [at("127.0.0.2", 1), at("127.0.0.3", 1)], failed.append)
        assert failed == []
        monkeypatch.undo()

    run(test)


class Resolving:
    """The running loop, for which the name `shop.internal` has these addresses."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *hosts: str) -> None:
        self._loop = loop
        self._hosts = hosts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        assert host == "shop.internal"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in self._hosts]


def test_requests_to_a_name_reach_the_address_that_accepts(tmp_path: Path) -> None:
    """Within a connect deadline that the silent address alone would eat; the next connection begins with the other."""

    async def test() -> None:
        (port,) = free_ports(1)
        file = tmp_path / "gateway.yaml"
        file.write_text(
            "version: 1\naccess_log: {enabled: false}\ndefault: shop\nupstreams:\n  shop:\n"
            f"    {{endpoints: ['http://shop.internal:{port}'], timeouts: {{connect: 15s}}, idle_connections: 1}}\n"
        )
        with silent_address("127.0.0.2", port):
            answering = await asyncio.start_server(_answer, "127.0.0.3", port)
            plane = DataPlane(load(file).snapshot, {}, print)
            plane.loop = cast(
                asyncio.AbstractEventLoop, Resolving(asyncio.get_running_loop(), "127.0.0.2", "127.0.0.3")
            )
            (pool,) = plane.pools["shop"].endpoints
            for _ in range(2):
                client = ClientConnection(plane)
                transport = Transport(client)
                client.connection_made(transport)
                transport.feed(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
                async with asyncio.timeout(20):
                    while b"\r\n\r\nok" not in transport.written:
                        await asyncio.sleep(0.01)
                assert transport.written.startswith(b"HTTP/1.1 200 ")
                assert [address[1][0] for address in pool.avoided] == ["127.0.0.2"]
                pool.close_idle()
            plane.close()
            answering.close()

    run(test)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
    writer.close()
