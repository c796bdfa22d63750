"""Each row of the table in `strangler.proxy.client.states`: the next state, and the deadline that holds in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from strangler.model.snapshot import Snapshot
from strangler.proxy.client import endings, states
from strangler.proxy.client.connection import LAST_REQUEST, ClientConnection
from strangler.proxy.client.endings import LINGER_SECONDS
from strangler.proxy.http.broken import STALLED as STALL_SECONDS
from tests.proxy.in_process import Plane, Transport, run

HEAD = b"GET /%d HTTP/1.1\r\nHost: a\r\n"
GET = HEAD + b"\r\n"
LAST = HEAD + b"Connection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000


class Script:
    """One client, its upstream, and what a test does to them."""

    def __init__(self, snapshot: Snapshot) -> None:
        limits = replace(snapshot.limits, half_close=True, header_timeout=10.0, keep_alive=20.0, body_bytes=1000)
        self.plane = Plane(replace(snapshot, limits=limits))
        self.client: Transport = self.plane.client()
        self.connection = cast(ClientConnection, self.client.protocol)

    async def send(self, data: bytes) -> None:
        self.client.feed(data)
        await self.plane.settle()

    async def respond(self, data: bytes = OK) -> None:
        (upstream,) = self.plane.busy()
        upstream.feed(data)
        await self.plane.settle()

    async def lose_upstream(self) -> None:
        (upstream,) = self.plane.busy()
        upstream.close()
        await self.plane.settle()

    async def stall(self, *requests: bytes) -> None:
        """A response that the client does not read, before `requests`."""
        self.client.stuck = True
        await self.send(GET % 1 + b"".join(requests))
        await self.respond(BIG)

    @property
    def outcome(self) -> tuple[str, str]:
        return states.NAMES[self.connection.state], self.connection.deadline_reason

    @property
    def seconds(self) -> float:
        return self.connection.deadline - self.plane.plane.now


Steps = Callable[[Script], Awaitable[None]]
ROWS: list[tuple[str, int, str, Steps]] = []


def row(name: str, state: int, reason: str) -> Callable[[Steps], Steps]:
    def add(steps: Steps) -> Steps:
        ROWS.append((name, state, reason, steps))
        return steps

    return add


SECONDS = {
    states.HEADER_TIMEOUT: 10.0,
    states.KEEP_ALIVE: 20.0,
    states.DRAIN: LAST_REQUEST,
    states.LINGER: LINGER_SECONDS,
    states.STALL: STALL_SECONDS,
    states.NONE: float("inf"),
}


@row("connected", states.IDLE, states.HEADER_TIMEOUT)
async def _(script: Script) -> None:
    pass


@row("idle: blank line", states.IDLE, states.HEADER_TIMEOUT)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    await script.respond()
    await script.send(b"\r\n")


@row("idle: head begins", states.HEAD, states.HEADER_TIMEOUT)
async def _(script: Script) -> None:
    await script.send(b"GET /")


@row("idle: request with known fields", states.SERVING, states.EXCHANGE)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    await script.respond()
    await script.send(GET % 2)


@row("idle: write buffer drains", states.IDLE, states.KEEP_ALIVE)
async def _(script: Script) -> None:
    script.connection.pause_writing()
    script.connection.resume_writing()


@row("idle: drain", states.IDLE, states.DRAIN)
async def _(script: Script) -> None:
    script.connection.drain()


@row("idle: deadline passes", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    script.connection.expired()


@row("head: complete", states.SERVING, states.EXCHANGE)
async def _(script: Script) -> None:
    await script.send(GET[:9])
    await script.send((GET % 1)[8:])


@row("head: complete, write buffer full", states.STALLED, states.STALL)
async def _(script: Script) -> None:
    script.connection.pause_writing()
    await script.send(GET % 1)


@row("head: refused", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(b"GET / HTTP/1.1\r\n\r\n")
    assert script.client.take().startswith(b"HTTP/1.1 400 ")


@row("head: drain", states.HEAD, states.HEADER_TIMEOUT)
async def _(script: Script) -> None:
    await script.send(HEAD % 1)
    script.connection.drain()


@row("head: deadline passes", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(HEAD % 1)
    script.connection.expired()
    assert script.client.take().startswith(b"HTTP/1.1 408 ")


@row("serving: response complete", states.IDLE, states.KEEP_ALIVE)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    await script.respond()


@row("serving: response complete in a drain", states.IDLE, states.DRAIN)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    script.plane.plane.accepting = False
    await script.respond()


@row("serving: response complete, next head has begun", states.HEAD, states.KEEP_ALIVE)
async def _(script: Script) -> None:
    await script.send(GET % 1 + HEAD % 2)
    await script.respond()


@row("serving: response complete, a request waits", states.SERVING, states.EXCHANGE)
async def _(script: Script) -> None:
    await script.send(GET % 1 + GET % 2)
    await script.respond()


@row("serving: response complete, write buffer full", states.STALLED, states.STALL)
async def _(script: Script) -> None:
    await script.stall()


@row("serving: response complete, request not", states.UNREAD, states.LINGER)
async def _(script: Script) -> None:
    await script.send(POST)
    await script.respond()


@row("serving: last response complete", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.send(LAST % 1)
    (upstream,) = script.plane.busy()
    upstream.feed(OK)


@row("serving: last response complete, request not", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(CHUNKED + b"7d0\r\n" + b"x" * 1500)
    assert script.client.take().startswith(b"HTTP/1.1 413 ")


@row("serving: response breaks off, the framing tells", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    await script.respond(OK[:-1])
    (upstream,) = script.plane.busy()
    upstream.protocol.connection_lost(None)


@row("serving: response breaks off, only a reset tells", states.RESETTING, states.NONE)
async def _(script: Script) -> None:
    await script.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    await script.respond(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    await script.lose_upstream()


@row("serving: malformed input behind the request", states.REFUSING, states.EXCHANGE)
async def _(script: Script) -> None:
    await script.send(GET % 1 + b"?\r\n\r\n")


@row("serving: malformed input in the body", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(CHUNKED + b"x\r\n")
    assert script.client.take().startswith(b"HTTP/1.1 400 ")


@row("serving: the response switches protocols", states.TUNNEL, states.NONE)
async def _(script: Script) -> None:
    await script.send(UPGRADE % 1)
    await script.respond(SWITCHED)


@row("serving: deadline passes", states.IDLE, states.KEEP_ALIVE)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    script.connection.expired()
    assert script.client.take().startswith(b"HTTP/1.1 504 ")


@row("serving: client half-closes", states.SERVING, states.EXCHANGE)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    assert script.connection.eof_received()


@row("serving: response complete, client has half-closed", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    assert script.connection.eof_received()
    (upstream,) = script.plane.busy()
    upstream.feed(OK)


@row("unread: body goes on", states.UNREAD, states.LINGER)
async def _(script: Script) -> None:
    await script.send(POST)
    await script.respond()
    script.plane.plane.now += 1.0
    await script.send(b"12345")


@row("unread: body complete", states.IDLE, states.KEEP_ALIVE)
async def _(script: Script) -> None:
    await script.send(POST)
    await script.respond()
    await script.send(b"1234567890")


@row("unread: body complete, write buffer full", states.STALLED, states.STALL)
async def _(script: Script) -> None:
    script.client.stuck = True
    await script.send(POST)
    await script.respond(BIG)
    await script.send(b"1234567890")


@row("unread: body longer than is discarded", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.send(POST.replace(b"10", b"20"))
    await script.respond()
    script.client.feed(b"1234567890123")


@row("unread: deadline passes", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.send(POST)
    await script.respond()
    script.connection.expired()


@row("stalled: write buffer drains", states.IDLE, states.KEEP_ALIVE)
async def _(script: Script) -> None:
    await script.stall()
    script.client.drain()


@row("stalled: write buffer drains, a request waits", states.SERVING, states.EXCHANGE)
async def _(script: Script) -> None:
    await script.stall(GET % 2)
    script.client.drain()


@row("stalled: write buffer drains amid a waiting request's body", states.SERVING, states.EXCHANGE)
async def _(script: Script) -> None:
    script.connection.pause_writing()
    await script.send(POST + b"12345")
    script.connection.resume_writing()


@row("stalled: deadline passes", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.stall()
    script.connection.expired()


@row("stalled: deadline passes, a head has begun", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.stall(HEAD % 2)
    script.connection.expired()
    assert b"HTTP/1.1 408 " in script.client.take()


@row("refusing: responses before are complete", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(GET % 1 + GET % 2 + b"?\r\n\r\n")
    await script.respond()
    await script.respond()
    assert script.client.take().count(b"HTTP/1.1 400 ") == 1


@row("refusing: responses before are complete, write buffer full", states.REFUSING, states.STALL)
async def _(script: Script) -> None:
    await script.stall(b"?\r\n\r\n")


@row("refusing: write buffer drains behind a malformed body", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.stall(CHUNKED + b"x\r\n")
    script.client.drain()
    assert b"HTTP/1.1 400 " in script.client.take()


@row("refusing: deadline passes while an exchange runs", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(GET % 1 + b"?\r\n\r\n")
    script.connection.expired()
    responses = script.client.take()
    assert responses.index(b"HTTP/1.1 504 ") < responses.index(b"HTTP/1.1 400 ")


@row("lingering: input", states.LINGERING, states.LINGER)
async def _(script: Script) -> None:
    await script.send(CHUNKED + b"7d0\r\n" + b"x" * 1500)
    script.plane.plane.now += 1.0
    await script.send(b"1")


@row("lingering: more input than is discarded", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    await script.send(b"?\r\n\r\n")
    script.client.feed(b"123456789")


@row("lingering: deadline passes, output has moved", states.LINGERING, states.STALL)
async def _(script: Script) -> None:
    script.client.stuck = True
    await script.send(b"?\r\n\r\n")
    script.connection.expired()


@row("lingering: deadline passes, output has not moved", states.GONE, states.NONE)
async def _(script: Script) -> None:
    await script.send(b"?\r\n\r\n")
    script.connection.expired()
    assert script.client.aborted
    await script.plane.settle()


@row("closing: deadline passes", states.CLOSING, states.STALL)
async def _(script: Script) -> None:
    script.connection.close()
    script.connection.expired()
    assert script.client.aborted


@row("lost", states.GONE, states.NONE)
async def _(script: Script) -> None:
    await script.send(GET % 1)
    script.client.close()
    await script.plane.settle()


@pytest.mark.parametrize(("state", "reason", "steps"), [pytest.param(*one[1:], id=one[0]) for one in ROWS])
def test_each_event_leads_to_its_state_and_deadline(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, state: int, reason: str, steps: Steps
) -> None:
    monkeypatch.setattr(endings, "DISCARDED_BODY", 12)
    monkeypatch.setattr(endings, "DISCARDED_REST", 8)

    async def test() -> None:
        script = Script(snapshot)
        await steps(script)
        assert script.outcome == (states.NAMES[state], reason)
        if reason in SECONDS:
            assert script.seconds == pytest.approx(SECONDS[reason], abs=0.5)
        else:
            assert script.seconds < float("inf")

    run(test)


def test_more_of_a_head_does_not_renew_its_deadline(snapshot: Snapshot) -> None:
    async def test() -> None:
        script = Script(snapshot)
        await script.send(b"GET / ")
        deadline = script.connection.deadline
        script.plane.plane.now += 5.0
        await script.send(b"HTTP/1.1\r\n")
        assert script.connection.deadline == deadline

    run(test)


def test_discarding_ends_although_input_goes_on(snapshot: Snapshot) -> None:
    async def test() -> None:
        script = Script(snapshot)
        await script.send(CHUNKED)
        await script.respond()
        end = script.plane.plane.now + endings.LONGEST_LINGER
        for _ in range(40):
            script.plane.plane.now += 1.0
            script.client.feed(b"1\r\nx\r\n")
        assert script.connection.deadline == pytest.approx(end, abs=0.5)

    run(test)


def test_repr_shows_peer_state_deadline_and_waiting_requests(snapshot: Snapshot) -> None:
    async def test() -> None:
        script = Script(snapshot)
        connection = script.connection
        assert repr(connection) == "<ClientConnection 192.0.2.7 idle deadline=header timeout waiting=0>"
        await script.send(GET % 1 + GET % 2 + GET % 3)
        assert repr(connection) == "<ClientConnection 192.0.2.7 serving deadline=exchange waiting=2>"

    run(test)
