"""The token of a request that asks for an upgrade, where it does not stand in Authorization.

Browsers can't set header fields on a WebSocket handshake, so their token comes
in a query parameter or as an entry of Sec-WebSocket-Protocol (RFC 6455 section
4.1, whose entries a JWT can be). URLs end up in logs, so what was used is taken
out before anything is sent on or recorded.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

SUBPROTOCOLS = b"sec-websocket-protocol"


def take_from_query(query: str, name: str) -> tuple[list[str], str]:
    """The values of the parameter `name`, and the query without them; all else stays byte for byte."""
    found: list[str] = []
    kept: list[str] = []
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name:
            found.append(unquote_plus(value))
        else:
            kept.append(pair)
    return found, "&".join(kept)


def take_from_subprotocols(fields: list[tuple[bytes, bytes]], name: str) -> tuple[list[str], list[tuple[bytes, bytes]]]:
    """The tokens of the entries `name.TOKEN` of Sec-WebSocket-Protocol, and the fields without these entries."""
    prefix = name.encode("ascii") + b"."
    found: list[str] = []
    kept: list[tuple[bytes, bytes]] = []
    for field, value in fields:
        if field.lower() != SUBPROTOCOLS or prefix not in value:
            kept.append((field, value))
            continue
        others: list[bytes] = []
        for entry in value.split(b","):
            entry = entry.strip(b" \t")
            if entry.startswith(prefix):
                found.append(entry[len(prefix) :].decode("latin-1"))
            elif entry:
                others.append(entry)
        if others:
            kept.append((field, b", ".join(others)))
    return found, kept
