"""Who is at the other end of a connection."""

from __future__ import annotations

import asyncio

from strangler.routing.trust import plain_address


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The address of the other end as it is written everywhere; "" where the socket has none."""
    name = transport.get_extra_info("peername")
    return (plain_address(name[0]) or str(name[0])) if name else ""
