"""The response to the client: the gateway's own fields, the framing of the body, problem responses.

A response that comes in one piece is written in one piece. Of one that comes in
parts, the exchange gathers those that one read brought, and writes them together.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from strangler.proxy.exchange.completion import finish
from strangler.proxy.exchange.transforms import changed_response
from strangler.proxy.exchange.visitor_cookie import made_private, may_be_shared, visitor_cookie
from strangler.proxy.http.headers import VIA_LINE
from strangler.proxy.http.problem_responses import problem
from strangler.proxy.http.status_lines import STATUS_LINES
from strangler.routing.cors import response_fields

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.routing.decide import Decision, Refusal

AFTER_REQUEST_ID = b"\r\n" + VIA_LINE

BY_LENGTH, IN_CHUNKS, UNTIL_CLOSE = range(3)
"""How a client recognizes the end of a response's body."""


def head_for_client(
    exchange: RequestUnderWay, decision: Decision | None, status: int, line: bytes, fields: bytes
) -> list[bytes]:
    """The parts of the response's head: the gateway's own fields, by what was decided, come after `fields`."""
    exchange.status = status
    exchange.response_started = True
    if decision is not None:
        if decision.changes is not None:
            fields = changed_response(decision.changes, fields, exchange)
        if decision.choice is not None and decision.choice.visitor is not None:
            fields = _with_visitor_cookie(exchange, decision.choice.visitor, fields)
    out = [line, fields, b"X-Request-Id: ", exchange.request_id, AFTER_REQUEST_ID]
    out.append(exchange.rate_limit_fields)
    if exchange.client.plane.draining:
        exchange.keep_alive = False
    if not exchange.keep_alive:
        out.append(b"Connection: close\r\n")
    elif exchange.head.minor == 0:
        out.append(b"Connection: keep-alive\r\n")
    out.append(b"\r\n")
    return out


def head_of_switch(exchange: RequestUnderWay, line: bytes, fields: bytes, upgrade: bytes) -> bytes:
    """The head of a 101 that switches to `upgrade`."""
    exchange.status = 101
    exchange.response_started = True
    out = [line, fields, b"Connection: Upgrade\r\nUpgrade: ", upgrade]
    out += (b"\r\nX-Request-Id: ", exchange.request_id, AFTER_REQUEST_ID)
    choice = exchange.decision.choice if exchange.decided else None
    if choice is not None and choice.visitor is not None:
        settings = exchange.client.plane.snapshot.visitor_cookie
        out.append(visitor_cookie(settings, choice.visitor, secure=_is_secure(exchange)))
    out.append(b"\r\n")
    return b"".join(out)


def begin_own(exchange: RequestUnderWay, status: int) -> None:
    """The gateway itself responds with `status`, whatever has come of another response."""
    exchange.bytes_out = 0
    if not exchange.request_complete and exchange.head.has_body:
        exchange.keep_alive = False
    if exchange.client.plane.draining:
        exchange.keep_alive = False
    exchange.status = status
    exchange.response_started = True


def refusing_response(exchange: RequestUnderWay, refusal: Refusal, retry_after: float | None) -> bytes:
    """The whole response that refuses the request."""
    begin_own(exchange, refusal.status)
    route = exchange.decision.route if exchange.decided else None
    fields = exchange.rate_limit_fields
    if route is not None and route.cors is not None:
        fields += response_fields(route.cors, exchange)
    return problem(
        refusal,
        exchange.request_id,
        close=not exchange.keep_alive,
        head_only=exchange.method == "HEAD",
        retry_after=ceil(retry_after or 1) if refusal.status in (429, 503) else None,
        fields=fields,
    )


def refuse(exchange: RequestUnderWay, refusal: Refusal, retry_after: float | None = None) -> None:
    """Respond with the problem that `refusal` is."""
    exchange.gathered = None
    exchange.client.transport.write(refusing_response(exchange, refusal, retry_after))
    finish(exchange)


def respond_instead(exchange: RequestUnderWay, status: int, fields: bytes, body: bytes) -> None:
    """Give a response of the gateway's own; `fields` are whole lines, Content-Length among them."""
    if exchange.observer is not None:
        exchange.observer.own_response()
    exchange.gathered = None
    begin_own(exchange, status)
    out = head_for_client(exchange, exchange.decision_so_far, status, STATUS_LINES[status], fields)
    if exchange.method != "HEAD":
        exchange.bytes_out = len(body)
        out.append(body)
    exchange.client.transport.write(b"".join(out))
    finish(exchange)


def _is_secure(exchange: RequestUnderWay) -> bool:
    """Whether the client used https, by what a trusted proxy reports or else by its connection."""
    forwarding = exchange.head.forwarding
    return ((forwarding.scheme if forwarding is not None else "") or exchange.client.scheme) == "https"


def _with_visitor_cookie(exchange: RequestUnderWay, visitor: str, fields: bytes) -> bytes:
    """`fields` with the cookie that keeps a new visitor on its side, unless a cache would share it."""
    plane = exchange.client.plane
    settings = plane.snapshot.visitor_cookie
    if may_be_shared(exchange.method, fields, authorized=bool(exchange.head.credentials)):
        if settings.shared_caches == "skip":
            plane.counters.event("visitor_cookies_left_out")
            return fields
        fields = made_private(fields)
    return fields + visitor_cookie(settings, visitor, secure=_is_secure(exchange))
