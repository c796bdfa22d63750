"""Which route a request gets: the most specific one, whatever the order in the file."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from strangler.compiled import compiled_modules
from strangler.model.auth import AuthRequirement
from strangler.model.path_patterns import PatternError
from strangler.model.route import Route
from strangler.model.route_index import AmbiguityError, build_index
from strangler.routing.decide import Refusal, find_route, host_name
from tests.routing.building import a_request, a_route, a_snapshot, chosen


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/a/b", ["/a/b", "/%61/b"], ["/a", "/a/b/", "/a/b/c", "/A/b", "/"]),
        ("/", ["/"], ["/a"]),
        ("/a/", ["/a/"], ["/a", "/a/b"]),
        ("/a/*", ["/a/b", "/a/b.c", "/a/%20"], ["/a", "/a/", "/a/b/c", "/a/b/"]),
        ("/a/{id}/c", ["/a/b/c"], ["/a/c", "/a/b/d", "/a/b/b/c"]),
        ("/a/**", ["/a", "/a/", "/a/b", "/a/b/c/"], ["/", "/ab", "/b/a"]),
        ("/**", ["/", "/a", "/a/b", "*"], []),
        ("/café", ["/caf%C3%A9", "/caf%c3%a9"], ["/cafe", "/caf%E9"]),
        ("/a b", ["/a%20b"], ["/a+b"]),
        ("/100%25", ["/100%25"], ["/100"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    snapshot = a_snapshot(a_route(pattern))
    assert [chosen(snapshot, a_request(f"GET {path}")) for path in matching] == [pattern] * len(matching)
    assert [chosen(snapshot, a_request(f"GET {path}")) for path in others] == [None] * len(others)


@pytest.mark.parametrize("pattern", ["a", "", "/a//b", "/a/./b", "/../a", "/%2e%2e/a", "/a%2Fb", "/a;v=1", "/a\\b"])
def test_a_pattern_that_is_not_in_normal_form_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        build_index([a_route(pattern)])


def names(snapshot_routes: tuple[Route, ...], line: str, *headers: tuple[str, str], host: str = "x.example") -> str:
    """The upstream that is found, the same in every order of the routes."""
    found = set()
    for order in permutations(snapshot_routes):
        route = find_route(a_snapshot(*order), a_request(line, *headers, host=host))
        assert isinstance(route, Route)
        found.add(route.upstream)
    [name] = found
    return name


def test_the_more_specific_path_wins_segment_by_segment() -> None:
    routes = (
        a_route("/api/catalog/products", upstream="literal"),
        a_route("/api/catalog/{name}", upstream="one"),
        a_route("/api/catalog/**", upstream="rest"),
        a_route("/api/*/products", upstream="early star"),
        a_route("/**", upstream="all"),
    )
    assert names(routes, "GET /api/catalog/products") == "literal"
    assert names(routes, "GET /api/catalog/orders") == "one"
    assert names(routes, "GET /api/catalog/orders/1") == "rest"
    assert names(routes, "GET /api/catalog") == "rest"
    assert names(routes, "GET /api/users/products") == "early star"
    assert names(routes, "GET /api/users/orders") == "all"


def test_a_literal_early_on_outranks_one_later_on() -> None:
    routes = (a_route("/a/*/*", upstream="early"), a_route("/*/b/c", upstream="late"))
    assert names(routes, "GET /a/b/c") == "early"


def test_a_literal_dead_end_does_not_hide_a_shorter_match() -> None:
    routes = (
        a_route("/a/b/c/d", upstream="deep"),
        a_route("/a/**", upstream="rest"),
        a_route("/*/b/c/e", upstream="e"),
    )
    assert names(routes, "GET /a/b/c/d") == "deep"
    assert names(routes, "GET /a/b/c/x") == "rest"
    assert names(routes, "GET /z/b/c/e") == "e"


def test_an_exact_path_outranks_the_rest_of_the_same() -> None:
    routes = (a_route("/a", upstream="exact"), a_route("/a/**", upstream="rest"))
    assert names(routes, "GET /a") == "exact"
    assert names(routes, "GET /a/") == "rest"


def test_the_more_specific_host_outranks_the_more_specific_path() -> None:
    routes = (
        a_route("/**", host="shop.example", upstream="exact"),
        a_route("/a", host="*.example", upstream="suffix"),
        a_route("/a/b", upstream="any"),
        a_route("/**", host="*.eu.shop.example", upstream="longer suffix"),
    )
    assert names(routes, "GET /a/b", host="shop.example") == "exact"
    assert names(routes, "GET /a/b", host="SHOP.example.:8080") == "exact"
    assert names(routes, "GET /a", host="www.example") == "suffix"
    assert names(routes, "GET /a", host="x.y.eu.shop.example") == "longer suffix"
    assert names(routes, "GET /a/b", host="other.test") == "any"


def test_a_host_without_a_matching_route_yields_to_a_less_specific_one() -> None:
    routes = (
        a_route("/a", host="shop.example", upstream="exact"),
        a_route("/b", host="*.example", upstream="suffix"),
        a_route("/**", upstream="any"),
    )
    assert names(routes, "GET /b", host="shop.example") == "suffix"
    assert names(routes, "GET /c", host="shop.example") == "any"


def test_a_star_host_matches_subdomains_only() -> None:
    snapshot = a_snapshot(a_route("/**", host="*.shop.example"))
    assert chosen(snapshot, a_request(host="www.shop.example")) == "/**"
    assert chosen(snapshot, a_request(host="a.b.shop.example")) == "/**"
    assert chosen(snapshot, a_request(host="shop.example")) is None
    assert chosen(snapshot, a_request(host="workshop.example")) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.Example:80", "shop.example"),
        ("shop.example.", "shop.example"),
        ("[2001:DB8::1]:8080", "2001:db8::1"),
        ("[::1]", "::1"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(value: str, name: str) -> None:
    assert host_name(value) == name


def test_methods_then_headers_then_query_break_the_tie_of_paths() -> None:
    routes = (
        a_route("/a", upstream="plain"),
        a_route("/a", query={"q": None}, upstream="query"),
        a_route("/a", headers={"X-A": None}, upstream="header"),
        a_route("/a", headers={"X-A": None}, query={"q": None}, upstream="header and query"),
        a_route("/a", methods=["GET"], upstream="method"),
    )
    assert names(routes, "GET /a?q=1", ("x-a", "1")) == "method"
    assert names(routes, "PUT /a?q=1", ("x-a", "1")) == "header and query"
    assert names(routes, "PUT /a", ("X-A", "1")) == "header"
    assert names(routes, "PUT /a?q", ("x-b", "1")) == "query"
    assert names(routes, "PUT /a") == "plain"


def test_more_header_conditions_outrank_fewer() -> None:
    routes = (
        a_route("/a", headers={"X-A": "1", "X-B": "2"}, upstream="two"),
        a_route("/a", headers={"X-A": "1"}, query={"q": "1"}, upstream="one and a query"),
    )
    assert names(routes, "GET /a?q=1", ("X-B", "2"), ("X-A", "1")) == "two"


@pytest.mark.parametrize(
    ("line", "headers", "found"),
    [
        ("GET /a", [("X-Version", "2")], "/a"),
        ("GET /a", [("x-VERSION", "2")], "/a"),
        ("GET /a", [("X-Version", "2"), ("X-Version", "1")], "/a"),
        ("GET /a", [("X-Version", "1"), ("X-Version", "2")], "/a"),
        ("GET /a", [("X-Version", "1, 2")], "/a"),
        ("GET /a", [("x_version", "2")], "/a"),
        ("GET /a", [("X.Version", "2"), ("X-Version", "1")], "/a"),
        ("GET /a", [("X-Version", "1, 3")], None),
        ("GET /a", [("X-Versions", "2")], None),
        ("GET /a", [("X-Version", "12")], None),
        ("GET /a", [("X-Version", "")], None),
        ("GET /a", [], None),
    ],
)
def test_a_header_condition_holds_where_a_server_may_find_the_value(
    line: str, headers: list[tuple[str, str]], found: str | None
) -> None:
    snapshot = a_snapshot(a_route("/a", headers={"X-Version": "2"}))
    assert chosen(snapshot, a_request(line, *headers)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("v=a b", "/a"),
        ("v=a%20b", "/a"),
        ("x=1&v=a+b&y", "/a"),
        ("%76=a+b", "/a"),
        ("v=a+b&v=c", "/a"),
        ("v=c&v=a+b", "/a"),
        ("v=c;v=a+b", "/a"),
        ("x=;v=a+b", "/a"),
        ("v[]=a+b", "/a"),
        ("v%5B0%5D=a+b", "/a"),
        ("+v=a+b", "/a"),
        ("v=c&v=d", None),
        ("v[x]=a+b", None),
        ("v=a+b+", None),
        ("v", None),
        ("V=a+b", None),
        ("", None),
    ],
)
def test_a_query_condition_holds_where_a_server_may_find_the_value(query: str, found: str | None) -> None:
    snapshot = a_snapshot(a_route("/a", query={"v": "a b"}))
    assert chosen(snapshot, a_request(f"GET /a?{query}")) == found


ADMIN = AuthRequirement("shop", scopes=frozenset({"admin"}))
OTHER = AuthRequirement("shop", scopes=frozenset({"other"}))
DIFFERENT = (
    ("/q?v=0&v=1", ()),
    ("/q?v=1&v=0", ()),
    ("/q?v=0;v=1", ()),
    ("/q?v[]=1", ()),
    ("/q?v=0&%76=1", ()),
    ("/q", (("X-Mode", "user, admin"),)),
    ("/q", (("X-Mode", "admin"), ("X-Mode", "user"))),
    ("/q", (("X-Mode", "user"), ("x_mode", "admin"))),
    ("/q", (("x_mode", "admin"),)),
    ("/q", (("X.Mode", "admin"),)),
)


@pytest.mark.parametrize(("target", "headers"), DIFFERENT)
@pytest.mark.parametrize("condition", ["query", "headers"])
def test_repeated_values_never_bypass_a_protected_condition(
    target: str, headers: tuple[tuple[str, str], ...], condition: str
) -> None:
    """`?v=0&v=1` is v=0 to one server and v=1 to another."""
    if (condition == "headers") is not bool(headers):
        return
    narrow: Any = {"query": {"v": "1"}} if condition == "query" else {"headers": {"X-Mode": "admin"}}
    request = a_request(f"GET {target}", *headers)
    guarded = a_route("/q", auth=ADMIN, upstream="narrow", **narrow)
    assert find_route(a_snapshot(guarded), request) is guarded
    assert find_route(a_snapshot(guarded, a_route("/q")), request) is guarded
    wide = a_route("/q", auth=ADMIN)
    assert find_route(a_snapshot(wide, a_route("/q", upstream="narrow", **narrow)), request) is wide
    refused = find_route(a_snapshot(guarded, a_route("/q", auth=OTHER)), request)
    assert isinstance(refused, Refusal)
    assert refused.status == 400
    assert "more than one value for the" in refused.detail


def test_a_request_in_doubt_gets_the_route_that_requires_a_token() -> None:
    open_one, guarded = a_route("/q", query={"v": "1"}), a_route("/q", query={"v": "2"}, auth=ADMIN)
    for routes in ((open_one, guarded), (guarded, open_one)):
        assert find_route(a_snapshot(*routes), a_request("GET /q?v=1&v=2")) is guarded
        assert find_route(a_snapshot(*routes), a_request("GET /q?v=1&v=1")) is open_one
        assert find_route(a_snapshot(*routes), a_request("GET /q?v=1&v=3")) is open_one


def test_a_condition_in_doubt_decides_nothing_where_another_fails() -> None:
    routes = (a_route("/q", query={"v": "1", "w": "1"}, auth=ADMIN), a_route("/q", auth=OTHER))
    assert find_route(a_snapshot(*routes), a_request("GET /q?v=1&v=0&w=2")) is routes[1]
    assert find_route(a_snapshot(*routes), a_request("POST /q?v=1&v=0")) is routes[1]


def test_a_condition_without_a_value_requires_presence() -> None:
    snapshot = a_snapshot(a_route("/a", headers={"X-A": None}, query={"q": None}))
    assert chosen(snapshot, a_request("GET /a?q", ("X-A", ""))) == "/a"
    assert chosen(snapshot, a_request("GET /a?p", ("X-A", ""))) is None


def test_a_method_is_compared_exactly() -> None:
    snapshot = a_snapshot(a_route("/a", methods=["GET", "PUT"]))
    assert [chosen(snapshot, a_request(f"{method} /a")) for method in ("GET", "PUT", "HEAD", "get")] == [
        "/a",
        "/a",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (a_route("/a"), a_route("/a")),
        (a_route("/a/*"), a_route("/a/{id}")),
        (a_route("/a/**"), a_route("/a/**")),
        (a_route("/café"), a_route("/caf%C3%A9")),
        (a_route("/a", host="shop.example"), a_route("/a", host="SHOP.example")),
        (a_route("/a", methods=["GET"]), a_route("/a", methods=["GET", "PUT"])),
        (a_route("/a", headers={"X-A": "1"}), a_route("/a", headers={"X-B": "1"})),
        (a_route("/a", headers={"X-A": "1"}), a_route("/a", headers={"x-a": None})),
        (a_route("/a", query={"a": "1"}), a_route("/a", query={"b": "1"})),
    ],
)
def test_two_routes_that_could_tie_are_refused(first: Route, second: Route) -> None:
    for order in ([first, second], [second, first]):
        with pytest.raises(AmbiguityError) as caught:
            build_index(order)
        [pair] = caught.value.pairs
        assert set(pair) == {first, second}
        assert first.name in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (a_route("/a"), a_route("/b")),
        (a_route("/a"), a_route("/a/")),
        (a_route("/a/*"), a_route("/a/**")),
        (a_route("/a"), a_route("/a", methods=["GET"])),
        (a_route("/a", methods=["GET"]), a_route("/a", methods=["PUT"])),
        (a_route("/a", host="shop.example"), a_route("/a", host="*.shop.example")),
        (a_route("/a", headers={"X-A": "1"}), a_route("/a", headers={"x-a": "2"})),
        (a_route("/a", query={"a": "1"}), a_route("/a", query={"a": "2"})),
        (a_route("/a", query={"a": "1"}), a_route("/a", headers={"a": "1"})),
    ],
)
def test_two_routes_that_no_request_could_tie_are_accepted(first: Route, second: Route) -> None:
    build_index([first, second])


@pytest.mark.skipif(bool(compiled_modules()), reason="compiled code looks into dictionaries without their methods")
def test_the_cost_of_a_host_is_bounded_by_configured_labels() -> None:
    """Each label of a client's Host was once a look-up with a copy of what follows it."""
    snapshot = a_snapshot(a_route("/**", host="*.shop.example"))
    looked_up: list[str] = []

    class Counting(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            looked_up.append(key)
            return super().get(key, default)

    snapshot.index.suffix_hosts = Counting(snapshot.index.suffix_hosts)  # type: ignore[assignment]
    assert chosen(snapshot, a_request(host="a." * 10_000 + "shop.example")) == "/**"
    assert looked_up == ["shop.example"]
