"""Shadow traffic with real processes: callers notice nothing, pairs reach the judge, and each is accounted for."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.preloaded import run_preloaded
from tests.e2e.raw_http import values
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

Start = Callable[..., GatewayProcess]


@pytest.fixture
def extracted() -> Iterator[RecordingUpstream]:
    """The extracted side."""
    with RecordingUpstream("extracted") as recording:
        yield recording
        assert not recording.failed, recording.failed


def configuration(
    legacy: RecordingUpstream, extracted: str, *, stage: str = "shadow", upstreams: Any = None, **shadow: Any
) -> dict[str, Any]:
    """A migration `items` of everything below /items/ in stage shadow; the rest goes to legacy."""
    settings = {"confirm_after": "10ms", "noise_percent": 0, "store": "values", **shadow}
    migration: dict[str, Any] = {
        "from": "legacy",
        "to": "extracted",
        "stage": stage,
        "shadow": settings,
        "routes": [{"name": "one", "match": {"path": "/items/{id}"}}],
    }
    if stage == "canary":
        migration["canary"] = {"percent": 100, "sticky": ["ip"]}
    return {
        "upstreams": {
            "legacy": {"endpoints": [legacy.url]},
            "extracted": {"endpoints": [extracted]},
            **(upstreams or {}),
        },
        "default": "legacy",
        "migrations": {"items": migration},
        "store": {"url": "sqlite:///store.sqlite3"},
    }


def answering(*upstreams: RecordingUpstream, path: str = "/items/1", body: bytes = b'{"id":1}') -> None:
    """All answer the same JSON."""
    for upstream in upstreams:
        upstream.on(path)(lambda call: call.answer(body, b"Content-Type: application/json"))


def found(gateway: GatewayProcess) -> dict[str, Any]:
    """What the judge found about the migration."""
    migrations = gateway.status()["shadow"]["migrations"]
    result: dict[str, Any] = migrations["items"]
    return result


def wait_found(gateway: GatewayProcess, **wanted: Any) -> dict[str, Any]:
    """Wait until the judge found what is `wanted`."""

    def holds() -> bool:
        now = found(gateway)
        return all(now[key] == value for key, value in wanted.items())

    try:
        wait_for(holds, f"the judge to find {wanted}", 30)
    except AssertionError:
        raise AssertionError(f"wanted {wanted}, found {found(gateway)}") from None
    return found(gateway)


def wait_judge(gateway: GatewayProcess) -> None:
    """Wait until the judge is there, so that no pair is lost for want of one."""
    wait_for(lambda: gateway.status()["shadow"].get("ready"), "the judge to listen", 30)


def test_a_shadow_serves_legacy_and_copies_to_extracted(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream)

    @extracted.on("/items/1")
    def answer(call: Call) -> None:
        call.answer(b'{"id":2}', b"Content-Type: application/json", b"Set-Cookie: shadow=1")

    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    with gateway.client() as client:
        response = client.request("/items/1?x=%2F&y=", "Cookie: session=abc", "X-Shadow: 1", "x_shadow: 2")
    assert response.body == b'{"id":1}'
    assert response.values(b"set-cookie") == []
    copy, original = extracted.last("/items/1"), upstream.last("/items/1")
    assert copy.line == original.line == b"GET /items/1?x=%2F&y= HTTP/1.1"
    assert copy.value(b"host") == b"shop.example"
    assert copy.value(b"x-shadow") == b"1"
    assert original.values(b"x-shadow") == []
    assert original.values(b"x_shadow") == copy.values(b"x_shadow") == []
    assert [field for field in copy.fields if field[0] != b"X-Shadow"] == original.fields
    wait_found(gateway, mismatch=1)


@pytest.mark.parametrize("depth", [300, 600])
def test_the_judge_survives_deeply_nested_responses(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream, depth: int
) -> None:
    def nested(number: int) -> bytes:
        return b'{"id":%d,"x":%b%b}' % (number, b"[" * depth, b"]" * depth)

    answering(upstream, body=nested(1))
    answering(extracted, body=nested(2))
    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    with gateway.client() as client:
        client.request("/items/1")
    wait_found(gateway, mismatch=1)
    # Its status is told after what was found is written.
    assert gateway.status()["shadow"]["judge_restarts"] == 0


def test_a_write_is_copied_to_the_sandbox_only(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    with RecordingUpstream("sandbox") as sandbox:
        answering(sandbox)
        gateway = start(
            configuration(
                upstream,
                extracted.url,
                upstreams={"sandbox": {"endpoints": [sandbox.url]}},
                methods=["GET", "POST"],
                sandbox="sandbox",
            )
        )
        wait_judge(gateway)
        with gateway.client() as client:
            client.request("/items/1", method="POST", body=b"whole")
            client.send(
                b"POST /items/1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            )
            client.response()
            client.request("/items/1")
            client.request("/items/1", method="DELETE")
        wait_found(gateway, match=3, not_compared={"method not copied": 1})
        assert sorted(one.body for one in sandbox.received) == [b"abcde", b"whole"]
        assert [one.method for one in extracted.received] == [b"GET"]


def test_a_live_upstream_is_refused_as_the_sandbox(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    gateway = start(configuration(upstream, extracted.url))
    before = gateway.version()
    for sandbox in ("extracted", "legacy"):
        gateway.write(configuration(upstream, extracted.url, methods=["GET", "POST"], sandbox=sandbox))
        wait_for(lambda: not gateway.status()["configuration"]["valid"], "the configuration to be refused")
        assert gateway.version() == before
    with gateway.client() as client:
        client.request("/items/1", method="POST", body=b"x")
    wait_found(gateway, not_compared={"method not copied": 1})
    assert extracted.received == []


@pytest.mark.parametrize("stage", ["canary", "extracted"])
def test_a_reverse_shadow_serves_extracted_and_copies_to_legacy(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream, stage: str
) -> None:
    answering(upstream, extracted)
    gateway = start(configuration(upstream, extracted.url, stage=stage, reverse=True))
    wait_judge(gateway)
    with gateway.client() as client:
        client.request("/items/1")
        client.request("/items/1", method="POST", body=b"x")
    wait_found(gateway, match=1, not_compared={"method not copied": 1})
    assert upstream.last("/items/1").value(b"x-shadow") == b"1"
    assert len(upstream.received) == 1
    assert extracted.last("/items/1").values(b"x-shadow") == []


def test_a_dead_candidate_changes_nothing_for_clients(start: Start, upstream: RecordingUpstream, nobody: str) -> None:
    answering(upstream)
    gateway = start(configuration(upstream, nobody))
    wait_judge(gateway)
    with gateway.client() as client:
        for _ in range(30):
            assert client.request("/items/1").body == b'{"id":1}'
    wait_found(gateway, failed={"could not be reached": 30})
    problem = "none of the last 30 requests was compared (could not be reached 30)"
    wait_for(lambda: problem in (found(gateway)["problem"] or ""), "the problem")
    wait_for(lambda: gateway.events("the shadow of a migration compares nothing"), "the warning")


def test_a_hanging_candidate_only_drops_copies_beyond_the_queue(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream)
    extracted.on("/items/1")(lambda call: call.wait_hang_up())
    gateway = start(configuration(upstream, extracted.url, concurrency=5, queue=0, timeout="4s"))
    wait_judge(gateway)
    with gateway.client() as client:
        for _ in range(12):
            assert client.request("/items/1").status == 200
    status = wait_for(lambda: (now := found(gateway))["failed"].get("timed out", 0) >= 5 and now, "the timeouts")
    assert (status["not_compared"], status["failed"]) == ({"overload": 7}, {"timed out": 5})
    wait_for(lambda: len(extracted.hung_up) == 5, "the copies to be hung up on")


def test_a_crashing_candidate_changes_nothing(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream)

    @extracted.on("/items/1")
    def crash(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        call.reset()

    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    with gateway.client() as client:
        assert client.request("/items/1").body == b'{"id":1}'
    wait_found(gateway, failed={"broke off": 1})


def test_a_client_that_leaves_during_the_body_is_not_copied(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    @upstream.on("/items/1")
    def slow(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        call.wait_hang_up()

    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    client = gateway.client()
    client.send(b"GET /items/1 HTTP/1.1\r\nHost: h\r\n\r\n")
    client.reader.until(b"half")
    client.reset()
    wait_found(gateway, not_compared={"client gone": 1})
    assert extracted.received == []


def test_a_body_too_large_or_endless_is_never_copied_in_part(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, body=b"x" * 2000)
    answering(upstream, extracted, path="/items/2")
    answering(upstream, path="/items/4")
    answering(extracted, path="/items/4", body=b"y" * 2000)

    @upstream.on("/items/3")
    def events(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: a\n\n")

    gateway = start(
        configuration(
            upstream,
            extracted.url,
            response_body="1KiB",
            request_body="1KiB",
            methods=["GET", "POST"],
            sandbox="sandbox",
            upstreams={"sandbox": {"endpoints": ["http://127.0.0.1:1"]}},
        )
    )
    wait_judge(gateway)
    with gateway.client() as client:
        client.request("/items/1")
        client.request("/items/3")
        client.request("/items/2", method="POST", body=b"z" * 2000)
        client.send(
            b"POST /items/2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n"
            + b"z" * 2000
            + b"\r\n0\r\n\r\n"
        )
        client.response()
        client.request("/items/4")
    # A response of legacy that is too long is left out; one of the candidate is its failure.
    wait_found(gateway, not_compared={"too big": 3, "endless stream": 1}, failed={"too big": 1})
    assert [one.target for one in extracted.received] == [b"/items/4"]


def test_responses_without_a_body_are_compared_too(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    for side in (upstream, extracted):
        side.on("/items/2")(lambda call: call.send(b"HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n"))
        side.on("/items/3")(lambda call: call.send(b"HTTP/1.1 204 No Content\r\n\r\n"))
    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    with gateway.client() as client:
        client.request("/items/1", method="HEAD")
        client.request("/items/2", "If-None-Match: a")
        client.request("/items/3")
    wait_found(gateway, match=3)
    # The 304 was no whole response, so both sides were asked once more.
    assert sorted(one.method for one in extracted.received) == [b"GET", b"GET", b"GET", b"HEAD"]


def test_a_conditional_request_is_compared_by_whole_responses(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    def revalidating(tag: bytes, body: bytes) -> Callable[[Call], None]:
        def answer(call: Call) -> None:
            if values(call.fields, b"if-none-match") == [tag]:
                call.send(b"HTTP/1.1 304 Not Modified\r\nETag: %b\r\n\r\n" % tag)
            else:
                call.answer(body, b"Content-Type: application/json", b"ETag: " + tag)

        return answer

    upstream.on("/items/1")(revalidating(b'"a"', b'{"id":1}'))
    extracted.on("/items/1")(revalidating(b'"b"', b'{"id":1}'))
    upstream.on("/items/2")(revalidating(b'"a"', b'{"id":2}'))
    extracted.on("/items/2")(revalidating(b'"a"', b'{"id":3}'))
    gateway = start(configuration(upstream, extracted.url))
    with gateway.client() as client:
        assert client.request("/items/1", 'If-None-Match: "a"').status == 304
        assert client.request("/items/2", 'If-None-Match: "a"').status == 304
    wait_found(gateway, match=1, mismatch=1)


def test_every_request_has_one_outcome_when_the_gateway_stops(
    upstream: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    answering(upstream)
    extracted.on("/items/1")(lambda call: call.wait_hang_up())
    config = configuration(upstream, extracted.url, concurrency=3, queue=5, timeout="60s")
    with GatewayProcess(tmp_path, config) as gateway, gateway.client() as client:
        for _ in range(12):
            assert client.request("/items/1").status == 200
    with sqlite3.connect(tmp_path / "store.sqlite3") as store:
        query = "select reason, count from shadow_pair_outcomes where epoch != 'self-test'"
        counts = dict(store.execute(query).fetchall())
    # Known pairs may have taken a place meanwhile.
    assert counts.keys() == {"overload", "gateway stopped"}
    assert sum(counts.values()) == 12


def test_the_comparison_tests_itself_while_it_runs(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    gateway = start(configuration(upstream, extracted.url))

    def blocking() -> list[str]:
        done = run_preloaded("shadow", "report", "items", "-c", gateway.path, "--json")
        reasons: list[str] = json.loads(done.stdout)["blocking"] if done.stdout else ["nothing"]
        return reasons

    answering(upstream, extracted)
    with gateway.client() as client:
        client.request("/items/1")
    wait_for(lambda: blocking()[0].startswith("3,326 more correct pairs"), "the comparison to be tested", 60)
    hiding = configuration(upstream, extracted.url)
    hiding["migrations"]["items"]["compare"] = {"rules": [{"name": "all", "body": True, "ignore": "all"}]}
    gateway.reload(hiding)
    with gateway.client() as client:
        client.request("/items/1")
    wait_for(lambda: "cannot measure: the known pair" in blocking()[0], "the test to fail", 60)
    wait_for(lambda: "cannot measure" in (found(gateway)["problem"] or ""), "the problem to be shown")
    assert gateway.events("nothing is proven: the comparison fails its self-test")
    assert gateway.metric("strangler_shadow_measuring", migration="items") == 0


def test_an_upgrade_is_not_copied(start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream) -> None:
    answering(upstream, extracted)
    gateway = start(configuration(upstream, extracted.url))
    with gateway.client() as client:
        client.send(b"GET /items/1 HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        client.response()
    wait_found(gateway, not_compared={"upgrade": 1})
    assert extracted.received == []


def test_a_share_of_clients_is_copied_and_the_rest_counted(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    gateway = start(configuration(upstream, extracted.url, percent=0))
    with gateway.client() as client:
        for _ in range(25):
            client.request("/items/1")
    status = wait_found(gateway, not_compared={"sampled out": 25})
    assert "none of the last 25 requests was compared" in status["problem"]
    assert any("copies 0 %" in warning for warning in gateway.status()["configuration"]["warnings"])


def test_a_pair_that_agrees_when_asked_again_is_unsteady(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream)
    answers = iter([b'{"id":0}', b'{"id":1}'])
    extracted.on("/items/1")(lambda call: call.answer(next(answers), b"Content-Type: application/json"))
    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    with gateway.client() as client:
        client.request("/items/1", "Authorization: Basic abc")
    wait_found(gateway, mismatch=0, unsteady=1)
    first, again = extracted.requests("/items/1")
    assert again.fields == first.fields
    assert again.value(b"authorization") == b"Basic abc"
    assert upstream.requests("/items/1")[1].value(b"x-shadow") == b"1"


def test_evidence_survives_the_gateway_without_secrets_on_disk(
    upstream: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"
    body = json.dumps({"id": 1, "email": "a@example.org", "access_token": token, "note": f"see {token}"}).encode()
    answering(upstream, body=body)
    answering(extracted, body=body.replace(b'"id": 1', b'"id": 2'))
    config = configuration(upstream, extracted.url, redact=["email"])
    with GatewayProcess(tmp_path, config) as gateway:
        wait_judge(gateway)
        with gateway.client() as client:
            client.request(
                "/items/1?token=secretquery&q=shown", f"Authorization: Bearer {token}", "Cookie: session=secretcookie"
            )
        wait_found(gateway, mismatch=1)
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("store.sqlite3*"))
    for secret in (token, "secretquery", "secretcookie", "a@example.org"):
        assert secret.encode() not in stored
    assert b"q=shown" in stored
    with sqlite3.connect(tmp_path / "store.sqlite3") as store:
        query = "select outcome, count from shadow_pair_outcomes where epoch != 'self-test'"
        assert store.execute(query).fetchall() == [("mismatch", 1)]


def test_only_digests_are_stored_where_values_are_off(
    upstream: RecordingUpstream, extracted: RecordingUpstream, tmp_path: Path
) -> None:
    answering(upstream, body=b'{"name":"legacy-value"}')
    answering(extracted, body=b'{"name":"extracted-value"}')
    with GatewayProcess(tmp_path, configuration(upstream, extracted.url, store="digests")) as gateway:
        wait_judge(gateway)
        with gateway.client() as client:
            client.request("/items/1?name=query-value", "X-Name: header-value")
        wait_found(gateway, mismatch=1)
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("store.sqlite3*"))
    for value in (b"legacy-value", b"extracted-value", b"query-value", b"header-value"):
        assert value not in stored


def test_a_killed_judge_is_replaced_and_counts_continue(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    with gateway.client() as client:
        client.request("/items/1")
        wait_found(gateway, match=1)
        os.kill(gateway.status()["shadow"]["judge"], signal.SIGKILL)
        wait_for(lambda: gateway.status()["shadow"]["judge_restarts"] == 1, "another judge")
        wait_judge(gateway)
        wait_for(lambda: client.request("/items/1").status == 200 and found(gateway)["match"] > 1, "pairs to be judged")
    assert gateway.metric("strangler_shadow_pairs_total", migration="items", outcome="match") > 1


def test_shadowing_can_be_switched_on_and_off_by_reload(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    off = configuration(upstream, extracted.url, stage="legacy")
    gateway = start(off)
    assert gateway.status()["shadow"] == {}
    with gateway.client() as client:
        client.request("/items/1")
        gateway.reload(configuration(upstream, extracted.url))
        wait_judge(gateway)
        client.request("/items/1")
        wait_found(gateway, match=1)
        gateway.reload(off)
        client.request("/items/1")
    assert gateway.status()["shadow"]["migrations"] == {}
    assert len(extracted.received) == 1
