"""Slow reads that are sent to a second endpoint: the first answer counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.raw_http import ask, chunked
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

Pair = tuple[RecordingUpstream, RecordingUpstream]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two endpoints of one upstream."""
    with RecordingUpstream("first") as first, RecordingUpstream("second") as second:
        yield first, second
        assert not first.failed + second.failed


def configuration(pair: Pair, after: str = "50ms", **upstream: Any) -> dict[str, Any]:
    route = {"name": "all", "match": {"path": "/**"}, "upstream": "shop", "hedging": {"after": after}}
    return {"upstreams": {"shop": {"endpoints": [one.url for one in pair], **upstream}}, "routes": [route]}


def by_turn(pair: Pair, path: str, *scripts: Any) -> None:
    """The first request for `path` is answered by the first script, the second by the second."""
    left = list(scripts)
    for one in pair:
        one.on(path)(lambda call: left.pop(0)(call))


ANSWERS = {
    "short": lambda call: call.answer(b"second"),
    "chunked": lambda call: call.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"sec", b"ond")
    ),
}


@pytest.mark.parametrize("framing", ANSWERS)
def test_the_second_endpoint_responds_when_the_first_stalls(start: Start, pair: Pair, framing: str) -> None:
    by_turn(pair, "/slow", lambda call: call.wait_hang_up(), ANSWERS[framing])
    gateway = start(configuration(pair))
    with gateway.client() as client:
        assert client.request("/slow").body == b"second"
        assert client.request("/next").status == 200
    wait_for(lambda: [one for one in pair if one.hung_up], "the slow endpoint to be hung up on")
    assert gateway.metric("strangler_events_total", event="hedges_won", label="shop") == 1
    assert len(gateway.access("/slow")) == 1


def test_the_first_endpoint_wins_when_it_is_faster(start: Start, pair: Pair) -> None:
    second_asked = threading.Event()

    def first(call: Call) -> None:
        assert second_asked.wait(60)
        call.answer(b"first")

    def second(call: Call) -> None:
        second_asked.set()
        call.wait_hang_up()

    by_turn(pair, "/slow", first, second)
    gateway = start(configuration(pair))
    assert ask(gateway.port, "/slow").body == b"first"
    wait_for(lambda: [one for one in pair if one.hung_up], "the second endpoint to be hung up on")
    assert gateway.metric("strangler_events_total", event="hedges_won") == 0


def test_an_error_of_the_hedge_is_ignored(start: Start, pair: Pair) -> None:
    second_answered = threading.Event()

    def first(call: Call) -> None:
        assert second_answered.wait(60)
        call.answer(b"first")

    def second(call: Call) -> None:
        call.answer(b"busy", status=b"503 Service Unavailable")
        second_answered.set()

    by_turn(pair, "/slow", first, second)
    gateway = start(configuration(pair))
    assert ask(gateway.port, "/slow").body == b"first"


def test_a_first_failure_waits_for_the_hedge(start: Start, pair: Pair) -> None:
    second_asked, first_gone = threading.Event(), threading.Event()

    def first(call: Call) -> None:
        assert second_asked.wait(60)
        call.reset()
        first_gone.set()

    def second(call: Call) -> None:
        second_asked.set()
        assert first_gone.wait(60)
        call.answer(b"second")

    by_turn(pair, "/slow", first, second)
    gateway = start(configuration(pair))
    assert ask(gateway.port, "/slow").body == b"second"


def test_a_write_is_never_hedged(start: Start, pair: Pair) -> None:
    for one in pair:
        one.on("/write")(lambda call: call.wait_hang_up())
    gateway = start(configuration(pair, timeouts={"response": "400ms"}))
    assert ask(gateway.port, "/write", method="POST", body=b"x").status == 504
    assert sum(len(one.requests("/write")) for one in pair) == 1


def test_hedges_use_the_retry_budget(start: Start, pair: Pair) -> None:
    for one in pair:
        one.on("/slow")(lambda call: call.wait_hang_up())
    budget = {"percent": 0, "minimum": 0}
    gateway = start(configuration(pair, retry_budget=budget, timeouts={"response": "400ms"}))
    assert ask(gateway.port, "/slow").status == 504
    assert sum(len(one.requests("/slow")) for one in pair) == 1


def test_a_client_that_leaves_cancels_both_attempts(start: Start, pair: Pair) -> None:
    for one in pair:
        one.on("/slow")(lambda call: call.wait_hang_up())
    gateway = start(configuration(pair))
    with gateway.client() as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        wait_for(lambda: all(one.requests("/slow") for one in pair), "both tries")
        client.reset()
        wait_for(lambda: all(one.hung_up for one in pair), "both to be hung up on")
