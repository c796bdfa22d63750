"""The response to a client that starts with HTTP/2: a refusal in its own protocol.

Facts (RFC 9113): HTTP/2 with prior knowledge begins with a preface that no
HTTP/1.1 server can take for a request (section 3.4). A server's side begins
with SETTINGS; GOAWAY ends the connection with an error code (sections 6.5, 6.8),
here HTTP_1_1_REQUIRED, and a text, which most clients show to their users.
"""

from __future__ import annotations

from strangler.routing.decide import Refusal

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""The beginning of the preface; the parser of HTTP/1.1 stops behind it."""

HTTP2_REFUSED = Refusal(505, "HTTP/2 is not supported. Use HTTP/1.1, or put a proxy that supports HTTP/2 in front.")

_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
_HTTP_1_1_REQUIRED = b"\0\0\0\x0d"


def goaway() -> bytes:
    """The frames that refuse HTTP/2: no stream was processed, so a client may retry its requests over HTTP/1.1."""
    content = b"\0\0\0\0" + _HTTP_1_1_REQUIRED + HTTP2_REFUSED.detail.encode("ascii")
    return _SETTINGS + len(content).to_bytes(3, "big") + b"\x07\0\0\0\0\0" + content
