"""A whole response in one read, handled without the parser if everything about it is plain.

Most responses of an API arrive in one read: a head of plain fields with one
Content-Length, and exactly that many bytes of body. Servers repeat their header
lines in every response, and whole heads within a second (until Date changes), so
the meaning of a line and of a head is computed once and cached, as HPACK (RFC
7541) does for HTTP/2. Anything else (another framing, a second length, a field
about the connection, a byte outside of visible ASCII, a missing or an extra
byte) is left to the parser.
"""

from __future__ import annotations

import re

from strangler.proxy.http.headers import RESPONSE_ACTIONS, Action

REMEMBERED_LINES = 4096
REMEMBERED_LINE = 512
"""Longer lines are not cached, so that the cache stays below 3 MiB."""
REMEMBERED_STATUSES = 256
REMEMBERED_HEADS = 1024
REMEMBERED_HEAD = 2048

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t -~]*)?")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~](?:[\t -~]*[!-~])?)?)[ \t]*")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,8}")
_SHORTEST_LINE = len(b"HTTP/1.1 200 ")

# The meanings of a line; a number of _LENGTHS or more is a Content-Length plus _LENGTHS.
_FORWARD, _DATE, _DROP, _NOT_PLAIN, _LENGTHS = range(5)


class _Lines(dict[bytes, int]):
    """A cache from a header line to its meaning."""

    def __missing__(self, line: bytes) -> int:
        meaning = self._meaning(line)
        if len(line) <= REMEMBERED_LINE:
            if len(self) >= REMEMBERED_LINES:
                self.clear()
            self[line] = meaning
        return meaning

    def _meaning(self, line: bytes) -> int:
        field = _FIELD_LINE.fullmatch(line)
        if field is None:
            return _NOT_PLAIN
        name, value = field.groups()
        match RESPONSE_ACTIONS[name]:
            case Action.FORWARD:
                return _FORWARD
            case Action.DATE:
                return _DATE
            case Action.DROP | Action.REQUEST_ID | Action.UPGRADE:
                return _DROP
            case Action.CONTENT_LENGTH if _LENGTH.fullmatch(value) and line.endswith(b": " + value):
                return _LENGTHS + int(value)
            case Action.CONNECTION if value.lower() == b"keep-alive":
                return _DROP
            case _:
                return _NOT_PLAIN


class _Statuses(dict[bytes, int]):
    """A cache from a status line to its status; 0 for one that is not plain."""

    def __missing__(self, line: bytes) -> int:
        match = _STATUS_LINE.fullmatch(line)
        status = int(match[1]) if match is not None else 0
        # 204 and 304 have no body, regardless of their fields; a 426 keeps its Upgrade, which others lose.
        status = 0 if status in (204, 304, 426) else status
        if len(line) <= REMEMBERED_LINE:
            if len(self) >= REMEMBERED_STATUSES:
                self.clear()
            self[line] = status
        return status


_LINES = _Lines()
_STATUSES = _Statuses()


_HEADS: dict[bytes, tuple[int, bytes, bytes, int, bool]] = {}


def read_short_response(data: bytes) -> tuple[int, bytes, bytes, bytes, bool] | None:
    """Return status, status line, fields to forward, body, and whether there is a Date; lines include CRLF.

    For a response to any method but HEAD. The fields include Content-Length.
    Returns None if `data` is not exactly one plain response.
    """
    end = data.find(b"\r\n\r\n")
    head = data[:end] if end >= 0 else b""
    meaning = _HEADS.get(head) or _read_head(head)
    if meaning is None:
        return None
    status, line, fields, length, dated = meaning
    if length != len(data) - end - 4:
        return None
    return status, line, fields, data[end + 4 :], dated


def _read_head(head: bytes) -> tuple[int, bytes, bytes, int, bool] | None:
    """Return status, status line, fields to forward, body length, whether dated; None if `head` is not plain."""
    status_line, *lines = head.split(b"\r\n")
    status = _STATUSES[status_line]
    if not status:
        return None
    length = -1
    dated = False
    forwarded: list[bytes] = []
    for line in lines:
        meaning = _LINES[line]
        if meaning >= _LENGTHS and length < 0:
            length = meaning - _LENGTHS
        elif meaning == _DROP:
            continue
        elif meaning == _DATE:
            dated = True
        elif meaning != _FORWARD:
            return None
        forwarded += (line, b"\r\n")
    if length < 0:
        return None
    # The space before the reason phrase is required, the phrase itself is optional (RFC 9112 section 4).
    read = (status, status_line.ljust(_SHORTEST_LINE) + b"\r\n", b"".join(forwarded), length, dated)
    if len(head) <= REMEMBERED_HEAD:
        if len(_HEADS) >= REMEMBERED_HEADS:
            _HEADS.clear()
        _HEADS[head] = read
    return read
