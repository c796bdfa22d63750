"""Loading: what good files become, and that everything wrong is said at once, at its place."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import Loaded, load
from strangler.model.auth import AuthRequirement
from strangler.model.caller import StickyKey
from strangler.model.listener import ListenAddress
from strangler.model.migration import Stage
from strangler.model.route import FieldMatch
from strangler.model.upstream import Endpoint

Write = Callable[..., Path]
Problems = Callable[..., list[str]]

GOOD = """\
version: 1
listen: 127.0.0.1:8080
admin: 8081

auth:
  providers:
    shop:
      issuer: https://id.shop.example
      audience: shop
      jwks: dev/jwks.json
      algorithms: [RS256, ES256, EdDSA]

upstreams:
  monolith: {endpoints: ["http://127.0.0.1:8100"]}
  catalog:
    endpoints: ["http://127.0.0.1:8201", "http://localhost"]
    health: {path: /healthz, interval: 5s}
    timeouts: {connect: 250ms, response: 1m, idle: 90}

default: monolith

migrations:
  catalog:
    from: monolith
    to: catalog
    stage: canary
    canary: {percent: 12.34}
    auth: {provider: shop, required: false, scopes: read}
    always: ["claim:tenant=acme", "header:X-Beta"]
    never: "ip:10.0.0.0/8"
    override: {header: X-Side, permitted: "claim:role=engineer"}
    routes:
      - match: {path: /api/catalog/**, methods: [GET, HEAD]}
      - name: admin
        match: {host: "*.Shop.example", path: /api/admin, headers: {X-Kind: a, X-Any: }, query: {page: "1"}}
        auth: {provider: shop, claims: {role: engineer}}

routes:
  - name: static
    match: {path: /static/**}
    upstream: monolith

limits: {header_bytes: 16KiB}
trusted_proxies: [10.0.0.0/8, 192.168.0.1]

tests:
  - request: GET /api/catalog/products/1?page=2
    headers: {Host: shop.example}
    claims: {sub: user-17}
    expect: {migration: catalog, side: legacy, upstream: monolith}
"""


@pytest.fixture
def good(write: Write) -> Loaded:
    return load(write(GOOD), {})


def test_a_valid_file_becomes_a_snapshot(good: Loaded) -> None:
    snapshot = good.snapshot
    assert (snapshot.listen, snapshot.admin) == (ListenAddress("127.0.0.1", 8080), ListenAddress("127.0.0.1", 8081))
    assert snapshot.default == "monolith"
    assert snapshot.limits.header_bytes == 16 * 1024
    assert snapshot.trusted_proxies == ("10.0.0.0/8", "192.168.0.1")
    catalog = snapshot.upstreams["catalog"]
    assert catalog.endpoints[1] == Endpoint("http://localhost", "localhost", 80, b"localhost")
    assert (catalog.timeouts.connect, catalog.timeouts.response, catalog.timeouts.idle) == (0.25, 60, 90)
    assert catalog.health is not None
    assert catalog.health.interval == 5
    provider = snapshot.providers["shop"]
    assert provider.jwks_file is not None
    assert Path(provider.jwks_file).is_file()
    assert provider.audiences == ("shop",)


def test_a_migration_becomes_its_two_sides(good: Loaded) -> None:
    migration = good.snapshot.migrations["catalog"]
    assert (migration.legacy, migration.extracted, migration.stage) == ("monolith", "catalog", Stage.CANARY)
    assert migration.threshold == 1234
    assert [str(condition) for condition in migration.always] == ["claim:tenant=acme", "header:X-Beta"]
    assert [str(condition) for condition in migration.never] == ["ip:10.0.0.0/8"]
    assert migration.override is not None
    assert str(migration.override.permitted) == "claim:role=engineer"


def test_routes_stand_in_the_order_of_the_file_and_know_their_place(good: Loaded) -> None:
    routes = good.snapshot.routes
    assert [(route.name, route.number) for route in routes] == [
        ("catalog/0", 0),
        ("catalog/admin", 1),
        ("static", 2),
    ]
    assert [route.source.line for route in routes] == [33, 34, 39]
    assert routes[0].methods == {"GET", "HEAD"}
    assert routes[0].migration is good.snapshot.migrations["catalog"]
    assert routes[2].migration is None
    assert routes[1].host == "*.shop.example"
    assert set(routes[1].headers) == {FieldMatch("x-kind", "a"), FieldMatch("x-any")}
    assert routes[1].query == (FieldMatch("page", "1"),)


def test_auth_of_a_route_replaces_that_of_its_migration(good: Loaded) -> None:
    first, second, third = good.snapshot.routes
    assert first.auth == AuthRequirement(("shop",), required=False, scopes=frozenset({"read"}))
    assert second.auth == AuthRequirement(("shop",), claims=(("role", "engineer"),))
    assert third.auth is None


@pytest.mark.parametrize(
    ("auth", "sticky"),
    [
        ("auth: {provider: shop}", (StickyKey("claim", "sub"), StickyKey("visitor"))),
        ("", (StickyKey("visitor"),)),
    ],
)
def test_the_split_sticks_to_the_caller_or_else_to_the_visitor(
    write: Write, auth: str, sticky: tuple[StickyKey, ...]
) -> None:
    text = GOOD.partition("migrations:")[0] + (
        "migrations:\n  m: {from: monolith, to: catalog, stage: canary, canary: {percent: 1},"
        f" routes: [{{match: {{path: /a}}}}], {auth}}}\n"
    )
    assert load(write(text), {}).snapshot.migrations["m"].sticky == sticky


def test_routing_tests_are_loaded(good: Loaded) -> None:
    (test,) = good.tests
    assert (test.method, test.target) == ("GET", "/api/catalog/products/1?page=2")
    assert test.headers == (("Host", "shop.example"),)
    assert test.claims == {"sub": "user-17"}
    assert (test.expect.migration, test.expect.side, test.expect.upstream) == (
        "catalog",
        "legacy",
        "monolith",
    )
    assert test.expect.route is None


def test_a_snapshot_can_be_pickled(good: Loaded) -> None:
    again = pickle.loads(pickle.dumps(good.snapshot))
    assert again.version == good.snapshot.version
    assert again.routes == good.snapshot.routes


def test_files_to_watch_are_named(good: Loaded, tmp_path: Path) -> None:
    assert set(good.watched) == {tmp_path / "gateway.yaml", tmp_path / "dev/jwks.json"}


def test_the_version_depends_on_content_and_not_on_layout(write: Write) -> None:
    version = load(write(GOOD), {}).snapshot.version
    assert len(version) == 12
    assert load(write("# a comment\n" + GOOD.replace("[GET, HEAD]", "['GET',  HEAD]")), {}).snapshot.version == version
    assert load(write(GOOD.replace("user-17", "user-18")), {}).snapshot.version == version
    assert load(write(GOOD.replace("12.34", "12.35")), {}).snapshot.version != version


def test_all_problems_are_reported_at_once_with_their_places(write: Write, problems: Problems) -> None:
    text = (
        GOOD.replace("monolith: {endpoints:", "monolith: {endpionts:")  # its name is known all the same
        .replace("interval: 5s", "interval: 5 s")
        .replace("stage: canary", "stage: canry")
        .replace("default: monolith", "default: monolit")
        .replace("    match: {path: /static/**}\n", "    match: {path: /static/**/x}\n")
        .replace("jwks: dev/jwks.json", "jwks: dev/none.json")
    )
    found = problems(write(text))
    assert [problem.partition(" ")[0] for problem in found] == [
        "gateway.yaml:10:13:",
        "gateway.yaml:14:14:",
        "gateway.yaml:17:40:",
        "gateway.yaml:20:10:",
        "gateway.yaml:26:12:",
        "gateway.yaml:40:19:",
    ]
    assert "none.json can't be read: No such file" in found[0]
    assert found[1].endswith("unknown key 'endpionts' in upstreams.monolith (did you mean 'endpoints'?)")
    assert "expected a duration such as 250ms, 5s, 1m or 1h, found the text '5 s'" in found[2]
    assert found[3].endswith("there is no upstream 'monolit' (did you mean 'monolith'?)")
    assert found[4].endswith("(did you mean 'canary'?)")
    assert "'**' is allowed only at the end" in found[5]


def test_the_reference_configuration_is_valid() -> None:
    file = Path(__file__).parents[2] / "config/gateway.yaml"
    if not file.exists():
        pytest.skip("the reference system has no configuration yet")
    assert load(file).warnings == ()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('redis: {url: "redis://:${SECRET}@cache:bad"}', "'redis://:${SECRET}@cache:bad' is not a URL"),
        ('redis: {url: "redis://:${SECRET}@cache"}', "'redis://:${SECRET}@cache' is not a URL"),
        ('store: {url: "postgresql://u:${SECRET}@h:port/a"}', "'postgresql://u:${SECRET}@h:port/a' is not a URL"),
        ('limits: {body_bytes: "${SECRET}"}', "found the text '${SECRET}'"),
        ('limits: {body_bytes: "${SHORT}"}', "found the text '${SHORT}'"),
        (
            "auth: {providers: {p: {issuer: 'a://x:${SECRET}@h', discovery: true, audience: a, algorithms: [ES256]}}}",
            "'a://x:${SECRET}@h'",
        ),
    ],
)
def test_values_from_the_environment_are_shown_by_name(
    write: Write, problems: Problems, section: str, said: str
) -> None:
    (found,) = problems(
        write(f"version: 1\nupstreams: {{a: {{endpoints: 'http://127.0.0.1:1'}}}}\ndefault: a\n{section}\n"),
        {"SECRET": "s3/cret", "SHORT": "x!"},
    )
    assert said in found
    assert "s3" not in found
    assert "cret'" not in found
    assert "x!" not in found
