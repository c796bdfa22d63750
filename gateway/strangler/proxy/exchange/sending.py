"""What goes to an upstream: the request's head as it is sent there, and its body as it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.proxy.exchange.failures import give_up
from strangler.proxy.exchange.request_head import CRLF, as_fields, as_lines
from strangler.proxy.exchange.transforms import added_to_request, changed_line, changed_request
from strangler.proxy.exchange.upgrade import upgrade_fields
from strangler.proxy.http.headers import VIA_LINE, own_forwarded_line

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.model.route import Route
    from strangler.proxy.exchange.request_body import RequestBody
    from strangler.proxy.exchange.under_way import ExchangeWorker, RequestUnderWay
    from strangler.proxy.upstream.endpoint_pool import EndpointPool


def head_sent(exchange: RequestUnderWay, pool: EndpointPool | None = None) -> list[bytes]:
    """The parts of the head as it goes to the endpoint, but for its last, empty line.

    With `pool`, as it goes to that one, of the same upstream or of another one of the route.
    """
    other, pool = pool, pool or exchange.pool
    assert pool is not None
    decision = exchange.decision_so_far
    assert decision is not None
    head, client = exchange.head, exchange.client
    changes, identity = decision.changes, decision.identity
    if other is not None and decision.route is not None and decision.route.changes is not None:
        changes = decision.route.changes_for(other.owner.upstream.name)
    lines = head.lines
    if identity is not None and head.credential_lines and not _passes_token(client.plane, identity):
        lines = lines.copy()
        for line in head.credential_lines:
            lines.remove(line)
    if changes is None or changes.rewrite is None:
        parts = [head.line]
    else:
        parts = [changed_line(changes.rewrite, head.line, exchange.path)]
    if not head.host or (changes is not None and changes.endpoint_host):
        parts += (b"Host: ", pool.endpoint.host_header, CRLF)
    if changes is not None:
        lines = as_lines(changed_request(changes, as_fields(lines)))
    if lines:
        parts += (CRLF.join(lines), CRLF)
    if head.content_length is not None:
        parts += (b"Content-Length: ", head.content_length, CRLF)
    elif head.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts += (client.forwarded, head.about_host)
    if client.forwarded_element:
        parts.append(own_forwarded_line(client.forwarded_element, head.host))
    if identity is not None:
        parts.append(identity.header_lines)
    if changes is not None:
        parts.append(added_to_request(changes, as_fields(head.lines)))
    parts.append(VIA_LINE)
    if head.upgrade:
        parts.append(upgrade_fields(head.upgrade, pool.owner.upstream))
    if head.request_id is None:
        parts += (b"X-Request-Id: ", exchange.request_id, CRLF)
    if not head.has_trace:
        parts += (b"traceparent: 00-", exchange.drawn[:32], b"-", exchange.drawn[32:], b"-01\r\n")
    return parts


def _passes_token(worker: ExchangeWorker, identity: Identity) -> bool:
    """Whether the upstream gets the caller's token, too."""
    # A reload may have taken the provider away since the decision.
    provider = worker.snapshot.providers.get(identity.provider)
    return provider is not None and provider.forward_token


def longest_silence(exchange: RequestUnderWay) -> float:
    """Seconds that the request's body may stop for."""
    return min(exchange.timeouts.idle, exchange.client.plane.snapshot.limits.body_timeout)


def is_too_large(exchange: RequestUnderWay, body: RequestBody, route: Route | None) -> bool:
    """Refuse a body that is larger than `route` takes as far as it is known; whether it is."""
    limit = None if route is None else route.body_bytes
    body.limit = limit = limit or exchange.client.plane.snapshot.limits.body_bytes
    length = exchange.head.content_length
    # A number of more digits than any limit's need not be worked out.
    if (int(length[:20]) if length is not None else body.received) <= limit:
        return False
    give_up(exchange, 413, f"The request's body is larger than {limit} bytes.")
    return True


def request_body(exchange: RequestUnderWay, data: bytes) -> None:
    """A part of the request's body came in."""
    body = exchange.body
    if exchange.head.chunked and body is not None:
        body.received += len(data)
        if body.received > body.limit:
            give_up(exchange, 413, f"The request's body is larger than {body.limit} bytes.")
            return
        data = b"%x\r\n%b\r\n" % (len(data), data)
    _send_body(exchange, data)


def send_body_again(exchange: RequestUnderWay, parts: list[bytes]) -> None:
    """Have the next attempt begin its body with what was sent of it before."""
    if exchange.body is not None:
        exchange.body.parts[:0] = parts


def _send_body(exchange: RequestUnderWay, data: bytes) -> None:
    if exchange.observer is not None:
        exchange.observer.request_body(data)
    if exchange.done:
        return
    connection = exchange.connection
    if connection is not None:
        connection.transport.write(data)
        if exchange.attempts is not None:
            exchange.attempts.keep_body([data])
        exchange.client.deadline = exchange.client.plane.now + longest_silence(exchange)
    elif exchange.body is not None and exchange.body.hold(data):
        exchange.client.pause_reading()


def request_ended(exchange: RequestUnderWay) -> None:
    """The request's last byte came in."""
    exchange.request_complete = True
    if exchange.head.chunked:
        _send_body(exchange, b"0\r\n\r\n")
    if exchange.connection is not None and not exchange.response_started:
        exchange.client.deadline = exchange.client.plane.now + exchange.timeouts.response
