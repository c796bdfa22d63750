"""How large and how slow a request's body may be, and how many requests and connections one client may have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start, route
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, Response, ask, chunked, request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

LIMIT = 1000
LARGE = 5000
PER_ADDRESS = 6
REQUESTS = 5


@dataclass(frozen=True)
class Bounded:
    """A gateway that takes small bodies, and the upstream behind it."""

    gateway: GatewayProcess
    upstream: RecordingUpstream


def configuration(upstream: RecordingUpstream, **changes: Any) -> dict[str, Any]:
    return {
        "upstreams": {
            "legacy": {"endpoints": [upstream.url], "timeouts": {"idle": "20s", "response": "20s"}},
            "extracted": {"endpoints": [upstream.url.replace("127.0.0.1", "localhost")]},
        },
        "default": "legacy",
        "routes": [{**route("upload"), "limits": {"body_bytes": LARGE}}],
        "migrations": {
            "photos": {
                "from": "legacy",
                "to": "extracted",
                "stage": "legacy",
                "limits": {"body_bytes": LARGE},
                "routes": [
                    {"match": {"path": "/photos/**"}},
                    {"match": {"path": "/photos/names/**"}, "limits": {"body_bytes": 10}},
                ],
            }
        },
        "limits": {
            "body_bytes": LIMIT,
            "body_timeout": "500ms",
            "requests": REQUESTS,
            "connections_per_address": PER_ADDRESS,
        },
        **changes,
    }


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    folder: Path = tmp_path_factory.mktemp("bounded")
    with RecordingUpstream("legacy") as upstream:
        with GatewayProcess(folder, configuration(upstream)) as gateway:
            yield Bounded(gateway, upstream)
        assert not upstream.failed, upstream.failed


def post(path: str, size: int) -> bytes:
    return request(path, method="POST", body=b"x" * size)


def post_chunked(path: str, size: int) -> bytes:
    pieces = [b"x" * 100] * (size // 100) + [b"x" * (size % 100)] * bool(size % 100)
    return request(path, "Transfer-Encoding: chunked", method="POST") + chunked(*pieces)


@pytest.mark.parametrize("send", [post, post_chunked], ids=["declared", "chunked"])
@pytest.mark.parametrize(
    ("path", "limit"), [("/any", LIMIT), ("/upload/a", LARGE), ("/photos/a", LARGE), ("/photos/names/a", 10)]
)
def test_a_body_of_the_maximum_size_passes_and_one_more_byte_is_a_413(
    bounded: Bounded, send: Any, path: str, limit: int
) -> None:
    path += f"/{send.__name__}"
    with bounded.gateway.client() as client:
        client.send(send(path, limit))
        assert client.response().status == 200
    assert len(bounded.upstream.last(path).body) == limit
    with bounded.gateway.client() as client:
        client.send(send(path, limit + 1))
        answer = client.response()
        assert answer.status == 413
        assert answer.value(b"Connection") == b"close"
        assert json.loads(answer.body)["detail"] == f"The request's body is larger than {limit} bytes."
        assert client.is_closed()
    assert len(bounded.upstream.requests(path)) == 1
    assert bounded.gateway.access(path, 2)[-1]["status"] == 413


def test_a_body_declared_too_large_is_refused_before_it_is_sent(
    bounded: Bounded,
) -> None:
    with bounded.gateway.client() as client:
        length = b"Content-Length: 9999999999999999999"
        client.send(b"POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + length + b"\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.interim) == (413, ())
    with bounded.gateway.client() as client:
        # All of it is sent without looking at the answer, as simple clients do.
        client.send(post("/early", 200_000))
        assert client.response().status == 413
    assert not bounded.upstream.requests("/early")


def test_an_upstream_connection_closes_when_a_body_grows_too_large(bounded: Bounded) -> None:
    @bounded.upstream.on("/partly", early=True)
    def wait(call: Call) -> None:
        call.wait_hang_up()

    with bounded.gateway.client() as client:
        client.send(request("/partly", "Transfer-Encoding: chunked", method="POST") + b"a\r\n" + b"x" * 10 + b"\r\n")
        wait_for(lambda: bounded.upstream.requests("/partly"), "the request to begin")
        client.send(b"%x\r\n" % LIMIT + b"x" * LIMIT + b"\r\n")
        assert client.response().status == 413
    wait_for(lambda: "/partly" in bounded.upstream.hung_up, "the upstream to be hung up on")


def test_a_response_is_aborted_when_its_chunked_request_grows_too_large(bounded: Bounded) -> None:
    @bounded.upstream.on("/both", early=True)
    def answer_at_once(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        call.wait_hang_up()

    with bounded.gateway.client() as client:
        client.send(request("/both", "Transfer-Encoding: chunked", method="POST") + b"a\r\n" + b"x" * 10 + b"\r\n")
        client.reader.until(b"ok\r\n")
        client.send(b"%x\r\n" % LIMIT + b"x" * LIMIT + b"\r\n")
        # Without a last chunk it is seen to be broken.
        assert client.reader.rest() == b""


def test_a_stalled_upload_is_a_408_whatever_the_upstream_timeouts(bounded: Bounded) -> None:
    with bounded.gateway.client() as client:
        client.send(b"POST /stops HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        assert client.response().status == 408
        assert client.is_closed()


def test_a_connection_closes_after_its_maximum_of_requests(bounded: Bounded) -> None:
    with bounded.gateway.client() as client:
        for number in range(1, REQUESTS + 1):
            answer = client.request("/many")
            assert answer.status == 200
            assert answer.value(b"Connection") == (b"close" if number == REQUESTS else None)
        assert client.is_closed()


def test_pipelined_requests_beyond_the_maximum_get_no_response(bounded: Bounded) -> None:
    with bounded.gateway.client() as client:
        client.send(request("/pipelined") * (REQUESTS + 2))
        for _ in range(REQUESTS):
            assert client.response().status == 200
        assert client.is_closed()


def hold(bounded: Bounded, stack: ExitStack, count: int, *fields: str) -> list[Client]:
    """That many connections, each with a request under way."""
    held: list[Call] = []

    @bounded.upstream.on("/held")
    def keep(call: Call) -> None:
        held.append(call)
        call.wait_hang_up()

    clients = []
    for number in range(count):
        client = stack.enter_context(bounded.gateway.client())
        # One that ended its side alone could be waiting still.
        stack.callback(client.reset)
        client.send(request("/held", *fields))
        wait_for(lambda number=number: len(held) == number + 1, "the upstream to have the request")
        clients.append(client)
    return clients


def test_a_connection_beyond_the_limit_of_its_address_gets_a_429(bounded: Bounded) -> None:
    wait_for(lambda: bounded.gateway.metric("strangler_client_connections") == 0, "other tests' connections to end")
    with ExitStack() as stack:
        hold(bounded, stack, PER_ADDRESS)
        with bounded.gateway.client() as client:
            answer = client.response()
            assert answer.status == 429
            assert answer.value(b"Retry-After") == b"1"
            assert client.is_closed()
    wait_for(lambda: bounded.gateway.metric("strangler_client_connections") == 0, "all connections to end")
    assert ask(bounded.gateway.port, "/after").status == 200


def test_a_trusted_proxy_may_open_more_connections(bounded: Bounded) -> None:
    with ExitStack() as stack:
        bounded.gateway.reload(configuration(bounded.upstream, trusted_proxies=["127.0.0.1"]))
        stack.callback(bounded.gateway.reload, configuration(bounded.upstream))
        hold(bounded, stack, PER_ADDRESS + 2)


# The access log of what is refused before routing


def logged(bounded: Bounded, path: str, answer: Response) -> dict[str, Any]:
    """The access log's line of the request that got `answer`."""
    wanted = (answer.value(b"X-Request-Id") or b"").decode()

    def lines() -> list[dict[str, Any]]:
        return [line for line in bounded.gateway.access(path) if line["request_id"] == wanted]

    wait_for(lines, "the line in the access log")
    return lines()[0]


@pytest.mark.parametrize(
    ("sent", "status", "line"),
    [
        (b"GET /refused/host?secret=1 HTTP/1.1\r\n\r\n", 400, {"method": "GET", "path": "/refused/host", "host": ""}),
        (
            b"PUT /refused/fields HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
            431,
            {"method": "PUT", "path": "/refused/fields", "host": "a"},
        ),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, {"method": "GET", "path": "/" + "x" * 7999}),
        (b"\x16\x03\x01 hello", 400, {"method": "", "path": "", "host": ""}),
    ],
)
def test_a_request_refused_before_routing_is_in_the_access_log(
    bounded: Bounded, sent: bytes, status: int, line: dict[str, str]
) -> None:
    with bounded.gateway.client() as client:
        client.send(sent)
        answer = client.response()
    assert answer.status == status
    found = logged(bounded, line["path"], answer)
    assert {**found, **line, "status": status, "client": "127.0.0.1", "route": "", "upstream": ""} == found
    ask(bounded.gateway.port, "/ordinary")
    assert list(found) == list(bounded.gateway.access("/ordinary")[0])


def test_an_unreadable_request_is_logged_without_facts_of_the_last(bounded: Bounded) -> None:
    with bounded.gateway.client() as client:
        client.request("/before", "X-Request-Id: before")
        client.send(b"\x16\x03\x01")
        answer = client.response()
    assert answer.value(b"X-Request-Id") != b"before"
    assert logged(bounded, "", answer)["method"] == ""


def test_access_log_lines_that_cannot_be_written_are_counted(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start({**configuration(upstream), "access_log": {"path": "/dev/full"}})
    ask(gateway.port, "/unlogged")
    labels = {"event": "dropped_log_lines"}
    wait_for(lambda: gateway.metric("strangler_events_total", **labels) == 1, "the dropped line to be counted")
