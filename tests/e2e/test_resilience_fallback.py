"""The legacy side answers where the extracted side can't, and what a route answers when nobody can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.e2e.conftest import Start, provider
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, ask, chunked, values
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.tokens import Issuer


@pytest.fixture
def extracted() -> Iterator[RecordingUpstream]:
    """The extracted side."""
    with RecordingUpstream("extracted") as recording:
        yield recording
        assert not recording.failed


def migration(legacy: str, extracted: str, stage: str = "extracted", **changes: Any) -> dict[str, Any]:
    """One migration of every path; `upstream` changes the extracted upstream, the rest the migration."""
    upstream = changes.pop("upstream", {})
    section = {
        "from": "legacy",
        "to": "extracted",
        "stage": stage,
        "routes": [{"name": "all", "match": {"path": "/**"}}],
        **changes,
    }
    if stage == "canary":
        section["canary"] = {"percent": 100, "sticky": ["ip"]}
    return {
        "upstreams": {"legacy": {"endpoints": [legacy]}, "extracted": {"endpoints": [extracted], **upstream}},
        "migrations": {"catalog": section},
    }


def fallbacks(gateway: GatewayProcess, cause: str) -> float:
    return gateway.metric(
        "strangler_fallbacks_total", route="catalog/all", migration="catalog", answered_by="legacy", cause=cause
    )


@pytest.mark.parametrize("stage", ["canary", "extracted"])
def test_reads_fall_back_while_the_extracted_service_is_down(
    start: Start, upstream: RecordingUpstream, nobody: str, stage: str
) -> None:
    gateway = start(migration(upstream.url, nobody, stage))
    answer = ask(gateway.port, "/products")
    assert (answer.status, answer.body) == (200, b'{"served by":"legacy"}')
    assert fallbacks(gateway, "connect") == 1
    assert gateway.status()["migrations"]["catalog"]["fallbacks"] == {"connect": 1}
    line = gateway.access("/products")[0]
    assert (line["fallback"], line["cause"]) == ("legacy", "connect")
    assert (line["side"], line["upstream"], line["endpoint"]) == ("legacy", "legacy", upstream.url)


def test_a_retired_migration_never_falls_back(start: Start, upstream: RecordingUpstream, nobody: str) -> None:
    gateway = start(migration(upstream.url, nobody, "retired"))
    assert ask(gateway.port, "/products").status == 502
    assert not upstream.received


def test_a_disabled_fallback_is_never_used(start: Start, upstream: RecordingUpstream, nobody: str) -> None:
    gateway = start(migration(upstream.url, nobody, fallback={"enabled": False}))
    assert ask(gateway.port, "/products").status == 502
    assert not upstream.received


BAD = {
    "reset": lambda call: call.reset(),
    "hang up": lambda call: call.hang_up(),
    "garbage": lambda call: call.send(b"nonsense\r\n\r\n"),
    "half a head": lambda call: (call.send(b"HTTP/1.1 200 OK\r\nContent-"), call.hang_up()),
    "stall": lambda call: call.wait_hang_up(),
    "unavailable": lambda call: call.answer(b"no", status=b"503 Service Unavailable"),
    "unavailable, chunked": lambda call: call.send(
        b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"no", b"no")
    ),
    "bad gateway, large": lambda call: call.answer(b"x" * 500_000, status=b"502 Bad Gateway"),
}
CAUSES = {"reset": "lost", "hang up": "lost", "garbage": "malformed", "half a head": "lost", "stall": "timeout"}


def test_a_read_that_the_extracted_service_fails_falls_back(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    gateway = start(migration(upstream.url, extracted.url, upstream={"timeouts": {"response": "2s"}}))
    for bad, script in BAD.items():
        extracted.on("/products")(script)
        cause = CAUSES.get(bad, "status")
        before = fallbacks(gateway, cause)
        with gateway.client() as client:
            for _ in range(2):
                answer = client.request("/products")
                assert (answer.status, answer.body) == (200, b'{"served by":"legacy"}'), bad
            assert client.request("/products", method="HEAD").status == 200, bad
            assert client.request("/else").body == b'{"served by":"extracted"}', bad
        assert fallbacks(gateway, cause) == before + 3, bad


def test_a_write_that_may_have_had_effect_never_falls_back(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    bold = {"methods": ["GET", "POST", "PUT", "DELETE"]}
    gateway = start(migration(upstream.url, extracted.url, fallback=bold, upstream={"timeouts": {"response": "2s"}}))
    for bad in ("reset", "stall", "unavailable"):
        extracted.on("/orders")(BAD[bad])
        for method in ("POST", "PUT", "DELETE"):
            assert ask(gateway.port, "/orders", method=method, body=b"one").status in (502, 503, 504), (bad, method)
    assert len(extracted.received) == 9
    assert not upstream.received


def test_an_unsent_write_falls_back_to_the_monolith_where_configured(
    start: Start, upstream: RecordingUpstream, nobody: str
) -> None:
    gateway = start(migration(upstream.url, nobody))
    assert ask(gateway.port, "/orders", method="POST", body=b"one").status == 502
    assert not upstream.received
    gateway.reload(migration(upstream.url, nobody, fallback={"methods": ["GET", "POST"]}))
    assert ask(gateway.port, "/orders", method="POST", body=b"x" * 200_000).status == 200
    assert upstream.last("/orders").body == b"x" * 200_000


def test_a_server_error_does_not_fall_back_by_default(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    extracted.on("/products")(lambda call: call.answer(b"bug", status=b"500 Internal Server Error"))
    gateway = start(migration(upstream.url, extracted.url))
    assert ask(gateway.port, "/products").body == b"bug"
    assert not upstream.received


def test_a_begun_response_is_aborted_and_not_mixed_with_a_fallback(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    def half(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        call.hang_up()

    extracted.on("/products")(half)
    gateway = start(migration(upstream.url, extracted.url))
    with gateway.client() as client:
        client.send(b"GET /products HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        assert client.reader.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        with suppress(ConnectionResetError):
            assert client.reader.rest() in (b"", b"half")
    assert not upstream.received


def test_the_monolith_gets_the_identity_that_the_gateway_verified(
    start: Start, upstream: RecordingUpstream, nobody: str, issuer: Issuer
) -> None:
    settings = migration(upstream.url, nobody, auth={"provider": "shop"})
    gateway = start({**settings, "auth": {"providers": {"shop": provider("jwks.json")}}})
    forged = ("X-Auth-Subject: admin", "X_Auth_Subject: admin")
    with Client(gateway.port) as client:
        answer = client.request("/products", f"Authorization: Bearer {issuer.token(sub='user-1')}", *forged)
    assert answer.status == 200
    seen = upstream.last("/products")
    assert seen.values(b"x-auth-subject") == [b"user-1"]
    assert not [name for name, _ in seen.fields if b"_" in name]


def test_a_client_that_picks_the_extracted_side_gets_no_fallback(
    start: Start, upstream: RecordingUpstream, nobody: str, issuer: Issuer
) -> None:
    settings = migration(
        upstream.url,
        nobody,
        auth={"provider": "shop", "required": False},
        override={"header": "X-Side", "permitted": "scope:migrations"},
    )
    gateway = start({**settings, "auth": {"providers": {"shop": provider("jwks.json")}}})
    token = f"Authorization: Bearer {issuer.token(sub='tester', scope='migrations')}"
    assert ask(gateway.port, "/products", token, "X-Side: extracted").status == 502
    assert ask(gateway.port, "/products", token).status == 200


# What a route answers when nobody can


def single(url: str, fallback: dict[str, Any]) -> dict[str, Any]:
    route = {"name": "all", "match": {"path": "/**"}, "upstream": "shop", "fallback": fallback}
    return {"upstreams": {"shop": {"endpoints": [url]}}, "routes": [route]}


def test_a_static_response_replaces_a_failure(start: Start, nobody: str) -> None:
    gateway = start(single(nobody, {"static": {"body": "[]"}}))
    answer = ask(gateway.port, "/recommendations")
    assert (answer.status, answer.body, answer.value(b"Content-Type")) == (200, b"[]", b"application/json")
    assert answer.value(b"X-Request-Id")
    assert ask(gateway.port, "/recommendations", method="HEAD").value(b"Content-Length") == b"2"
    assert gateway.access("/recommendations")[0]["fallback"] == "static"
    # Success is never claimed for a write.
    assert ask(gateway.port, "/recommendations", method="POST", body=b"x").status == 502


def test_a_static_response_serves_writes_too(start: Start, nobody: str) -> None:
    static = {"status": 503, "content_type": "text/html; charset=utf-8", "body": "<p>Back soon."}
    gateway = start(single(nobody, {"static": static}))
    answer = ask(gateway.port, "/orders", method="POST", body=b"x")
    assert (answer.status, answer.body) == (503, b"<p>Back soon.")


@pytest.mark.parametrize("framing", ["short", "large", "chunked"])
def test_a_stale_response_replaces_a_failure(start: Start, upstream: RecordingUpstream, framing: str) -> None:
    body = b"x" * 200_000 if framing == "large" else b"products"
    answers = [True]

    @upstream.on("/products")
    def products(call: Call) -> None:
        if not answers[0]:
            call.reset()
        elif framing == "chunked":
            call.send(b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"prod", b"ucts"))
        else:
            call.answer(body, b"X: y")

    gateway = start(single(upstream.url, {"stale": {"if_error": "60s"}, "static": {"body": "nothing"}}))
    assert ask(gateway.port, "/products").body == body
    answers[0] = False
    stale = ask(gateway.port, "/products")
    assert (stale.status, stale.body, stale.value(b"X")) == (200, body, b"y")
    assert int(stale.value(b"Age") or b"-1") >= 0
    assert ask(gateway.port, "/products?page=2").body == b"nothing"
    assert [line.get("fallback") for line in gateway.access("/products", 3)] == [None, "stale", "static"]


def test_an_uncacheable_response_is_not_served_stale(start: Start, upstream: RecordingUpstream) -> None:
    answers = [True]

    @upstream.on("/account")
    def account(call: Call) -> None:
        call.answer(b"mine", b"Cache-Control: private") if answers[0] else call.reset()

    gateway = start(single(upstream.url, {"stale": {}}))
    assert ask(gateway.port, "/account").status == 200
    answers[0] = False
    answer = ask(gateway.port, "/account")
    assert answer.status == 502
    assert json.loads(answer.body)["status"] == 502


def test_a_stale_response_serves_only_equal_requests(start: Start, upstream: RecordingUpstream) -> None:
    answers = [True]

    @upstream.on("/products")
    def products(call: Call) -> None:
        if not answers[0]:
            call.reset()
        else:
            (told,) = values(call.fields, b"x-forwarded-host")
            call.answer(b"hello %b from %b" % (upstream.received[-1].body, told), b"Cache-Control: public")

    config = single(upstream.url, {"stale": {}, "static": {"body": "nothing"}})
    gateway = start({**config, "trusted_proxies": ["127.0.0.1"]})
    forged = "X-Forwarded-Host: forged.example"
    assert ask(gateway.port, "/products", body=b"poison").body.startswith(b"hello poison")
    assert ask(gateway.port, "/products", forged).body == b"hello  from forged.example"
    answers[0] = False
    assert ask(gateway.port, "/products").body == b"nothing"
    assert ask(gateway.port, "/products", "X-Forwarded-Host: other.example").body == b"nothing"
    assert ask(gateway.port, "/products", forged).body == b"hello  from forged.example"
