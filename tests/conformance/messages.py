"""Where one message ends and the next begins, read as strictly as RFC 9112 allows.

What the gateway writes, to either side, must be readable in exactly one way, so
anything that another reader could take otherwise (two framing fields, a bare LF,
a chunk size with an extension) is `Ambiguous` here and fails the test.
"""

from __future__ import annotations

import re

LINE_END = b"\r\n"
HEAD_END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 [1-9][0-9][0-9] [\t -~\x80-\xff]*")
_FIELD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[\t ]*"
)
_LENGTH = re.compile(rb"0|[1-9][0-9]*")
_CHUNK_SIZE = re.compile(rb"0|[1-9a-f][0-9a-f]*")

Fields = list[tuple[bytes, bytes]]


class Ambiguous(AssertionError):
    """Bytes that the gateway must not have sent; the message says why."""


class Incomplete(Exception):
    """More bytes are needed to know where the message ends."""


def first_request(data: bytes) -> tuple[bytes, bytes]:
    """The head (with its empty line) and the body, as on the wire, of the request that `data` begins with.

    Raises Incomplete or Ambiguous.
    """
    head = _head(data, _REQUEST_LINE)
    framing = _framing(head)
    return head, _body(data[len(head) :], framing or b"0")


def first_response(data: bytes, method: bytes, ended: bool) -> tuple[bytes, bytes]:
    """The head and the body of the response to `method` that `data` begins with; `ended` after the last byte.

    Raises Incomplete or Ambiguous.
    """
    head = _head(data, _STATUS_LINE)
    framing = _framing(head)
    rest = data[len(head) :]
    status = status_of(head)
    if status < 200 or status == 204:
        if framing is not None:
            raise Ambiguous(f"a framing field in a {status}: {head!r}")
        return head, b""
    if method == b"HEAD" or status == 304:
        return head, b""
    if framing is not None:
        return head, _body(rest, framing)
    if not ended:
        raise Incomplete
    return head, rest


def status_of(head: bytes) -> int:
    """The status code of a response's head."""
    return int(head[9:12])


def fields_of(head: bytes) -> Fields:
    """Names as sent, and values."""
    found = []
    for line in head.removesuffix(HEAD_END).split(LINE_END)[1:]:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Ambiguous(f"{line!r} is not a field in {head!r}")
        found.append((field[1], field[2]))
    return found


def values(head: bytes, name: bytes) -> list[bytes]:
    """The values of all fields of that name (in lower case)."""
    return [value for key, value in fields_of(head) if key.lower() == name]


def _head(data: bytes, first: re.Pattern[bytes]) -> bytes:
    head, end, _ = data.partition(HEAD_END)
    if not end:
        raise Incomplete
    line = head.partition(LINE_END)[0]
    if not first.fullmatch(line):
        raise Ambiguous(f"{line!r} is not the first line of a message")
    return head + end


def _framing(head: bytes) -> bytes | None:
    """The Content-Length, `chunked`, or None."""
    lengths, codings = values(head, b"content-length"), values(head, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Ambiguous(f"more than one framing field: {head!r}")
    if codings and codings != [b"chunked"]:
        raise Ambiguous(f"Transfer-Encoding is not just chunked: {head!r}")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise Ambiguous(f"Content-Length is not a plain number: {head!r}")
    return (lengths + codings or [None])[0]


def _body(data: bytes, framing: bytes) -> bytes:
    if framing != b"chunked":
        if len(data) < int(framing):
            raise Incomplete
        return data[: int(framing)]
    place = 0
    while True:
        end = data.find(LINE_END, place)
        if end < 0:
            raise Incomplete
        size = data[place:end]
        if not _CHUNK_SIZE.fullmatch(size):
            raise Ambiguous(f"{size!r} is not a plain chunk size")
        place = end + 2 + int(size, 16) + 2
        if len(data) < place:
            raise Incomplete
        if data[place - 2 : place] != LINE_END:
            raise Ambiguous(f"a chunk, or the trailer section, does not end where it should: {data!r}")
        if size == b"0":
            return data[:place]


def in_one_chunk(head: bytes, body: bytes) -> bytes:
    """The message; of a chunked one all data in one chunk, because where a sender cuts it means nothing."""
    if not body or values(head, b"transfer-encoding") != [b"chunked"]:
        return head + body
    data = []
    while size := int(body.partition(LINE_END)[0], 16):
        start = body.index(LINE_END) + 2
        data.append(body[start : start + size])
        body = body[start + size + 2 :]
    whole = b"".join(data)
    return head + (b"%x\r\n%b\r\n" % (len(whole), whole) if whole else b"") + b"0\r\n\r\n"


def request_in_one_chunk(request: bytes) -> bytes:
    """A whole request with its data in one chunk."""
    head, body = first_request(request)
    assert len(head) + len(body) == len(request), f"more than one request: {request!r}"
    return in_one_chunk(head, body)


def responses_in_one_chunk(responses: bytes, method: bytes) -> bytes:
    """Interim responses and the final one to `method`, whose data is in one chunk; nothing follows."""
    found = b""
    while responses:
        head, body = first_response(responses, method, True)
        found += in_one_chunk(head, body)
        responses = responses[len(head) + len(body) :]
    return found


# The gateway's own fields

_HEX = rb"[0-9a-f]"
_REQUEST_ID = re.compile(rb"X-Request-Id: " + _HEX + rb"{32}\r\n")
_TRACE = re.compile(rb"traceparent: 00-" + _HEX + rb"{32}-" + _HEX + rb"{16}-01\r\n")
_DATE = re.compile(rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")
_FORWARDED = re.compile(
    rb"X-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\n"
    rb"(?:X-Forwarded-Host: ([^\r]*)\r\nX-Forwarded-Port: [0-9]+\r\n)?"
)
VIA = b"Via: 1.1 strangler\r\n"


def without_own_request_fields(head: bytes) -> bytes:
    """A request's head without what the gateway adds to every request, each of which must be there at most once.

    An X-Forwarded-Host must repeat Host.
    """
    forwarded = _FORWARDED.search(head)
    if forwarded is not None and forwarded[1] is not None:
        assert values(head, b"host") == [forwarded[1]], f"X-Forwarded-Host is not Host: {head!r}"
    assert forwarded is not None, f"no X-Forwarded-For or -Proto: {head!r}"
    head = head.replace(forwarded[0], b"", 1)
    assert VIA in head, f"no Via: {head!r}"
    head = b"".join(head.rpartition(VIA)[::2])
    return _TRACE.sub(b"", _REQUEST_ID.sub(b"", head, count=1), count=1)


def without_own_response_fields(head: bytes, *, dated: bool = True) -> bytes:
    """A response's head without what the gateway adds to every response, Date among it unless the upstream `dated` it.

    Of what is left, white space around values is made one space.
    """
    if status_of(head) < 200:
        return head
    assert VIA in head, f"no Via: {head!r}"
    head = b"".join(head.rpartition(VIA)[::2])
    head, count = _REQUEST_ID.subn(b"", head, count=1)
    assert count == 1, f"no X-Request-Id: {head!r}"
    if not dated:
        head, count = _DATE.subn(b"", head)
        assert count == 1, f"not one Date: {head!r}"
    fields = [name + b": " + value + LINE_END for name, value in fields_of(head)]
    return b"".join((head.partition(LINE_END)[0], LINE_END, *fields, LINE_END))
