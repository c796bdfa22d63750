"""Asking an endpoint once more: the bytes as they were, and one whole response or none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest
import trustme

from strangler.model.upstream import Endpoint, Upstream, UpstreamTls
from strangler.shadow.judging.resend import ResendFailed, Secure, ask, secure
from strangler.shadow.pair import SideResponse

REQUEST = b"GET /a/../b?x=%2f HTTP/1.1\r\nhOsT: shop.example\r\nX-Shadow: 1\r\n\r\n"


def asked(
    response: bytes, request: bytes = REQUEST, *, keep: bool = False, most: int = 1000
) -> tuple[SideResponse, bytes]:
    """What `ask` gets from a server that gives `response`, and the request as that server received it."""

    async def main() -> tuple[SideResponse, bytes]:
        received = b""
        served = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            received = await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            with contextlib.suppress(ConnectionError):
                if keep:
                    await reader.read()
                writer.close()
                await writer.wait_closed()
            served.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            try:
                return await ask(f"http://127.0.0.1:{port}", request, 0.5, most), received
            finally:
                await asyncio.wait_for(served.wait(), 10)

    return asyncio.run(main())


def test_the_bytes_go_out_as_they_were() -> None:
    response, received = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok")
    assert received == REQUEST
    assert (response.status, response.body) == (200, b"ok")
    assert response.response.values(b"x-a") == [b"b"]


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", b"until it closes"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n", b""),
    ],
)
def test_every_framing_is_read(response: bytes, body: bytes) -> None:
    response, _ = asked(response)
    assert response.body == body
    assert b"Link" not in response.head


def test_an_answer_to_head_has_no_body() -> None:
    response, _ = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", REQUEST.replace(b"GET", b"HEAD"), keep=True)
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"", "ended before"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "ended before"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, "more than 1000 bytes"),
        (b"nonsense\r\n\r\n", "malformed"),
    ],
)
def test_half_an_answer_is_none(response: bytes, reason: str) -> None:
    with pytest.raises(ResendFailed, match=reason):
        asked(response)


def test_a_silent_endpoint_is_given_up_and_a_dead_one_at_once(nobody_listens: str) -> None:
    with pytest.raises(ResendFailed, match=r"did not respond in 0.5 s"):
        asked(b"", keep=True)
    with pytest.raises(ResendFailed, match="Connect call failed"):
        asyncio.run(ask(nobody_listens, REQUEST, 0.5, 1000))


@pytest.fixture
def nobody_listens() -> Iterator[str]:
    """A URL at which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_https_endpoints_are_met_as_the_workers_meet_them() -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("users.internal").configure_cert(server)
    trusting = UpstreamTls(ca=authority.cert_pem.bytes())

    async def main(port: int, how: Secure | None) -> SideResponse:
        return await ask(f"https://127.0.0.1:{port}", REQUEST, 2, 1000, how)

    async def both() -> None:
        served = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                writer.close()
                await writer.wait_closed()
            served.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            endpoint = Endpoint(f"https://users.internal:{port}", "users.internal", port, b"users.internal", tls=True)
            upstream = Upstream("users", (endpoint,), tls=trusting)
            found = secure(upstream, f"https://127.0.0.1:{port}")
            assert found is not None
            assert found.server_name == "users.internal"
            assert (await main(port, found)).body == b"ok"
            await asyncio.wait_for(served.wait(), 10)

    async def stranger(listening: socket.socket) -> None:
        port = listening.getsockname()[1]
        endpoint = Endpoint(f"https://users.internal:{port}", "users.internal", port, b"users.internal", tls=True)
        upstream = Upstream("users", (endpoint,), tls=UpstreamTls(ca=trustme.CA().cert_pem.bytes()))
        # Not with asyncio, whose server ends without the connections whose handshake fails.
        shown = asyncio.create_task(asyncio.to_thread(show_certificate, listening))
        with pytest.raises(ResendFailed, match="certificate verify failed"):
            await main(port, secure(upstream, f"https://127.0.0.1:{port}"))
        await shown

    def show_certificate(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, pytest.raises((ssl.SSLError, ConnectionError)):
            server.wrap_socket(connection, server_side=True)

    asyncio.run(both())
    with socket.create_server(("127.0.0.1", 0)) as bound:
        asyncio.run(stranger(bound))
    assert secure(Upstream("users", ()), "http://127.0.0.1:1") is None
