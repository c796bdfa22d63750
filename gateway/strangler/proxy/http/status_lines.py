"""Status codes and their reason phrases (RFC 9110 section 15, RFC 9112 section 4)."""

from __future__ import annotations

import re
from http import HTTPStatus

_PHRASE = re.compile(rb"[\t -~\x80-\xff]*")


def title(status: int) -> str:
    """Return the reason phrase of a status code."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, title(status).encode()) for status in range(100, 1000)}
"""The status line, including CRLF, of every possible status code."""


_BEFORE_PHRASE = len(b"HTTP/1.1 200 ")


def status_line(status: int, phrase: bytes) -> bytes:
    """Return a status line with an upstream's own reason phrase, which may be empty."""
    line = STATUS_LINES[status]
    if line[_BEFORE_PHRASE:-2] == phrase or _PHRASE.fullmatch(phrase) is None:
        return line
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase)
