"""The failures of an exchange, and how it ends unless another attempt is made or another response is sent.

An attempt may fail by the upstream's doing (`upstream_failed`) or by no doing of
it. The exchange itself ends by `fail`: with a problem, or broken off where the
client has a part of the response. Time passes for it (`expired`, `total_expired`),
its client leaves (`client_gone`) and its worker ends (`drained`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.proxy.exchange.completion import record
from strangler.proxy.exchange.counted_callers import NO_DESCRIPTORS_LEFT
from strangler.proxy.exchange.excuse import Excuse
from strangler.proxy.exchange.response import UNTIL_CLOSE, refuse
from strangler.resilience.retry import Cause, Failure
from strangler.routing.decide import Refusal

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay

CLIENT_GONE = 499
WITHOUT_CLOSE_NOTIFY = (
    "The upstream ended its TLS connection without close_notify, so its response may have been cut short."
)


def connect_failed(exchange: RequestUnderWay, status: int, detail: str) -> None:
    """No connection to the chosen endpoint."""
    attempts = exchange.care()
    attempts.blame()
    attempt_failed(exchange, Failure("connect", status, detail, attempts.sent))


def busy(exchange: RequestUnderWay, detail: str) -> None:
    """There are too many requests at the chosen endpoint."""
    attempt_failed(exchange, Failure("busy", 503, detail, exchange.care().sent, 1.0))


def out_of_descriptors(exchange: RequestUnderWay) -> None:
    """The gateway itself can't open a connection, which is not the upstream's failure."""
    if exchange.observer is not None:
        exchange.observer.excuse(Excuse.NO_DESCRIPTORS)
    if exchange.attempts is not None:
        exchange.attempts.lose_hedge()
    fail(exchange, 503, NO_DESCRIPTORS_LEFT, 1.0)


def upstream_lost(exchange: RequestUnderWay) -> None:
    """The connection ended before the response did.

    An endpoint may close an idle connection just as it is used again. That
    says nothing about the request, so a safe one without a body goes out
    once more, on a fresh connection, unless a part of a response came.
    """
    connection = exchange.connection
    assert connection is not None
    assert exchange.pool is not None
    stale = connection.used and not connection.answering
    attempts = exchange.care()
    if stale and exchange.repeatable and not attempts.stale_connection:
        attempts.stale_connection = True
        exchange.connection = None
        exchange.client.plane.counters.event("stale_connection_retries", exchange.pool.owner.upstream.name)
        exchange.send_on_fresh_connection()
        return
    if connection.truncated and connection.answering:
        endpoint = exchange.pool.endpoint.url
        exchange.client.plane.notice("response ended without close_notify", exchange.pool.owner.upstream.name, endpoint)
        upstream_failed(exchange, "lost", 502, WITHOUT_CLOSE_NOTIFY)
        return
    upstream_failed(exchange, "lost", 502, "The upstream closed the connection before its response was complete.")


def upstream_failed(exchange: RequestUnderWay, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
    """The upstream can't complete this attempt, by its own fault unless `blame` is false."""
    if exchange.observer is not None and not blame:
        exchange.observer.excuse(Excuse.CLIENT_GONE)
    attempts = exchange.care()
    if exchange.connection is not None:
        attempts.sent = True
    drop_connection(exchange)
    if blame:
        if exchange.pool is not None:
            exchange.pool.owner.endpoint_failed(exchange.pool)
        attempts.blame()
    attempt_failed(exchange, Failure(cause, status, detail, attempts.sent))


def give_up(exchange: RequestUnderWay, status: int, detail: str) -> None:
    """The client can't complete its request, which is not the upstream's failure."""
    if exchange.observer is not None:
        exchange.observer.excuse(Excuse.REQUEST_INCOMPLETE)
    drop_connection(exchange)
    fail(exchange, status, detail)


def drop_connection(exchange: RequestUnderWay) -> None:
    """Close the connection to the upstream, where there is one: another exchange can't use it."""
    connection = exchange.connection
    if connection is not None:
        exchange.connection = None
        connection.discard()


def attempt_failed(exchange: RequestUnderWay, failure: Failure) -> None:
    """An attempt failed: make another one, send another response, or report the failure to the client."""
    if exchange.done:
        return
    exchange.leave_pool()
    if exchange.response_started:
        fail(exchange, failure.status, failure.detail)
        return
    exchange.gathered = None
    exchange.bytes_out = 0
    exchange.care().failed(failure)


def fail(exchange: RequestUnderWay, status: int, detail: str, retry_after: float | None = None) -> None:
    """Respond with a problem, or break off a response that has begun."""
    if exchange.done:
        return
    if exchange.observer is not None:
        exchange.observer.own_response()
    if exchange.connection is None:
        exchange.leave_pool()
    exchange.care().reason = detail
    if exchange.response_started:
        _break_off(exchange, detail)
        return
    refuse(exchange, Refusal(status, detail), retry_after)


def _break_off(exchange: RequestUnderWay, detail: str) -> None:
    """End a response that has begun and can't be completed; what has come of it still reaches the client."""
    client = exchange.client
    exchange.flush()
    exchange.keep_alive = False
    exchange.done = True
    attempts = exchange.care()
    attempts.broken = True
    attempts.over(whole=False)
    client.plane.counters.event("broken_responses", detail)
    client.break_off(exchange, framed=exchange.gathered is None or exchange.framing != UNTIL_CLOSE)


def expired(exchange: RequestUnderWay) -> None:
    """The deadline of what this exchange waits for has passed."""
    connection, attempts = exchange.connection, exchange.attempts
    if exchange.response_started:
        # A client that reads nothing stops the response, too.
        stopped = connection is not None and connection.paused
        upstream_failed(exchange, "timeout", 504, "The response stopped for too long.", blame=not stopped)
    elif exchange.decision_so_far is None:
        exchange.refetched = True
        exchange.start()
    elif attempts is not None and attempts.expired():
        # It was the time of a turn or of a hedge.
        pass
    elif connection is None:
        detail = "No connection to the upstream could be had in time."
        attempt_failed(exchange, Failure("busy", 504, detail, exchange.care().sent))
    elif not exchange.request_complete and exchange.client.is_reading:
        give_up(exchange, 408, "The request's body stopped for too long.")
    elif not exchange.request_complete:
        upstream_failed(exchange, "timeout", 504, "The upstream took too long to read the request's body.")
    else:
        upstream_failed(exchange, "timeout", 504, "The upstream took too long to answer.")


def total_expired(exchange: RequestUnderWay) -> None:
    """The deadline of the whole exchange has passed."""
    if exchange.done:
        return
    if not exchange.request_complete:
        give_up(exchange, 408, "The request took longer than it may.")
    else:
        waited = exchange.connection is not None and not exchange.response_started
        if exchange.attempts is not None:
            exchange.attempts.lose_hedge()
        upstream_failed(exchange, "timeout", 504, "The request took longer than it may.", blame=waited)


def client_gone(exchange: RequestUnderWay) -> None:
    """The client hung up: end the upstream's work too, without blame."""
    if exchange.done:
        return
    exchange.done = True
    if exchange.connection is not None:
        drop_connection(exchange)
    else:
        exchange.leave_pool()
    if exchange.attempts is not None or exchange.entered is not None:
        exchange.care().over(whole=False)
    exchange.bytes_out = max(0, exchange.bytes_out - exchange.client.transport.get_write_buffer_size())
    record(exchange, CLIENT_GONE)


def drained(exchange: RequestUnderWay) -> None:
    """The gateway ends and can't wait for this exchange any longer, which is neither side's failure."""
    if exchange.done:
        return
    if exchange.observer is not None:
        exchange.observer.excuse(Excuse.SHUTDOWN)
    if exchange.response_started:
        give_up(exchange, exchange.status, "The gateway shut down before the response was complete.")
    elif exchange.connection is not None:
        # It may have been carried out, so the client must not take it for refused.
        give_up(exchange, 504, "The gateway shut down before the upstream responded.")
    else:
        give_up(exchange, 503, "The gateway is shutting down.")
