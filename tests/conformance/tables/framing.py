"""How long a request's body is: Content-Length and Transfer-Encoding in all their disagreements.

RFC 9112 section 6: whoever reads a length differently from the next on the
path reads another request out of the same bytes. What could be read in two ways
is refused and the connection closed.
"""

from __future__ import annotations

from tests.conformance.rows import Forwarded, Refused, Request, Row, get, lines, post

SMUGGLED = b"GET /admin/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

_BOTH = "RFC 9112 6.1: Content-Length beside Transfer-Encoding is how requests are smuggled; it ought to be refused"
_LENGTHS = "RFC 9112 6.3: several or invalid lengths are an error that can't be recovered from: 400, and close"
_GRAMMAR = "RFC 9110 8.6: Content-Length is digits and nothing else"
_CODING = "RFC 9112 6.1: a coding other than one chunked, at the end, leaves the length in doubt"
_VALUE = "RFC 9110 5.5: white space around a value is no part of it"


def _length(name: str, line: bytes, source: str = _GRAMMAR) -> Request:
    return Request(name, source, post(line, body=b"hello"), Refused(400))


def _coding(name: str, *fields: bytes, source: str = _CODING, status: int = 400) -> Request:
    return Request(name, source, post(*fields, body=b"5\r\nhello\r\n0\r\n\r\n"), Refused(status))


ROWS: list[Row] = [
    # What is right
    Request("a length and a body", "RFC 9112 6.2", post(b"Content-Length: 5", body=b"hello"), Forwarded()),
    Request("a length of 0", "RFC 9112 6.2", post(b"Content-Length: 0"), Forwarded()),
    Request(
        "a POST without framing has no body",
        "RFC 9112 6.3 rule 7: without both fields the length of a request is 0",
        post(),
        Forwarded(),
    ),
    Request("a GET with a body", "RFC 9110 9.3.1", get(b"Content-Length: 5") + b"hello", Forwarded()),
    Request(
        "a DELETE with a body", "RFC 9110 9.3.5", post(b"Content-Length: 2", body=b"{}", method=b"DELETE"), Forwarded()
    ),
    Request("a HEAD with a length of 0", "RFC 9110 8.6", get(b"Content-Length: 0", method=b"HEAD"), Forwarded()),
    Request(
        "a body that looks like a request",
        "RFC 9112 6.3: a body is bytes, whatever they look like",
        post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
        Forwarded(),
    ),
    Request(
        "a body of zeros and line ends",
        "RFC 9112 6.3",
        post(b"Content-Length: 14", body=b"\0\r\n0\r\n\r\n\0\0\0\0\r\n"),
        Forwarded(),
    ),
    Request(
        "the name of the length in another case",
        "RFC 9110 5.1: names are the same in any case",
        post(b"cOnTeNt-LeNgTh: 5", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "a length without a space before it",
        _VALUE,
        post(b"Content-Length:5", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "a length between spaces",
        _VALUE,
        post(b"Content-Length:   5  ", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "a length between tabs",
        _VALUE,
        post(b"Content-Length:\t5\t", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "a length with leading zeros",
        "RFC 9110 8.6: 1*DIGIT, decimal; sent on as the number, so that no server reads it as octal",
        post(b"Content-Length: 005", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "a length of several zeros",
        "RFC 9110 8.6: decimal; sent on as the number",
        post(b"Content-Length: 000"),
        Forwarded((post(b"Content-Length: 0"),)),
    ),
    Request(
        "a length stands between other fields",
        "RFC 9110 5.3: the order of fields of different names means nothing; framing is written anew",
        get(b"Content-Length: 5", b"X-A: 1", method=b"POST") + b"hello",
        Forwarded((post(b"X-A: 1", b"Content-Length: 5", body=b"hello"),)),
    ),
    # Content-Length alone
    _length("two equal lengths", b"Content-Length: 5\r\nContent-Length: 5", _LENGTHS),
    _length("two lengths, the second longer", b"Content-Length: 5\r\nContent-Length: 50", _LENGTHS),
    _length("two lengths, the second shorter", b"Content-Length: 5\r\nContent-Length: 0", _LENGTHS),
    _length("two lengths in two cases", b"Content-Length: 5\r\ncontent-length: 5", _LENGTHS),
    _length("two lengths with a field between", b"Content-Length: 5\r\nX-A: 1\r\nContent-Length: 6", _LENGTHS),
    _length("a list of equal lengths", b"Content-Length: 5, 5", _LENGTHS),
    _length("a list of different lengths", b"Content-Length: 5, 6", _LENGTHS),
    _length("a list with an empty entry", b"Content-Length: 5,", _LENGTHS),
    _length("an empty entry before a length", b"Content-Length: ,5", _LENGTHS),
    _length("an empty length", b"Content-Length:"),
    _length("a length that is white space", b"Content-Length: \t "),
    _length("a length with a plus", b"Content-Length: +5"),
    _length("a length with a minus", b"Content-Length: -5"),
    _length("a length of minus zero", b"Content-Length: -0"),
    _length("a length with an underscore", b"Content-Length: 1_0"),
    _length("a length in hexadecimal", b"Content-Length: 0x5"),
    _length("a length in hexadecimal digits", b"Content-Length: a"),
    _length("a length in octal notation", b"Content-Length: 0o5"),
    _length("a length with an exponent", b"Content-Length: 5e0"),
    _length("a length with a fraction", b"Content-Length: 5.0"),
    _length("a length with a space inside", b"Content-Length: 5 5"),
    _length("a length with a tab inside", b"Content-Length: 5\t5"),
    _length("a length with text behind it", b"Content-Length: 5x"),
    _length("a length with a semicolon", b"Content-Length: 5;"),
    _length("a length in quotes", b'Content-Length: "5"'),
    _length("a length in Arabic digits", b"Content-Length: \xd9\xa5"),
    _length("a length in full-width digits", b"Content-Length: \xef\xbc\x95"),
    _length("a length behind a no-break space", b"Content-Length: \xa05"),
    _length("a length before a no-break space", b"Content-Length: 5\xa0"),
    _length("a length before a next-line byte", b"Content-Length: 5\x85"),
    _length("a length behind a vertical tab", b"Content-Length: \x0b5"),
    _length("a length before a form feed", b"Content-Length: 5\x0c"),
    _length("a length before a NUL", b"Content-Length: 5\0"),
    _length("a length of 2 to the 64th", b"Content-Length: 18446744073709551616"),
    _length("a length of 2 to the 64th and five", b"Content-Length: 18446744073709551621"),
    _length("a length of a hundred digits", b"Content-Length: " + b"9" * 100),
    Request(
        "a length in the name",
        "RFC 9112 5: a line without a colon is not a field",
        post(b"Content-Length 5", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a space before the colon of the length",
        "RFC 9112 5.1: white space before the colon must be refused by 400",
        post(b"Content-Length : 5", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a tab before the colon of the length",
        "RFC 9112 5.1: white space before the colon must be refused by 400",
        post(b"Content-Length\t: 5", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a space before the name of the length",
        "RFC 9112 5.2: a line that begins with white space continues the one before (obs-fold): refused",
        post(b"X-A: 1\r\n Content-Length: 5", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a length folded over two lines",
        "RFC 9112 5.2: obs-fold is refused by 400",
        post(b"Content-Length:\r\n 5", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a length with an underscore in its name",
        "Attack: a CGI-like server takes Content_Length for Content-Length; such a spelling is not sent on",
        post(b"Content_Length: 5"),
        Forwarded((post(),)),
    ),
    Request(
        "a length with a dot in its name",
        "Attack: some servers fold every odd character; such a spelling is not sent on",
        post(b"Content.Length: 500", b"Content-Length: 5", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "what stands behind a body is the next request",
        "RFC 9112 9.3.2: pipelined requests",
        post(b"Content-Length: 5", body=b"hello") + get(target=b"/next"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"), get(target=b"/next"))),
    ),
    Request(
        "what stands behind a body of length 0 is the next request",
        "Attack CL.0: a server that ignores a length of 0, or a body, reads a request out of it",
        post(b"Content-Length: 0") + SMUGGLED,
        Refused(401, before=(post(b"Content-Length: 0"),), closes=False),
    ),
    # Content-Length and Transfer-Encoding
    _coding("a length before a coding", b"Content-Length: 5", b"Transfer-Encoding: chunked", source=_BOTH),
    _coding("a length behind a coding", b"Transfer-Encoding: chunked", b"Content-Length: 5", source=_BOTH),
    _coding("a length of 0 beside a coding", b"Content-Length: 0", b"Transfer-Encoding: chunked", source=_BOTH),
    _coding("the right length beside a coding", b"Content-Length: 15", b"Transfer-Encoding: chunked", source=_BOTH),
    _coding("a length beside identity", b"Content-Length: 5", b"Transfer-Encoding: identity", source=_BOTH),
    _coding("a length beside an empty coding", b"Content-Length: 5", b"Transfer-Encoding:", source=_BOTH),
    _coding("a length beside a misspelt coding", b"Content-Length: 5", b"Transfer-Encoding: chunkedx", source=_BOTH),
    Request(
        "CL.TE",
        "Attack CL.TE: the front goes by the length, the back by the chunks",
        post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG"),
        Refused(400),
    ),
    Request(
        "TE.CL",
        "Attack TE.CL: the front goes by the chunks, the back by the length",
        post(
            b"Content-Length: 4",
            b"Transfer-Encoding: chunked",
            body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
        ),
        Refused(400),
    ),
    Request(
        "TE.TE",
        "Attack TE.TE: one of two codings is overlooked by one of two readers",
        post(
            b"Content-Length: 4",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: x",
            body=b"0\r\n\r\n",
        ),
        Refused(400),
    ),
    Request(
        "a coding folded away beside a length",
        "Attack: a reader that does not unfold sees the length alone",
        post(b"Content-Length: 5", b"X-A: 1\r\n Transfer-Encoding: chunked", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a coding behind a bare carriage return beside a length",
        "Attack: a reader that takes a bare CR for a line end sees a coding",
        post(b"Content-Length: 5", b"X-A: 1\rTransfer-Encoding: chunked", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a coding behind a bare line feed beside a length",
        "Attack: a reader that takes a bare LF for a line end sees a coding",
        post(b"Content-Length: 5", b"X-A: 1\nTransfer-Encoding: chunked", body=b"hello"),
        Refused(400),
    ),
    Request(
        "a coding behind a NUL beside a length",
        "Attack: a reader that ends a value at a NUL sees another field",
        post(b"Content-Length: 5", b"X-A: 1\0Transfer-Encoding: chunked", body=b"hello"),
        Refused(400),
    ),
    # Transfer-Encoding alone
    Request(
        "chunked",
        "RFC 9112 7.1",
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        Forwarded(),
    ),
    Request(
        "chunked in other case",
        "RFC 9112 7: names of codings are the same in any case",
        post(b"transfer-encoding: CHUNked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        Forwarded((post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),)),
    ),
    Request(
        "chunked behind spaces and tabs",
        _VALUE,
        post(b"Transfer-Encoding: \t chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        Forwarded((post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),)),
    ),
    Request(
        "chunked before a space",
        _VALUE,
        post(b"Transfer-Encoding: chunked ", body=b"5\r\nhello\r\n0\r\n\r\n"),
        Forwarded((post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),)),
    ),
    _coding("chunked twice in a list", b"Transfer-Encoding: chunked, chunked"),
    _coding("chunked twice in two fields", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _coding("chunked is not last", b"Transfer-Encoding: chunked, gzip"),
    _coding("chunked is not last, in two fields", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"),
    _coding(
        "gzip and chunked",
        b"Transfer-Encoding: gzip, chunked",
        source="RFC 9112 6.1: a coding that is not understood, the length being plain, is answered by 501",
        status=501,
    ),
    _coding(
        "gzip and chunked in two fields",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked",
    ),
    _coding("gzip alone", b"Transfer-Encoding: gzip"),
    _coding("identity alone", b"Transfer-Encoding: identity"),
    _coding("identity and chunked", b"Transfer-Encoding: identity, chunked", status=501),
    _coding("chunked and identity", b"Transfer-Encoding: chunked, identity"),
    _coding("an empty coding", b"Transfer-Encoding:"),
    _coding("an empty entry before chunked", b"Transfer-Encoding: ,chunked"),
    _coding("an empty entry behind chunked", b"Transfer-Encoding: chunked,"),
    _coding("a coding with text before it", b"Transfer-Encoding: xchunked"),
    _coding("a coding with text behind it", b"Transfer-Encoding: chunkedx"),
    _coding("a misspelt coding", b"Transfer-Encoding: chunk"),
    _coding("a coding in quotes", b'Transfer-Encoding: "chunked"'),
    _coding("a coding in single quotes", b"Transfer-Encoding: 'chunked'"),
    _coding("a coding with a parameter", b"Transfer-Encoding: chunked;q=1"),
    _coding("a coding with a space inside", b"Transfer-Encoding: chun ked"),
    _coding("a coding with text behind a space", b"Transfer-Encoding: chunked x"),
    _coding("a coding behind a vertical tab", b"Transfer-Encoding: \x0bchunked"),
    _coding("a coding before a vertical tab", b"Transfer-Encoding: chunked\x0b"),
    _coding("a coding behind a form feed", b"Transfer-Encoding: \x0cchunked"),
    _coding("a coding behind a no-break space", b"Transfer-Encoding: \xa0chunked"),
    _coding("a coding before a no-break space", b"Transfer-Encoding: chunked\xa0"),
    _coding("a coding before a next-line byte", b"Transfer-Encoding: chunked\x85"),
    _coding("a coding before a NUL", b"Transfer-Encoding: chunked\0"),
    _coding("a coding behind a NUL", b"Transfer-Encoding: \0chunked"),
    _coding("a coding behind a colon", b"Transfer-Encoding: :chunked"),
    _coding("a coding before a bare carriage return", b"Transfer-Encoding: chunked\r\r"),
    _coding("a coding with a dotless i's bytes", b"Transfer-Encoding: chun\xe2\x84\xaaed"),
    _coding("a folded coding", b"Transfer-Encoding:\r\n chunked", source="RFC 9112 5.2: obs-fold is refused by 400"),
    _coding(
        "a space before the colon of the coding",
        b"Transfer-Encoding : chunked",
        source="RFC 9112 5.1: white space before the colon must be refused by 400",
    ),
    _coding(
        "a tab before the colon of the coding",
        b"Transfer-Encoding\t: chunked",
        source="RFC 9112 5.1: white space before the colon must be refused by 400",
    ),
    _coding(
        "a vertical tab before the colon of the coding",
        b"Transfer-Encoding\x0b: chunked",
        source="RFC 9110 5.1: a name is a token",
    ),
    Request(
        "a coding with an underscore in its name",
        "Attack: a CGI-like server takes Transfer_Encoding for Transfer-Encoding; such a spelling is not sent on",
        post(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"hello"),
        Forwarded((post(b"Content-Length: 5", body=b"hello"),)),
    ),
    Request(
        "chunked in HTTP/1.0",
        "RFC 9112 6.1: HTTP/1.0 has no transfer codings, so the framing is faulty",
        lines(b"POST /t HTTP/1.0", b"Host: a", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        Refused(400),
    ),
    Request(
        "a length in HTTP/1.0",
        "RFC 9112 2.3, 6.2: a proxy sends its own version, not the client's",
        lines(b"POST /t HTTP/1.0", b"Host: a", b"Content-Length: 5") + b"hello",
        Forwarded((post(b"Content-Length: 5", body=b"hello"),), closes=True),
    ),
    Request(
        "chunked in HTTP/1.0 that wants to be kept",
        "RFC 9112 6.1: HTTP/1.0 has no transfer codings, so the framing is faulty",
        lines(b"POST /t HTTP/1.0", b"Host: a", b"Connection: keep-alive", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        Refused(400),
    ),
    Request(
        "a chunked GET",
        "RFC 9112 6.3: any method may have a body",
        post(b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\r\n", method=b"GET"),
        Forwarded(),
    ),
]
