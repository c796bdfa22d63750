"""What may be said about failures, and what it becomes."""

from __future__ import annotations

import pytest

from strangler.config.load import load
from strangler.model.resilience import BalancingPolicy, Ejection, LegacyFallback, Retries
from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Timeouts
from tests.config.conftest import Problems, Write

ONE = """\
version: 1
upstreams:
  shop:
    endpoints: http://127.0.0.1:8100
{upstream}
default: shop
"""
MOVING = """\
version: 1
upstreams:
  old: {{endpoints: "http://127.0.0.1:8100", timeouts: {{connect: 1s, response: 20s}}}}
  new: {{endpoints: "http://127.0.0.1:8200", timeouts: {{connect: 3s}}}}
migrations:
  catalog:
    from: old
    to: new
    stage: extracted
{migration}
    routes:
      - match: {{path: /catalog/**}}
{route}
"""


def one(write: Write, upstream: str) -> Snapshot:
    return load(write(ONE.format(upstream=upstream)), {}).snapshot


def moving(write: Write, migration: str = "", route: str = "") -> Route:
    text = MOVING.format(migration=migration, route=route)
    return load(write("\n".join(line for line in text.splitlines() if line)), {}).snapshot.routes[0]


def test_resilience_defaults(write: Write) -> None:
    shop = one(write, "").upstreams["shop"]
    assert shop.ejection == Ejection()
    assert shop.breaker is shop.concurrency is shop.resolve is shop.health is None
    route = moving(write)
    assert route.retries == Retries()
    assert route.hedging is route.fallback is None
    assert route.timeouts == {}
    assert route.migration is not None
    assert route.migration.fallback == LegacyFallback()
    assert route.migration.breaker is None


def test_resilience_can_be_switched_off(write: Write) -> None:
    assert one(write, "    ejection: {enabled: false}").upstreams["shop"].ejection is None
    migration = moving(write, "    fallback: {enabled: false}").migration
    assert migration is not None
    assert migration.fallback is None


def test_endpoints_may_have_weights(write: Write) -> None:
    text = """\
version: 1
upstreams:
  shop:
    endpoints: ["http://a:1", {url: "http://b:2", weight: 3}, {url: "http://c:3", weight: "${WEIGHT}"}]
default: shop
"""
    shop = load(write(text), {"WEIGHT": "7"}).snapshot.upstreams["shop"]
    assert [(endpoint.url, endpoint.weight) for endpoint in shop.endpoints] == [
        ("http://a:1", 1),
        ("http://b:2", 3),
        ("http://c:3", 7),
    ]


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("{url: 'http://a:1', weight: 0}", "expected a whole number from 1 as weight"),
        ("{url: 'http://a:1', weight: 1.5}", "expected a whole number from 1 as weight"),
        ("{url: 'http://a:1', weight: true}", "expected a whole number from 1 as weight"),
        ("{weight: 2}", "the key 'url' is missing"),
        ("{url: 'http://a:1', wieght: 2}", "unknown key 'wieght' in an endpoint; known: url, weight"),
        ("{url: 'ftp://a'}", "expected a URL such as"),
    ],
)
def test_an_invalid_weight_is_reported(write: Write, problems: Problems, endpoint: str, said: str) -> None:
    text = f"version: 1\nupstreams: {{shop: {{endpoints: [{endpoint}]}}}}\ndefault: shop\n"
    assert said in problems(write(text))[0]


def test_deadlines_of_routes_override_migrations_and_upstreams(write: Write) -> None:
    route = moving(write, "    timeouts: {response: 5s, total: 9s}", "        timeouts: {response: 2s}")
    assert route.timeouts == {
        "old": Timeouts(connect=1.0, response=2.0, total=9.0),
        "new": Timeouts(connect=3.0, response=2.0, total=9.0),
    }


def test_retries_of_a_route_replace_those_of_its_migration(write: Write) -> None:
    said = "    retries: {attempts: 3, methods: [GET, PUT], statuses: 503}"
    assert moving(write, said).retries == Retries(
        attempts=3, methods=frozenset({"GET", "PUT"}), statuses=frozenset({503})
    )
    assert moving(write, said, "        retries: {attempts: 0}").retries == Retries(attempts=0)


def test_fallbacks_of_a_route(write: Write) -> None:
    fallback = moving(write, "", "        fallback: {stale: {if_error: 1m}, static: {body: '[]'}}").fallback
    assert fallback is not None
    assert fallback.stale is not None
    assert fallback.stale.if_error == 60.0
    assert fallback.static is not None
    assert (fallback.static.status, fallback.static.body) == (200, b"[]")


@pytest.mark.parametrize("server", ["10.0.0.10", "127.0.0.1:5353", "[::1]:5353", "::1", "[::1]"])
def test_name_servers(write: Write, server: str) -> None:
    resolve = one(write, f"    resolve: {{nameservers: '{server}'}}").upstreams["shop"].resolve
    assert resolve is not None
    assert resolve.nameservers == (
        ("::1" if "::1" in server else server.partition(":")[0], 5353 if server.endswith("5353") else 53),
    )


def test_balancing(write: Write) -> None:
    said = "    balancing: {policy: consistent_hash, key: ['claim:sub', ip]}"
    balancing = one(write, said).upstreams["shop"].balancing
    assert balancing.policy is BalancingPolicy.CONSISTENT_HASH
    assert [str(key) for key in balancing.key] == ["claim:sub", "ip"]


@pytest.mark.parametrize(
    ("upstream", "said"),
    [
        ("balancing: {policy: consistent_hash}", "consistent_hash needs a 'key' (for example key: ['claim:sub', ip])"),
        ("balancing: {key: ip}", "round_robin takes no key; only consistent_hash does"),
        (
            "balancing: {policy: consistent_hash, key: none}",
            "'none' is drawn anew for each request, so it can't be a key",
        ),
        (
            "balancing: {policy: consistent_hash, key: ip, slow_start: 5s}",
            "consistent_hash does not support slow_start",
        ),
        ("balancing: {policy: random}", "random"),
        ("breaker: {slow_percent: 20}", "has no effect without 'slow'"),
        ("ejection: {statuses: [200]}", "at least 400"),
        ("resolve: {nameservers: dns.example}", "expected an address such as 10.0.0.10"),
        ("concurrency: {queue: 5}", "the key 'limit' is missing"),
    ],
)
def test_contradicting_resilience_settings_are_reported(
    write: Write, problems: Problems, upstream: str, said: str
) -> None:
    found = problems(write(ONE.format(upstream=f"    {upstream}")))
    assert len(found) == 1
    assert said in found[0], found


@pytest.mark.parametrize(
    ("fallback", "said"),
    [
        ("{}", "has no fallback: set 'stale' or 'static'"),
        ("{static: {}}", "the key 'body' is missing"),
        (r'{static: {body: x, content_type: "a\r\nX: y"}}', "content_type"),
    ],
)
def test_an_empty_fallback_is_reported(write: Write, problems: Problems, fallback: str, said: str) -> None:
    text = MOVING.format(migration="", route=f"        fallback: {fallback}")
    found = problems(write("\n".join(line for line in text.splitlines() if line)))
    assert len(found) == 1
    assert said in found[0], found


def test_resolve_without_names_is_a_warning(write: Write) -> None:
    warnings = load(write(ONE.format(upstream="    resolve: {interval: 5s}")), {}).warnings
    assert any("has no effect: every endpoint is an address" in str(warning) for warning in warnings)
