"""Which of the protocols that a client offers are offered to an upstream, and which of its responses are valid.

Facts (RFC 9110 section 7.8): Upgrade lists protocols, in the client's order;
the server selects one, by a 101 that names it, or continues in HTTP.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from strangler.proxy.http.headers import protocols

if TYPE_CHECKING:
    from strangler.model.upstream import Upstream
    from strangler.proxy.exchange.request_head import RequestHead

_KEY, _VERSION = b"sec-websocket-key", b"sec-websocket-version"
_NONCE = re.compile(rb"[A-Za-z0-9+/]{22}==")


def offered(asked: tuple[bytes, ...], upstream: Upstream) -> list[bytes]:
    """The protocols among those `asked` for that `upstream` may switch to."""
    return [protocol for protocol in asked if protocol.lower().decode("latin-1") in upstream.upgrades]


def upgrade_fields(asked: tuple[bytes, ...], upstream: Upstream) -> bytes:
    """The lines that offer them; none where nothing is left to offer."""
    left = offered(asked, upstream)
    return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % b", ".join(left) if left else b""


def is_offered(named: bytes, asked: tuple[bytes, ...], upstream: Upstream) -> bool:
    """Whether a 101 with `named` in Upgrade switches to something that was offered, and to nothing else."""
    switched = {protocol.lower() for protocol in protocols(named)}
    return bool(switched) and switched <= {protocol.lower() for protocol in offered(asked, upstream)}


def is_handshake(method: str, head: RequestHead) -> bool:
    """Whether a request that may switch is an opening handshake of WebSocket (RFC 6455 section 4.2.1)."""
    if method != "GET" or b"websocket" not in [protocol.lower() for protocol in head.upgrade]:
        return False
    values: dict[bytes, list[bytes]] = {_KEY: [], _VERSION: []}
    for name, value in head.fields:
        lower = name.lower()
        if lower in values:
            values[lower].append(value)
    return values[_VERSION] == [b"13"] and len(values[_KEY]) == 1 and _NONCE.fullmatch(values[_KEY][0]) is not None
