"""A response's head in one pass over its lines, if all of it is plain (docs/decisions/0028).

As for requests (`proxy.exchange.plain_head`): lines that end in CRLF, of visible
ASCII and spaces, a token, a colon, one space and a value without white space around
it. One Content-Length frames the body, or there is none because of the method or
the status. Whatever else frames it, or concerns the connection, is left to the
parser; what both make of the same bytes is equal
(tests/proxy/upstream/test_plain_response.py).
"""

from __future__ import annotations

import re
from typing import Final

from strangler.proxy.http import field_actions as actions
from strangler.proxy.http.headers import RESPONSE_ACTIONS
from strangler.proxy.http.plain_lines import PRINTABLE, SPACE, is_plain_length

REMEMBERED_STATUSES: Final = 256
REMEMBERED_STATUS: Final = 128

_CRLF: Final = b"\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [ -~]*)?")
_SHORTEST_LINE: Final = len(b"HTTP/1.1 200 ")
_BODYLESS: Final = frozenset({204, 304})


class PlainResponse:
    """A response's head: `line` is its status line, `fields` are the lines that go on, each with CRLF.

    `length` is that of the body. `dated` tells whether there is a Date.
    """

    __slots__ = ("dated", "fields", "length", "line", "status")

    def __init__(self, status: int, line: bytes, fields: bytes, length: int, dated: bool) -> None:
        self.status = status
        self.line = line
        self.fields = fields
        self.length = length
        self.dated = dated


_statuses: dict[bytes, tuple[int, bytes]] = {}


def _status_of(line: bytes) -> tuple[int, bytes]:
    """The status that a status line has, 0 where it is not plain, and the line as it goes on, with CRLF."""
    known = _statuses.get(line)
    if known is not None:
        return known
    match = _STATUS_LINE.fullmatch(line)
    status = int(match[1]) if match is not None else 0
    # A 426 keeps its Upgrade, which others lose. The space before the reason phrase is required, the phrase itself is
    # optional (RFC 9112 section 4).
    known = (0 if status == 426 else status), line.ljust(_SHORTEST_LINE) + _CRLF
    if len(line) <= REMEMBERED_STATUS:
        if len(_statuses) >= REMEMBERED_STATUSES:
            _statuses.clear()
        _statuses[line] = known
    return known


def plain_response(data: bytes, end: int, to_head: bool) -> PlainResponse | None:
    """The head of `data`, whose empty line begins at `end`; `to_head`, if it responds to HEAD. None for the parser."""
    text = data[:end]
    lines = text.split(_CRLF)
    first = lines.pop(0)
    status, line = _status_of(first)
    # A CR or LF that stands alone, or any other control character, would be left over, too.
    if not status or len(text.translate(None, PRINTABLE)) != 2 * len(lines):
        return None
    length = -1
    dated = False
    dropped: list[bytes] = []
    known = RESPONSE_ACTIONS.known
    for field in lines:
        name, _, value = field.partition(b": ")
        if not value or value[0] == SPACE or value[-1] == SPACE:
            return None
        action = known.get(name, actions.UNKNOWN)
        if not action:
            continue
        if action == actions.UNKNOWN:
            action = RESPONSE_ACTIONS.look_up(name)
            if not action:
                continue
        if action == actions.CONTENT_LENGTH:
            if length >= 0 or not is_plain_length(value):
                return None
            length = int(value)
        elif action == actions.DATE:
            dated = True
        elif action < actions.NOT_PLAIN or action == actions.UPGRADE:
            if action == actions.CONNECTION and value.lower() != b"keep-alive":
                return None
            dropped.append(field)
        else:
            return None
    if to_head or status in _BODYLESS:
        if status == 204 and length >= 0:
            return None
        length = 0
    elif length < 0:
        return None
    for field in dropped:
        lines.remove(field)
    lines.append(b"")
    return PlainResponse(status, line, _CRLF.join(lines), length, dated)
