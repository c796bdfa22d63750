"""Several requests on one connection (RFC 9112 section 9.3.2): answered in order, and none of them another's bytes."""

from __future__ import annotations

from tests.conformance.rows import (
    Client,
    ClientBreaks,
    ClientEnds,
    ClientFinishes,
    ClientSees,
    ClientSeesEnd,
    ClientSeesStatus,
    Conversation,
    Forwarded,
    Refused,
    Request,
    Row,
    Upstream,
    UpstreamSees,
    UpstreamSeesEnd,
    get,
    lines,
    ok,
    post,
)

_ORDER = "RFC 9112 9.3.2: answers come in the order of the requests"
_HALF = "RFC 9112 9.6: a client may end its side and read on, so it gets the response that it waits for"
_SECOND = "RFC 9112 9.3.2: a bad request does not spoil the one before; nothing behind it counts"

FIRST = get(target=b"/first")
SECOND = get(target=b"/second")
BODY = post(b"Content-Length: 5", body=b"hello", target=b"/body")
CHUNKS = post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n", target=b"/chunks")
HEAD = get(method=b"HEAD", target=b"/head")
SHORT = b"hello" + get(target=b"/swallowed")
ONE = ok(b"Content-Length: 3", body=b"one")
TWO = ok(b"Content-Length: 3", body=b"two")


def _bad_second(name: str, second: bytes, status: int = 400) -> Request:
    return Request(name, _SECOND, FIRST + second + get(target=b"/third"), Refused(status, before=(FIRST,)))


ROWS: list[Row] = [
    Request("two at once", _ORDER, FIRST + SECOND, Forwarded((FIRST, SECOND))),
    Request("two that are equal", _ORDER, FIRST + FIRST, Forwarded((FIRST, FIRST))),
    Request("ten at once", _ORDER, FIRST * 10, Forwarded((FIRST,) * 10)),
    Request(
        "bodies and none", _ORDER, BODY + FIRST + CHUNKS + BODY + CHUNKS, Forwarded((BODY, FIRST, CHUNKS, BODY, CHUNKS))
    ),
    Request("HEAD among others", _ORDER, FIRST + HEAD + BODY + HEAD, Forwarded((FIRST, HEAD, BODY, HEAD))),
    Request(
        "empty lines between",
        "RFC 9112 2.2: ignored",
        BODY + b"\r\n" + FIRST + b"\r\n\r\n" + BODY,
        Forwarded((BODY, FIRST, BODY)),
    ),
    Request(
        "a close among others",
        "RFC 9112 9.6: nothing behind a close is read",
        FIRST + get(b"Connection: close", target=b"/last") + SECOND,
        Forwarded((FIRST, get(target=b"/last")), closes=True),
    ),
    Request(
        "HTTP/1.0 behind HTTP/1.1",
        "RFC 9112 9.3: HTTP/1.0 does not persist",
        FIRST + lines(b"GET /second HTTP/1.0", b"Host: a") + FIRST,
        Forwarded((FIRST, SECOND), closes=True),
    ),
    Request(
        "other fields each time",
        "Attack: what is remembered of one request counts for the next",
        get(b"X-A: 1") + get(b"X-A: 2") + get(b"X-A: 1", target=b"/x?y"),
        Forwarded((get(b"X-A: 1"), get(b"X-A: 2"), get(b"X-A: 1", target=b"/x?y"))),
    ),
    Request(
        "another Host each time",
        "RFC 9112 3.2: each request has its own",
        lines(b"GET /t HTTP/1.1", b"Host: a") + lines(b"GET /t HTTP/1.1", b"Host: b"),
        Forwarded((lines(b"GET /t HTTP/1.1", b"Host: a"), lines(b"GET /t HTTP/1.1", b"Host: b"))),
    ),
    _bad_second("a second with two Hosts", get(b"Host: b")),
    _bad_second("a second with two lengths", post(b"Content-Length: 1", b"Content-Length: 2", body=b"x")),
    _bad_second("a second that is nonsense", b"nonsense\r\n\r\n"),
    _bad_second("a second with a bare line feed", b"GET /t HTTP/1.1\nHost: a\r\n\r\n"),
    _bad_second("a second with CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    Request(
        "a bad second behind an upgrade that is not forwarded",
        _SECOND,
        get(b"Connection: Upgrade", b"Upgrade: h2c", target=b"/first") + get(b"Host: b") + SECOND,
        Refused(400, before=(FIRST,)),
    ),
    _bad_second("a second with an expectation", post(b"Expect: x", b"Content-Length: 0"), 417),
    Request(
        "a second that needs a token",
        _ORDER,
        FIRST + get(target=b"/admin/x"),
        Refused(401, before=(FIRST,), closes=False),
    ),
    Request(
        "a second whose chunks are malformed",
        _SECOND,
        FIRST + post(b"Transfer-Encoding: chunked", body=b"x\r\n") + FIRST,
        Refused(400, before=(FIRST,), partial=True),
    ),
    Request(
        "a body that is shorter than its length takes the next request",
        "RFC 9112 6.3: the length counts, even where it is wrong",
        post(b"Content-Length: %d" % len(SHORT), body=SHORT) + FIRST,
        Forwarded((post(b"Content-Length: %d" % len(SHORT), body=SHORT), FIRST)),
    ),
    Request(
        "a body that is longer than its length is the next request",
        "RFC 9112 6.3: the length counts, even where it is wrong",
        post(b"Content-Length: 2", body=b"hello") + FIRST,
        Refused(400, before=(post(b"Content-Length: 2", body=b"he"),)),
    ),
    Request(
        "a refused body and a request behind it",
        "RFC 9112 9.6: the connection closes after the response, so nothing after the body is a request",
        post(b"Content-Length: 5", body=b"hello", target=b"/admin/x") + SECOND,
        Refused(401),
    ),
    Conversation(
        "the second waits for the first",
        _ORDER,
        (
            Client(FIRST + SECOND),
            UpstreamSees(FIRST),
            Upstream(ONE),
            ClientSees(ONE),
            UpstreamSees(SECOND),
            Upstream(TWO),
            ClientSees(TWO),
        ),
    ),
    Conversation(
        "the first is answered in pieces, and the second behind it",
        _ORDER,
        (
            Client(FIRST + SECOND),
            UpstreamSees(FIRST),
            Upstream(ONE[:-2]),
            ClientSees(ONE[:-2]),
            Upstream(ONE[-2:]),
            ClientSees(ONE[-2:]),
            UpstreamSees(SECOND),
            Upstream(TWO),
            ClientSees(TWO),
        ),
    ),
    Conversation(
        "both answers at once, before the second was asked",
        "Attack: a response that is kept for the next client",
        (
            Client(FIRST + SECOND),
            UpstreamSees(FIRST),
            Upstream(ONE + ok(b"Content-Length: 4", body=b"evil")),
            ClientSees(ONE),
            UpstreamSees(SECOND),
            Upstream(TWO),
            ClientSees(TWO),
        ),
    ),
    Conversation(
        "an early refusal and the second behind the body",
        "RFC 9110 15.5.2: a refused body is read to its end, or the connection closed; it is no request",
        (
            Client(post(b"Content-Length: %d" % len(FIRST), body=FIRST, target=b"/admin/x")),
            ClientSeesStatus(401),
        ),
    ),
    Conversation(
        "a client that leaves while it waits",
        "RFC 9110 9.2.2: a request without a waiting client is cancelled",
        (
            Client(FIRST + SECOND),
            UpstreamSees(FIRST),
            ClientBreaks(),
            UpstreamSeesEnd(),
        ),
    ),
    Conversation(
        "a client that ends its side while it waits",
        _HALF,
        (
            Client(FIRST),
            UpstreamSees(FIRST),
            ClientFinishes(),
            Upstream(ONE),
            ClientSees(ok(b"Content-Length: 3", b"Connection: close", body=b"one")),
            ClientSeesEnd(),
        ),
    ),
    Conversation(
        "a client that ends its side behind two requests",
        _HALF,
        (
            Client(FIRST + SECOND),
            UpstreamSees(FIRST),
            ClientFinishes(),
            Upstream(ONE),
            ClientSees(ONE),
            UpstreamSees(SECOND),
            Upstream(TWO),
            ClientSees(ok(b"Content-Length: 3", b"Connection: close", body=b"two")),
            ClientSeesEnd(),
        ),
    ),
    Conversation(
        "a client that ends its side behind a request and a half",
        "RFC 9112 8: the half is no request; the whole one is answered",
        (
            Client(FIRST + SECOND[:-2]),
            UpstreamSees(FIRST),
            ClientFinishes(),
            Upstream(ONE),
            ClientSees(ok(b"Content-Length: 3", b"Connection: close", body=b"one")),
            ClientSeesEnd(),
        ),
    ),
    Conversation(
        "a client that ends its side behind a request and half a body",
        "RFC 9112 8: the half is no request; the whole one is answered",
        (
            Client(FIRST + post(b"Content-Length: 10", body=b"hello")),
            UpstreamSees(FIRST),
            ClientFinishes(),
            Upstream(ONE),
            ClientSees(ONE),
            ClientSeesEnd(),
        ),
    ),
    Conversation(
        "a client that leaves in the middle of a body",
        "RFC 9112 8: a request that is not whole must not look whole",
        (
            Client(post(b"Content-Length: 10", body=b"hello")),
            UpstreamSees(post(b"Content-Length: 10", body=b"hello")),
            ClientEnds(),
            UpstreamSeesEnd(),
        ),
    ),
    Conversation(
        "a client that leaves in the middle of chunks",
        "RFC 9112 8: no last chunk is made up",
        (
            Client(post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            UpstreamSees(post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            ClientEnds(),
            UpstreamSeesEnd(),
        ),
    ),
    Conversation(
        "a client that leaves in the middle of a head",
        "RFC 9112 8: a head that is not whole is no request",
        (Client(FIRST[:-2]), ClientEnds()),
    ),
    Conversation(
        "bytes behind a close",
        "RFC 9112 9.6: nothing behind a close is read",
        (
            Client(get(b"Connection: close")),
            UpstreamSees(get()),
            Upstream(ONE),
            ClientSees(ok(b"Content-Length: 3", b"Connection: close", body=b"one")),
            ClientSeesEnd(),
        ),
    ),
]
