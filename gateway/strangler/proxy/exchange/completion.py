"""The end of an exchange: it gives back what it holds, is counted and logged, and its client connection goes on."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from orjson import dumps

from strangler.observe.access_log import caller_text, quoted, without_tokens
from strangler.proxy.exchange.admission import make_room
from strangler.proxy.exchange.counted_callers import note

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay


def finish(exchange: RequestUnderWay) -> None:
    """The response is complete."""
    if exchange.done:
        return
    exchange.done = True
    if exchange.attempts is not None:
        exchange.attempts.over(whole=True)
    elif exchange.entered is not None:
        limit, exchange.entered = exchange.entered, None
        make_room(limit)
    record(exchange, exchange.status)
    exchange.client.exchange_finished(exchange)


def record(exchange: RequestUnderWay, status: int, count: bool = True, write: bool = True) -> None:
    """Count the exchange and write its line of the access log."""
    plane = exchange.client.plane
    seconds = monotonic() - exchange.started
    decision = exchange.decision_so_far
    identity = None
    if decision is None:
        route = side = upstream = ""
    else:
        taken = decision.route
        route = taken.name if taken is not None else ""
        if (
            taken is not None
            and taken.counted
            and count
            and (status >= 500 or seconds > taken.slow_after or exchange.attempts is not None)
        ):
            note(exchange, taken, status, seconds)
        side = decision.side or ""
        upstream = decision.upstream or ""
        identity = decision.identity
    if count:
        caller = exchange.peer if identity is None else identity.subject
        plane.counters.request((route, side, upstream, status), seconds, exchange.bytes_out, caller)
    log = plane.access_log
    if log is not None and write:
        who = caller_text(exchange.peer, exchange.host, side, upstream, identity)
        endpoint = '""' if exchange.pool is None else exchange.pool.quoted_url
        path = exchange.path if "eyJ" not in exchange.path else without_tokens(exchange.path)
        noted = "" if exchange.attempts is None else exchange.attempts.logged()
        # `format`, because a format within the text is made by a slower way where this is compiled.
        log.write(
            f'{{"time":"{plane.timestamp}","request_id":"{exchange.request_id.decode()}","method":"{exchange.method}"'
            f',"path":{dumps(path).decode()},"status":{status},"route":{quoted(route)}'
            f',"endpoint":{endpoint}'
            f',"bytes":{exchange.bytes_out},"ms":{format(seconds * 1000, ".3f")}{noted}{who}}}\n'
        )
    if exchange.observer is not None:
        exchange.observer.ended(exchange, status, seconds)


def tunnel_over(exchange: RequestUnderWay, bytes_out: int) -> None:
    """The tunnel is closed, after the upstream has sent `bytes_out`."""
    exchange.bytes_out = bytes_out
    record(exchange, 101, count=False)


def broken_off(exchange: RequestUnderWay, lost: int) -> None:
    """The client's connection is gone after a response that was cut short, `lost` bytes of which never arrived."""
    exchange.bytes_out = max(0, exchange.bytes_out - lost)
    record(exchange, exchange.status)
