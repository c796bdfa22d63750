"""What a debugger shows of the objects that it meets in a worker."""

from __future__ import annotations

from strangler.model.resilience import BreakerSettings
from strangler.model.snapshot import Snapshot
from strangler.resilience.breaker import Breaker
from tests.proxy.in_process import Plane, run


def test_an_exchange_shows_its_request_endpoint_and_state(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(b"GET /other/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        (connection,) = plane.plane.clients
        exchange = connection.exchange
        assert repr(exchange) == "<Exchange GET /other/1 at http://127.0.0.1:1 waiting>"
        await plane.settle()
        plane.busy()[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        assert repr(exchange) == "<Exchange GET /other/1 at http://127.0.0.1:1 responding 200>"
        plane.busy()[0].feed(b"defghi")
        assert repr(exchange) == "<Exchange GET /other/1 at http://127.0.0.1:1 over 200>"

    run(test)


def test_a_connection_and_its_pool_show_the_endpoint_and_their_use(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        (pool,) = plane.plane.pools["legacy"].endpoints
        assert repr(pool) == "<EndpointPool http://127.0.0.1:1 open=0 idle=0 waiting=0>"
        plane.client().feed(b"GET /other/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        plane.client().feed(b"GET /other/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        await plane.settle()
        (connection,) = plane.loop.connections
        assert repr(connection) == "<UpstreamConnection http://127.0.0.1:1 busy>"
        assert repr(pool) == "<EndpointPool http://127.0.0.1:1 open=1 idle=0 waiting=1>"
        for _ in range(2):
            plane.busy()[0].feed(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert repr(connection) == "<UpstreamConnection http://127.0.0.1:1 idle used>"
        pool.retire()
        assert repr(pool) == "<EndpointPool http://127.0.0.1:1 open=1 idle=0 waiting=0 retired>"

    run(test)


def test_a_breaker_shows_its_state_and_what_it_let_through() -> None:
    breaker = Breaker(BreakerSettings(error_percent=50, minimum_requests=1, probes=2), lambda _: None)
    ticket = breaker.enter(0.0)
    assert repr(breaker) == "<Breaker closed begun=1 opened=0>"
    breaker.failed(ticket, 0.0)
    assert repr(breaker) == "<Breaker open begun=1 opened=1>"
    breaker.enter(1e6)
    assert repr(breaker) == "<Breaker half_open begun=1 opened=1 probing=1>"
