"""Upgrades read by read: what waits, what is paused, and in which order it goes on."""

from __future__ import annotations

import re

from strangler.model.snapshot import Snapshot
from tests.proxy.in_process import Plane, run

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG = 300_000


def test_a_refused_upgrade_behind_an_answer_that_nobody_reads_keeps_the_order(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        # A request that is known by its bytes from here on.
        client.feed(GET % 1)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(OK)
        client.take()
        upstream.take()
        client.stuck = True
        client.feed(GET % 2 + UPGRADE + GET % 3)
        upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG)
        await plane.settle()
        assert client.paused
        assert upstream.take().count(b"GET ") == 1, "nothing is asked before the answer is read"
        client.drain()
        client.stuck = False
        assert b"GET /socket " in upstream.take()
        upstream.feed(OK)
        assert b"GET /3 " in upstream.take()
        upstream.feed(OK)
        assert client.take().endswith(OK[-2:])
        client.feed(GET % 4)
        assert b"GET /4 " in upstream.take()

    run(test)


def test_what_comes_while_an_upgrade_is_asked_for_waits_for_the_answer(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(UPGRADE)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.take()
        client.feed(b"GET /1 HTTP/1.1\r\n")
        assert not client.reading
        assert upstream.take() == b""
        upstream.feed(SWITCH[:40])
        upstream.feed(SWITCH[40:] + b"hello")
        assert upstream.take() == b"GET /1 HTTP/1.1\r\n"
        assert client.take().endswith(b"\r\n\r\nhello")
        client.feed(b"more")
        upstream.feed(b"and more")
        assert (upstream.take(), client.take()) == (b"more", b"and more")
        assert len(plane.plane.tunnels) == 1
        client.close()
        await plane.settle()
        assert upstream.closed
        assert not plane.plane.tunnels
        assert not plane.plane.clients

    run(test)


def test_a_client_that_is_behind_at_the_switch_is_waited_for(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(UPGRADE)
        await plane.settle()
        (upstream,) = plane.busy()
        client.stuck = True
        upstream.feed(SWITCH + b"x" * BIG)
        assert client.paused
        assert not upstream.reading
        client.drain()
        assert upstream.reading
        upstream.stuck = True
        client.feed(b"y" * BIG)
        assert not client.reading
        upstream.drain()
        assert client.reading

    run(test)


def test_a_waiting_request_gets_a_connection_when_one_has_switched(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        socket, other = plane.client(), plane.client()
        socket.feed(UPGRADE)
        await plane.settle()
        (upstream,) = plane.busy()
        other.feed(GET % 1)
        await plane.settle()
        assert len(plane.loop.connections) == 1, "the upstream takes one connection"
        upstream.feed(SWITCH)
        await plane.settle()
        (fresh,) = plane.busy()
        assert b"GET /1 " in fresh.take()

    run(test)


def test_a_closed_tunnel_lets_a_slow_reader_have_the_rest_and_cuts_off_one_that_stops(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(UPGRADE)
        await plane.settle()
        (upstream,) = plane.busy()
        client.stuck = True
        upstream.feed(SWITCH + b"x" * BIG)
        (tunnel,) = plane.plane.tunnels
        client.close = lambda: None  # what was written is not out yet, so the socket is still there
        tunnel.close("idle")
        for unsent in (200_000, 100_000):
            client.unsent = unsent
            tunnel.expired()
            assert not client.aborted
        tunnel.expired()
        assert client.aborted

    run(test)


def test_words_to_an_end_that_has_said_all_do_not_break_the_tunnel(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(UPGRADE)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(SWITCH + b"goodbye")
        upstream.protocol.eof_received()
        client.feed(b"what?")
        upstream.closed = True
        upstream.protocol.connection_lost(ConnectionResetError())
        await plane.settle()
        assert client.take().endswith(b"goodbye")
        assert client.closed
        assert not client.aborted

    run(test)


def test_a_body_behind_an_upgrade_is_read_however_it_comes_in(snapshot: Snapshot) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    stream = head + b"5\r\nhello\r\n0\r\n\r\n" + GET % 2

    async def test() -> None:
        for place in range(1, len(stream)):
            plane = Plane(snapshot)
            client = plane.client()
            client.feed(stream[:place])
            await plane.settle()
            client.feed(stream[place:])
            await plane.settle()
            (upstream,) = plane.busy()
            sent = upstream.take()
            assert b"Upgrade" not in sent
            body = sent.partition(b"\r\n\r\n")[2]
            assert re.sub(rb"[0-9]+\r\n|\r\n", b"", body) == b"hello"
            upstream.feed(OK)
            assert upstream.take().startswith(b"GET /2 ")
            upstream.feed(OK)
            assert client.take().count(b"HTTP/1.1 200 ") == 2

    run(test)
