"""Upgrades (RFC 9110 section 7.8): a tunnel only after a 101 that was asked for; until then everything is HTTP."""

from __future__ import annotations

from tests.conformance.rows import (
    BadGateway,
    Client,
    ClientEnds,
    ClientSees,
    ClientSeesEnd,
    Conversation,
    Forwarded,
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

_TUNNEL = "RFC 9110 7.8: after 101 the connection speaks the other protocol, whose bytes are passed on as they are"
_ASKED = "RFC 9110 7.8, 15.2.2: a server must not switch to what the client has not asked for"
_REFUSED = "RFC 9110 7.8: a server may ignore Upgrade; then everything on the connection is HTTP"

WEBSOCKET = b"Upgrade: websocket"
ASKED = get(b"X-A: 1", b"Connection: Upgrade", WEBSOCKET)
SWITCHED = lines(b"HTTP/1.1 101 Switching Protocols", b"X-B: 1", b"Connection: Upgrade", WEBSOCKET)
PLAIN = ok(b"Content-Length: 5", body=b"hello")
NEXT = get(target=b"/next")

ROWS: list[Row] = [
    Conversation(
        "a tunnel",
        _TUNNEL,
        (
            Client(ASKED),
            UpstreamSees(ASKED),
            Upstream(SWITCHED),
            ClientSees(SWITCHED),
            Client(b"\x81\x85\0\0\0\0hello"),
            UpstreamSees(b"\x81\x85\0\0\0\0hello"),
            Upstream(b"GET / HTTP/1.1\r\n\r\n\0"),
            ClientSees(b"GET / HTTP/1.1\r\n\r\n\0"),
            ClientEnds(),
            UpstreamSeesEnd(),
            UpstreamEnds(),
        ),
    ),
    Conversation(
        "bytes together with the handshake",
        _TUNNEL,
        (
            Client(ASKED + b"early"),
            UpstreamSees(ASKED),
            Upstream(SWITCHED + b"early, too"),
            ClientSees(SWITCHED + b"early, too"),
            UpstreamSees(b"early"),
            UpstreamEnds(),
            ClientSeesEnd(),
            ClientEnds(),
        ),
    ),
    Conversation(
        "a request in a tunnel",
        "Attack: bytes in a tunnel are no requests, whatever they look like",
        (
            Client(ASKED),
            UpstreamSees(ASKED),
            Upstream(SWITCHED),
            ClientSees(SWITCHED),
            Client(get(target=b"/admin/x")),
            UpstreamSees(get(target=b"/admin/x")),
            ClientEnds(),
            UpstreamSeesEnd(),
            UpstreamEnds(),
        ),
    ),
    Conversation(
        "an upgrade that is refused",
        _REFUSED,
        (
            Client(ASKED),
            UpstreamSees(ASKED),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            Client(NEXT),
            UpstreamSees(NEXT),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Conversation(
        "a request behind an upgrade that is refused",
        _REFUSED,
        (
            Client(ASKED + NEXT),
            UpstreamSees(ASKED),
            Upstream(PLAIN),
            ClientSees(PLAIN),
            UpstreamSees(NEXT),
            Upstream(PLAIN),
            ClientSees(PLAIN),
        ),
    ),
    Response(
        "a switch to what was not asked for",
        _ASKED,
        lines(b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: h2c"),
        BadGateway(),
        request=get(b"Connection: Upgrade", WEBSOCKET, target=b"/response"),
    ),
    Response(
        "a switch that does not say to what",
        _ASKED,
        lines(b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade"),
        BadGateway(),
        request=get(b"Connection: Upgrade", WEBSOCKET, target=b"/response"),
    ),
    Response(
        "a switch for a client that named Upgrade and not in Connection",
        "RFC 9110 7.8: Upgrade counts only where Connection names it",
        lines(b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", WEBSOCKET),
        BadGateway(),
        request=get(WEBSOCKET, target=b"/response"),
    ),
    Request(
        "an upgrade in HTTP/1.0",
        "RFC 9110 7.8: Upgrade is ignored in HTTP/1.0",
        lines(b"GET /t HTTP/1.0", b"Host: a", b"Connection: Upgrade", WEBSOCKET),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "an upgrade to a protocol that is not passed on",
        "RFC 9110 7.8: a proxy forwards the upgrades that it has chosen to",
        get(b"Connection: Upgrade", b"Upgrade: TLS/1.2"),
        Forwarded((get(),)),
    ),
    Request(
        "an upgrade to h2c among others",
        "Attack h2c smuggling: a tunnel through the proxy, past all its rules",
        get(b"Connection: Upgrade", b"Upgrade: h2c, TLS/1.2"),
        Forwarded((get(),)),
    ),
    Conversation(
        "a tunnel whose handshake says that it has no body",
        "RFC 9110 8.6: a length of 0 is no body, and clients are seen that send it with a GET",
        (
            Client(get(b"X-A: 1", b"Content-Length: 0", b"Connection: Upgrade", WEBSOCKET) + b"first"),
            UpstreamSees(get(b"X-A: 1", b"Content-Length: 0", b"Connection: Upgrade", WEBSOCKET)),
            Upstream(SWITCHED),
            ClientSees(SWITCHED),
            UpstreamSees(b"first"),
            Upstream(b"second"),
            ClientSees(b"second"),
            UpstreamEnds(),
            ClientSeesEnd(),
            ClientEnds(),
        ),
    ),
    Request(
        "an upgrade with a body",
        "RFC 9110 7.8: a server may ignore Upgrade, and after 101 the end of the body would be in doubt",
        post(b"Connection: Upgrade", WEBSOCKET, b"Content-Length: 5", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "an upgrade with an empty body",
        "RFC 9110 7.8: a server may ignore Upgrade, and after 101 the end of the body would be in doubt",
        post(b"Connection: Upgrade", WEBSOCKET, b"Content-Length: 0"),
        Forwarded((post(b"Content-Length: 0"),)),
    ),
    Request(
        "an upgrade with chunks",
        "RFC 9110 7.8: a server may ignore Upgrade, and after 101 the end of the body would be in doubt",
        post(b"Connection: Upgrade", WEBSOCKET, b"Transfer-Encoding: chunked", body=b"2\r\nab\r\n0\r\n\r\n"),
        Forwarded((post(b"Transfer-Encoding: chunked", body=b"2\r\nab\r\n0\r\n\r\n"),)),
    ),
    Request(
        "an upgrade to h2c with a body and a request behind it",
        "RFC 9110 7.8: a server may ignore Upgrade; Java's client asks for HTTP/2 in this way with every request",
        post(
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAEAAEAA",
            b"Content-Length: 5",
            body=b"hello",
        )
        + get(target=b"/next"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"), get(target=b"/next"))),
    ),
    Request(
        "an upgrade with a body that is malformed",
        "RFC 9112 7.1: a chunk ends with CRLF",
        post(b"Connection: Upgrade", WEBSOCKET, b"Transfer-Encoding: chunked", body=b"2\r\nabX\r\n0\r\n\r\n"),
        Refused(400, partial=True),
    ),
    Request(
        "an upgrade with a length and chunks",
        "Attack: CL.TE smuggling behind an upgrade",
        post(
            b"Connection: Upgrade",
            WEBSOCKET,
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            body=b"0\r\n\r\n",
        ),
        Refused(400),
    ),
    Request(
        "an upgrade without the token that the route needs",
        "RFC 9110 7.8: who may not ask may not switch",
        get(b"Connection: Upgrade", WEBSOCKET, target=b"/admin/x"),
        Refused(401, closes=False),
    ),
]
