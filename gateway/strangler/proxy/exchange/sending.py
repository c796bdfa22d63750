"""What goes to an upstream: the request's head as it is sent there, and how long its body may stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.proxy.exchange.known_heads import fields_sent
from strangler.proxy.exchange.transforms import changed_line
from strangler.proxy.exchange.upgrade import upgrade_fields

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.proxy.upstream.endpoint_pool import EndpointPool


def head_sent(exchange: RequestUnderWay, pool: EndpointPool | None = None) -> list[bytes]:
    """The parts of the head as it goes to the endpoint, but for its last, empty line.

    With `pool`, as it goes to that one, of the same upstream or of another one of the route.
    """
    other, pool = pool, pool or exchange.pool
    assert pool is not None
    decision = exchange.decision_so_far
    assert decision is not None
    head = exchange.head
    changes = decision.changes
    remembered = exchange.remembered
    if other is not None and decision.route is not None and decision.route.changes is not None:
        changes = decision.route.changes_for(other.owner.upstream.name)
        remembered = None
    if remembered is not None:
        fields = remembered.fields
    else:
        fields = fields_sent(head, exchange.client, decision, changes)
        if head.upgrade:
            fields += upgrade_fields(head.upgrade, pool.owner.upstream)
    if changes is None or changes.rewrite is None:
        parts = [exchange.line]
    else:
        parts = [changed_line(changes.rewrite, exchange.line, exchange.path)]
    if not head.host or (changes is not None and changes.endpoint_host):
        parts += (b"Host: ", pool.endpoint.host_header, b"\r\n")
    parts.append(fields)
    if head.request_id is None:
        parts += (b"X-Request-Id: ", exchange.request_id, b"\r\n")
    if not head.has_trace:
        parts += (b"traceparent: 00-", exchange.drawn[:32], b"-", exchange.drawn[32:], b"-01\r\n")
    return parts


def longest_silence(exchange: RequestUnderWay) -> float:
    """Seconds that the request's body may stop for."""
    return min(exchange.timeouts.idle, exchange.client.plane.snapshot.limits.body_timeout)
