"""Status codes and their reason phrases (RFC 9110 section 15)."""

from __future__ import annotations

from http import HTTPStatus


def title(status: int) -> str:
    """The reason phrase of a status code."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, title(status).encode()) for status in range(100, 1000)}
"""The line that opens a response, its end included, for every status code that there can be."""
