"""The chunked coding of a request's body (RFC 9112 section 7.1): sizes, extensions, trailers, and where it ends.

Chunks are read and written anew, so that no reading but the gateway's reaches
an upstream. A fault in the body comes behind a head that may be on its way
already; the upstream then sees a request that never becomes whole.
"""

from __future__ import annotations

from tests.conformance.rows import (
    Client,
    ClientEnds,
    Conversation,
    Forwarded,
    Refused,
    Request,
    Row,
    UpstreamSees,
    UpstreamSeesEnd,
    get,
    post,
)

CODING = b"Transfer-Encoding: chunked"
PLAIN = post(CODING, body=b"5\r\nhello\r\n0\r\n\r\n")

_SIZE = "RFC 9112 7.1: chunk-size is hexadecimal digits and nothing else"
_END = "RFC 9112 7.1: CRLF follows every chunk"
_EXTENSION = "RFC 9112 7.1.1: extensions are for this hop alone; unknown ones are ignored"
_BAD_EXTENSION = "Attack: a line end inside of an extension is the end of a line for some readers and not for others"
_TRAILERS = "RFC 9110 6.5.1: trailers are not merged into the header, and may be dropped"
_BAD_TRAILER = "RFC 9112 7.1.2: the trailer section has the syntax of fields"


def _forwarded(name: str, source: str, body: bytes, seen: bytes = PLAIN) -> Request:
    return Request(name, source, post(CODING, body=body), Forwarded((seen,)))


def _refused(name: str, source: str, body: bytes) -> Request:
    return Request(name, source, post(CODING, body=body), Refused(400, partial=True))


def _size(name: str, size: bytes, source: str = _SIZE) -> Request:
    return _refused(name, source, size + b"\r\nhello\r\n0\r\n\r\n")


ROWS: list[Row] = [
    # Sizes
    _forwarded("no chunk at all", "RFC 9112 7.1", b"0\r\n\r\n", post(CODING, body=b"0\r\n\r\n")),
    _forwarded("a size with leading zeros", _SIZE, b"0005\r\nhello\r\n0\r\n\r\n"),
    _forwarded(
        "several zeros end the body", "RFC 9112 7.1: last-chunk is one or more zeros", b"5\r\nhello\r\n000\r\n\r\n"
    ),
    _forwarded(
        "a size in upper case",
        "RFC 9112 7.1: HEXDIG in either case",
        b"A\r\n0123456789\r\n0\r\n\r\n",
        post(CODING, body=b"a\r\n0123456789\r\n0\r\n\r\n"),
    ),
    _forwarded(
        "a chunk of line ends",
        "RFC 9112 7.1: data is bytes",
        b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
        post(CODING, body=b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    ),
    _size("an empty size", b""),
    _size("a size with a plus", b"+5"),
    _size("a size with a minus", b"-5"),
    _size("a size with 0x", b"0x5"),
    _size("a size with an underscore", b"0_5"),
    _size("a size with a trailing h", b"5h"),
    _size("a size with a g", b"g"),
    _size("a size with a fraction", b"5.0"),
    _size("a size before a comma", b"5,"),
    _size("a size in quotes", b'"5"'),
    _size("a size behind a space", b" 5"),
    _size("a size behind a tab", b"\t5"),
    _size("a size behind a vertical tab", b"\x0b5"),
    _size("a size before a NUL", b"5\0"),
    _size("a size before a no-break space", b"5\xa0"),
    _size("a size with a space inside", b"0 5"),
    _size("a size before a space", b"5 "),
    _size("a size before a tab", b"5\t"),
    _size(
        "a size of 2 to the 64th and five", b"10000000000000005", "Attack: a size that overflows counts as a small one"
    ),
    _size("a size of 2 to the 32nd and five, in too many digits", b"0" * 20 + b"g5"),
    _size("a size of a hundred digits", b"f" * 100, "Attack: a size that overflows counts as a small one"),
    # Where chunks end
    _refused("no line end behind a chunk", _END, b"5\r\nhello0\r\n\r\n"),
    _refused("a bare line feed behind a chunk", _END, b"5\r\nhello\n0\r\n\r\n"),
    _refused("a bare carriage return behind a chunk", _END, b"5\r\nhello\r0\r\n\r\n"),
    _refused(
        "two bytes that are no line end behind a chunk",
        "Attack TERM.EXT: two bytes are skipped unseen",
        b"5\r\nhelloXX0\r\n\r\n",
    ),
    _refused("a chunk longer than its size", _END, b"4\r\nhello\r\n0\r\n\r\n"),
    _refused("a chunk shorter than its size", _END, b"6\r\nhello\r\n0\r\n\r\n"),
    _refused("a bare line feed behind a size", _END, b"5\nhello\r\n0\r\n\r\n"),
    _refused("a bare carriage return behind a size", _END, b"5\rhello\r\n0\r\n\r\n"),
    _refused("a bare line feed behind the last size", _END, b"5\r\nhello\r\n0\n\r\n"),
    _refused("bare line feeds end the body", _END, b"5\r\nhello\r\n0\n\n"),
    _refused("two carriage returns behind a size", _END, b"5\r\r\nhello\r\n0\r\n\r\n"),
    _refused("an empty line between chunks", _END, b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    _refused("a byte that is no field behind the last chunk", _BAD_TRAILER, b"5\r\nhello\r\n0\r\nX\r\n\r\n"),
    Request(
        "a request behind the last chunk",
        "RFC 9112 9.3.2: what follows is the next request",
        PLAIN + get(target=b"/next"),
        Forwarded((PLAIN, get(target=b"/next"))),
    ),
    Request(
        "garbage behind the last chunk",
        "RFC 9112 9.3.2: what follows is not a request",
        PLAIN + b"garbage\r\n\r\n",
        Refused(400, before=(PLAIN,)),
    ),
    Request(
        "a line end behind the last chunk",
        "RFC 9112 2.2: an empty line before a request line is ignored",
        PLAIN + b"\r\n" + get(target=b"/next"),
        Forwarded((PLAIN, get(target=b"/next"))),
    ),
    Conversation(
        "the last line end is missing",
        "RFC 9112 8: a chunked body without its end is incomplete, and must not look complete",
        (
            Client(post(CODING, body=b"5\r\nhello\r\n0\r\n")),
            UpstreamSees(post(CODING, body=b"5\r\nhello\r\n")),
            ClientEnds(),
            UpstreamSeesEnd(),
        ),
    ),
    # Extensions
    _forwarded("an extension", _EXTENSION, b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    _forwarded("an extension without a value", _EXTENSION, b"5;a\r\nhello\r\n0;b\r\n\r\n"),
    _forwarded("an extension in quotes", _EXTENSION, b'5;a="b;c"\r\nhello\r\n0\r\n\r\n'),
    _forwarded("several extensions", _EXTENSION, b'5;a=b;c="d e";f\r\nhello\r\n0\r\n\r\n'),
    _forwarded("an extension of the last chunk", _EXTENSION, b"5\r\nhello\r\n0;a=b\r\n\r\n"),
    _forwarded("an extension with a quoted escape", _EXTENSION, b'5;a="\\""\r\nhello\r\n0\r\n\r\n'),
    _refused("a line feed in an extension", _BAD_EXTENSION, b"5;a\nhello\r\n0\r\n\r\n"),
    _refused("a line feed in the value of an extension", _BAD_EXTENSION, b"5;a=b\nc\r\nhello\r\n0\r\n\r\n"),
    _refused("a carriage return in an extension", _BAD_EXTENSION, b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    _refused("a line feed in a quoted extension", _BAD_EXTENSION, b'5;a="\n"\r\nhello\r\n0\r\n\r\n'),
    _refused("a line end in a quoted extension", _BAD_EXTENSION, b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n'),
    _refused("a NUL in an extension", _BAD_EXTENSION, b"5;a=\0\r\nhello\r\n0\r\n\r\n"),
    _refused(
        "a request behind a line feed in an extension",
        "Attack: funky chunks; the extension ends at the LF for one reader and at the CRLF for another",
        b"2;\nxx\r\n47\r\n0\r\n\r\nGET /admin/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    Request(
        "extensions without end",
        "Attack: bytes that are neither data nor a message; they are bounded (CVE-2023-39326)",
        post(CODING, body=b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"),
        Refused(431, partial=True),
    ),
    # Trailers
    _forwarded("a trailer", _TRAILERS, b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    _forwarded("several trailers", _TRAILERS, b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"),
    Request(
        "an announced trailer",
        "RFC 9110 6.6.2: Trailer announces what is not sent on, so it is not sent on either",
        post(CODING, b"Trailer: X-Sum", body=b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        Forwarded((PLAIN,)),
    ),
    _refused(
        "a length in a trailer",
        "RFC 9110 6.5.1: not allowed in trailers; some servers let it count",
        b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n",
    ),
    _refused(
        "a coding in a trailer",
        "RFC 9110 6.5.1: not allowed in trailers; some servers let it count",
        b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    _forwarded(
        "a Host in a trailer",
        "RFC 9110 6.5.1: routing is not allowed in trailers",
        b"5\r\nhello\r\n0\r\nHost: evil\r\n\r\n",
    ),
    _forwarded(
        "credentials in a trailer",
        "RFC 9110 6.5.1: authentication is not allowed in trailers",
        b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
    ),
    _refused(
        "a Connection in a trailer",
        "RFC 9110 6.5.1: not allowed in trailers; some servers let it count",
        b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n",
    ),
    _refused("a trailer without a colon", _BAD_TRAILER, b"5\r\nhello\r\n0\r\nX-Sum\r\n\r\n"),
    _refused("a trailer with a space before its colon", _BAD_TRAILER, b"5\r\nhello\r\n0\r\nX-Sum : 1\r\n\r\n"),
    _refused("a trailer without a name", _BAD_TRAILER, b"5\r\nhello\r\n0\r\n: 1\r\n\r\n"),
    _refused("a folded trailer", "RFC 9112 5.2: obs-fold", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n"),
    _refused("a bare line feed in a trailer", _BAD_TRAILER, b"5\r\nhello\r\n0\r\nX-Sum: 1\nX-B: 2\r\n\r\n"),
    _refused("a bare carriage return in a trailer", _BAD_TRAILER, b"5\r\nhello\r\n0\r\nX-Sum: 1\r2\r\n\r\n"),
    _refused("a NUL in a trailer", _BAD_TRAILER, b"5\r\nhello\r\n0\r\nX-Sum: \0\r\n\r\n"),
    Request(
        "trailers without end",
        "Attack: fields that are never forwarded are bounded as those of a head are",
        post(CODING, body=b"5\r\nhello\r\n0\r\n" + b"X-A: 1\r\n" * 20_000 + b"\r\n"),
        Refused(431, partial=True),
    ),
    Request(
        "a chunked body that looks like a request and ends in one",
        "Attack TE.0: a server that ignores the coding reads a request out of the chunk",
        post(CODING, body=b"23\r\nGET /admin/ HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n"),
        Refused(400, partial=True),
    ),
]
