"""Keys that come, go and rotate while the gateway runs, from an issuer on loopback and from a file."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start, provider, route
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.tokens import Issuer
from tests.e2e.waiting import wait_for

PATH = "/jwks.json"


class IssuerServer(RecordingUpstream):
    """Publishes the key sets of issuers, and counts how often it is asked."""

    def __init__(self, *published: Issuer, port: int = 0) -> None:
        super().__init__("issuer", port)
        self.published = published
        self.on(PATH)(self._answer)

    def _answer(self, call: Call) -> None:
        if self.published:
            call.answer(self.published[0].key_set(*self.published[1:]))
        else:
            call.answer(status=b"503 Service Unavailable")

    @property
    def jwks(self) -> str:
        """The URL of the key set."""
        return self.url + PATH

    @property
    def fetches(self) -> int:
        """How often the key set was asked for."""
        return len(self.requests(PATH))


@pytest.fixture
def old() -> Issuer:
    """The key that the issuer begins with."""
    return Issuer("old")


@pytest.fixture
def new() -> Issuer:
    """The key that the issuer goes over to."""
    return Issuer("new")


@pytest.fixture
def server(old: Issuer) -> Iterator[IssuerServer]:
    """The issuer, with the old key."""
    with IssuerServer(old) as running:
        yield running
        assert not running.failed, running.failed


def configuration(upstream: RecordingUpstream, jwks: str, **changes: Any) -> dict[str, Any]:
    """One upstream, a route that needs a token of the issuer, and one that takes it."""
    return {
        "auth": {"providers": {"shop": provider(jwks, **changes)}},
        "upstreams": {"legacy": {"endpoints": [upstream.url]}},
        "default": "legacy",
        "routes": [route("private", provider="shop"), route("optional", provider="shop", required=False)],
    }


def status_of(gateway: GatewayProcess, bearer: str, path: str = "/private/x") -> int:
    """The status of a request with this token, over a connection of its own."""
    return ask(gateway.port, path, bearer).status


def asked_at_once(gateway: GatewayProcess, bearers: list[str]) -> list[int]:
    """The statuses of requests with these tokens, all at the same time."""
    statuses: list[int] = []
    ready = threading.Barrier(len(bearers))

    def one(bearer: str) -> None:
        with gateway.client() as client:
            ready.wait(60)
            statuses.append(client.request("/private/at-once", bearer).status)

    threads = [threading.Thread(target=one, args=(bearer,)) for bearer in bearers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(statuses) == len(bearers)
    return statuses


# From a URL


def test_a_token_of_a_new_key_is_served_after_one_refetch(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, new: Issuer
) -> None:
    gateway = start(configuration(upstream, server.jwks, refresh="1h"))
    assert status_of(gateway, old.bearer()) == 200
    assert server.fetches == 1
    server.published = (old, new)
    assert status_of(gateway, new.bearer()) == 200
    assert server.fetches == 2
    assert status_of(gateway, new.bearer("user-18")) == 200
    assert status_of(gateway, old.bearer("user-18")) == 200
    assert server.fetches == 2


def test_many_clients_with_a_new_key_cause_one_refetch(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, new: Issuer
) -> None:
    gateway = start(configuration(upstream, server.jwks, refresh="1h", refetch_floor="1h"), workers=2)
    server.published = (old, new)
    assert asked_at_once(gateway, [new.bearer(f"user-{number}") for number in range(24)]) == [200] * 24
    assert server.fetches == 2


def test_a_flood_of_made_up_keys_causes_one_fetch(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer
) -> None:
    gateway = start(configuration(upstream, server.jwks, refresh="1h", refetch_floor="1h"), workers=2)
    for flood in range(4):
        made_up = [old.bearer(kid=f"made-up-{flood}-{number}") for number in range(12)]
        assert asked_at_once(gateway, made_up) == [401] * 12
    with gateway.client() as client:
        for number in range(100):
            answer = client.request("/private/x", old.bearer(kid=f"made-up-{number}"))
            assert answer.status == 401
            assert b"signing key that is not known" in answer.body
    assert server.fetches == 2
    assert status_of(gateway, old.bearer()) == 200
    assert upstream.requests("/private/at-once") == []


def test_a_new_key_is_fetched_again_after_the_refetch_floor(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, new: Issuer
) -> None:
    gateway = start(configuration(upstream, server.jwks, refresh="1h", refetch_floor="1s"))
    assert status_of(gateway, new.bearer()) == 401
    server.published = (old, new)
    wait_for(lambda: status_of(gateway, new.bearer()) == 200, "the new key after the floor")
    assert server.fetches == 3


def test_known_keys_keep_working_while_the_issuer_is_down(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, new: Issuer
) -> None:
    changed = {"refresh": "100ms", "refetch_floor": "100ms"}
    gateway = start(configuration(upstream, server.jwks, **changed), workers=2)
    server.close()
    wait_for(lambda: gateway.status()["providers"]["shop"]["last_error"], "the failure at /status")
    provider_status = gateway.status()["providers"]["shop"]
    assert provider_status["keys"] is True
    assert server.jwks in provider_status["last_error"]
    assert gateway.events("key set can't be fetched")[0]["kept"] is True
    assert status_of(gateway, old.bearer("user-18")) == 200
    assert status_of(gateway, new.bearer()) == 401
    # Neither a reload nor a new worker loses what is known.
    reloaded = configuration(upstream, server.jwks, **changed)
    reloaded["routes"].append(route("another"))
    gateway.reload(reloaded)
    assert status_of(gateway, old.bearer("user-19")) == 200
    victims = gateway.worker_pids()
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(gateway.worker_pids()) == 2 and not set(victims) & set(gateway.worker_pids()), "new workers")
    gateway.wait_ready()
    assert status_of(gateway, old.bearer("user-20")) == 200
    # And when the issuer is back, its news count again.
    with IssuerServer(new, port=server.port):
        wait_for(lambda: status_of(gateway, new.bearer()) == 200, "the issuer's new key")
        assert gateway.status()["providers"]["shop"]["last_error"] is None


def test_a_changed_provider_keeps_its_keys_while_the_issuer_is_down(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer
) -> None:
    gateway = start(configuration(upstream, server.jwks))
    server.close()
    gateway.reload(configuration(upstream, server.jwks, leeway="1s"))
    wait_for(lambda: gateway.status()["providers"]["shop"]["last_error"], "the failure at /status")
    assert status_of(gateway, old.bearer()) == 200
    gateway.reload(configuration(upstream, server.jwks, leeway="2s"))
    assert gateway.status()["providers"]["shop"]["keys"] is True
    (worker,) = gateway.worker_pids()
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: gateway.worker_pids() not in ([], [worker]), "another worker")
    gateway.wait_ready()
    assert status_of(gateway, old.bearer()) == 200


def test_keys_of_the_former_url_are_dropped_when_the_url_changes(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, nobody: str, old: Issuer
) -> None:
    gateway = start(configuration(upstream, server.jwks))
    bearer = old.bearer()
    with gateway.client() as client:
        assert client.request("/private/x", bearer).status == 200
        gateway.reload(configuration(upstream, f"{nobody}/jwks.json"))
        wait_for(lambda: client.request("/private/x", bearer).status == 503, "the old keys to be forgotten")
    assert gateway.status()["providers"]["shop"]["keys"] is False


def test_a_removed_key_is_refused_on_a_connection_that_used_it(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, new: Issuer
) -> None:
    """The worker remembers the token, and the connection its head."""
    gateway = start(configuration(upstream, server.jwks, refresh="100ms"))
    bearer = old.bearer()
    with gateway.client() as client:
        for _ in range(3):
            assert client.request("/private/removed", bearer).status == 200
        server.published = (new,)
        wait_for(lambda: client.request("/private/removed", bearer).status == 401, "the removed key to be refused")
        assert client.request("/private/removed", new.bearer()).status == 200
    assert status_of(gateway, bearer, "/optional/removed") == 401


def test_a_protected_route_is_a_503_until_there_is_a_key(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer
) -> None:
    server.published = ()
    gateway = start(configuration(upstream, server.jwks, refresh="100ms"))
    for path in ("/private/x", "/optional/x"):
        answer = ask(gateway.port, path, old.bearer())
        assert answer.status == 503
        assert b"keys that verify tokens are not available" in answer.body
    assert upstream.requests("/private/x") == []
    assert ask(gateway.port, "/optional/anonymous").status == 200
    server.published = (old,)
    wait_for(lambda: status_of(gateway, old.bearer()) == 200, "the first key")


@pytest.mark.parametrize("answer", [b"<html>", b'{"keys": []}', b"{", b" " * 2_000_000])
def test_a_response_that_is_no_key_set_leaves_the_last_good_one(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, answer: bytes
) -> None:
    gateway = start(configuration(upstream, server.jwks, refresh="100ms"))
    # The gateway hangs up in the middle of what is too large.
    server.on(PATH)(lambda call: call.answer(answer))
    wait_for(lambda: gateway.status()["providers"]["shop"]["last_error"], "the failure at /status")
    assert status_of(gateway, old.bearer()) == 200


def test_discovery_finds_the_keys_and_follows_no_redirect(
    start: Start, upstream: RecordingUpstream, server: IssuerServer, old: Issuer, new: Issuer
) -> None:
    @server.on("/.well-known/openid-configuration")
    def describe(call: Call) -> None:
        call.answer(b'{"issuer": "%b", "jwks_uri": "%b"}' % (server.url.encode(), server.jwks.encode()))

    config = configuration(upstream, server.jwks, issuer=server.url, discovery=True, refresh="100ms")
    del config["auth"]["providers"]["shop"]["jwks"]
    gateway = start(config)
    assert status_of(gateway, old.bearer(iss=server.url)) == 200
    assert status_of(gateway, old.bearer()) == 401
    with IssuerServer(new) as other:
        redirect = b"Location: " + other.jwks.encode()
        server.on(PATH)(lambda call: call.answer(b"", redirect, status=b"302 Found"))
        wait_for(lambda: gateway.status()["providers"]["shop"]["last_error"], "the failure at /status")
        assert "responded with 302" in gateway.status()["providers"]["shop"]["last_error"]
        assert status_of(gateway, old.bearer(iss=server.url)) == 200
        assert status_of(gateway, new.bearer(iss=server.url)) == 401
        assert other.fetches == 0


# From a file


def test_a_changed_key_file_is_loaded_and_the_removed_key_refused(
    start: Start, upstream: RecordingUpstream, issuer: Issuer, new: Issuer
) -> None:
    gateway = start(configuration(upstream, "jwks.json"), workers=2)
    bearer = issuer.bearer()
    with gateway.client() as client:
        assert client.request("/private/x", bearer).status == 200
        replaced = gateway.folder / ".jwks"
        replaced.write_bytes(new.key_set())
        replaced.rename(gateway.folder / "jwks.json")
        wait_for(lambda: client.request("/private/x", bearer).status == 401, "the removed key to be refused")
    for _ in range(8):
        wait_for(lambda: status_of(gateway, new.bearer()) == 200, "the new key at every worker")
        assert status_of(gateway, bearer) == 401


def test_a_broken_key_file_leaves_the_keys_and_is_reported(
    start: Start, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    gateway = start(configuration(upstream, "jwks.json"))
    file = gateway.folder / "jwks.json"
    good = file.read_bytes()
    for broken in (b"{", b"[" * 100_000, b'{"keys": []}'):
        file.write_bytes(broken)
        wait_for(lambda: gateway.status()["providers"]["shop"]["last_error"], f"the failure at /status, {broken[:8]!r}")
        assert status_of(gateway, issuer.bearer()) == 200
        file.write_bytes(good)
        wait_for(lambda: gateway.status()["providers"]["shop"]["last_error"] is None, "the end of the failure")
    wait_for(lambda: gateway.status()["configuration"]["valid"], "a valid configuration")


def test_a_new_key_in_the_file_works_before_the_watch_notices(
    start: Start, upstream: RecordingUpstream, issuer: Issuer, new: Issuer
) -> None:
    gateway = start(configuration(upstream, "jwks.json"))
    (gateway.folder / "jwks.json").write_bytes(issuer.key_set(new))
    assert status_of(gateway, new.bearer()) == 200
