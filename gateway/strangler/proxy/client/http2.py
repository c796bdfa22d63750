"""What a client gets that speaks HTTP/2 without asking: a refusal in its own protocol.

Facts (RFC 9113): HTTP/2 with prior knowledge begins with a preface that no
HTTP/1.1 server can take for a request (section 3.4). A server's side begins
with SETTINGS; GOAWAY ends the connection and says why (sections 6.5, 6.8),
here HTTP_1_1_REQUIRED with a text, which most clients show to their users.
"""

from __future__ import annotations

from strangler.routing.decide import Refusal

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""What the preface begins with; the parser of HTTP/1.1 stops behind it."""

HTTP2_REFUSED = Refusal(505, "HTTP/1.1 is spoken here, not HTTP/2. Put a proxy that speaks HTTP/2 in front.")

_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
_HTTP_1_1_REQUIRED = b"\0\0\0\x0d"


def goaway() -> bytes:
    """The frames that refuse HTTP/2: no stream was processed, so a client may send its requests again otherwise."""
    content = b"\0\0\0\0" + _HTTP_1_1_REQUIRED + HTTP2_REFUSED.detail.encode("ascii")
    return _SETTINGS + len(content).to_bytes(3, "big") + b"\x07\0\0\0\0\0" + content
