"""From a request to a tunnel: what happens where an upstream switches protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.proxy.exchange.completion import record
from strangler.proxy.exchange.response import head_of_switch
from strangler.proxy.exchange.tunnel import Tunnel
from strangler.proxy.exchange.under_way import NEVER, RequestUnderWay
from strangler.proxy.exchange.upgrade import is_offered

if TYPE_CHECKING:
    from strangler.proxy.upstream.connection import UpstreamConnection


def switch_protocols(
    exchange: RequestUnderWay, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
) -> bool:
    """The upstream switches to `upgrade`, and `early` came with its 101: join both connections.

    False, and nothing is done, where that was not asked for.
    """
    pool = exchange.pool
    assert pool is not None
    upstream = pool.owner.upstream
    if not is_offered(upgrade, exchange.head.upgrade, upstream):
        return False
    exchange.connection = None
    connection.exchange = None
    if pool.watched:
        pool.owner.endpoint_answered(pool, 101)
    if exchange.attempts is not None or exchange.entered is not None:
        exchange.care().switched()
    exchange.ends = NEVER
    exchange.client.transport.write(head_of_switch(exchange, line, fields, upgrade))
    # The latency is that of the handshake; how long a tunnel lives does not depend on the upstream.
    record(exchange, 101, write=False)
    exchange.client.plane.counters.event("tunnels_opened", upstream.name)
    held, client_is_full, client_has_ended = exchange.client.hand_over()
    websocket = upgrade.strip(b" \t").lower() == b"websocket"
    Tunnel(exchange, connection, websocket=websocket).start(held, early, client_is_full, client_has_ended)
    pool.switched()
    return True
