"""Rate limits over real workers and sockets: exact over all of them, by key, and told to clients."""

from __future__ import annotations

import fcntl
import json
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, ask, request
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer
from tests.e2e.waiting import wait_for


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as running:
        yield running


def configuration(upstream: RecordingUpstream, *limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    limited = {"name": "limited", "match": {"path": "/limited/**"}, "upstream": "legacy", "rate_limits": list(limits)}
    return {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy", "routes": [limited], **more}


def test_exactly_the_burst_is_let_in_over_all_workers(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = configuration(upstream, {"requests": 40, "per": "1h"})
    with GatewayProcess(tmp_path, config, workers=2) as gateway:
        statuses: list[int] = []

        def call() -> None:
            for _ in range(5):
                # A connection each, so that both workers get some.
                with gateway.client() as client:
                    statuses.extend(client.request("/limited/x").status for _ in range(2))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert statuses.count(200) == 40
        assert statuses.count(429) == 40
        assert sum(request.target == b"/limited/x" for request in upstream.received) == 40
        wait_for(lambda: gateway.metric("strangler_events_total", event="rate_limited") == 40, "the count", 60)
        assert ask(gateway.port, "/free").value(b"RateLimit") is None


def test_a_request_waits_for_a_stopped_worker_that_holds_a_bucket(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = configuration(upstream, {"requests": 1, "per": "1h"})
    with GatewayProcess(tmp_path, config) as gateway, gateway.client() as client:
        # What such a worker has left behind: its record locks on the table of all buckets.
        (worker,) = gateway.worker_pids()
        descriptors = Path(f"/proc/{worker}/fd").iterdir()
        table = next(path for path in descriptors if "memfd:rate-limits" in str(path.readlink()))
        with table.open("r+b") as shared:
            fcntl.lockf(shared, fcntl.LOCK_EX)
            client.send(request("/limited/x"))
            readable, _, _ = select.select([client.socket], [], [], 0.3)
            assert not readable, "decided beside the one who has the bucket in hand"
            fcntl.lockf(shared, fcntl.LOCK_UN)
        assert client.response().status == 200
        assert client.request("/limited/x").status == 429


def test_a_client_is_told_how_it_stands_and_when_to_come_again(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = configuration(upstream, {"requests": 2, "per": "1m"})
    with GatewayProcess(tmp_path, config) as gateway, gateway.client() as client:
        first = client.request("/limited/x")
        assert first.status == 200
        assert first.value(b"RateLimit-Policy") == b'"limited";q=2;w=60'
        assert first.value(b"RateLimit") == b'"limited";r=1;t=30'
        client.request("/limited/x")
        refused = client.request("/limited/x")
        assert refused.status == 429
        assert 28 <= int(refused.value(b"Retry-After") or b"0") <= 30
        assert (refused.value(b"RateLimit") or b"").startswith(b'"limited";r=0;t=')
        assert refused.value(b"Content-Type") == b"application/problem+json"
        assert json.loads(refused.body)["title"] == "Too Many Requests"
        assert client.request("/free").status == 200, "the connection is as good as before"


def test_each_client_has_a_bucket_by_its_first_available_key(tmp_path: Path, upstream: RecordingUpstream) -> None:
    issuer = Issuer()
    (tmp_path / "jwks.json").write_bytes(issuer.key_set())
    provider = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks": str(tmp_path / "jwks.json")}
    config = configuration(
        upstream,
        {"requests": 1, "per": "1h", "key": ["claim:sub", "header:X-Client"]},
        auth={"providers": {"shop": provider}},
    )
    config["routes"][0]["auth"] = {"provider": "shop", "required": False}
    with GatewayProcess(tmp_path, config) as gateway:
        alice, bob = (f"Authorization: Bearer {issuer.token(sub=name)}" for name in ("alice", "bob"))
        asked = [
            (alice,),
            (bob,),
            (alice, "X-Client: other"),
            ("X-Client: alice",),
            ("X-Client: alice",),
            (),
            (),
        ]
        statuses = [ask(gateway.port, "/limited/x", *fields).status for fields in asked]
        assert statuses == [200, 200, 429, 200, 429, 200, 429]


def test_a_refusal_by_one_limit_costs_the_others_nothing(tmp_path: Path, upstream: RecordingUpstream) -> None:
    migration = {
        "from": "legacy",
        "to": "legacy",
        "stage": "extracted",
        "rate_limits": [{"requests": 3, "per": "1h"}],
        "routes": [
            {"name": "one", "match": {"path": "/one"}, "rate_limits": [{"requests": 1, "per": "1h"}]},
            {"name": "two", "match": {"path": "/two"}},
        ],
    }
    config = {
        "upstreams": {"legacy": {"endpoints": [upstream.url]}, "new": {"endpoints": [upstream.url]}},
        "migrations": {"moved": {**migration, "to": "new"}},
    }
    with GatewayProcess(tmp_path, config) as gateway:
        targets = ["/one", "/one", "/one", "/two", "/two", "/two"]
        answers = [ask(gateway.port, target) for target in targets]
        assert [answer.status for answer in answers] == [200, 429, 429, 200, 200, 429]
        assert answers[0].value(b"RateLimit-Policy") == b'"moved/*";q=3;w=3600, "moved/one";q=1;w=3600'


def test_a_refused_request_with_a_body_leaves_nothing_behind(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = configuration(upstream, {"requests": 1, "per": "1h"})
    with GatewayProcess(tmp_path, config) as gateway:
        assert ask(gateway.port, "/limited/x", method="POST", body=b"x" * 100_000).status == 200
        with Client(gateway.port) as client:
            client.send(b"POST /limited/x HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\n")
            assert client.response("POST").status == 429
        assert len(upstream.received) == 1


def test_counts_survive_reloads_and_new_workers_unless_the_limit_changes(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    config = configuration(upstream, {"requests": 1, "per": "1h"})
    with GatewayProcess(tmp_path, config) as gateway:
        assert ask(gateway.port, "/limited/x").status == 200
        gateway.reload({**config, "shutdown": {"drain": "10s"}})
        assert ask(gateway.port, "/limited/x").status == 429
        former = gateway.worker_pids()
        gateway.process.kill()
        gateway.process.wait(60)
        gateway.start()
        gateway.wait_ready()
        wait_for(lambda: not gateway.status()["workers_leaving"], "the former worker to leave")
        assert gateway.worker_pids() != former
        assert ask(gateway.port, "/limited/x").status == 429
        gateway.reload(configuration(upstream, {"requests": 2, "per": "1h"}))
        assert ask(gateway.port, "/limited/x").status == 200
