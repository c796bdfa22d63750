"""What an upstream answers, and what the client gets of it.

A response that is malformed or ambiguous becomes 502, and its connection is
never used again (RFC 9112 section 6.3): whatever follows on it could be taken
for the answer to somebody else's request. What passes is framed anew.
"""

from __future__ import annotations

from tests.conformance.rows import BadGateway, Got, Response, Row, get, lines, ok

_PASSES = "RFC 9110 15.1: a status passes, known or not"
_LENGTHS = "RFC 9112 6.3: several or invalid lengths in a response: 502, and the connection is closed"
_BOTH = "RFC 9112 6.3 rule 3: Content-Length beside Transfer-Encoding, an attempt at response splitting"
_CODING = "RFC 9112 6.1: a coding other than one chunked leaves the length in doubt"
_CHUNKS = "RFC 9112 7.1: chunks that are malformed"
_LINE = "RFC 9112 4: HTTP-version SP status-code SP [reason-phrase] CRLF"
_LINE_END = "RFC 9112 2.2: a line ends with CRLF; bare CR and LF split responses for some readers"
_FIELDS = "RFC 9112 5: a field's syntax"
_BODYLESS = "RFC 9112 6.3 rule 1: no body, whatever the fields say"
_EXTRA = "RFC 9112 9.3, attack: bytes behind a response would be taken for the next one's"
_UNTIL_CLOSE = "RFC 9112 6.3 rule 8: the end of the connection ends the body"
_HOP = "RFC 9110 7.6.1: fields about the upstream's connection stay there"
_INCOMPLETE = "RFC 9112 8: an incomplete response must not look complete"

HEAD = get(target=b"/response", method=b"HEAD")
ONE_ZERO = lines(b"GET /response HTTP/1.0", b"Host: a")
PLAIN = ok(b"Content-Length: 5", body=b"hello")
CHUNKED = ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")


def _bad(name: str, source: str, sent: bytes, *, ends: bool = False) -> Response:
    return Response(name, source, sent, BadGateway(), ends=ends)


def _length(name: str, *fields: bytes, source: str = _LENGTHS) -> Response:
    return _bad(name, source, ok(*fields, body=b"hello"))


def _coding(name: str, *fields: bytes, source: str = _CODING) -> Response:
    return _bad(name, source, ok(*fields, body=b"5\r\nhello\r\n0\r\n\r\n"))


def _chunks(name: str, body: bytes) -> Response:
    return _bad(name, _CHUNKS, ok(b"Transfer-Encoding: chunked", body=body))


def _line(name: str, line: bytes) -> Response:
    return _bad(name, _LINE, line + b"\r\nContent-Length: 5\r\n\r\nhello")


def _field(name: str, field: bytes, source: str = _FIELDS) -> Response:
    return _bad(name, source, ok(field, b"Content-Length: 5", body=b"hello"))


def _dropped(name: str, *fields: bytes) -> Response:
    return Response(name, _HOP, ok(*fields, b"X-Kept: 1", b"Content-Length: 5", body=b"hello"), Got(_KEPT))


_KEPT = ok(b"X-Kept: 1", b"Content-Length: 5", body=b"hello")

ROWS: list[Row] = [
    # What is right
    Response("a response with a length", "RFC 9112 6.2", PLAIN, Got()),
    Response("a response with a length of 0", "RFC 9112 6.2", ok(b"Content-Length: 0"), Got()),
    Response("chunks", "RFC 9112 7.1", CHUNKED, Got()),
    Response("no chunk", "RFC 9112 7.1", ok(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), Got()),
    Response(
        "chunks in other case",
        "RFC 9112 7",
        CHUNKED.replace(b"chunked", b"Chunked"),
        Got(CHUNKED),
    ),
    Response(
        "chunks with extensions and trailers",
        "RFC 9112 7.1.1, 7.1.2: they may be dropped",
        ok(b"Transfer-Encoding: chunked", body=b'5;a="b"\r\nhello\r\n0;c\r\nX-Sum: 1\r\n\r\n'),
        Got(CHUNKED),
    ),
    Response(
        "a Set-Cookie in trailers",
        "RFC 9110 6.5.1: trailers are not merged into the header",
        ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nSet-Cookie: a=1\r\n\r\n"),
        Got(CHUNKED),
    ),
    Response("no framing", _UNTIL_CLOSE, ok(body=b"hello"), Got(CHUNKED, reused=False), ends=True),
    Response(
        "no framing and no body",
        _UNTIL_CLOSE,
        ok(),
        Got(ok(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), reused=False),
        ends=True,
    ),
    Response(
        "HTTP/1.0",
        "RFC 9112 9.3: HTTP/1.0 does not persist",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Got(PLAIN, reused=False),
        ends=True,
    ),
    Response(
        "HTTP/1.0 that is kept",
        "RFC 9112 9.3",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        Got(PLAIN),
    ),
    Response(
        "HTTP/1.0 without framing",
        _UNTIL_CLOSE,
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        Got(CHUNKED, reused=False),
        ends=True,
    ),
    Response(
        "a close",
        "RFC 9112 9.6: a connection with close is not used again; that is between it and the gateway",
        ok(b"Connection: close", b"Content-Length: 5", body=b"hello"),
        Got(PLAIN, reused=False),
        ends=True,
    ),
    Response(
        "a close that nothing follows",
        "RFC 9112 9.6: the sender of a request closes, too",
        ok(b"Connection: Close", b"Content-Length: 5", body=b"hello"),
        Got(PLAIN, reused=False),
    ),
    Response(
        "a close behind chunks",
        "RFC 9112 9.6",
        ok(b"Connection: x, close", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        Got(CHUNKED, reused=False),
        ends=True,
    ),
    # Fields
    Response(
        "order, duplicates and empty values",
        "RFC 9110 5.3: order and duplicates stay",
        ok(b"X-B: 1", b"X-A: ", b"x-b: 2", b"X-B: 1, 3", b"Content-Length: 5", body=b"hello"),
        Got(),
    ),
    Response(
        "many Set-Cookie",
        "RFC 6265 3, RFC 9110 5.3: never joined",
        ok(*[b"Set-Cookie: c%d=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT" % n for n in range(40)], b"Content-Length: 0"),
        Got(),
    ),
    Response(
        "bytes above ASCII",
        "RFC 9110 5.5: obs-text passes as opaque bytes",
        ok(b"X-A: \xe4\xc3\xa4\xff\x80", b"Content-Length: 5", body=b"hello"),
        Got(),
    ),
    Response(
        "0x85 and 0xa0 at the ends of a response's value",
        "RFC 9110 5.6.3: they are no white space",
        ok(b"X-A: \xa0a\x85", b"Content-Length: 5", body=b"hello"),
        Got(),
    ),
    Response(
        "a cookie of 8 KiB",
        "RFC 6265 6.1",
        ok(b"Set-Cookie: a=" + b"x" * 8192, b"Content-Length: 0"),
        Got(),
    ),
    Response(
        "a body of all bytes",
        "RFC 9112 6: a body is bytes",
        ok(b"Content-Length: 256", body=bytes(range(256))),
        Got(),
    ),
    Response(
        "a body that looks like a response",
        "RFC 9112 6: a body is bytes",
        ok(b"Content-Length: %d" % len(PLAIN), body=PLAIN),
        Got(),
    ),
    Response(
        "Via of other hops",
        "RFC 9110 7.6.3: each proxy adds itself, in responses, too",
        ok(b"Via: 1.0 fred", b"Content-Length: 0"),
        Got(),
    ),
    Response(
        "a Date",
        "RFC 9110 6.6.1: a Date passes as it is",
        ok(b"Date: Sun, 06 Nov 1994 08:49:37 GMT", b"Content-Length: 0"),
        Got(),
    ),
    Response(
        "white space around a response's value",
        "RFC 9112 5.1: is no part of it",
        ok(b"X-A: \t 1", b"Content-Length:5", body=b"hello"),
        Got(ok(b"X-A: 1", b"Content-Length: 5", body=b"hello")),
    ),
    _dropped("a response's Keep-Alive", b"Keep-Alive: timeout=5"),
    _dropped("a response's Connection", b"Connection: keep-alive"),
    _dropped("a response's Proxy-Authenticate", b"Proxy-Authenticate: Basic"),
    _dropped("a response's Proxy-Connection", b"Proxy-Connection: keep-alive"),
    _dropped("a response's TE", b"TE: trailers"),
    _dropped("a response's Trailer", b"Trailer: X-Sum"),
    _dropped("a response's Upgrade", b"Upgrade: h2c, websocket"),
    _dropped("a field that a response's Connection names", b"X-A: 1", b"Connection: x-a", b"X-a: 2"),
    _dropped(
        "fields that two of a response's Connections name", b"Connection: X-A", b"Connection: X-B", b"X-A: 1", b"X-B: 1"
    ),
    Response(
        "a response's Connection names its length",
        "Attack: taking off what frames the body; framing is written anew",
        ok(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
        Got(PLAIN),
    ),
    Response(
        "a response's Connection names the gateway's own fields",
        "Attack: taking off what the gateway adds",
        ok(b"Connection: Via, X-Request-Id", b"X-Request-Id: theirs", b"Content-Length: 5", body=b"hello"),
        Got(PLAIN),
    ),
    Response(
        "a request id of the upstream's own",
        "RFC 9110 5.3: one id, the request's",
        ok(b"X-Request-Id: theirs", b"Content-Length: 5", body=b"hello"),
        Got(PLAIN),
    ),
    Response(
        "a 426",
        "RFC 9110 15.5.22: it says in Upgrade to what the client has to switch",
        ok(b"Content-Length: 0", b"Connection: Upgrade", b"Upgrade: TLS/1.2", status=b"426 Upgrade Required"),
        Got(),
    ),
    # Statuses
    *[
        Response(
            f"the status {status.decode()}",
            _PASSES,
            ok(b"Content-Length: 0", status=status),
            Got(),
        )
        for status in (
            b"201 Created",
            b"202 Accepted",
            b"206 Partial Content",
            b"301 Moved Permanently",
            b"401 Unauthorized",
            b"404 Not Found",
            b"404 Nowhere to be seen",
            b"451 Unavailable For Legal Reasons",
            b"500 Internal Server Error",
            b"503 ",
            b"299 x",
            b"599 x",
            b"600 x",
            b"999 x",
        )
    ],
    Response(
        "a status without a reason and its space",
        "RFC 9112 4: the space ought to be there; its lack changes nothing",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
        Got(ok(b"Content-Length: 5", body=b"hello", status=b"200 ")),
    ),
    Response(
        "a reason of odd bytes",
        "RFC 9112 4: a reason means nothing to the gateway, and passes",
        ok(b"Content-Length: 5", body=b"hello", status=b"200 \xe4\tX: 1"),
        Got(),
    ),
    Response(
        "a NUL in a reason",
        "RFC 9112 4: a reason means nothing, and is written anew",
        ok(b"Content-Length: 5", body=b"hello", status=b"200 O\0K"),
        Got(PLAIN),
    ),
    # Without a body
    Response("204", _BODYLESS, ok(b"ETag: x", status=b"204 No Content"), Got()),
    Response(
        "204 with a length of 0",
        "RFC 9110 8.6: no Content-Length in a 204",
        ok(b"Content-Length: 0", status=b"204 No Content"),
        Got(ok(status=b"204 No Content")),
    ),
    Response("304", _BODYLESS, ok(b"ETag: x", status=b"304 Not Modified"), Got()),
    Response(
        "304 with a length",
        "RFC 9110 8.6: the length that a 200 would have had",
        ok(b"Content-Length: 1000", status=b"304 Not Modified"),
        Got(),
    ),
    Response(
        "304 with a coding",
        "RFC 9112 6.1: it may stand there and frames nothing",
        ok(b"Transfer-Encoding: chunked", status=b"304 Not Modified"),
        Got(ok(status=b"304 Not Modified")),
    ),
    Response(
        "204 with a body",
        _EXTRA,
        ok(b"Content-Length: 5", status=b"204 No Content", body=b"hello"),
        Got(ok(status=b"204 No Content"), reused=False),
    ),
    Response(
        "304 with a body",
        _EXTRA,
        ok(b"Content-Length: 5", status=b"304 Not Modified", body=b"hello"),
        Got(ok(b"Content-Length: 5", status=b"304 Not Modified"), reused=False),
    ),
    Response(
        "205 with a length of 0",
        "RFC 9110 15.3.6: no content",
        ok(b"Content-Length: 0", status=b"205 Reset Content"),
        Got(),
    ),
    Response("HEAD with a length", _BODYLESS, ok(b"Content-Length: 1000"), Got(), request=HEAD),
    Response("HEAD without a length", _BODYLESS, ok(b"ETag: x"), Got(), request=HEAD),
    Response(
        "HEAD with a coding",
        "RFC 9112 6.1: it frames nothing, and need not be passed on",
        ok(b"Transfer-Encoding: chunked"),
        Got(ok()),
        request=HEAD,
    ),
    Response(
        "HEAD with a body",
        _EXTRA,
        ok(b"Content-Length: 5", body=b"hello"),
        Got(ok(b"Content-Length: 5"), reused=False),
        request=HEAD,
    ),
    Response(
        "HEAD with another response behind it",
        _EXTRA,
        ok(b"Content-Length: 5") + PLAIN,
        Got(ok(b"Content-Length: 5"), reused=False),
        request=HEAD,
    ),
    Response(
        "HEAD with two lengths",
        _LENGTHS,
        ok(b"Content-Length: 5", b"Content-Length: 6"),
        BadGateway(),
        request=HEAD,
    ),
    # Lengths
    _length("a response with two equal lengths", b"Content-Length: 5", b"Content-Length: 5"),
    _length("a response with two lengths", b"Content-Length: 5", b"Content-Length: 6"),
    _length("a response with a list of lengths", b"Content-Length: 5, 5"),
    _length("a response with an empty length", b"Content-Length:"),
    _length("a response's length with a plus", b"Content-Length: +5"),
    _length("a response's length with a minus", b"Content-Length: -5"),
    _length("a response's length in hexadecimal", b"Content-Length: 0x5"),
    _length("a response's length with an underscore", b"Content-Length: 1_0"),
    _length("a response's length with text behind it", b"Content-Length: 5x"),
    _length("a response's length with a space inside", b"Content-Length: 5 5"),
    _length("a response's length that overflows", b"Content-Length: 18446744073709551621"),
    _length("a response's length behind a vertical tab", b"Content-Length: \x0b5"),
    _length("a response's length behind a no-break space", b"Content-Length: \xa05"),
    _length("a response's length before a no-break space", b"Content-Length: 5\xa0"),
    _length("a response with a length and a coding", b"Content-Length: 5", b"Transfer-Encoding: chunked", source=_BOTH),
    _length("a response with a coding and a length", b"Transfer-Encoding: chunked", b"Content-Length: 5", source=_BOTH),
    _length(
        "a response with a length and identity", b"Content-Length: 5", b"Transfer-Encoding: identity", source=_BOTH
    ),
    Response(
        "a response's length with leading zeros",
        "RFC 9110 8.6: decimal; sent on as the number",
        ok(b"Content-Length: 005", body=b"hello"),
        Got(PLAIN),
    ),
    # Codings
    _coding("a response chunked twice", b"Transfer-Encoding: chunked, chunked"),
    _coding("a response with two codings chunked", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _coding("a response with gzip and chunked", b"Transfer-Encoding: gzip, chunked"),
    _coding("a response with chunked and gzip", b"Transfer-Encoding: chunked, gzip"),
    _coding("a response with an empty coding", b"Transfer-Encoding:"),
    _coding("a response with an empty entry and chunked", b"Transfer-Encoding: ,chunked"),
    _coding("a response with an unknown coding", b"Transfer-Encoding: xchunked"),
    _coding("a response's coding behind a vertical tab", b"Transfer-Encoding: \x0bchunked"),
    _coding("a response's coding behind a no-break space", b"Transfer-Encoding: \xa0chunked"),
    _coding("a response's coding before a no-break space", b"Transfer-Encoding: chunked\xa0"),
    _coding("a response's folded coding", b"Transfer-Encoding:\r\n chunked"),
    _bad("a response with gzip that ends", _CODING, ok(b"Transfer-Encoding: gzip", body=b"hello"), ends=True),
    _bad("a response with identity that ends", _CODING, ok(b"Transfer-Encoding: identity", body=b"hello"), ends=True),
    _bad(
        "HTTP/1.0 with chunks",
        "RFC 9112 6.1: HTTP/1.0 has no transfer codings",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ends=True,
    ),
    # Chunks
    _chunks("a response's size with a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's size that overflows", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's empty size", b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's size behind a space", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's size before a bare line feed", b"5\nhello\r\n0\r\n\r\n"),
    _chunks("a response's chunk longer than its size", b"4\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's chunk without its line end", b"5\r\nhello0\r\n\r\n"),
    _chunks("a response's chunk before a bare line feed", b"5\r\nhello\n0\r\n\r\n"),
    _chunks("a line feed in a response's extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    _chunks("a response's trailer without a colon", b"5\r\nhello\r\n0\r\nX\r\n\r\n"),
    _chunks("a bare line feed in a response's trailer", b"5\r\nhello\r\n0\r\nX: 1\nY: 2\r\n\r\n"),
    # Status lines
    _line("a status of two digits", b"HTTP/1.1 20 OK"),
    _line("a status of four digits", b"HTTP/1.1 2000 OK"),
    _line("a status with a sign", b"HTTP/1.1 +20 OK"),
    _line("a status that is text", b"HTTP/1.1 OK"),
    _line("a status of 000", b"HTTP/1.1 000 x"),
    _line("a status of 099", b"HTTP/1.1 099 x"),
    _line("a response's version 2.0", b"HTTP/2.0 200 OK"),
    _line("a response's version 1.2", b"HTTP/1.2 200 OK"),
    _line("a response's version 0.9", b"HTTP/0.9 200 OK"),
    _line("a response's version in small letters", b"http/1.1 200 OK"),
    _line("a response's protocol RTSP", b"RTSP/1.1 200 OK"),
    _line("a response's protocol ICY", b"ICY 200 OK"),
    _line("a response before an empty line", b"\r\nHTTP/1.1 200 OK"),
    _line("a response behind a space", b" HTTP/1.1 200 OK"),
    _line("a response with two spaces", b"HTTP/1.1  200 OK"),
    _line("a response with a tab", b"HTTP/1.1\t200 OK"),
    _bad("a response that is a request", _LINE, get()),
    _bad("a response of HTTP/0.9", "RFC 9112 4: a body without a head", b"<html>hello</html>", ends=True),
    _bad("no response", "RFC 9110 15.6.3", b"", ends=True),
    _bad("half a status line", _INCOMPLETE, b"HTTP/1.1 20", ends=True),
    _bad("half a head", _INCOMPLETE, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", ends=True),
    # Line ends and fields
    _bad("a bare line feed behind a status line", _LINE_END, b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"),
    _bad(
        "a bare line feed behind a response's field",
        _LINE_END,
        b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 5\r\n\r\nhello",
    ),
    _bad("a response of bare line feeds", _LINE_END, b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    _bad("a bare line feed ends a response's head", _LINE_END, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
    _bad("a bare carriage return behind a status line", _LINE_END, b"HTTP/1.1 200 OK\rContent-Length: 5\r\n\r\nhello"),
    _field("a bare carriage return in a response's value", b"X: 1\rSet-Cookie: a=1", "Attack: response splitting"),
    _field("a bare line feed in a response's value", b"X: 1\nSet-Cookie: a=1", "Attack: response splitting"),
    _field("a NUL in a response's value", b"X: 1\0", _FIELDS),
    _field("an escape in a response's value", b"X: \x1b[31m", _FIELDS),
    _field("a folded value in a response", b"X: 1\r\n 2", "RFC 9112 5.2: 502, or unfolded"),
    _field("a space before a response's colon", b"X : 1", "RFC 9112 5.1: not to be passed on"),
    _field("a response's field without a colon", b"X"),
    _field("a response's field without a name", b": 1"),
    _field("a space in a response's name", b"X Y: 1"),
    _field("a byte above ASCII in a response's name", b"X\xe4: 1"),
    _field("a NUL in a response's name", b"X\0: 1"),
    Response(
        "a response's head without end",
        "RFC 9110 15.6.3: bounded",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 50_000,
        BadGateway(),
    ),
    # More and less than a response
    Response("two responses at once", _EXTRA, PLAIN + PLAIN, Got(PLAIN, reused=False)),
    Response("two responses at once, in chunks", _EXTRA, CHUNKED + CHUNKED, Got(CHUNKED, reused=False)),
    Response("a byte behind a response", _EXTRA, PLAIN + b"x", Got(PLAIN, reused=False)),
    Response("a byte behind chunks", _EXTRA, CHUNKED + b"x", Got(CHUNKED, reused=False)),
    Response(
        "an interim response behind a response",
        _EXTRA,
        PLAIN + b"HTTP/1.1 100 Continue\r\n\r\n",
        Got(PLAIN, reused=False),
    ),
    _bad("a body shorter than its length", _INCOMPLETE, ok(b"Content-Length: 6", body=b"hello"), ends=True),
    _bad("chunks without their end", _INCOMPLETE, ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"), ends=True),
    _bad(
        "chunks without their last line end",
        _INCOMPLETE,
        ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n"),
        ends=True,
    ),
    _bad("half a chunk", _INCOMPLETE, ok(b"Transfer-Encoding: chunked", body=b"6\r\nhello"), ends=True),
    # To HTTP/1.0
    Response(
        "a length to HTTP/1.0",
        "RFC 9112 9.3",
        PLAIN,
        Got(ok(b"Content-Length: 5", b"Connection: close", body=b"hello"), closes=True),
        request=ONE_ZERO,
    ),
    Response(
        "chunks to HTTP/1.0",
        "RFC 9112 7.1: HTTP/1.0 knows none, so the body ends with the connection",
        CHUNKED,
        Got(ok(b"Connection: close", body=b"hello"), closes=True),
        request=ONE_ZERO,
    ),
    Response(
        "chunks to HTTP/1.0 that wants to be kept",
        "RFC 9112 7.1: HTTP/1.0 knows none, so the body ends with the connection",
        CHUNKED,
        Got(ok(b"Connection: close", body=b"hello"), closes=True),
        request=lines(b"GET /response HTTP/1.0", b"Host: a", b"Connection: keep-alive"),
    ),
    Response(
        "a length to HTTP/1.0 that wants to be kept",
        "RFC 9112 9.3",
        PLAIN,
        Got(ok(b"Content-Length: 5", b"Connection: keep-alive", body=b"hello")),
        request=lines(b"GET /response HTTP/1.0", b"Host: a", b"Connection: keep-alive"),
    ),
    Response(
        "a length to a client that closes",
        "RFC 9112 9.6: the last response says close",
        PLAIN,
        Got(ok(b"Content-Length: 5", b"Connection: close", body=b"hello"), closes=True),
        request=get(b"Connection: close", target=b"/response"),
    ),
    Response(
        "a length of 0 to a POST",
        "RFC 9112 6.2",
        ok(b"Content-Length: 0", status=b"201 Created"),
        Got(),
        request=get(b"Content-Length: 2", method=b"POST", target=b"/response") + b"{}",
    ),
]
