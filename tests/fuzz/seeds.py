"""Inputs to begin with: the rows of the conformance tables, and words of HTTP to mix in."""

from __future__ import annotations

from tests.conformance.rows import Client, Conversation, Request, Response, Upstream
from tests.conformance.tables import TABLES
from tests.fuzz.play import joined

LARGEST = 4096

WORDS = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, x\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"Host: a\r\n",
    b"Via: 1.1 strangler\r\n",
    b"Max-Forwards: 1\r\n",
    b"X-Forwarded-For: 1\r\n",
    b"Authorization: Bearer x\r\n",
    b"HTTP/1.0\r\n",
    b"/private/x",
    b"/catalog/x",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";a=b",
    b"0\r\n\r\n",
    b"5\r\n",
    b"%2f..",
)


HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"


def seeds() -> list[bytes]:
    """One input for each row, those that are long left out, and some with upgrades."""
    found = [
        joined(HANDSHAKE + ahead, answer + behind, how)
        for ahead in (b"", b"from the client", WORDS[0])
        for answer in (SWITCHED, REFUSED)
        for behind in (b"", b"from the upstream")
        for how in (b"", b"\4", b"\2\7")
    ]
    for row in [row for rows in TABLES.values() for row in rows]:
        if isinstance(row, Request):
            found.append(joined(row.sent))
        elif isinstance(row, Response):
            found.append(joined(row.request + row.request, row.sent, b"\2" if row.ends else b""))
        elif isinstance(row, Conversation):
            client = b"".join(step.data for step in row.steps if isinstance(step, Client))
            upstream = b"".join(step.data for step in row.steps if isinstance(step, Upstream))
            found.append(joined(client, upstream, b"\1"))
    return [seed for seed in found if len(seed) <= LARGEST]
