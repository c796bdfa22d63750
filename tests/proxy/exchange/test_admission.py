"""However an exchange ends, the concurrency limit has its place back, and the breaker has heard what concerns it."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from strangler.resilience.breaker import State
from tests.proxy.in_process import Plane, Transport, run

CONFIGURATION = """
version: 1
upstreams:
  legacy:
    endpoints: ["http://127.0.0.1:1"]
    breaker: {minimum_requests: 2, error_percent: 100, open_time: 1h}
    concurrency: {limit: 2, queue: 2}
    timeouts: {total: 60s}
default: legacy
access_log: {enabled: false}
"""
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PART = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"
ERROR = OK.replace(b"200 OK", b"500 Oh")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """One upstream with a breaker, a concurrency limit and a total deadline."""
    path: Path = tmp_path_factory.mktemp("guarded") / "gateway.yaml"
    path.write_text(CONFIGURATION)
    return load(path).snapshot


def answered(client: Transport, upstream: Transport) -> None:
    upstream.feed(OK)
    assert b" 200 OK" in client.take()


def refused(client: Transport, upstream: Transport) -> None:
    upstream.feed(ERROR)
    assert b" 500 " in client.take()


def in_parts(client: Transport, upstream: Transport) -> None:
    upstream.feed(PART)
    upstream.feed(b"end")
    assert client.take().endswith(b"okend")


def lost(client: Transport, upstream: Transport) -> None:
    upstream.close()


def broken_off(client: Transport, upstream: Transport) -> None:
    upstream.feed(PART)
    upstream.close()


def hung_up(client: Transport, upstream: Transport) -> None:
    client.close()


def hung_up_amid(client: Transport, upstream: Transport) -> None:
    upstream.feed(PART)
    client.close()


def malformed(client: Transport, upstream: Transport) -> None:
    upstream.feed(b"nonsense\r\n\r\n")


def switched(client: Transport, upstream: Transport) -> None:
    upstream.feed(SWITCH)
    assert b" 101 " in client.take()


FAILURES = [refused, lost, broken_off, malformed]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "end", [answered, refused, in_parts, lost, broken_off, hung_up, hung_up_amid, malformed, switched]
)
def test_the_place_is_given_back(guarded: Snapshot, end: object, known: bool) -> None:
    assert callable(end)

    async def test() -> None:
        plane = Plane(guarded)
        pool = plane.plane.pools["legacy"]
        assert pool.limit is not None
        assert pool.breaker is not None
        client = plane.client()
        if known:
            for _ in range(2):
                client.feed(GET)
                await plane.settle()
                answered(client, plane.busy()[0])
        begun = pool.breaker.begun
        client.feed(UPGRADE if end is switched else GET)
        await plane.settle()
        assert pool.limit.running == 1
        assert pool.breaker.begun == begun + 1
        end(client, plane.busy()[0])
        await plane.settle()
        if end is lost and known:
            # It may have been idle for too long, so a fresh one is tried.
            end(client, plane.busy()[-1])
            await plane.settle()
        assert pool.limit.running == 0
        assert pool.breaker.state is State.CLOSED

    run(test)


@pytest.mark.parametrize("end", FAILURES, ids=lambda end: end.__name__)
def test_failures_open_the_breaker(guarded: Snapshot, end: object) -> None:
    assert callable(end)

    async def test() -> None:
        plane = Plane(guarded)
        pool = plane.plane.pools["legacy"]
        assert pool.breaker is not None
        assert pool.limit is not None
        for _ in range(2):
            client = plane.client()
            client.feed(GET.replace(b"GET", b"POST"))
            await plane.settle()
            end(client, plane.busy()[0])
            await plane.settle()
        assert pool.breaker.state is State.OPEN
        client = plane.client()
        client.feed(GET)
        await plane.settle()
        assert b" 503 " in client.take()
        assert pool.limit.running == 0

    run(test)


def test_those_beyond_the_limit_wait_for_those_that_entered_lightly(guarded: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(guarded)
        pool = plane.plane.pools["legacy"]
        assert pool.limit is not None
        clients = [plane.client() for _ in range(5)]
        for client in clients:
            client.feed(GET)
        await plane.settle()
        assert (pool.limit.running, pool.limit.waiting) == (2, 2)
        assert b" 503 " in clients[4].take()
        for _ in range(4):
            plane.busy()[0].feed(OK)
            await plane.settle()
        assert [client.take().count(b" 200 OK") for client in clients] == [1, 1, 1, 1, 0]
        assert (pool.limit.running, pool.limit.waiting) == (0, 0)

    run(test)
