"""The request line, the fields' syntax, and what may stand where.

RFC 9112 sections 2.2, 3 and 5. A server may be lenient with white space and
line ends; a proxy that is lenient differs from the server behind it.
"""

from __future__ import annotations

from strangler.proxy.client.http2 import goaway
from tests.conformance.rows import (
    Client,
    ClientSees,
    ClientSeesEnd,
    Conversation,
    Forwarded,
    Refused,
    Request,
    Row,
    get,
    lines,
)

_LINE = "RFC 9112 3: method SP request-target SP HTTP-version CRLF, and nothing else"
_LINE_END = "RFC 9112 2.2: a line ends with CRLF; a bare CR is invalid, and a bare LF is read in two ways"
_NAME = "RFC 9110 5.1: a field name is a token, and the colon follows at once (RFC 9112 5.1)"
_VALUE = "RFC 9110 5.5: CR, LF and NUL in a value are invalid and dangerous; other controls have no use"
_FOLD = "RFC 9112 5.2: obs-fold is refused by 400"
_VERSION = "RFC 9112 2.3: HTTP-version is 'HTTP/' DIGIT '.' DIGIT, in capitals"
_METHOD = "RFC 9110 9.1: a method is a token, and its case counts"


def _bad(name: str, source: str, sent: bytes, status: int = 400) -> Request:
    return Request(name, source, sent, Refused(status))


def _field(name: str, source: str, field: bytes) -> Request:
    return Request(name, source, get(field), Refused(400))


ROWS: list[Row] = [
    # Request lines
    Request("a plain request", "RFC 9112 3", get(), Forwarded()),
    Request("an empty line first", "RFC 9112 2.2: should be ignored", b"\r\n" + get(), Forwarded((get(),))),
    Request("two empty lines first", "RFC 9112 2.2: at least one is ignored", b"\r\n\r\n" + get(), Forwarded((get(),))),
    _bad("two spaces behind the method", _LINE, b"GET  /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("two spaces before the version", _LINE, b"GET /t  HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a tab behind the method", _LINE, b"GET\t/t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a tab before the version", _LINE, b"GET /t\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a space before the method", _LINE, b" GET /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a tab before the method", _LINE, b"\tGET /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a space behind the version", _LINE, b"GET /t HTTP/1.1 \r\nHost: a\r\n\r\n"),
    _bad("a tab behind the version", _LINE, b"GET /t HTTP/1.1\t\r\nHost: a\r\n\r\n"),
    _bad("a fourth word", _LINE, b"GET /t HTTP/1.1 x\r\nHost: a\r\n\r\n"),
    _bad("a space in the target", _LINE, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad(
        "a version as part of the target",
        "Attack: two versions in one line",
        b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    _bad("no target", _LINE, b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("an empty target", _LINE, b"GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("no version", "RFC 9112 3: HTTP/0.9 is not spoken", b"GET /t\r\nHost: a\r\n\r\n", 400),
    _bad("HTTP/0.9 alone", "RFC 9112 3: HTTP/0.9 is not spoken", b"GET /t\r\n\r\n", 400),
    _bad("the version 0.9", "RFC 9112 2.3: HTTP/0.9 is not spoken", b"GET /t HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    _bad(
        "the version 1.2",
        "RFC 9112 2.3: there is no such version, so what it means would be a guess",
        b"GET /t HTTP/1.2\r\nHost: a\r\n\r\n",
    ),
    _bad(
        "the version 2.0",
        "RFC 9110 15.6.6: a major version that is not spoken",
        b"GET /t HTTP/2.0\r\nHost: a\r\n\r\n",
        505,
    ),
    _bad("the version 3.1", _VERSION, b"GET /t HTTP/3.1\r\nHost: a\r\n\r\n"),
    _bad("the version 1.10", _VERSION, b"GET /t HTTP/1.10\r\nHost: a\r\n\r\n"),
    _bad("the version 01.1", _VERSION, b"GET /t HTTP/01.1\r\nHost: a\r\n\r\n"),
    _bad("the version 1", _VERSION, b"GET /t HTTP/1\r\nHost: a\r\n\r\n"),
    _bad("the version 1.", _VERSION, b"GET /t HTTP/1.\r\nHost: a\r\n\r\n"),
    _bad("a version with a comma", _VERSION, b"GET /t HTTP/1,1\r\nHost: a\r\n\r\n"),
    _bad("a version with a space", _VERSION, b"GET /t HTTP/ 1.1\r\nHost: a\r\n\r\n"),
    _bad("a version in small letters", _VERSION, b"GET /t http/1.1\r\nHost: a\r\n\r\n"),
    _bad("another protocol", _VERSION, b"GET /t HTTQ/1.1\r\nHost: a\r\n\r\n"),
    _bad("RTSP", _VERSION, b"DESCRIBE /t RTSP/1.0\r\nHost: a\r\n\r\n"),
    _bad("ICE", _VERSION, b"SOURCE /t ICE/1.0\r\nHost: a\r\n\r\n"),
    Conversation(
        "the preface of HTTP/2",
        "RFC 9113 3.4, 6.8, 7: refused by GOAWAY with HTTP_1_1_REQUIRED",
        (Client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ClientSees(goaway()), ClientSeesEnd()),
    ),
    _bad("a TLS client hello", "RFC 8446: not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32),
    _bad("a response as a request", _LINE, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    _bad("a method in small letters", _METHOD, b"get /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a method with a slash", _METHOD, b"GE/T /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a method with a NUL", _METHOD, b"GE\0T /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a method with a colon", _METHOD, b"GET: /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad("a method with a byte above ASCII", _METHOD, b"G\xc9T /t HTTP/1.1\r\nHost: a\r\n\r\n"),
    _bad(
        "an unknown method",
        "RFC 9110 9.1: may be refused; whether it is safe, or has a body, could only be guessed",
        get(method=b"BREW"),
    ),
    _bad(
        "CONNECT", "RFC 9110 9.3.6: a reverse proxy makes no tunnels", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405
    ),
    *[
        Request(
            f"the method {method.decode()}",
            "RFC 9110 9, RFC 5789, RFC 4918: what a method may do is the upstream's to say",
            get(method=method),
            Forwarded(),
        )
        for method in (b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"REPORT", b"PURGE", b"HEAD")
    ],
    # Line ends
    _bad("a bare line feed behind the request line", _LINE_END, b"GET /t HTTP/1.1\nHost: a\r\n\r\n"),
    _bad("a bare line feed behind a field", _LINE_END, b"GET /t HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n"),
    _bad("a bare line feed ends the head", _LINE_END, b"GET /t HTTP/1.1\r\nHost: a\r\n\n"),
    _bad("line feeds alone", _LINE_END, b"GET /t HTTP/1.1\nHost: a\n\n"),
    _bad("a bare carriage return behind the request line", _LINE_END, b"GET /t HTTP/1.1\rHost: a\r\n\r\n"),
    _bad("a bare carriage return behind a field", _LINE_END, b"GET /t HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n"),
    _bad("two carriage returns behind a field", _LINE_END, b"GET /t HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    _bad("two carriage returns before the end", _LINE_END, b"GET /t HTTP/1.1\r\nHost: a\r\n\r\r\n"),
    _bad("carriage returns alone", _LINE_END, b"GET /t HTTP/1.1\rHost: a\r\r"),
    Request(
        "a bare line feed first",
        "RFC 9112 2.2: may be taken for an empty line, which is ignored",
        b"\n" + get(),
        Forwarded((get(),)),
    ),
    # Names
    _field("no colon", _NAME, b"X-A"),
    _field("no name", _NAME, b": 1"),
    _field("a colon alone", _NAME, b":"),
    _field("a space before the colon", _NAME, b"X-A : 1"),
    _field("a tab before the colon", _NAME, b"X-A\t: 1"),
    _field("a space in a name", _NAME, b"X A: 1"),
    _field("a NUL in a name", _NAME, b"X\0A: 1"),
    _field("a control in a name", _NAME, b"X\x01A: 1"),
    _field("a byte above ASCII in a name", _NAME, b"X-\xc3\xa4: 1"),
    _field("a slash in a name", _NAME, b"X/A: 1"),
    _field("brackets around a name", _NAME, b"(X-A): 1"),
    _field("a quote in a name", _NAME, b'"X-A": 1'),
    _field("an at sign in a name", _NAME, b"X@A: 1"),
    _field("a DEL in a name", _NAME, b"X\x7fA: 1"),
    _field("a name with a vertical tab", _NAME, b"\x0bX-A: 1"),
    Request(
        "a name of all that a token may hold",
        "RFC 9110 5.6.2: tchar",
        get(b"!#$%&'*+-.^_`|~09azAZ: 1"),
        Forwarded(),
    ),
    # Values
    _field("a NUL in a value", _VALUE, b"X-A: a\0b"),
    _field("a bare carriage return in a value", _VALUE, b"X-A: a\rb"),
    _field("a bare line feed in a value", _VALUE, b"X-A: a\nb"),
    _field("a vertical tab in a value", _VALUE, b"X-A: a\x0bb"),
    _field("a form feed in a value", _VALUE, b"X-A: a\x0cb"),
    _field("an escape in a value", _VALUE, b"X-A: a\x1b[31mb"),
    _field("a backspace in a value", _VALUE, b"X-A: a\x08b"),
    _field("a DEL in a value", _VALUE, b"X-A: a\x7fb"),
    _field("a NUL alone in a value", _VALUE, b"X-A: \0"),
    _field("a folded value", _FOLD, b"X-A: a\r\n b"),
    _field("a value folded by a tab", _FOLD, b"X-A: a\r\n\tb"),
    _field("a fold of white space alone", _FOLD, b"X-A: a\r\n \r\nX-B: c"),
    _bad("white space before the first field", "RFC 9112 2.2: refused", b"GET /t HTTP/1.1\r\n Host: a\r\n\r\n"),
    _bad("a line of white space before the first field", "RFC 9112 2.2", b"GET /t HTTP/1.1\r\n \r\nHost: a\r\n\r\n"),
    Request("a tab in a value", "RFC 9110 5.5: a tab is allowed", get(b"X-A: a\tb"), Forwarded()),
    Request("an empty value", "RFC 9110 5.5: a value may be empty", get(b"X-A: "), Forwarded()),
    Request("a value without white space", "RFC 9112 5", get(b"X-A:1"), Forwarded((get(b"X-A: 1"),))),
    Request("white space around a value", "RFC 9112 5.1", get(b"X-A: \t 1 \t "), Forwarded((get(b"X-A: 1"),))),
    Request("white space in a value", "RFC 9110 5.5: stays as it is", get(b"X-A: a  b"), Forwarded()),
    Request("a colon in a value", "RFC 9112 5", get(b"X-A: :b: c:"), Forwarded()),
    Request(
        "bytes above ASCII in a value",
        "RFC 9110 5.5: obs-text is passed on as opaque bytes",
        get(b"X-A: \xe4\xc3\xa4\x80\xff"),
        Forwarded(),
    ),
    Request(
        "0x85 and 0xa0 at the ends of a value",
        "RFC 9110 5.6.3: they are no white space, though strip() of many a language takes them for it",
        get(b"X-A: \xa0a\x85"),
        Forwarded(),
    ),
    Request("quotes and backslashes in a value", "RFC 9110 5.6.4", get(b'X-A: "a\\"b, c" \\'), Forwarded()),
    # Limits
    Request(
        "8 KiB of cookies",
        "RFC 6265 6.1: browsers hold 50 cookies of 4 KiB a site",
        get(b"Cookie: a=" + b"x" * 8192),
        Forwarded(),
    ),
    Request("a target of 8,192 bytes", "RFC 9112 3: at least 8,000", get(target=b"/" + b"x" * 8191), Forwarded()),
    _bad(
        "a target of 8,193 bytes",
        "RFC 9110 15.5.15: a limit of its own, with a status of its own",
        get(target=b"/" + b"x" * 8192),
        414,
    ),
    _bad(
        "a target without end",
        "RFC 9110 15.5.15: a limit of its own, with a status of its own",
        b"GET /" + b"x" * 100_000,
        414,
    ),
    _bad(
        "fields of more than 32 KiB",
        "RFC 6585 5: a limit of its own, with a status of its own",
        get(b"X-A: " + b"x" * 32_768),
        431,
    ),
    _bad(
        "a field without end",
        "RFC 6585 5: a limit of its own, with a status of its own",
        b"GET /t HTTP/1.1\r\nHost: a\r\nX-A: " + b"x" * 100_000,
        431,
    ),
    _bad(
        "a name without end",
        "RFC 6585 5: a limit of its own, with a status of its own",
        b"GET /t HTTP/1.1\r\nHost: a\r\n" + b"x" * 100_000,
        431,
    ),
    _bad(
        "more than 100 fields",
        "RFC 6585 5: a limit of its own, with a status of its own",
        get(*[b"X-%d: 1" % number for number in range(100)]),
        431,
    ),
    Request(
        "100 fields",
        "RFC 6585 5: a limit of its own, with a status of its own",
        get(*[b"X-%d: 1" % number for number in range(99)]),
        Forwarded(),
    ),
    _bad(
        "more than 100 equal fields",
        "RFC 6585 5: a limit of its own, with a status of its own",
        get(*[b"X: 1"] * 100),
        431,
    ),
    # Whole messages
    Request(
        "fields of a refused HEAD",
        "RFC 9110 9.3.2: an answer to HEAD has no content, an error's neither",
        lines(b"HEAD /t HTTP/1.1", b"Host: a", b"Host: b"),
        Refused(400),
    ),
    Request(
        "order and duplicates",
        "RFC 9110 5.3: a proxy must not change the order of fields of one name",
        get(b"X-B: 1", b"X-A: 1", b"x-b: 2", b"X-A: 2", b"X-B: 1"),
        Forwarded(),
    ),
    Request(
        "several Cookie lines",
        "RFC 6265 5.4, RFC 9113 8.2.3: they are neither joined nor parted",
        get(b"Cookie: a=1", b"Cookie: b=2; c=3", b"cookie: a=4"),
        Forwarded(),
    ),
]
