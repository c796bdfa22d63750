"""Recognising a head that repeats on a connection, without parsing it (docs/decisions/0003).

A request without a body whose fields are known, byte for byte, and whose line
has a form that needs no parser: one of three methods, and characters of RFC 3986
alone. The parser reads everything else.
"""

from __future__ import annotations

import re

from strangler.proxy.client.worker import Worker
from strangler.proxy.exchange.known_heads import KNOWN_FIELDS, REMEMBERED_FIELDS, KnownFields
from strangler.proxy.exchange.request_head import RequestHead

# The method and the target. Methods without a body (but OPTIONS, which may be a preflight), and the characters of
# RFC 3986 in a path and a query.
_PLAIN_LINE = re.compile(rb"(GET|HEAD|DELETE) (/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*) HTTP/1\.1\r\n")


def match(worker: Worker, known: KnownFields, data: bytes) -> re.Match[bytes] | None:
    """A match if `data` is one whole request with the `known` fields: its string is the line, its groups the parts."""
    received = known.received
    if not data.endswith(received) or known.generation != worker.generation:
        return None
    line = data[: -len(received)]
    # Where the target may be too long, the parser finds out.
    return None if len(line) > worker.snapshot.limits.target_bytes else _PLAIN_LINE.fullmatch(line)


def learn(worker: Worker, known: KnownFields | None, head: RequestHead, data: bytes) -> KnownFields | None:
    """What the connection knows after `data`, whose fields the parser made `head` of; `known` is what it knew before.

    Nothing changes unless `data` is one whole request that can be recognised by its bytes.
    """
    received = data[data.find(b"\n") + 1 :]
    if received.find(b"\r\n\r\n") != len(received) - 4 or not _PLAIN_LINE.fullmatch(data, 0, len(data) - len(received)):
        return known
    grown = len(received) if known is None else len(received) - len(known.received)
    if len(received) <= REMEMBERED_FIELDS and worker.known_bytes + grown <= KNOWN_FIELDS:
        worker.known_bytes += grown
        return KnownFields(received, head, worker.generation)
    forget(worker, known)
    return None


def forget(worker: Worker, known: KnownFields | None) -> None:
    """Give back the room of `known` in the worker's maximum."""
    if known is not None:
        worker.known_bytes -= len(known.received)
