"""Fields that concern one connection, and what a chain of proxies says to itself: Connection, TE, Via, Max-Forwards.

RFC 9110 section 7.6. First what concerns the client's connection is taken off,
then the gateway adds its own, so that nobody can make it take that off, too.
"""

from __future__ import annotations

from tests.conformance.rows import Forwarded, Refused, Request, Row, get, lines, post

_HOP = "RFC 9110 7.6.1: fields about one connection are not forwarded"
_NAMED = "RFC 9110 7.6.1: what Connection names is removed, and Connection, too"
_OWN = "Attack: naming a proxy's own field in Connection so that it is removed behind the proxy's back"
_MAX_FORWARDS = "RFC 9110 7.6.2: of OPTIONS and TRACE, 0 is not forwarded and anything more becomes one less"


def _dropped(name: str, *fields: bytes, source: str = _HOP) -> Request:
    return Request(name, source, get(*fields, b"X-Kept: 1"), Forwarded((get(b"X-Kept: 1"),)))


ROWS: list[Row] = [
    _dropped("Keep-Alive", b"Keep-Alive: timeout=5, max=100"),
    _dropped("Proxy-Connection", b"Proxy-Connection: keep-alive", source="RFC 9112 C.2.2: not forwarded"),
    _dropped("TE", b"TE: gzip, deflate;q=0.5"),
    _dropped("TE with trailers", b"TE: trailers", source="RFC 9110 10.1.4: trailers are dropped, so not asked for"),
    _dropped("Trailer", b"Trailer: X-Sum"),
    _dropped("Upgrade without Connection", b"Upgrade: websocket"),
    _dropped("Proxy-Authorization", b"Proxy-Authorization: Basic eDp5", source="RFC 9110 11.7.2: for this hop"),
    _dropped("Proxy-Authenticate", b"Proxy-Authenticate: Basic", source="RFC 9110 11.7.1: for this hop"),
    _dropped("HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", source="RFC 7540 3.2.1: for this hop"),
    _dropped("Connection with keep-alive", b"Connection: keep-alive"),
    _dropped("Connection in small letters", b"connection: Keep-Alive"),
    _dropped("an empty Connection", b"Connection:"),
    _dropped("Connection with commas alone", b"Connection: ,, ,"),
    _dropped("hop-by-hop fields in any case", b"kEEP-aLIVE: 1", b"te: x", b"PROXY-CONNECTION: x"),
    _dropped("hop-by-hop fields with underscores", b"Keep_Alive: 1", b"Proxy_Connection: x", b"Transfer_Encoding: x"),
    _dropped(
        "Proxy",
        b"Proxy: http://evil.example",
        source="Attack httpoxy (CVE-2016-5385): a CGI-like server makes it the variable HTTP_PROXY",
    ),
    # What Connection names
    _dropped("a field that Connection names", b"Connection: X-A", b"X-A: 1", source=_NAMED),
    _dropped("a field before the Connection that names it", b"X-A: 1", b"Connection: X-A", source=_NAMED),
    _dropped("every field of a name in Connection", b"X-A: 1", b"Connection: x-a", b"x-A: 2", source=_NAMED),
    _dropped(
        "several names in Connection", b"Connection: X-A , X-B,X-C", b"X-A: 1", b"X-B: 1", b"X-C: 1", source=_NAMED
    ),
    _dropped("two Connections", b"Connection: X-A", b"Connection: X-B", b"X-A: 1", b"X-B: 1", source=_NAMED),
    _dropped("a name in Connection that is not there", b"Connection: X-Other", source=_NAMED),
    _dropped("a name between empty entries", b"Connection: , ,\tX-A\t,", b"X-A: 1", source=_NAMED),
    _dropped("Connection names itself", b"Connection: connection", source=_NAMED),
    Request(
        "Connection names X-Forwarded-For",
        _OWN,
        get(b"Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host", b"X-Forwarded-For: 192.0.2.1"),
        Forwarded((get(),)),
    ),
    Request(
        "Connection names Via",
        _OWN,
        get(b"Connection: Via", b"Via: 1.1 other"),
        Forwarded((get(),)),
    ),
    Request(
        "Connection names X-Request-Id",
        _OWN,
        get(b"X-Request-Id: mine", b"Connection: X-Request-Id"),
        Forwarded((get(),)),
    ),
    Request(
        "Connection names traceparent",
        _OWN,
        get(b"Connection: traceparent", b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        Forwarded((get(),)),
    ),
    Request(
        "Connection names Content-Length",
        "Attack: taking the length off a request that has a body; framing is written anew",
        post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "Connection names Transfer-Encoding",
        "RFC 9112 6.1: allowed there, and framing is written anew",
        post(b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\r\n"),
        Forwarded((post(b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\r\n"),)),
    ),
    Request(
        "Connection names Host",
        "RFC 9110 7.6.1: a sender must not name a field meant for all recipients; without Host nothing is right",
        get(b"Connection: Host"),
        Refused(400),
    ),
    Request(
        "Connection names Authorization",
        "Attack: removing the credentials after they were checked",
        get(b"Connection: Authorization", b"Authorization: Bearer x"),
        Refused(400),
    ),
    Request(
        "Connection names Cookie",
        "RFC 9110 7.6.1: removed; it is the caller's own cookie",
        get(b"Connection: Cookie", b"Cookie: a=1", b"X-Kept: 1"),
        Forwarded((get(b"X-Kept: 1"),)),
    ),
    Request(
        "Connection with a close",
        "RFC 9112 9.6: answered, and closed",
        get(b"Connection: close"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "Connection with a close among others",
        "RFC 9110 7.6.1, RFC 9112 9.6: the connection closes after the response; named fields are removed",
        get(b"Connection: X-A, Close", b"X-A: 1"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "Connection with a close and a keep-alive",
        "RFC 9112 9.3: close wins",
        get(b"Connection: keep-alive, close"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "a request behind a close",
        "RFC 9112 9.6: nothing is read behind a close",
        get(b"Connection: close") + get(target=b"/next"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "HTTP/1.0 is closed",
        "RFC 9112 2.3, 9.3: HTTP/1.0 is closed; a proxy sends its own version on",
        lines(b"GET /t HTTP/1.0", b"Host: a"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "HTTP/1.0 is kept when it asks",
        "RFC 9112 2.3, 9.3: a proxy sends its own version, not the client's",
        lines(b"GET /t HTTP/1.0", b"Host: a", b"Connection: keep-alive"),
        Forwarded((get(),)),
    ),
    Request(
        "HTTP/1.0 with Proxy-Connection",
        "RFC 9112 C.2.2: it does not count",
        lines(b"GET /t HTTP/1.0", b"Host: a", b"Proxy-Connection: keep-alive"),
        Forwarded((get(),), closes=True),
    ),
    # Upgrades that are not forwarded
    Request(
        "an upgrade to h2c",
        "Attack h2c smuggling: a tunnel through the proxy, past all its rules",
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
        Forwarded((get(),)),
    ),
    Request(
        "an upgrade to h2c in other case",
        "Attack h2c smuggling: a tunnel through the proxy, past all its rules",
        get(b"Connection: upgrade", b"Upgrade: H2C"),
        Forwarded((get(),)),
    ),
    # Via
    Request("Via is kept", "RFC 9110 7.6.3: each proxy adds itself", get(b"Via: 1.0 fred, 1.1 b"), Forwarded()),
    Request("several Vias are kept", "RFC 9110 7.6.3", get(b"Via: 1.0 fred", b"Via: 1.1 b (x)"), Forwarded()),
    Request(
        "Via names this gateway once",
        "RFC 9110 7.6.3: another gateway of this kind may stand before this one",
        get(b"Via: 1.1 strangler"),
        Forwarded(),
    ),
    Request(
        "Via names this gateway again and again",
        "RFC 9110 7.6.3: a loop; RFC 5842 7.2 names the status",
        get(b"Via: 1.1 strangler, 1.1 strangler, 1.1 strangler"),
        Refused(508),
    ),
    Request(
        "several Vias name this gateway again and again",
        "RFC 9110 7.6.3: a loop; RFC 5842 7.2 names the status",
        get(b"Via: 1.1 strangler", b"Via: 1.0 b, 1.1 strangler", b"via: 1.1 STRANGLER (x)"),
        Refused(508),
    ),
    Request(
        "Via names others whose names hold this one's",
        "RFC 9110 7.6.3: a name is compared as a whole",
        get(b"Via: 1.1 strangler2, 1.1 the-strangler, 1.1 a (strangler), 1.1 strangler.example"),
        Forwarded(),
    ),
    # Max-Forwards
    *[
        Request(
            f"{method.decode()} with Max-Forwards 5",
            _MAX_FORWARDS,
            get(b"Max-Forwards: 5", method=method),
            Forwarded((get(b"Max-Forwards: 4", method=method),)),
        )
        for method in (b"OPTIONS", b"TRACE")
    ],
    Request(
        "OPTIONS with Max-Forwards 1",
        _MAX_FORWARDS,
        get(b"max-forwards: 1", b"X-A: 1", method=b"OPTIONS"),
        Forwarded((get(b"max-forwards: 0", b"X-A: 1", method=b"OPTIONS"),)),
    ),
    Request(
        "OPTIONS with Max-Forwards 0",
        _MAX_FORWARDS,
        get(b"Max-Forwards: 0", method=b"OPTIONS"),
        Refused(200),
    ),
    Request(
        "OPTIONS of everything with Max-Forwards 0",
        _MAX_FORWARDS,
        get(b"Max-Forwards: 0", method=b"OPTIONS", target=b"*"),
        Refused(200),
    ),
    Request(
        "TRACE with Max-Forwards 0",
        "RFC 9110 7.6.2, 9.3.8: not forwarded; it is not reflected either, for what it would show",
        get(b"Max-Forwards: 0", method=b"TRACE"),
        Refused(405),
    ),
    Request(
        "GET with Max-Forwards 0",
        "RFC 9110 7.6.2: may be ignored with other methods",
        get(b"Max-Forwards: 0"),
        Forwarded(),
    ),
    Request(
        "OPTIONS with a Max-Forwards that is no number",
        "RFC 9110 7.6.2: 1*DIGIT",
        get(b"Max-Forwards: x", method=b"OPTIONS"),
        Refused(400),
    ),
    Request(
        "OPTIONS with two Max-Forwards",
        "RFC 9110 5.3: a field that is not a list occurs once",
        get(b"Max-Forwards: 0", b"Max-Forwards: 5", method=b"OPTIONS"),
        Refused(400),
    ),
    Request(
        "TRACE with a body",
        "RFC 9110 9.3.8: a TRACE must not have content",
        post(b"Content-Length: 1", body=b"x", method=b"TRACE"),
        Refused(400),
    ),
    # What is not hop-by-hop
    Request(
        "fields that only sound like it",
        "RFC 9110 16.3: unknown fields are forwarded",
        get(
            b"X-Connection: close", b"Upgrade-Insecure-Requests: 1", b"Keep: alive", b"Proxy-Foo: 1", b"X-TE: trailers"
        ),
        Forwarded(),
    ),
    Request(
        "conditions, ranges and negotiation",
        "RFC 9110 8, 12, 13, 14: end to end",
        get(b'If-None-Match: "a", W/"b"', b"Range: bytes=0-1,-5", b"Accept-Encoding: gzip;q=0", b"Accept: */*"),
        Forwarded(),
    ),
]
