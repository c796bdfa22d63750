"""The token of an upgrade request that is not in Authorization.

Browsers can't set header fields on a WebSocket handshake, so their token comes
in a query parameter or as an entry of Sec-WebSocket-Protocol (RFC 6455 section
4.1, whose entries a JWT can be). URLs end up in logs, and servers choose one of
the entries aloud, so what was used is taken out before anything is sent on or
recorded. Of a pair `bearer, TOKEN` the first entry stays: a browser that offers
nothing else hangs up unless the server can choose it.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from strangler.model.auth import TokenPlace

SUBPROTOCOLS = b"sec-websocket-protocol"


def take_from_query(query: str, name: str) -> tuple[list[str], str]:
    """The values of the parameter `name`, and the query without them; all else stays byte for byte."""
    tokens: list[str] = []
    kept: list[str] = []
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name:
            tokens.append(unquote_plus(value))
        else:
            kept.append(pair)
    return tokens, "&".join(kept)


def take_from_subprotocols(
    fields: list[tuple[bytes, bytes]], place: TokenPlace
) -> tuple[list[str], list[tuple[bytes, bytes]]]:
    """The tokens that stand at `place` in Sec-WebSocket-Protocol, and the fields without them.

    Several fields are one list (RFC 9110 section 5.3), so a pair may stand in two of them.
    """
    name = place.name.encode("ascii")
    tokens: list[str] = []
    kept: list[tuple[bytes, bytes]] = []
    expected = False
    for field, value in fields:
        if field.lower() != SUBPROTOCOLS or not (expected or name in value):
            kept.append((field, value))
            continue
        others: list[bytes] = []
        for entry in value.split(b","):
            entry = entry.strip(b" \t")
            if not entry:
                continue
            token = entry if expected else _token_in(entry, name, place.kind)
            expected = place.kind == "subprotocol-pair" and not expected and entry == name
            if token is None:
                others.append(entry)
            else:
                tokens.append(token.decode("latin-1"))
        if others:
            kept.append((field, b", ".join(others)))
    return tokens, kept


def _token_in(entry: bytes, name: bytes, kind: str) -> bytes | None:
    """The token in one entry; empty where it is written in a way that can't be read."""
    if kind == "subprotocol-pair" or not entry.startswith(name + b"."):
        return None
    token = entry[len(name) + 1 :]
    if kind != "kubernetes":
        return token
    try:
        return base64.b64decode(token + b"=" * (-len(token) % 4), b"-_", validate=True)
    except binascii.Error:
        return b""
