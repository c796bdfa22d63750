"""Requests and responses on their way through: what passes byte for byte, and what does not."""

from __future__ import annotations

import re
import threading

import pytest

from tests.e2e.conftest import System
from tests.e2e.raw_http import ask, chunked, request
from tests.e2e.recording_upstream import Call, response

# Requests


TARGETS = [
    "/t",
    "/t/",
    "/t?",
    "/t?a=1&a=2&&b=;c",
    "/t?q=%zz+%20",
    "/t/%41%7e~",
    "/t/a;b=c,d",
    "/t/(a)!*'$@:",
    "/t?x=/a/../b?c",
    "/t/%E2%82%AC",
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_is_forwarded_as_sent(system: System, target: str) -> None:
    before = len(system.legacy.received)
    assert ask(system.gateway.port, target).status == 200
    assert target.encode() in [one.target for one in system.legacy.received[before:]]


def test_an_absolute_target_becomes_a_path(system: System) -> None:
    assert ask(system.gateway.port, "http://shop.example/absolute?a=1").status == 200
    assert system.legacy.last("/absolute").target == b"/absolute?a=1"


def test_order_duplicates_and_odd_bytes_of_fields_are_kept(system: System) -> None:
    sent = [b"X-B: 1", b"X-A: \xe9\xff\x85\xa0", b"x-b: 2", b"Empty:", b"Cookie: a=1", b"Cookie: b=2", b"X-B: 1, 3"]
    ask(system.gateway.port, "/fields", *sent)
    received = system.legacy.last("/fields").fields
    assert received[: len(sent) + 1] == [
        (b"Host", b"shop.example"),
        (b"X-B", b"1"),
        (b"X-A", b"\xe9\xff\x85\xa0"),
        (b"x-b", b"2"),
        (b"Empty", b""),
        (b"Cookie", b"a=1"),
        (b"Cookie", b"b=2"),
        (b"X-B", b"1, 3"),
    ]


def test_fields_about_one_connection_stay_on_it(system: System) -> None:
    own = ["Keep-Alive: timeout=5", "TE: trailers", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA=="]
    ask(system.gateway.port, "/hop", "Connection: keep-alive, X-Mine", "X-Mine: 1", *own, "X-Yours: 2")
    request_seen = system.legacy.last("/hop")
    names = {name.lower() for name, _ in request_seen.fields}
    assert names.isdisjoint({b"connection", b"keep-alive", b"te", b"proxy-connection", b"proxy-authorization"})
    assert b"x-mine" not in names
    assert request_seen.value(b"X-Yours") == b"2"


def test_the_upstream_hears_whom_the_gateway_speaks_for(system: System) -> None:
    ask(system.gateway.port, "/forwarded", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil", "Forwarded: for=x")
    seen = system.legacy.last("/forwarded")
    assert seen.value(b"X-Forwarded-For") == b"127.0.0.1"
    assert seen.value(b"X-Forwarded-Proto") == b"http"
    assert seen.value(b"X-Forwarded-Host") == b"shop.example"
    assert seen.value(b"X-Forwarded-Port") == b"80"
    assert seen.values(b"Forwarded") == []
    assert seen.value(b"Via") == b"1.1 strangler"
    assert seen.value(b"Host") == b"shop.example"


def test_a_request_id_is_made_sent_and_returned(system: System) -> None:
    with system.gateway.client() as client:
        ids = []
        for _ in range(3):
            answer = client.request("/request-id")
            seen = system.legacy.last("/request-id")
            assert answer.value(b"X-Request-Id") == seen.value(b"X-Request-Id")
            ids.append(answer.value(b"X-Request-Id"))
            trace = seen.value(b"traceparent")
            assert trace is not None
            assert re.fullmatch(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01", trace)
    assert len(set(ids)) == 3


def test_a_request_id_and_a_trace_of_the_client_are_kept(system: System) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = ask(system.gateway.port, "/kept", "X-Request-Id: order-17.a", f"traceparent: {trace}")
    assert answer.value(b"X-Request-Id") == b"order-17.a"
    seen = system.legacy.last("/kept")
    assert seen.value(b"X-Request-Id") == b"order-17.a"
    assert seen.value(b"traceparent") == trace.encode()


def test_an_unusable_request_id_or_trace_is_replaced(system: System) -> None:
    answer = ask(system.gateway.port, "/replaced", 'X-Request-Id: "}{"', "traceparent: 00-0-0-01")
    identifier = answer.value(b"X-Request-Id")
    assert identifier is not None
    assert re.fullmatch(rb"[0-9a-f]{32}", identifier)
    seen = system.legacy.last("/replaced")
    assert seen.value(b"X-Request-Id") == identifier
    assert seen.value(b"traceparent") != b"00-0-0-01"


def test_an_upstreams_own_request_id_does_not_stand_beside_the_gateways(system: System) -> None:
    system.legacy.on("/own-id")(lambda call: call.answer(b"", b"X-Request-Id: mine"))
    assert ask(system.gateway.port, "/own-id", "X-Request-Id: yours").value(b"X-Request-Id") == b"yours"


def test_a_fixed_body_passes(system: System) -> None:
    body = bytes(range(256)) * 4096
    assert ask(system.gateway.port, "/fixed", method="POST", body=body).status == 200
    seen = system.legacy.last("/fixed")
    assert seen.body == body
    assert seen.value(b"Content-Length") == b"%d" % len(body)
    assert seen.values(b"Transfer-Encoding") == []


def test_a_chunked_body_stays_chunked(system: System) -> None:
    with system.gateway.client() as client:
        client.send(request("/chunked", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="PUT"))
        client.send(b"5;name=value\r\nhello\r\n")
        client.send(b"6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert client.response().status == 200
        assert client.request("/chunked/next").status == 200
    seen = system.legacy.last("/chunked")
    assert seen.body == b"hello world"
    assert seen.value(b"Transfer-Encoding") == b"chunked"
    assert seen.values(b"Content-Length") == []


def test_an_empty_body_has_its_length(system: System) -> None:
    ask(system.gateway.port, "/empty", method="POST", body=b"")
    assert system.legacy.last("/empty").value(b"Content-Length") == b"0"


def test_host_may_be_missing_in_http_1_0_alone(system: System) -> None:
    with system.gateway.client() as client:
        answer = client.request("/one-zero", host=None, version="1.0")
        assert answer.status == 200
        assert answer.value(b"Connection") == b"close"
        assert client.is_closed()
    assert system.legacy.last("/one-zero").value(b"Host") == f"127.0.0.1:{system.legacy.port}".encode()
    with system.gateway.client() as client:
        assert client.request("/one-one", host=None).status == 400
        assert client.is_closed()


def test_an_http_1_0_client_may_keep_its_connection(system: System) -> None:
    with system.gateway.client() as client:
        for _ in range(2):
            answer = client.request("/kept-one-zero", "Connection: keep-alive", version="1.0")
            assert answer.value(b"Connection") == b"keep-alive"


def test_an_http_1_0_client_gets_a_body_without_chunks(system: System) -> None:
    @system.legacy.on("/unchunked")
    def stream(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two"))

    with system.gateway.client() as client:
        answer = client.request("/unchunked", "Connection: keep-alive", version="1.0")
        assert answer.values(b"Transfer-Encoding") == []
        assert answer.value(b"Connection") == b"close"
        assert answer.body == b"onetwo"


# Responses


def test_fields_of_a_response_pass_in_order(system: System) -> None:
    sent = [b"X-B: 1", b"X-A: \xe9\xff", b"x-b: 2", b"Empty: ", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Via: 1.1 x"]
    system.legacy.on("/response-fields")(lambda call: call.answer(b"ok", *sent))
    answer = ask(system.gateway.port, "/response-fields")
    assert answer.fields[: len(sent)] == [
        (b"X-B", b"1"),
        (b"X-A", b"\xe9\xff"),
        (b"x-b", b"2"),
        (b"Empty", b""),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Via", b"1.1 x"),
    ]
    assert answer.values(b"Via") == [b"1.1 x", b"1.1 strangler"]


def test_fields_about_the_upstreams_connection_stay_on_it(system: System) -> None:
    own = [b"Connection: X-Mine, keep-alive", b"X-Mine: 1", b"Keep-Alive: timeout=5", b"Proxy-Authenticate: x"]
    system.legacy.on("/response-hop")(lambda call: call.answer(b"ok", *own, b"Upgrade: h2c", b"X-Yours: 2"))
    answer = ask(system.gateway.port, "/response-hop")
    names = {name.lower() for name, _ in answer.fields}
    assert names.isdisjoint({b"connection", b"keep-alive", b"x-mine", b"proxy-authenticate", b"upgrade"})
    assert answer.value(b"X-Yours") == b"2"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_status_without_a_body_has_none(system: System, status: bytes) -> None:
    path = f"/bodyless/{status[:3].decode()}"
    system.legacy.on(path)(lambda call: call.send(b"HTTP/1.1 %b\r\nETag: x\r\n\r\n" % status))
    with system.gateway.client() as client:
        for _ in range(2):
            answer = client.request(path)
            assert answer.status == int(status[:3])
            assert answer.value(b"ETag") == b"x"
            assert answer.values(b"Transfer-Encoding") == []
            assert answer.values(b"Content-Length") == []


def test_a_304_keeps_the_length_that_the_body_would_have(system: System) -> None:
    system.legacy.on("/not-modified")(
        lambda call: call.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n")
    )
    with system.gateway.client() as client:
        assert client.request("/not-modified").value(b"Content-Length") == b"12"
        assert client.request("/not-modified").value(b"Content-Length") == b"12"


def test_head_keeps_the_length_and_the_connection(system: System) -> None:
    with system.gateway.client() as client:
        for _ in range(3):
            answer = client.request("/head", method="HEAD")
            assert answer.value(b"Content-Length") == b"17"
        assert client.request("/head").body
    assert len(system.legacy.requests("/head")) == 4


def test_a_streamed_response_arrives_piece_by_piece(system: System) -> None:
    """The upstream sends the next piece only when the client has the one before."""
    go_on = threading.Semaphore(0)

    @system.legacy.on("/events")
    def stream(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            call.send(b"7\r\ndata: %d\r\n" % number)
            assert go_on.acquire(timeout=60)
        call.send(b"0\r\n\r\n")

    with system.gateway.client() as client:
        client.send(request("/events"))
        client.reader.until(b"\r\n\r\n")
        for number in range(3):
            assert client.reader.until(b"data: %d" % number) is not None
            go_on.release()
        client.reader.until(b"0\r\n\r\n")


def test_a_response_that_ends_with_its_connection_becomes_chunked(system: System) -> None:
    @system.legacy.on("/until-close")
    def until_close(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n\r\nthe whole ")
        call.send(b"body")
        call.hang_up()

    with system.gateway.client() as client:
        for _ in range(2):
            answer = client.request("/until-close")
            assert answer.value(b"Transfer-Encoding") == b"chunked"
            assert answer.body == b"the whole body"


def test_trailers_of_a_response_are_not_taken_for_fields(system: System) -> None:
    @system.legacy.on("/trailers")
    def trailers(call: Call) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        call.send(head + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")

    with system.gateway.client() as client:
        for _ in range(2):
            answer = client.request("/trailers")
            assert answer.body == b"ok"
            assert answer.values(b"X-Sum") == []


@pytest.mark.parametrize("status", [b"299 Fine", b"418 I'm a Teapot", b"599", b"200 "])
def test_a_status_passes_whether_known_or_not(system: System, status: bytes) -> None:
    path = f"/status/{status[:3].decode()}"
    system.legacy.on(path)(lambda call: call.send(response(b"x", status=status)))
    assert ask(system.gateway.port, path).status == int(status[:3])


def status_line(system: System, target: str, method: str = "GET") -> bytes:
    """The status line that a client gets for `target`, as it is."""
    with system.gateway.client() as client:
        client.send(request(target, method=method))
        return client.reader.until(b"\r\n")


@pytest.mark.parametrize("phrase", [b"Everything Is Fine", b"caf\xe9", b"", b"Not  Found\t(yet)"])
def test_the_upstreams_reason_phrase_passes(system: System, phrase: bytes) -> None:
    line = b"HTTP/1.1 299 " + phrase

    @system.legacy.on("/phrase/short")
    def at_once(call: Call) -> None:
        call.send(line + b"\r\nContent-Length: 0\r\n\r\n")

    @system.legacy.on("/phrase/chunks")
    def in_chunks(call: Call) -> None:
        call.send(line + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

    for _ in range(2):
        assert status_line(system, "/phrase/short") == line
        assert status_line(system, "/phrase/chunks") == line
        assert status_line(system, "/phrase/short", method="HEAD") == line


def test_a_426_keeps_its_upgrade(system: System) -> None:
    body = b"speak something newer"
    fields = (b"Upgrade: TLS/1.2, HTTP/3.0", b"Connection: Upgrade")
    system.legacy.on("/426")(lambda call: call.answer(body, *fields, status=b"426 Upgrade Required"))
    system.legacy.on("/no426")(lambda call: call.answer(body, *fields))
    with system.gateway.client() as client:
        for _ in range(2):
            answer = client.request("/426")
            assert (answer.status, answer.body) == (426, body)
            assert answer.value(b"Upgrade") == b"TLS/1.2, HTTP/3.0"
            assert answer.value(b"Connection") == b"Upgrade"
        # Of any other status it stays on the upstream's connection.
        assert client.request("/no426").values(b"Upgrade") == []


# Interim responses


def test_a_client_that_expects_100_gets_it_from_the_upstream(system: System) -> None:
    @system.legacy.on("/continue", early=True)
    def wants_body(call: Call) -> None:
        assert b"Expect: 100-continue" in call.head
        call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        call.answer(call.body())

    with system.gateway.client() as client:
        client.send(request("/continue", "Expect: 100-continue", "Content-Length: 4", method="POST"))
        assert client.reader.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        client.send(b"body")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"body")


def test_a_client_that_expects_100_may_get_the_final_answer_instead(system: System) -> None:
    system.legacy.on("/refused", early=True)(lambda call: call.answer(b"no", status=b"413 Content Too Large"))
    with system.gateway.client() as client:
        answer = client.request("/refused", "Expect: 100-continue", "Content-Length: 9", method="POST")
        assert answer.status == 413
        assert answer.interim == ()


def test_another_expectation_is_refused(system: System) -> None:
    assert ask(system.gateway.port, "/expect", "Expect: 200-maybe", method="POST", body=b"x").status == 417
    assert system.legacy.requests("/expect") == []


def test_an_http_1_0_client_gets_no_interim_response(system: System) -> None:
    @system.legacy.on("/interim-one-zero")
    def interim(call: Call) -> None:
        assert b"Expect" not in call.head
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + response(b"ok"))

    with system.gateway.client() as client:
        answer = client.request("/interim-one-zero", "Expect: 100-continue", version="1.0", method="POST", body=b"x")
        assert (answer.status, answer.interim) == (200, ())


def test_early_hints_pass_and_are_not_the_response(system: System) -> None:
    @system.legacy.on("/hints")
    def hints(call: Call) -> None:
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x\r\n\r\n")
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n" + response(b"ok"))

    with system.gateway.client() as client:
        for _ in range(2):
            answer = client.request("/hints")
            assert (answer.status, answer.interim, answer.body) == (200, (103, 103), b"ok")


# Connections


def test_a_client_keeps_its_connection_and_so_does_the_gateway(system: System) -> None:
    with system.gateway.client() as client:
        for _ in range(5):
            assert client.request("/kept-alive").status == 200
    assert len({one.connection for one in system.legacy.requests("/kept-alive")}) == 1


def test_a_client_that_asks_to_close_is_closed_after_the_answer(system: System) -> None:
    with system.gateway.client() as client:
        answer = client.request("/close", "Connection: close")
        assert answer.value(b"Connection") == b"close"
        assert client.is_closed()


def test_an_upstream_that_asks_to_close_is_not_used_again(system: System) -> None:
    system.legacy.on("/close-up")(lambda call: call.answer(b"x", b"Connection: close"))
    with system.gateway.client() as client:
        for _ in range(3):
            answer = client.request("/close-up")
            assert answer.values(b"Connection") == []
    assert len({one.connection for one in system.legacy.requests("/close-up")}) == 3


def test_pipelined_requests_are_answered_in_order(system: System) -> None:
    @system.legacy.on("/slow-first")
    def waits_for_nobody(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        call.send(chunked(b"first"))

    with system.gateway.client() as client:
        client.send(
            request("/slow-first")
            + request("/second", method="POST", body=b"body of the second")
            + request("/third", "Transfer-Encoding: chunked", method="PUT")
            + chunked(b"body of ", b"the third")
            + request("/private/fourth")
            + request("/head", method="HEAD")
            + request("/sixth")
        )
        answers = [client.response(method) for method in ("GET", "POST", "PUT", "GET", "HEAD", "GET")]
    assert [answer.status for answer in answers] == [200, 200, 200, 401, 200, 200]
    assert answers[0].body == b"first"
    assert system.legacy.last("/second").body == b"body of the second"
    assert system.legacy.last("/third").body == b"body of the third"


def test_many_pipelined_requests_in_one_piece(system: System) -> None:
    with system.gateway.client() as client:
        client.send(b"".join(request(f"/many?{number}") for number in range(200)))
        assert [client.response().status for _ in range(200)] == [200] * 200
    assert [one.target for one in system.legacy.requests("/many")] == [b"/many?%d" % number for number in range(200)]


def test_a_bad_request_does_not_spoil_the_one_before(system: System) -> None:
    with system.gateway.client() as client:
        client.send(request("/good") + b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + request("/after"))
        assert client.response().status == 200
        assert client.response().status == 400
        assert client.is_closed()
    assert system.legacy.requests("/after") == []


def test_an_upgrade_is_answered_as_http_and_the_connection_goes_on(system: System) -> None:
    with system.gateway.client() as client:
        answer = client.request("/upgrade", "Connection: upgrade", "Upgrade: websocket")
        assert answer.status == 200
        assert client.request("/upgrade/next").status == 200
    assert system.legacy.last("/upgrade").values(b"Upgrade") == [b"websocket"]
