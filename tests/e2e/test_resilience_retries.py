"""Requests that are sent again, and those that never are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

Pair = tuple[RecordingUpstream, RecordingUpstream]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two endpoints of one upstream."""
    with RecordingUpstream("first") as first, RecordingUpstream("second") as second:
        yield first, second
        assert not first.failed + second.failed


def configuration(pair: Pair, retries: dict[str, Any] | None = None, **upstream: Any) -> dict[str, Any]:
    route: dict[str, Any] = {"name": "all", "match": {"path": "/**"}, "upstream": "shop"}
    if retries is not None:
        route["retries"] = retries
    return {"upstreams": {"shop": {"endpoints": [one.url for one in pair], **upstream}}, "routes": [route]}


def on_both(pair: Pair, path: str, script: Any) -> None:
    for one in pair:
        one.on(path)(script)


def received(pair: Pair, path: str) -> int:
    return sum(len(one.requests(path)) for one in pair)


def breaking_first(pair: Pair, path: str, breaking: Any) -> None:
    """Whichever endpoint is asked first breaks; the other answers."""
    asked: list[str] = []

    def script(call: Call) -> None:
        asked.append(call.upstream.name)
        if len(asked) == 1:
            breaking(call)
        else:
            call.answer(call.upstream.name.encode())

    on_both(pair, path, script)


@pytest.mark.parametrize("ending", ["reset", "hang_up"])
def test_a_read_is_retried_when_its_endpoint_hangs_up(start: Start, pair: Pair, ending: str) -> None:
    breaking_first(pair, "/read", lambda call: getattr(call, ending)())
    gateway = start(configuration(pair))
    answer = ask(gateway.port, "/read")
    assert answer.status == 200
    assert [len(one.requests("/read")) for one in pair] == [1, 1]
    assert gateway.access("/read")[0]["retries"] == 1
    assert gateway.metric("strangler_events_total", event="retries", label="shop") == 1


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("ending", ["reset", "hang_up"])
def test_a_write_is_never_retried(start: Start, pair: Pair, method: str, ending: str) -> None:
    on_both(pair, "/write", lambda call: getattr(call, ending)())
    methods = ["GET", "PUT", "POST", "PATCH"]
    gateway = start(configuration(pair, {"attempts": 5, "methods": methods, "timeouts": True, "statuses": [503]}))
    assert ask(gateway.port, "/write", method=method, body=b"pay").status == 502
    assert received(pair, "/write") == 1


def test_an_idempotent_write_is_retried_with_its_body_where_configured(start: Start, pair: Pair) -> None:
    breaking_first(pair, "/put", lambda call: call.reset())
    gateway = start(configuration(pair, {"methods": ["PUT"]}))
    assert ask(gateway.port, "/put", method="PUT", body=b"x" * 50_000).status == 200
    assert [one.last("/put").body for one in pair] == [b"x" * 50_000] * 2


def test_a_body_larger_than_the_retry_buffer_is_not_resent(start: Start, pair: Pair) -> None:
    breaking_first(pair, "/put", lambda call: call.reset())
    gateway = start(configuration(pair, {"methods": ["PUT"], "body": "1KiB"}))
    assert ask(gateway.port, "/put", method="PUT", body=b"x" * 2000).status == 502
    assert received(pair, "/put") == 1


def test_an_idempotent_write_is_not_retried_by_default(start: Start, pair: Pair) -> None:
    breaking_first(pair, "/put", lambda call: call.reset())
    gateway = start(configuration(pair))
    assert ask(gateway.port, "/put", method="PUT", body=b"x").status == 502
    assert received(pair, "/put") == 1


def test_a_status_named_by_the_route_is_retried_for_writes_too(start: Start, pair: Pair) -> None:
    breaking_first(pair, "/write", lambda call: call.answer(b"busy", status=b"503 Service Unavailable"))
    gateway = start(configuration(pair, {"methods": ["POST"], "statuses": [503]}))
    answer = ask(gateway.port, "/write", method="POST", body=b"pay")
    assert answer.status == 200
    assert [one.last("/write").body for one in pair] == [b"pay", b"pay"]


def test_a_large_or_chunked_error_response_is_retried_too(start: Start, pair: Pair) -> None:
    head = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n"
    breaking_first(pair, "/chunked", lambda call: call.send(head))
    gateway = start(configuration(pair, {"statuses": [503]}))
    answer = ask(gateway.port, "/chunked")
    assert answer.status == 200
    assert answer.body in (b"first", b"second")


def test_an_error_that_persists_reaches_the_client_unchanged(start: Start, pair: Pair) -> None:
    on_both(pair, "/bad", lambda call: call.answer(b"busy", b"X: y", status=b"503 Service Unavailable"))
    gateway = start(configuration(pair, {"attempts": 5, "statuses": [503]}))
    answer = ask(gateway.port, "/bad")
    assert (answer.status, answer.body, answer.value(b"X")) == (503, b"busy", b"y")
    assert [len(one.requests("/bad")) for one in pair] == [1, 1]  # each endpoint once


def test_retry_after_is_respected(start: Start, pair: Pair) -> None:
    """One that asks for more patience than there is reaches the client instead."""
    breaking_first(pair, "/later", lambda call: call.answer(b"", b"Retry-After: 60", status=b"503 Busy"))
    gateway = start(configuration(pair, {"statuses": [503]}))
    answer = ask(gateway.port, "/later")
    assert (answer.status, answer.value(b"Retry-After")) == (503, b"60")
    assert received(pair, "/later") == 1


def test_a_slow_endpoint_is_retried_elsewhere_where_configured(start: Start, pair: Pair) -> None:
    breaking_first(pair, "/slow", lambda call: call.wait_hang_up())
    gateway = start(configuration(pair, {"timeouts": True}, timeouts={"response": "300ms"}))
    assert ask(gateway.port, "/slow").status == 200
    wait_for(lambda: [one for one in pair if one.hung_up], "the slow endpoint to be hung up on")


def test_the_only_endpoint_is_retried_where_configured(start: Start, upstream: RecordingUpstream) -> None:
    breaking_first((upstream, upstream), "/read", lambda call: call.reset())
    gateway = start(configuration((upstream,), {"same_endpoint": True}))  # type: ignore[arg-type]
    assert ask(gateway.port, "/read").status == 200
    assert len(upstream.requests("/read")) == 2


def test_the_budget_bounds_the_retries_of_a_failing_upstream(start: Start, pair: Pair) -> None:
    on_both(pair, "/storm", lambda call: call.reset())
    gateway = start(
        configuration(pair, {"backoff": 0}, retry_budget={"percent": 20, "minimum": 0}, ejection={"enabled": False})
    )
    for _ in range(50):
        assert ask(gateway.port, "/storm").status == 502
    assert received(pair, "/storm") == 60
    assert gateway.metric("strangler_events_total", event="retries_over_budget") == 40


def test_the_total_deadline_ends_all_attempts(start: Start, pair: Pair) -> None:
    on_both(pair, "/slow", lambda call: call.wait_hang_up())
    settings = configuration(pair, {"attempts": 9, "timeouts": True})
    settings["routes"][0]["timeouts"] = {"total": "2s"}
    gateway = start(settings)
    answer = ask(gateway.port, "/slow")
    assert answer.status == 504
    assert "longer than it may" in json.loads(answer.body)["detail"]
    assert received(pair, "/slow") == 1


def test_the_total_deadline_aborts_a_response(start: Start, pair: Pair) -> None:
    def trickle(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        call.wait_hang_up()

    on_both(pair, "/trickle", trickle)
    settings = configuration(pair)
    settings["routes"][0]["timeouts"] = {"total": "2s"}
    gateway = start(settings)
    with gateway.client() as client:
        client.send(b"GET /trickle HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        assert client.reader.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert client.is_closed()


def test_deadlines_of_a_route_replace_the_upstreams(start: Start, pair: Pair) -> None:
    on_both(pair, "/slow", lambda call: call.wait_hang_up())
    settings = configuration(pair, timeouts={"response": "60s"})
    settings["routes"][0]["timeouts"] = {"response": "300ms"}
    gateway = start(settings)
    assert ask(gateway.port, "/slow").status == 504


# Passive ejection


def ejected(gateway: GatewayProcess) -> list[str]:
    endpoints = gateway.status()["upstreams"]["shop"]["endpoints"]
    return [endpoint["url"] for endpoint in endpoints if endpoint["ejected_by_workers"]]


def test_a_failing_endpoint_is_ejected_and_returns(start: Start, pair: Pair) -> None:
    bad = pair[0]
    bad.on("/read")(lambda call: call.reset())
    gateway = start(configuration(pair, ejection={"consecutive_failures": 2, "time": "1s"}))
    for _ in range(4):
        assert ask(gateway.port, "/read").status == 200
    assert ejected(gateway) == [bad.url]
    assert gateway.metric("strangler_endpoint_ejected", endpoint=bad.url) == 1
    before = len(bad.requests("/read"))
    for _ in range(4):
        ask(gateway.port, "/read")
    assert len(bad.requests("/read")) == before
    bad.on("/read")(lambda call: call.answer(b"well again"))
    wait_for(lambda: not ejected(gateway), "the ejection to end")
    for _ in range(2):
        ask(gateway.port, "/read")
    assert len(bad.requests("/read")) > before
    assert [event["endpoint"] for event in gateway.events("endpoint ejected")] == [bad.url]
    assert gateway.events("endpoint takes requests again")


def test_a_client_that_leaves_counts_as_no_failure(start: Start, pair: Pair) -> None:
    on_both(pair, "/slow", lambda call: call.wait_hang_up())
    gateway = start(configuration(pair, ejection={"consecutive_failures": 1}))
    for number in range(4):
        with gateway.client() as client:
            client.send(b"GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            wait_for(lambda n=number: received(pair, "/slow") > n, "the request")  # type: ignore[misc]
            client.reset()
    wait_for(lambda: len(gateway.access("/slow")) == 4, "four lines in the access log")
    assert ejected(gateway) == []


def test_error_responses_count_as_failures_only_where_configured(start: Start, pair: Pair) -> None:
    on_both(pair, "/error", lambda call: call.answer(status=b"500 Internal Server Error"))
    gateway = start(configuration(pair, ejection={"consecutive_failures": 1}))
    for _ in range(4):
        assert ask(gateway.port, "/error").status == 500
    assert ejected(gateway) == []
    gateway.reload(configuration(pair, ejection={"consecutive_failures": 1, "statuses": [500]}))
    for _ in range(4):
        assert ask(gateway.port, "/error").status == 500
    assert len(ejected(gateway)) == 1  # never both


def test_ejected_endpoints_are_used_when_all_are_ejected(start: Start, pair: Pair) -> None:
    settings = {"consecutive_failures": 1, "largest_percent": 100, "time": "60s"}
    on_both(pair, "/bad", lambda call: call.reset())
    gateway = start(configuration(pair, ejection=settings))
    for _ in range(3):
        assert ask(gateway.port, "/bad").status == 502
    assert len(ejected(gateway)) == 2
    assert ask(gateway.port, "/good").status == 200
