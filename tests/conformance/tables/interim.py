"""Interim responses and who waits for whom: 100 Continue, 103 Early Hints, 101, and answers that come early.

RFC 9110 sections 10.1.1 and 15.2: a proxy forwards interim responses, and
forwards an expectation; an interim response is never taken for the answer.
"""

from __future__ import annotations

from tests.conformance.rows import (
    BadGateway,
    Client,
    ClientSees,
    ClientSeesBreak,
    ClientSeesEnd,
    ClientSeesStatus,
    Conversation,
    Forwarded,
    Got,
    Refused,
    Request,
    Response,
    Row,
    Upstream,
    UpstreamEnds,
    UpstreamSees,
    UpstreamSeesEnd,
    get,
    lines,
    ok,
    post,
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
PLAIN = ok(b"Content-Length: 5", body=b"hello")
CHUNKED = ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
EXPECTS = post(b"Expect: 100-continue", b"Content-Length: 5")
EXPECTS_CHUNKED = post(b"Expect: 100-continue", b"Transfer-Encoding: chunked")
ONE_ZERO = lines(b"GET /response HTTP/1.0", b"Host: a")
PROBLEM_CLOSES = "RFC 9110 10.1.1: the final answer came, so the body need not come"

_PASSED = "RFC 9110 15.2: a proxy forwards 1xx responses"
_EXPECT = "RFC 9110 10.1.1: a proxy forwards the expectation, and the 100 of the server that wants the body"
_OLD = "RFC 9110 15.2: HTTP/1.0 knows no 1xx"
_101 = "RFC 9110 15.2.2: 101 is an answer to an Upgrade, and to nothing else"
_EARLY = "RFC 9112 9.5, 9.6: a final answer may come before the body is through"

ROWS: list[Row] = [
    Response("100", _PASSED, CONTINUE + PLAIN, Got()),
    Response("102", _PASSED, b"HTTP/1.1 102 Processing\r\n\r\n" + PLAIN, Got()),
    Response("103", _PASSED, HINTS + PLAIN, Got()),
    Response("several 103s", _PASSED, HINTS + HINTS + HINTS + PLAIN, Got()),
    Response("103 before chunks", _PASSED, HINTS + CHUNKED, Got()),
    Response("103 before 204", _PASSED, HINTS + ok(status=b"204 No Content"), Got()),
    Response(
        "103 before a HEAD's answer",
        _PASSED,
        HINTS + ok(b"Content-Length: 5"),
        Got(),
        request=get(method=b"HEAD", target=b"/response"),
    ),
    Response(
        "103 before a body that ends with its connection",
        _PASSED,
        HINTS + ok(body=b"hello"),
        Got(HINTS + CHUNKED, reused=False),
        ends=True,
    ),
    Response(
        "an unknown 1xx",
        "RFC 9110 15.2: passed on all the same",
        b"HTTP/1.1 150 x\r\nX-A: 1\r\n\r\n" + PLAIN,
        Got(),
    ),
    Response(
        "a 103 with hop-by-hop fields",
        "RFC 9110 7.6.1: they stay on their connection, in interim responses, too",
        b"HTTP/1.1 103 Early Hints\r\nKeep-Alive: x\r\nConnection: X-A\r\nX-A: 1\r\nLink: </a.css>; rel=preload\r\n\r\n"
        + PLAIN,
        Got(HINTS + PLAIN),
    ),
    Response(
        "a 103 with a length",
        "RFC 9110 8.6: no Content-Length in a 1xx",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a.css>; rel=preload\r\n\r\n" + PLAIN,
        Got(HINTS + PLAIN),
    ),
    Response(
        "a 103 with a coding",
        "RFC 9112 6.1: no Transfer-Encoding in a 1xx",
        b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nLink: </a.css>; rel=preload\r\n\r\n" + PLAIN,
        Got(HINTS + PLAIN),
    ),
    Response(
        "a 100 to HTTP/1.0",
        _OLD,
        CONTINUE + PLAIN,
        Got(ok(b"Content-Length: 5", b"Connection: close", body=b"hello"), closes=True),
        request=ONE_ZERO,
    ),
    Response(
        "a 103 to HTTP/1.0",
        _OLD,
        HINTS + PLAIN,
        Got(ok(b"Content-Length: 5", b"Connection: close", body=b"hello"), closes=True),
        request=ONE_ZERO,
    ),
    Response(
        "a 101 without a request for it", _101, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", BadGateway()
    ),
    Response("a 101 before an answer", _101, b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + PLAIN, BadGateway()),
    Response(
        "a 103 and then nothing",
        "RFC 9112 8: an interim response is not the answer",
        HINTS,
        BadGateway(),
        ends=True,
    ),
    Response("a 103 and then nonsense", "RFC 9112 4", HINTS + b"nonsense\r\n\r\n", BadGateway()),
    Conversation(
        "a 103 long before its answer",
        "RFC 8297 2: hints are passed on at once",
        (
            Client(get()),
            UpstreamSees(get()),
            Upstream(HINTS),
            ClientSees(HINTS),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            Client(get()),
            UpstreamSees(get()),
            Upstream(HINTS),
            ClientSees(HINTS),
            Upstream(HINTS),
            ClientSees(HINTS),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    # Expect
    Conversation(
        "a body behind a 100",
        _EXPECT,
        (
            Client(EXPECTS),
            UpstreamSees(EXPECTS),
            Upstream(CONTINUE),
            ClientSees(CONTINUE),
            Client(b"hello"),
            UpstreamSees(b"hello"),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            Client(get()),
            UpstreamSees(get()),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "chunks behind a 100",
        _EXPECT,
        (
            Client(EXPECTS_CHUNKED),
            UpstreamSees(EXPECTS_CHUNKED),
            Upstream(CONTINUE),
            ClientSees(CONTINUE),
            Client(b"5\r\nhello\r\n0\r\n\r\n"),
            UpstreamSees(b"5\r\nhello\r\n0\r\n\r\n"),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "a body that does not wait for the 100",
        "RFC 9110 10.1.1: a client may send without waiting",
        (
            Client(EXPECTS + b"hello"),
            UpstreamSees(EXPECTS + b"hello"),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            Client(get()),
            UpstreamSees(get()),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "a body that waits, and a final answer",
        PROBLEM_CLOSES,
        (
            Client(EXPECTS),
            UpstreamSees(EXPECTS),
            Upstream(ok(b"Content-Length: 2", body=b"no", status=b"403 Forbidden")),
            ClientSees(ok(b"Content-Length: 2", body=b"no", status=b"403 Forbidden")),
            UpstreamSeesEnd(),
        ),
    ),
    Conversation(
        "a body that waits, a final answer, and the body all the same",
        "RFC 9110 10.1.1: what comes behind the answer is the body, and never a request",
        (
            Client(EXPECTS),
            UpstreamSees(EXPECTS),
            Upstream(ok(b"Content-Length: 2", body=b"no", status=b"403 Forbidden")),
            ClientSees(ok(b"Content-Length: 2", body=b"no", status=b"403 Forbidden")),
            UpstreamSeesEnd(),
            Client(b"GET /"),
            Client(get(target=b"/next")),
            UpstreamSees(get(target=b"/next")),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Request(
        "an unknown expectation",
        "RFC 9110 10.1.1: 417",
        post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"),
        Refused(417),
    ),
    Request("an empty expectation", "RFC 9110 10.1.1: 417", post(b"Expect:", b"Content-Length: 0"), Refused(417)),
    Request(
        "a misspelt expectation",
        "RFC 9110 10.1.1: 417",
        post(b"Expect: 100-continued", b"Content-Length: 0"),
        Refused(417),
    ),
    Request(
        "two expectations",
        "RFC 9110 10.1.1: 417",
        post(b"Expect: 100-continue, x=y", b"Content-Length: 0"),
        Refused(417),
    ),
    Request(
        "an expectation in other case",
        "RFC 9110 10.1.1: the same in any case",
        post(b"Expect: 100-Continue", b"Content-Length: 5", body=b"hello"),
        Forwarded(),
    ),
    Request(
        "an expectation without a body",
        "RFC 9110 10.1.1: it may be ignored",
        get(b"Expect: 100-continue"),
        Forwarded(),
    ),
    Request(
        "an expectation in HTTP/1.0",
        "RFC 9110 10.1.1: ignored in HTTP/1.0",
        lines(b"POST /t HTTP/1.0", b"Host: a", b"Expect: 100-continue", b"Content-Length: 5") + b"hello",
        Forwarded((post(b"Content-Length: 5", body=b"hello"),), closes=True),
    ),
    Conversation(
        "an expectation that the gateway refuses",
        "RFC 9110 10.1.1: a final answer instead of the 100; closed, for the body may or may not follow",
        (
            Client(post(b"Expect: 100-continue", b"Content-Length: 5", target=b"/admin/x")),
            ClientSeesStatus(401),
            ClientSeesEnd(),
        ),
    ),
    # Answers that come early
    Conversation(
        "an answer while the body is still coming",
        _EARLY,
        (
            Client(post(b"Content-Length: 10", body=b"01234")),
            UpstreamSees(post(b"Content-Length: 10", body=b"01234")),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            UpstreamSeesEnd(),
            Client(b"56789" + get(target=b"/next")),
            UpstreamSees(get(target=b"/next")),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "an answer while chunks are still coming",
        _EARLY,
        (
            Client(post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            UpstreamSees(post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            Upstream(CHUNKED),
            ClientSees(CHUNKED),
            UpstreamSeesEnd(),
            Client(b"5\r\nhello\r\n0\r\n\r\n" + get(target=b"/next")),
            UpstreamSees(get(target=b"/next")),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "the beginning of an answer while the body is still coming",
        "RFC 9112 9.5: both flow at once",
        (
            Client(post(b"Content-Length: 10", body=b"01234")),
            UpstreamSees(post(b"Content-Length: 10", body=b"01234")),
            Upstream(ok(b"Content-Length: 5", body=b"he")),
            ClientSees(ok(b"Content-Length: 5", body=b"he")),
            Client(b"56789"),
            UpstreamSees(b"56789"),
            Upstream(b"llo"),
            ClientSees(b"llo"),
            Client(get(target=b"/next")),
            UpstreamSees(get(target=b"/next")),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "an answer with a close while the body is still coming",
        _EARLY,
        (
            Client(post(b"Content-Length: 10", body=b"01234")),
            UpstreamSees(post(b"Content-Length: 10", body=b"01234")),
            Upstream(ok(b"Connection: close", b"Content-Length: 5", body=b"hello")),
            ClientSees(PLAIN),
            UpstreamSeesEnd(),
            Client(b"56789"),
        ),
    ),
    # Answers that break off
    Conversation(
        "an upstream that ends in the middle of a length",
        "RFC 9112 8: an incomplete message must be seen to be one",
        (
            Client(get()),
            UpstreamSees(get()),
            Upstream(ok(b"Content-Length: 10", body=b"01234")),
            ClientSees(ok(b"Content-Length: 10", body=b"01234")),
            UpstreamEnds(),
            ClientSeesEnd(),
        ),
    ),
    Conversation(
        "an upstream that ends in the middle of chunks",
        "RFC 9112 8: no last chunk, so it is seen to be incomplete",
        (
            Client(get()),
            UpstreamSees(get()),
            Upstream(ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            ClientSees(ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            UpstreamEnds(),
            ClientSeesEnd(),
        ),
    ),
    Conversation(
        "chunks to HTTP/1.0 that break off",
        "RFC 9112 8: where the end of the connection ends the body, only a reset tells",
        (
            Client(lines(b"GET /t HTTP/1.0", b"Host: a")),
            UpstreamSees(get()),
            Upstream(ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            ClientSees(ok(b"Connection: close", body=b"hello")),
            UpstreamEnds(),
            ClientSeesBreak(),
        ),
    ),
    Conversation(
        "chunks that turn malformed",
        "RFC 9112 7.1, 8: broken off, never ended as if all were well",
        (
            Client(get()),
            UpstreamSees(get()),
            Upstream(ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            ClientSees(ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")),
            Upstream(b"nonsense\r\n"),
            ClientSeesEnd(),
            UpstreamSeesEnd(),
        ),
    ),
    Conversation(
        "bytes on an idle connection",
        "Attack: a response before there is a request, for the next client",
        (
            Client(get()),
            UpstreamSees(get()),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            Upstream(ok(b"Content-Length: 4", body=b"evil")),
            UpstreamSeesEnd(),
            Client(get(target=b"/next")),
            UpstreamSees(get(target=b"/next")),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
]
