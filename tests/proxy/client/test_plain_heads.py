"""A plain head is not parsed, and clients and upstreams can't tell: the parser makes the same of the same bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strangler.model.listener import Limits
from strangler.model.snapshot import Snapshot
from strangler.proxy.client import states
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.client.request_reader import RequestReader
from tests.proxy.client.heads import ISSUER, KEYS, cut, requests
from tests.proxy.in_process import Plane, Transport, run

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

_DRAWN = re.compile(
    rb"(?<=-request-id: )[0-9a-f]{32}|(?<=date: ).*GMT|(?<=traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}", re.IGNORECASE
)
_DRAWN_IN_BODY = re.compile(rb'(?<="request_id":")[0-9a-f]{32}')


def plain(data: bytes) -> bytes:
    """`data` without what is drawn for each request."""
    return _DRAWN_IN_BODY.sub(b"?", _DRAWN.sub(b"?", data))


Outcome = tuple[bytes, bytes, bool, int]
"""What the upstreams received, what the client received, whether its connection goes on, and in which state."""


async def send(plane: Plane, client: Transport, reads: list[bytes]) -> Outcome:
    """Send some reads and answer whatever reaches an upstream, until nothing more happens."""
    upstream = b""
    for data in reads:
        if not client.reading:
            break
        client.feed(data)
        while True:
            await plane.settle()
            waiting = [transport for transport in plane.busy() if b"\r\n\r\n" in transport.written]
            if not waiting:
                break
            for transport in waiting:
                taken = transport.take()
                upstream += taken
                transport.feed(HEAD_ANSWER if taken.startswith(b"HEAD") else ANSWER)
    for transport in plane.busy():
        upstream += transport.take()
    state = cast(ClientConnection, client.protocol).state
    return plain(upstream), plain(client.take()), not client.closed and not client.ended, state


def planes(snapshot: Snapshot) -> tuple[Plane, Plane]:
    """One that reads plain heads without the parser, and one that parses everything."""
    fast, parsing = Plane(snapshot, {"shop": KEYS}), Plane(snapshot, {"shop": KEYS})
    fast.loop.still = parsing.loop.still = fast.plane.now
    parsing.plane.takes_plain = False
    return fast, parsing


@pytest.fixture(scope="module", params=["clients", "proxies", "proxies by Forwarded"])
def asked(request: pytest.FixtureRequest, snapshot: Snapshot) -> Snapshot:
    """Clients themselves, or trusted proxies, whose fields about clients count."""
    if request.param == "clients":
        return snapshot
    header = "Forwarded" if "Forwarded" in request.param else "X-Forwarded-For"
    return replace(snapshot, trusted_proxies=("192.0.2.7/32", "10.0.0.0/8"), trusted_header=header)


@settings(max_examples=300, deadline=None)
@given(cut(requests()))
@example([b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na", b"bc"])
@example([b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na", b"bcGET / HTTP/1.1\r\nHost: a\r\n\r\n"])
@example([b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
@example([b"POST /private/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"])
def test_a_request_means_the_same_with_and_without_the_parser(asked: Snapshot, reads: list[bytes]) -> None:
    async def test() -> None:
        fast, parsing = planes(asked)
        assert await send(fast, fast.client(), reads) == await send(parsing, parsing.client(), reads)

    run(test)


@settings(max_examples=200, deadline=None)
@given(requests())
def test_a_request_means_the_same_in_one_read_as_in_two(asked: Snapshot, data: bytes) -> None:
    """In two, the second of which has all but a byte, it is always parsed."""

    async def test() -> None:
        one, two = Plane(asked, {"shop": KEYS}), Plane(asked, {"shop": KEYS})
        one.loop.still = two.loop.still = one.plane.now
        assert await send(one, one.client(), [data]) == await send(two, two.client(), [data[:1], data[1:]])

    run(test)


@settings(max_examples=80, deadline=None)
@given(st.lists(cut(requests()), min_size=2, max_size=6))
def test_a_used_connection_treats_requests_as_one_that_parses_everything(
    asked: Snapshot, stream: list[list[bytes]]
) -> None:
    async def test() -> None:
        fast, parsing = planes(asked)
        client, other = fast.client(), parsing.client()
        for reads in stream:
            outcome = await send(fast, client, reads)
            assert outcome == await send(parsing, other, reads)
            if outcome[3] != states.IDLE or not outcome[2]:
                client.close()
                other.close()
                client, other = fast.client(), parsing.client()

    run(test)


BROWSER = (
    b"GET /catalog/7?page=2 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux)\r\n"
    b"Accept: */*\r\nReferer: https://a/b\r\nCookie: a=b\r\n%b\r\nUpgrade-Insecure-Requests: 1\r\n\r\n"
)
PLAIN = {
    "a browser's": BROWSER % ISSUER.bearer().encode(),
    "of a distributed trace": BROWSER % b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "with an id": BROWSER % b"X-Request-Id: mine",
    "of a load balancer": BROWSER % b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nVia: 1.1 balancer",
    "with a body": b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "with half a body": b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\nabc",
    "to HEAD": b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "the last one": b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN.keys())
def test_usual_heads_are_not_parsed(asked: Snapshot, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the comparisons would compare the parser with itself."""
    parsed: list[bytes] = []
    monkeypatch.setattr(RequestReader, "_parse", lambda _, data: parsed.append(data))

    async def test() -> None:
        plane = Plane(asked, {"shop": KEYS})
        client = plane.client()
        client.feed(data)
        await plane.settle()
        (upstream,) = plane.busy()
        assert upstream.take().startswith(data.split(b"\r\n")[0])

    run(test)
    assert parsed == []


def test_a_body_of_a_plain_head_goes_on_as_it_comes(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        await plane.settle()
        (upstream,) = plane.busy()
        assert upstream.take().endswith(b"\r\n\r\nabc")
        client.feed(b"def")
        assert upstream.take() == b"def"
        client.feed(b"ghiGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        assert upstream.take() == b"ghi"
        upstream.feed(ANSWER)
        await plane.settle()
        assert client.take().endswith(b"ok")
        assert upstream.take().startswith(b"GET /b ")

    run(test)


def test_a_new_configuration_applies_to_open_connections(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        request = b"GET /x HTTP/1.1\r\nHost: a\r\nX-Tenant: 1\r\n\r\n"
        for _ in range(2):
            assert b" 200 OK" in (await send(plane, client, [request]))[1]
        plane.plane.apply(replace(snapshot, version="2", limits=Limits(header_count=1)))
        assert b" 431 " in (await send(plane, client, [request]))[1]

    run(test)


def test_two_requests_in_one_read_are_two(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        one = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        await send(plane, client, [one])
        upstream, answers, goes_on, _ = await send(plane, client, [one + one])
        assert upstream.count(b"GET /x HTTP/1.1\r\n") == 2
        assert answers.count(b" 200 OK") == 2
        assert goes_on

    run(test)
