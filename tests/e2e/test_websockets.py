"""WebSockets as their own library speaks them, at both ends of the gateway."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from tests.e2e.certificates import Authority
from tests.e2e.conftest import Start, provider
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.tokens import Issuer

MIB = 2**20
PATIENCE = 60
# All codes of RFC 6455 section 7.4 that may be sent, and the ends of the ranges that are free to use.
CLOSE_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]

Handler = Callable[[ServerConnection], Awaitable[None]]


async def handle(connection: ServerConnection) -> None:
    """Send everything back; `close CODE` closes, `who` tells what the handshake said."""
    async for message in connection:
        if isinstance(message, str) and message.startswith("close "):
            await connection.close(int(message.removeprefix("close ")), "because")
        elif message == "who":
            assert connection.request is not None
            await connection.send(json.dumps(list(connection.request.headers.raw_items())))
        elif message == "fragments":
            await connection.send(["one ", "two ", "three"])
        else:
            await connection.send(message)


def free_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=2048)


@asynccontextmanager
async def server(listening: socket.socket, handler: Handler = handle, **options: Any) -> AsyncIterator[None]:
    async with serve(handler, sock=listening, max_size=None, **options):
        yield


def configuration(listening: socket.socket, **more: Any) -> dict[str, Any]:
    return {
        "upstreams": {"chat": {"endpoints": [f"http://127.0.0.1:{listening.getsockname()[1]}"]}},
        "default": "chat",
        **more,
    }


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE):
            await test()

    asyncio.run(limited())


def dial(gateway: GatewayProcess, path: str = "/", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{gateway.port}{path}", max_size=None, proxy=None, **options)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_all_kinds_and_sizes_come_back(start: Start, compression: str | None) -> None:
    listening = free_listener()
    gateway = start(configuration(listening))
    large = bytes(range(256)) * (16 * MIB // 256)

    async def test() -> None:
        async with server(listening, compression=compression), dial(gateway, compression=compression) as client:
            names = [extension.name for extension in client.protocol.extensions]
            assert names == ([] if compression is None else ["permessage-deflate"])
            for message in ("", "text ü", b"", b"\x00\xff", "x" * 100_000):
                await client.send(message)
                assert await client.recv() == message
            await client.send(large)
            assert await client.recv() == large
            # A message in fragments, each way.
            await client.send([b"a" * 70_000, b"b", b"", b"c" * 70_000])
            assert await client.recv() == b"a" * 70_000 + b"b" + b"c" * 70_000
            await client.send("fragments")
            assert [part async for part in client.recv_streaming()] == ["one ", "two ", "three", ""]
            await (await client.ping())

    run(test)


def test_the_subprotocol_is_agreed_on_by_the_two_ends(start: Start) -> None:
    listening = free_listener()
    gateway = start(configuration(listening))

    async def test() -> None:
        async with server(listening, subprotocols=["superchat", "chat"]):
            async with dial(gateway, subprotocols=["chat", "other"]) as client:
                assert client.subprotocol == "chat"
            with pytest.raises(InvalidStatus):
                await dial(gateway, subprotocols=["other"])

    run(test)


def test_every_close_code_passes_both_ways(start: Start) -> None:
    listening = free_listener()
    gateway = start(configuration(listening))
    heard: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def listen(connection: ServerConnection) -> None:
        await handle(connection)
        assert connection.close_code is not None
        await heard.put((connection.close_code, connection.close_reason or ""))

    async def test() -> None:
        async with server(listening, listen):
            for code in CLOSE_CODES:
                async with dial(gateway) as client:
                    await client.send(f"close {code}")
                    with pytest.raises(ConnectionClosed):
                        await client.recv()
                    assert (client.close_code, client.close_reason) == (code, "because")
                assert (await heard.get())[0] == code
                async with dial(gateway) as client:
                    await client.close(code, "my reason")
                assert await heard.get() == (code, "my reason")

    # The server's handler ends with an exception for codes that say something went wrong.
    async def tolerant() -> None:
        nonlocal listen
        strict = listen

        async def listen(connection: ServerConnection) -> None:
            try:
                await strict(connection)
            except ConnectionClosedError:
                assert connection.close_code is not None
                await heard.put((connection.close_code, connection.close_reason or ""))

        await test()

    run(tolerant)


def test_an_end_without_a_close_frame_reaches_the_other_end(start: Start) -> None:
    listening = free_listener()
    gateway = start(configuration(listening))
    heard: asyncio.Queue[int | None] = asyncio.Queue()

    async def listen(connection: ServerConnection) -> None:
        message = await connection.recv()
        if message == "hang up":
            connection.transport.abort()
        await connection.wait_closed()
        await heard.put(connection.close_code)

    async def test() -> None:
        async with server(listening, listen):
            async with dial(gateway) as client:
                await client.send("hang up")
                with pytest.raises(ConnectionClosedError):
                    await client.recv()
                assert client.close_code == 1006
            assert await heard.get() == 1006
            async with dial(gateway) as client:
                await client.send("I do")
                client.transport.abort()
                assert await heard.get() == 1006

    run(test)


def test_a_refused_handshake_keeps_its_status(start: Start) -> None:
    listening = free_listener()
    gateway = start(configuration(listening))

    async def test() -> None:
        refuse = {"process_request": lambda connection, _: connection.respond(403, "not you\n")}
        async with server(listening, **refuse):
            with pytest.raises(InvalidStatus) as caught:
                await dial(gateway)
            assert caught.value.response.status_code == 403
            assert caught.value.response.body == b"not you\n"

    run(test)


def test_a_thousand_sockets_work_at_once(start: Start) -> None:
    listening = free_listener()
    gateway = start(configuration(listening), workers=2)

    async def test() -> None:
        async with server(listening, compression=None, ping_interval=None), AsyncExitStack() as opened:
            clients: list[ClientConnection] = []
            for _ in range(20):
                batch = [
                    opened.enter_async_context(
                        dial(gateway, compression=None, ping_interval=None, open_timeout=PATIENCE)
                    )
                    for _ in range(50)
                ]
                clients += await asyncio.gather(*batch)

            async def talk(number: int, client: ClientConnection) -> bool:
                await client.send(f"I am {number}")
                return await client.recv() == f"I am {number}"

            assert all(await asyncio.gather(*(talk(number, client) for number, client in enumerate(clients))))
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, gateway.metric, "strangler_tunnels") == 1000
            # Ordinary requests go on beside them.
            assert (await loop.run_in_executor(None, ask, gateway.port, "/ordinary")).status == 426

    run(test)


def split(legacy: socket.socket, extracted: socket.socket, percent: int) -> dict[str, Any]:
    return {
        "auth": {"providers": {"shop": provider("jwks.json")}},
        "upstreams": {
            name: {"endpoints": [f"http://127.0.0.1:{listening.getsockname()[1]}"]}
            for name, listening in (("legacy", legacy), ("extracted", extracted))
        },
        "migrations": {
            "chat": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": percent, "sticky": ["claim:sub", "visitor"]},
                "auth": {"provider": "shop", "required": False, "upgrade_token": "subprotocol:bearer"},
                "routes": [{"match": {"path": "/chat/**"}}],
            }
        },
    }


def naming(name: str) -> Handler:
    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"{name} {message}")

    return answer


def test_a_split_keeps_a_callers_sockets_on_its_side(start: Start, issuer: Issuer) -> None:
    legacy, extracted = free_listener(), free_listener()
    gateway = start(split(legacy, extracted, 50), workers=2)

    async def side(**options: Any) -> str:
        async with dial(gateway, "/chat/room", subprotocols=["chat"], **options) as client:
            await client.send("hello")
            return str(await client.recv())

    async def test() -> None:
        both = {"subprotocols": ["chat"]}
        async with server(legacy, naming("legacy"), **both), server(extracted, naming("extracted"), **both):
            found = {}
            for number in range(12):
                bearer = {"Authorization": f"Bearer {issuer.token(f'user-{number}')}"}
                sides = {await side(additional_headers=bearer) for _ in range(3)}
                assert len(sides) == 1
                found[number] = sides.pop()
            assert set(found.values()) == {"legacy hello", "extracted hello"}

            # A visitor gets a cookie with the handshake, and stays where it puts it.
            seen: set[str] = set()
            for _ in range(60):  # draws: all on one side come once in 10^17 runs
                async with dial(gateway, "/chat/room", subprotocols=["chat"]) as client:
                    assert client.response is not None
                    cookie = client.response.headers["Set-Cookie"].partition(";")[0]
                    await client.send("hello")
                    first = str(await client.recv())
                assert {await side(additional_headers={"Cookie": cookie}) for _ in range(2)} == {first}
                seen.add(first)
                if len(seen) == 2:
                    break
            assert len(seen) == 2

            # Raising the percentage leaves the open socket where it is, and moves the next one.
            on_legacy = next(number for number, answer in found.items() if answer == "legacy hello")
            bearer = {"Authorization": f"Bearer {issuer.token(f'user-{on_legacy}')}"}
            async with dial(gateway, "/chat/room", subprotocols=["chat"], additional_headers=bearer) as client:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, gateway.reload, split(legacy, extracted, 100))
                await client.send("still")
                assert await client.recv() == "legacy still"
                assert await side(additional_headers=bearer) == "extracted hello"

    run(test)


def test_a_browser_puts_its_token_among_the_subprotocols(start: Start, issuer: Issuer) -> None:
    legacy, extracted = free_listener(), free_listener()
    gateway = start(split(legacy, extracted, 0))
    token = issuer.token("user-8")

    async def test() -> None:
        async with server(legacy, subprotocols=["chat"]):
            async with dial(gateway, "/chat/room", subprotocols=["chat", f"bearer.{token}"]) as client:
                assert client.subprotocol == "chat"
                await client.send("who")
                said = str(await client.recv())
            assert ["X-Auth-Subject", "user-8"] in json.loads(said)
            assert token not in said

    with extracted:
        run(test)


def test_sockets_pass_over_tls_at_both_ends(start: Start, tmp_path: Path) -> None:
    authority = Authority()
    authority.write(tmp_path, "shop", "127.0.0.1")
    listening = free_listener()
    port = listening.getsockname()[1]
    gateway = start(
        {
            "tls": {"certificate": "shop.crt", "key": "shop.key"},
            "upstreams": {"chat": {"endpoints": [f"https://127.0.0.1:{port}"], "tls": {"ca": "ca.crt"}}},
            "default": "chat",
        }
    )
    large = bytes(range(256)) * (16 * MIB // 256)

    async def test() -> None:
        secure: ssl.SSLContext = authority.client()
        url = f"wss://127.0.0.1:{gateway.port}/"
        async with (
            server(listening, ssl=authority.server("127.0.0.1")),
            connect(url, ssl=secure, max_size=None, proxy=None) as client,
        ):
            await client.send(large)
            assert await client.recv() == large
            await client.send("who")
            assert ["X-Forwarded-Proto", "https"] in json.loads(str(await client.recv()))
            await client.send("close 4001")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 4001

    run(test)


def test_a_drain_closes_sockets_with_1001_at_both_ends(start: Start) -> None:
    codes: list[int | None] = []

    async def noting(connection: ServerConnection) -> None:
        await handle(connection)
        codes.append(connection.close_code)

    with free_listener() as listening:
        gateway = start(configuration(listening, shutdown={"drain": "100ms"}))

        async def test() -> None:
            async with server(listening, noting), dial(gateway, "/chat") as client:
                await client.send("hello")
                assert await client.recv() == "hello"
                gateway.process.terminate()
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert client.close_code == 1001
                while not codes:
                    await asyncio.sleep(0.01)

        run(test)
        assert codes == [1001]
        (line,) = gateway.access("/chat")
        assert (line["status"], line["reason"]) == (101, "The gateway shut down.")
        assert gateway.process.wait(60) == 0
