"""Which endpoint gets requests: weights, keys, health, names that mean other addresses, slow start."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.conftest import Start, provider
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.name_server import NameServer
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.silent_address import silent_address
from tests.e2e.tokens import Issuer
from tests.e2e.waiting import wait_for

Endpoints = Callable[[int], list[RecordingUpstream]]


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    """Starts so many endpoints, named by their numbers."""
    with ExitStack() as running:
        yield lambda count: [running.enter_context(RecordingUpstream(str(number))) for number in range(count)]


def shop(endpoints: list[Any], **upstream: Any) -> dict[str, Any]:
    return {"upstreams": {"shop": {"endpoints": endpoints, **upstream}}, "default": "shop"}


def served(gateway: GatewayProcess, times: int, *fields: str) -> Counter[bytes]:
    """Which endpoints answered so many requests."""
    with gateway.client() as client:
        return Counter(client.request("/", *fields).body.split(b'"')[3] for _ in range(times))


def test_endpoints_get_their_weight_of_the_requests(start: Start, endpoints: Endpoints) -> None:
    light, heavy = endpoints(2)
    gateway = start(shop([light.url, {"url": heavy.url, "weight": 3}]))
    assert served(gateway, 40) == {b"0": 10, b"1": 30}


def test_least_requests_leaves_a_busy_endpoint_alone(start: Start, endpoints: Endpoints) -> None:
    busy, free = endpoints(2)
    busy.on("/slow")(lambda call: call.wait_hang_up())
    free.on("/slow")(lambda call: call.wait_hang_up())
    gateway = start(shop([busy.url, free.url], balancing={"policy": "least_requests"}))
    with gateway.client() as waiting:
        waiting.send(b"GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        wait_for(lambda: busy.requests("/slow") or free.requests("/slow"), "the slow request")
        occupied = b"0" if busy.requests("/slow") else b"1"
        assert occupied not in served(gateway, 20)
        waiting.reset()


def test_a_key_stays_at_its_endpoint_on_every_worker(start: Start, endpoints: Endpoints, issuer: Issuer) -> None:
    urls = [one.url for one in endpoints(4)]
    settings = shop(urls, balancing={"policy": "consistent_hash", "key": ["claim:sub", "header:X-Cart"]})
    settings["auth"] = {"providers": {"shop": provider("jwks.json")}}
    auth = {"provider": "shop", "required": False}
    settings["routes"] = [{"name": "all", "match": {"path": "/**"}, "upstream": "shop", "auth": auth}]
    gateway = start(settings, workers=2)
    homes = {}
    for number in range(12):
        token = issuer.bearer(f"user-{number}")
        answers = Counter(ask(gateway.port, "/", token).body for _ in range(6))
        assert len(answers) == 1
        homes[number] = next(iter(answers))
    assert len(set(homes.values())) > 1
    assert len(served(gateway, 6, "X-Cart: 17")) == 1
    assert len(served(gateway, 8)) == 4  # nobody in particular: in turn


def test_an_endpoint_that_fails_health_checks_gets_no_requests(start: Start, endpoints: Endpoints) -> None:
    well, sick = endpoints(2)
    status = [b"503 Service Unavailable"]
    sick.on("/health")(lambda call: call.answer(status=status[0]))
    well.on("/health")(lambda call: call.answer(status=b"204 No Content"))
    health = {"path": "/health", "interval": "100ms", "status": [200, 204], "unhealthy_after": 2, "healthy_after": 2}
    gateway = start(shop([well.url, sick.url], health=health), workers=2)

    def states() -> dict[str, bool]:
        return {one["url"]: one["up"] for one in gateway.status()["upstreams"]["shop"]["endpoints"]}

    wait_for(lambda: states() == {well.url: True, sick.url: False}, "the sick endpoint to be found out")
    assert served(gateway, 6) == {b"0": 6}
    assert gateway.metric("strangler_endpoint_up", endpoint=sick.url) == 0
    status[0] = b"200 OK"
    wait_for(lambda: states()[sick.url], "the endpoint to be well again")
    wait_for(lambda: b"1" in served(gateway, 2), "the endpoint to get requests again")


def test_a_worker_that_is_started_later_knows_who_is_down(start: Start, endpoints: Endpoints, nobody: str) -> None:
    (well,) = endpoints(1)
    health = {"path": "/health", "interval": "100ms", "unhealthy_after": 1}
    gateway = start(shop([nobody, well.url], health=health, ejection={"enabled": False}))
    wait_for(lambda: gateway.events("endpoint went down"), "the endpoint to be found down")
    before = gateway.worker_pids()
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: gateway.worker_pids() not in ([], before), "another worker")
    gateway.wait_ready()
    assert served(gateway, 6) == {b"0": 6}
    assert gateway.metric("strangler_events_total", event="connect_retries") == 0


# Names


@pytest.fixture
def twins() -> Iterator[tuple[RecordingUpstream, RecordingUpstream]]:
    """Two endpoints on one port of two loopback addresses, as replicas of one service are."""
    with ExitStack() as running:
        first = running.enter_context(RecordingUpstream("first", host="127.0.0.2"))
        yield first, running.enter_context(RecordingUpstream("second", port=first.port, host="127.0.0.3"))


def resolving(port: int, server: NameServer, **upstream: Any) -> dict[str, Any]:
    resolve = {"interval": "100ms", "nameservers": [f"127.0.0.1:{server.port}"]}
    return shop([f"http://catalog.shop.example:{port}"], resolve=resolve, **upstream)


def known(gateway: GatewayProcess) -> set[str]:
    return {one["url"] for one in gateway.status()["upstreams"]["shop"]["endpoints"]}


def test_requests_follow_a_name_to_its_addresses(
    start: Start, twins: tuple[RecordingUpstream, RecordingUpstream]
) -> None:
    first, second = twins
    with NameServer("127.0.0.2") as server:
        gateway = start(resolving(first.port, server), workers=2)
        assert served(gateway, 4) == {b"first": 4}
        server.addresses = ["127.0.0.2", "127.0.0.3"]
        wait_for(lambda: len(known(gateway)) == 2, "the second address")
        assert served(gateway, 4) == {b"first": 2, b"second": 2}
        server.addresses = ["127.0.0.3"]
        wait_for(lambda: known(gateway) == {second.url}, "the first address to be gone")
        assert served(gateway, 4) == {b"second": 4}
        assert [event["addresses"] for event in gateway.events("addresses changed")] == [
            ["127.0.0.2"],
            ["127.0.0.2", "127.0.0.3"],
            ["127.0.0.3"],
        ]


def test_two_names_of_one_address_are_one_endpoint(
    start: Start, twins: tuple[RecordingUpstream, RecordingUpstream]
) -> None:
    first, second = twins
    with NameServer("127.0.0.2") as server:
        configuration = resolving(first.port, server)
        configuration["upstreams"]["shop"]["endpoints"].append(f"http://stock.shop.example:{first.port}")
        gateway = start(configuration)
        assert [one["url"] for one in gateway.status()["upstreams"]["shop"]["endpoints"]] == [first.url]
        server.addresses = ["127.0.0.3"]
        wait_for(lambda: known(gateway) == {second.url}, "the first address to be gone")
        assert served(gateway, 4) == {b"second": 4}


def test_a_name_that_no_longer_resolves_keeps_its_addresses(
    start: Start, twins: tuple[RecordingUpstream, RecordingUpstream]
) -> None:
    with NameServer("127.0.0.2") as server:
        gateway = start(resolving(twins[0].port, server))
        server.addresses = []
        wait_for(lambda: gateway.events("a name can't be looked up, keeping the addresses that are known"), "a warning")
        assert served(gateway, 2) == {b"first": 2}


def test_each_address_is_checked_under_the_name(
    start: Start, twins: tuple[RecordingUpstream, RecordingUpstream]
) -> None:
    first, second = twins
    second.on("/health")(lambda call: call.answer(status=b"500 Internal Server Error"))
    with NameServer("127.0.0.2", "127.0.0.3") as server:
        health = {"path": "/health", "interval": "100ms", "unhealthy_after": 1}
        gateway = start(resolving(first.port, server, health=health))
        wait_for(lambda: gateway.events("endpoint went down"), "the sick address to be found out")
        wait_for(lambda: served(gateway, 4) == {b"first": 4}, "requests to avoid it")
    assert first.last("/health").value(b"Host") == b"catalog.shop.example:%d" % first.port


def test_the_system_resolver_is_used_without_name_servers(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(shop([f"http://localhost:{upstream.port}"], resolve={"interval": "100ms"}))
    assert f"http://127.0.0.1:{upstream.port}" in known(gateway)
    assert ask(gateway.port, "/").status == 200


def test_an_endpoint_that_is_new_starts_slowly(
    start: Start, twins: tuple[RecordingUpstream, RecordingUpstream]
) -> None:
    first, _ = twins
    with NameServer("127.0.0.2") as server:
        # Long enough that the weight is still close to a tenth when the requests are made.
        gateway = start(resolving(first.port, server, balancing={"slow_start": "10m"}))
        assert served(gateway, 2) == {b"first": 2}
        server.addresses = ["127.0.0.2", "127.0.0.3"]
        wait_for(lambda: len(known(gateway)) == 2, "the second address")
        assert served(gateway, 44)[b"second"] == 4


def test_an_endpoint_that_refuses_connections_costs_no_request(start: Start, endpoints: Endpoints) -> None:
    first, second = endpoints(2)
    gateway = start(shop([first.url, second.url]))
    assert served(gateway, 4) == {b"0": 2, b"1": 2}
    first.close()
    with socket.socket() as taken:  # nobody else gets the port meanwhile
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first.port))
        assert served(gateway, 20) == {b"1": 20}
        assert ask(gateway.port, "/", method="POST", body=b"x").status == 200
    with RecordingUpstream("0", port=first.port):
        wait_for(lambda: b"0" in served(gateway, 2), "the endpoint to be used again", 30)


def test_a_silent_address_does_not_use_up_the_connect_timeout(
    start: Start, twins: tuple[RecordingUpstream, RecordingUpstream]
) -> None:
    """RFC 8305: with `resolve`, each address is an endpoint, and the next one is tried beside a silent one."""
    _, second = twins
    with silent_address("127.0.0.4", second.port), NameServer("127.0.0.4", "127.0.0.3") as server:
        gateway = start(resolving(second.port, server, timeouts={"connect": "60s"}))
        wait_for(lambda: len(known(gateway)) == 2, "both addresses")
        # Each of these would wait for a minute at the silent one, which every second request is for.
        assert served(gateway, 4) == {b"second": 4}
        wait_for(lambda: gateway.events("endpoint ejected") or served(gateway, 2), "no more turns for it")
