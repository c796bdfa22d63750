"""Breakers that open and close, and a limit to what an upstream gets at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.test_resilience_fallback import migration
from tests.e2e.waiting import wait_for

BREAKER = {"minimum_requests": 4, "error_percent": 50, "open_time": "500ms", "probes": 1}


def single(url: str, **upstream: Any) -> dict[str, Any]:
    return {"upstreams": {"shop": {"endpoints": [url], **upstream}}, "default": "shop"}


def breaker(gateway: GatewayProcess, upstream: str = "shop") -> dict[str, int]:
    """The number of workers whose breaker is in each state."""
    return dict(gateway.status()["upstreams"][upstream]["breaker"]["workers"])


def test_the_breaker_opens_admits_a_probe_and_closes(start: Start, upstream: RecordingUpstream) -> None:
    status = [b"500 Internal Server Error"]
    upstream.on("/page")(lambda call: call.answer(b"page", status=status[0]))
    gateway = start(single(upstream.url, breaker=BREAKER))
    assert breaker(gateway) == {"closed": 1}
    assert [ask(gateway.port, "/page").status for _ in range(4)] == [500] * 4
    refused = ask(gateway.port, "/page")
    assert refused.status == 503
    assert int(refused.value(b"Retry-After") or b"0") >= 1
    assert len(upstream.requests("/page")) == 4
    assert breaker(gateway) == {"open": 1}
    assert gateway.metric("strangler_breaker_state", upstream="shop", state="open") == 1
    status[0] = b"200 OK"
    wait_for(lambda: ask(gateway.port, "/page").status == 200, "a probe to be let through")
    assert breaker(gateway) == {"closed": 1}
    events = [len(gateway.events(f"breaker {what}")) for what in ("opened", "lets probes through", "closed")]
    assert events == [1, 1, 1]


def test_the_breaker_opens_for_an_upstream_that_does_not_respond(start: Start, nobody: str) -> None:
    gateway = start(single(nobody, breaker=BREAKER))
    assert [ask(gateway.port, "/page").status for _ in range(5)] == [502] * 4 + [503]


def test_the_breaker_opens_for_slow_responses(start: Start, upstream: RecordingUpstream) -> None:
    go_on = threading.Event()
    upstream.on("/slow")(lambda call: (go_on.wait(0.05), call.answer(b"late")))
    gateway = start(single(upstream.url, breaker={**BREAKER, "slow": "20ms", "slow_percent": 100}))
    assert [ask(gateway.port, "/slow").status for _ in range(5)] == [200] * 4 + [503]


def test_client_errors_and_clients_that_leave_do_not_open_it(start: Start, upstream: RecordingUpstream) -> None:
    upstream.on("/missing")(lambda call: call.answer(status=b"404 Not Found"))
    upstream.on("/stall")(lambda call: call.wait_hang_up())
    gateway = start(single(upstream.url, breaker=BREAKER))
    for _ in range(6):
        assert ask(gateway.port, "/missing").status == 404
        with gateway.client() as client:
            client.send(b"GET /stall HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            upstream.last("/stall")
            client.reset()
    assert breaker(gateway) == {"closed": 1}


def test_a_reload_keeps_the_state_of_a_breaker(start: Start, upstream: RecordingUpstream) -> None:
    upstream.on("/page")(lambda call: call.answer(status=b"500 Internal Server Error"))
    settings = single(upstream.url, breaker={**BREAKER, "open_time": "60s"})
    gateway = start(settings)
    for _ in range(4):
        ask(gateway.port, "/page")
    settings["upstreams"]["shop"]["keep_alive"] = "20s"
    gateway.reload(settings)
    assert ask(gateway.port, "/page").status == 503


def test_an_open_breaker_of_a_migration_falls_back_to_the_monolith(start: Start, upstream: RecordingUpstream) -> None:
    with RecordingUpstream("extracted") as extracted:
        extracted.on("/products")(lambda call: call.answer(status=b"500 Internal Server Error"))
        gateway = start(migration(upstream.url, extracted.url, breaker={**BREAKER, "open_time": "60s"}))
        assert [ask(gateway.port, "/products").status for _ in range(8)] == [500] * 4 + [200] * 4
        assert len(extracted.requests("/products")) == 4
    status = gateway.status()
    assert status["upstreams"]["catalog (extracted)"]["breaker"]["workers"] == {"open": 1}
    assert status["upstreams"]["catalog (legacy)"]["breaker"]["workers"] == {"closed": 1}
    assert status["migrations"]["catalog"]["fallbacks"] == {"breaker": 4}


# Concurrency


@pytest.fixture
def gate(upstream: RecordingUpstream) -> Iterator[threading.Event]:
    """Requests for /held are answered once it is set."""
    opened = threading.Event()

    @upstream.on("/held")
    def held(call: Call) -> None:
        opened.wait(60)
        call.answer(b"done")

    yield opened
    opened.set()


def test_requests_beyond_limit_and_queue_are_refused(
    start: Start, upstream: RecordingUpstream, gate: threading.Event
) -> None:
    gateway = start(single(upstream.url, concurrency={"limit": 2, "queue": 1, "wait": "30s"}))
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(ask, gateway.port, "/held") for _ in range(3)]
        wait_for(
            lambda: gateway.status()["upstreams"]["shop"]["concurrency"] == {"running": 2, "waiting": 1},
            "two requests under way and one waiting",
        )
        refused = ask(gateway.port, "/held")
        assert refused.status == 503
        assert refused.value(b"Retry-After") == b"1"
        assert len(upstream.requests("/held")) == 2
        gate.set()
        assert [one.result().body for one in waiting] == [b"done"] * 3
    assert gateway.status()["upstreams"]["shop"]["concurrency"] == {"running": 0, "waiting": 0}


def test_a_request_that_waits_too_long_is_refused(
    start: Start, upstream: RecordingUpstream, gate: threading.Event
) -> None:
    gateway = start(single(upstream.url, concurrency={"limit": 1, "queue": 5, "wait": "200ms"}))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway.port, "/held")
        upstream.last("/held")
        assert ask(gateway.port, "/held").status == 503
        gate.set()
        assert first.result().status == 200
    assert ask(gateway.port, "/held").status == 200


def test_a_client_that_leaves_frees_its_place(start: Start, upstream: RecordingUpstream, gate: threading.Event) -> None:
    gateway = start(single(upstream.url, concurrency={"limit": 1, "queue": 5, "wait": "30s"}))
    with gateway.client() as running, gateway.client() as waiting:
        running.send(b"GET /held HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        upstream.last("/held")
        waiting.send(b"GET /held HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        wait_for(lambda: gateway.status()["upstreams"]["shop"]["concurrency"]["waiting"] == 1, "one to wait")
        waiting.reset()
        running.reset()
    wait_for(lambda: gateway.status()["upstreams"]["shop"]["concurrency"] == {"running": 0, "waiting": 0}, "room again")
    assert ask(gateway.port, "/free").status == 200


def test_a_client_returns_to_the_extracted_side_when_the_breaker_closes(
    start: Start, upstream: RecordingUpstream
) -> None:
    status = [b"500 Internal Server Error"]
    with RecordingUpstream("extracted") as extracted:
        extracted.on("/products")(lambda call: call.answer(b"extracted", status=status[0]))
        gateway = start(migration(upstream.url, extracted.url, breaker=BREAKER))
        with gateway.client() as other, gateway.client() as client:
            assert [other.request("/products").status for _ in range(4)] == [500] * 4
            # The second of these is known by its head when the legacy side answers it.
            assert [client.request("/products").status for _ in range(3)] == [200] * 3
            status[0] = b"200 OK"
            wait_for(lambda: other.request("/products").body == b"extracted", "the breaker to close")
            assert client.request("/products").body == b"extracted"
