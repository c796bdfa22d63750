"""Whatever clients and upstreams send, what is remembered of it stays small: a flood for everything that remembers."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from strangler.auth.identity import identity_of
from strangler.auth.remembered import REMEMBERED_BYTES, RememberedCallers, memory_of
from strangler.control.status.totals import WorkerTotals
from strangler.model.auth import Provider
from strangler.model.caller import StickyKey
from strangler.model.rate_limits import RateLimit
from strangler.model.resilience import Stale
from strangler.model.snapshot import Snapshot
from strangler.observe import access_log
from strangler.observe.access_log import AccessLogWriter
from strangler.observe.counters import LONGEST_LABEL, MOST_EVENTS, Counters
from strangler.proxy.http.headers import RESPONSE_ACTIONS, connection_options, known_host, request_actions
from strangler.proxy.rate_limits.limiter import bucket_name
from strangler.proxy.upstream.plain_response import plain_response
from strangler.resilience.stale import StaleAnswers
from strangler.routing.request import Request
from strangler.routing.split import bucket_of
from strangler.routing.trust import TrustedProxies, forwarding, plain_address
from tests.proxy.in_process import Plane, run

MIB = 1_048_576
LONG = "x" * 8_000
TIMES = 4_200
"""More than anything remembers by number."""

_ACTIONS = request_actions({})
_PROXIES = TrustedProxies(["10.0.0.0/8"], "X-Forwarded-For")


def grown(flood: Callable[[], object]) -> int:
    """How much more memory is held after `flood` than before."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = flood()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del kept
    return after - before


def each(take: Callable[[str], object]) -> Callable[[], None]:
    """A flood of many values, short and long, for `take`."""

    def flood() -> None:
        for number in range(TIMES):
            take(f"{number}-short")
            take(f"{number}-{'y' * 120}")
            take(f"{number}{LONG}")

    return flood


def response(line: str) -> bytes:
    return f"HTTP/1.1 200 {line[:100]}\r\nX-Line: {line}\r\nContent-Length: 2\r\n\r\nok".encode()


def read(data: bytes) -> object:
    return plain_response(data, data.index(b"\r\n\r\n"), False)


@pytest.mark.parametrize(
    "take",
    [
        pytest.param(lambda text: connection_options(f"close, {text}".encode()), id="options in Connection"),
        pytest.param(lambda text: connection_options(",".join(text[:60]).encode() + text.encode()), id="many options"),
        pytest.param(lambda text: _ACTIONS.of(f"X-{text}".encode()), id="names of request fields"),
        pytest.param(lambda text: RESPONSE_ACTIONS.of(f"X-{text}".encode()), id="names of response fields"),
        pytest.param(lambda text: read(response(text)), id="heads of responses"),
        pytest.param(lambda text: read(f"HTTP/1.1 200 {text}\r\n\r\n".encode()), id="status lines"),
        pytest.param(lambda text: known_host(text.encode()), id="hosts"),
        pytest.param(plain_address, id="addresses"),
        pytest.param(lambda text: plain_address(f"fe80::1%{text}"), id="addresses with zones"),
        pytest.param(
            lambda text: forwarding(_PROXIES, "10.0.0.1", [(b"X-Forwarded-For", text.encode())]),
            id="X-Forwarded-For",
        ),
        pytest.param(lambda text: f"192.0.2.{text}" in _PROXIES, id="peers"),
        pytest.param(lambda text: bucket_of("catalog", text), id="sticky keys"),
    ],
)
def test_what_is_remembered_of_a_flood_is_bounded_in_bytes(take: Callable[[str], object]) -> None:
    assert grown(each(take)) < 12 * MIB


PROVIDER = Provider("shop", "https://id.example", ("shop",), ("RS256",))


def test_remembered_callers_are_bounded_in_bytes_and_number() -> None:
    """A token of a few KiB may hold claims that take a hundred times as much."""
    claims = {"sub": "user-1", "nested": [[[], {}, "x"] for _ in range(100)]}

    def flood(callers: RememberedCallers, number: int) -> None:
        many = {**claims, "number": number, "nested": [list(one) for one in claims["nested"]]}
        callers.remember(b"Bearer %d" % number + b"x" * 3000, identity_of(many, PROVIDER, 2e9))

    callers = RememberedCallers(10_000, 2 * MIB)

    def floods() -> None:
        for number in range(100):
            flood(callers, number)

    assert grown(floods) < 2 * MIB
    assert 10 < len(callers) < 100
    few = RememberedCallers(3)
    for number in range(10):
        flood(few, number)
    assert 3 <= len(few) <= 6
    none = RememberedCallers(0)
    flood(none, 1)
    assert len(none) == 0
    small = RememberedCallers(10, 1000)
    flood(small, 1)
    assert len(small) == 0
    assert memory_of(claims) > 20_000
    assert REMEMBERED_BYTES <= 64 * MIB


def test_kept_answers_count_what_the_client_sent_too() -> None:
    """The key is the request's line and host, and fields that the answer varies by are kept beside it."""
    answers = StaleAnswers(Stale(memory=MIB))
    lines = b"Cache-Control: public, max-age=60\r\nVary: X-Long\r\n"

    def flood() -> None:
        for number in range(400):
            key = (b"http://a", b"GET /%d%b HTTP/1.1\r\n" % (number, b"k" * 7000))
            answers.keep(key, [(b"X-Long", b"v%d" % number + b"v" * 8_000)], lines, b"ok", 0.0)

    assert grown(flood) < 2 * MIB


def test_a_rate_limit_by_a_header_keeps_no_long_value() -> None:
    limit = RateLimit("all", 1, 1.0, 1, (StickyKey("header", "X-Key"),))
    names = set()
    for number in range(3):
        asked = Request("GET", "/", "", "a", [(b"X-Key", LONG.encode() + b"%d" % number)], "192.0.2.1")
        names.add(bucket_name(limit, asked, None))
    assert len(names) == 3
    assert max(map(len, names)) < 200


def test_events_with_labels_that_others_choose_are_bounded() -> None:
    counters, sums = Counters(), WorkerTotals()

    def flood() -> None:
        for round_ in range(5):
            for number in range(2 * MOST_EVENTS):
                counters.event("broken_responses", f"{round_}-{number}{LONG}")
            sums.add(counters.take())

    assert grown(flood) < 2 * MIB
    assert len(sums.events) <= MOST_EVENTS + 1
    assert sum(sums.events.values()) == 10 * MOST_EVENTS
    assert all(len(label) <= LONGEST_LABEL for _, label in sums.events)


def test_an_access_log_that_nobody_reads_holds_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(os, "open", lambda *_: writing)
    monkeypatch.setattr(access_log, "WAITING_BYTES", 2 * MIB)
    log = AccessLogWriter("log")
    monkeypatch.undo()
    monkeypatch.setattr(access_log, "WAITING_BYTES", 2 * MIB)

    def flood() -> None:
        for _ in range(40):
            for number in range(100):
                log.write(f"{number}{LONG}\n")
            log.flush()

    assert grown(flood) < 5 * MIB
    assert log.dropped > 1000
    os.close(reading)  # whoever writes is told, and the thread ends
    log.close()


@pytest.fixture
def wide(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, limits=replace(snapshot.limits, header_bytes=32_768, header_count=100, target_bytes=8000))


@pytest.mark.parametrize("cut", [None, 9], ids=["plain", "parsed"])
def test_an_idle_connection_holds_nothing_of_its_requests(wide: Snapshot, cut: int | None) -> None:
    async def main() -> None:
        plane = Plane(wide)
        clients = [plane.client() for _ in range(60)]

        async def flood(number: int) -> None:
            client = clients[number]
            for target in ("/a", "/private", "/catalog/1", "/a"):
                data = f"GET {target} HTTP/1.1\r\nHost: a\r\nX-Field: {number}{LONG * 3}\r\n\r\n".encode()
                for read in (data,) if cut is None else (data[:cut], data[cut:]):
                    client.feed(read)
                await plane.settle()
                for upstream in plane.busy():
                    upstream.take()
                    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await plane.settle()
                client.take()

        await flood(0)
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(1, len(clients)):
                await flood(number)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held / (len(clients) - 1) < 10_000

    run(main)
