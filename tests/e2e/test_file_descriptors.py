"""File descriptors: the limit is raised and compared at the start, and running out of them is nobody else's fault."""

from __future__ import annotations

import contextlib
import resource

from tests.e2e.conftest import Start
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for

HARD = 200
TOO_FEW = "too few file descriptors for the connections that a worker accepts"


def soft_limit(pid: int) -> int:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]


def test_the_soft_limit_is_raised_and_compared_with_the_connections(start: Start, upstream: RecordingUpstream) -> None:
    config = {
        "upstreams": {"legacy": {"endpoints": [upstream.url], "connections": 50, "idle_connections": 10}},
        "default": "legacy",
        "limits": {"connections": 1000},
    }
    gateway = start(config, descriptors=(100, 600))
    assert soft_limit(gateway.process.pid) == 600
    assert soft_limit(gateway.worker_pids()[0]) == 600
    (event,) = gateway.events(TOO_FEW)
    assert event["level"] == "error"
    assert (event["limit"], event["hard_limit"], event["limits_connections"]) == (600, 600, 1000)
    assert event["needed"] == 64 + 1000 + 50
    gateway.reload({**config, "limits": {"connections": 560}})
    assert [event["level"] for event in gateway.events(TOO_FEW)] == ["error", "warning"]
    gateway.reload({**config, "limits": {"connections": 400}})
    assert len(gateway.events(TOO_FEW)) == 2


def test_running_out_of_descriptors_is_reported_and_blames_no_upstream(
    start: Start, upstream: RecordingUpstream
) -> None:
    with RecordingUpstream("extracted") as extracted:
        strict = {
            "ejection": {"consecutive_failures": 1},
            "breaker": {"minimum_requests": 1, "error_percent": 1},
        }
        endpoints = [extracted.url, extracted.url.replace("127.0.0.1", "localhost")]
        gateway = start(
            {
                "upstreams": {
                    "legacy": {"endpoints": [upstream.url]},
                    "extracted": {"endpoints": endpoints, **strict},
                },
                "migrations": {
                    "catalog": {
                        "from": "legacy",
                        "to": "extracted",
                        "stage": "extracted",
                        "routes": [{"match": {"path": "/catalog/**"}}],
                    }
                },
                "limits": {"header_timeout": "2m"},
            },
            descriptors=(HARD, HARD),
        )
        with contextlib.ExitStack() as open_ones:
            clients = [open_ones.enter_context(gateway.client()) for _ in range(HARD)]
            events = wait_for(lambda: gateway.events("no file descriptors left"), "an event that says so")
            assert (events[0]["doing"], events[0]["limit"]) == ("accept", HARD)
            assert events[0]["client_connections"] > HARD / 2
            # These stand, and their requests need a connection behind the gateway.
            for client in clients[:4]:
                answer = client.request("/catalog/before")
                assert answer.status == 503
                assert b"no file descriptors left" in answer.body
                assert answer.value(b"Retry-After") == b"1"
        assert gateway.metric("strangler_events_total", event="out_of_descriptors", label="accept") > 0
        assert gateway.metric("strangler_events_total", event="out_of_descriptors", label="connect") == 4
        assert [line["reason"][:11] for line in gateway.access("/catalog/before", 4)] == ["The gateway"] * 4

        # Once some are free again, everything is as it was.
        wait_for(lambda: gateway.status()["upstreams"]["extracted"], "figures of the upstream")
        assert ask(gateway.port, "/catalog/after").body == b'{"served by":"extracted"}'
        assert not gateway.events("breaker opened")
        assert not gateway.events("endpoint ejected")
        assert gateway.metric("strangler_fallbacks_total") == 0
        assert not upstream.received
