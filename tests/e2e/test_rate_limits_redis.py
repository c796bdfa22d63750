"""Several gateways that count together in a real Redis, and what they do without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.redis_server import PROGRAM, RedisServer
from tests.e2e.waiting import wait_for

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed")


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as running:
        yield running


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


def configuration(upstream: RecordingUpstream, redis: RedisServer, requests: int, **more: Any) -> dict[str, Any]:
    limited = {
        "name": "limited",
        "match": {"path": "/limited"},
        "upstream": "legacy",
        "rate_limits": [
            {"requests": requests, "per": "1h", "key": "header:X-Client"},
            {"requests": 1000, "per": "100h"},
        ],
    }
    return {
        "upstreams": {"legacy": {"endpoints": [upstream.url]}},
        "default": "legacy",
        "routes": [limited],
        # Generous, because machines that run tests are busy.
        "redis": {"url": redis.url, "timeout": "2s", **more},
    }


def test_gateways_together_let_exactly_the_burst_in(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    config = configuration(upstream, redis, 15)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with GatewayProcess(folders[0], config, workers=2) as one, GatewayProcess(folders[1], config) as two:
        answers = [ask(gateway.port, "/limited", "X-Client: a") for _ in range(10) for gateway in (one, two)]
        assert [answer.status for answer in answers] == [200] * 15 + [429] * 5
        remaining = [(answer.value(b"RateLimit") or b"").split(b";")[1] for answer in answers]
        assert remaining == [b"r=%d" % left for left in reversed(range(15))] + [b"r=0"] * 5
        assert b'"limited:2";r=985;' in (answers[-1].value(b"RateLimit") or b""), (
            "it was not touched by what was refused"
        )
        assert ask(two.port, "/limited", "X-Client: b").status == 200
        found = redis.keys()
        assert len(found) == 3
        assert not any(b"X-Client" in key for key in found)


def test_without_redis_each_machine_limits_by_itself(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    with GatewayProcess(tmp_path, configuration(upstream, redis, 3)) as gateway:
        assert ask(gateway.port, "/limited", "X-Client: a").status == 200
        redis.stop()
        statuses = [ask(gateway.port, "/limited", "X-Client: a").status for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429], "a bucket of this machine's own"
        wait_for(lambda: gateway.events("redis does not respond"), "the log to say so")
        assert gateway.metric("strangler_events_total", event="rate_limits_without_redis", label="local") == 5
        redis.start()
        wait_for(lambda: gateway.events("redis responds again"), "Redis to be found again")
        assert ask(gateway.port, "/limited", "X-Client: a").status == 200


def test_without_redis_only_limited_routes_can_refuse(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    with GatewayProcess(tmp_path, configuration(upstream, redis, 3, unavailable="refuse")) as gateway:
        assert ask(gateway.port, "/limited").status == 200
        redis.stop()
        refused = ask(gateway.port, "/limited")
        assert refused.status == 503
        assert refused.value(b"Retry-After") == b"1"
        assert ask(gateway.port, "/free").status == 200


def test_a_hanging_redis_delays_one_request_and_not_the_next(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    with GatewayProcess(tmp_path, configuration(upstream, redis, 3, timeout="200ms")) as gateway:
        wait_for(lambda: ask(gateway.port, "/limited", "X-Client: warm").status == 200, "a first answer")
        redis.pause()
        try:
            # Without a deadline of its own the gateway would keep each of them until the client gives up.
            statuses = [ask(gateway.port, "/limited", "X-Client: a").status for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
            # Only the first has asked Redis: it is left alone from then on.
            assert len(wait_for(lambda: gateway.events("redis does not respond"), "the log to say so")) == 1
        finally:
            redis.go_on()
        wait_for(lambda: gateway.events("redis responds again"), "Redis to be found again")


def test_a_restarted_redis_gets_the_script_again(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    with GatewayProcess(tmp_path, configuration(upstream, redis, 1)) as gateway:
        assert ask(gateway.port, "/limited", "X-Client: a").status == 200
        redis.stop()
        redis.start()

        def is_shared() -> bool:
            return ask(gateway.port, "/limited", "X-Client: b").status == 429 and len(redis.keys()) > 0

        wait_for(is_shared, "a count in the new Redis")


def test_a_redis_that_refuses_commands_is_logged_once(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    with GatewayProcess(tmp_path, configuration(upstream, redis, 3)) as gateway:
        assert ask(gateway.port, "/limited", "X-Client: a").status == 200
        redis.command("REPLICAOF", "127.0.0.1", 1)
        assert ask(gateway.port, "/limited", "X-Client: a").status == 200, "this machine's own bucket"
        (event,) = wait_for(lambda: gateway.events("redis refuses to count"), "the log to say so")
        assert (event["cause"], event["rate_limits"]) == ("read-only", "local")
        assert "primary" in event["do"]
        redis.command("CONFIG", "SET", "maxmemory", 1)
        redis.command("REPLICAOF", "NO", "ONE")
        wait_for(lambda: len(gateway.events("redis refuses to count")) == 2, "the other cause")
        redis.command("CONFIG", "SET", "maxmemory", 0)
        wait_for(lambda: gateway.events("redis responds again"), "Redis to be used again")
        assert [one["cause"] for one in gateway.events("redis refuses to count")] == ["read-only", "out of memory"]
        assert gateway.metric("strangler_events_total", event="redis_unusable", label="read-only") == 1
        assert len(gateway.events("redis responds again")) == 1, "it was not found again while it still refused"
        assert not gateway.events("redis does not respond")
        assert all(line.startswith("{") for line in gateway.events_text().splitlines()), gateway.events_text()
