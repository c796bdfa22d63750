"""The index against a reference that tries every route and takes the best by the documented precedence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from urllib.parse import unquote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.model.route import Route
from strangler.model.route_index import AmbiguityError, build_index
from strangler.routing.decide import find_route
from strangler.routing.request import Request
from tests.routing.building import a_request, a_route, a_snapshot

HOSTS = ["", "a.example", "b.example", "*.example", "*.a.example"]
FIELDS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([None, "1", "2"]), max_size=2)
SEGMENTS = st.sampled_from(["a", "b", "c", "*", "{n}"])
PATHS = st.builds(
    lambda segments, end: "/" + "/".join([*segments, *end]),
    st.lists(SEGMENTS, max_size=3).map(lambda found: [s if s != "{n}" else f"{{n{i}}}" for i, s in enumerate(found)]),
    st.sampled_from([[], ["**"], [""]]),
)
ROUTES = st.lists(
    st.builds(
        a_route,
        PATHS,
        host=st.sampled_from(HOSTS),
        methods=st.sets(st.sampled_from(["GET", "PUT"]), max_size=2),
        headers=FIELDS,
        query=FIELDS,
    ),
    min_size=1,
    max_size=10,
)
REQUESTS = st.lists(
    st.builds(
        lambda method, segments, slash, query, headers, host: a_request(
            f"{method} /{'/'.join(segments)}{slash if segments else ''}?{'&'.join(query)}", *headers, host=host
        ),
        st.sampled_from(["GET", "PUT", "POST"]),
        st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4),
        st.sampled_from(["", "", "/"]),
        st.lists(st.sampled_from(["x=1", "x=2", "y", "y=1", "z=1"]), max_size=3, unique_by=lambda pair: pair[0]),
        st.lists(
            st.sampled_from([("X", "1"), ("x", "2"), ("Y", ""), ("y", "1")]),
            max_size=3,
            unique_by=lambda field: field[0].lower(),
        ),
        st.sampled_from(["a.example", "B.example:80", "c.a.example", "d.c.a.example.", "other", ""]),
    ),
    min_size=1,
    max_size=8,
)


def host_rank(pattern: str, host: str) -> int | None:
    """How specific `pattern` is, the smaller the more; None where it does not match."""
    host = host.split(":")[0].removesuffix(".").lower()
    if pattern == host:
        return -1_000_000
    if pattern.startswith("*."):
        return -len(pattern) if host.endswith(pattern[1:]) else None
    return 0 if not pattern else None


def path_rank(pattern: str, path: str) -> tuple[int, ...] | None:
    """Segment by segment 0 for a literal, 1 for any, 2 for the rest; None where it does not match."""
    parts, segments = pattern.split("/")[1:], path.split("/")[1:]
    rank = []
    for position, part in enumerate(parts):
        if part == "**":
            return (*rank, 2)
        if position >= len(segments):
            return None
        if part[:1] in ("*", "{"):
            if not segments[position]:
                return None
            rank.append(1)
        elif part == segments[position]:
            rank.append(0)
        else:
            return None
    return tuple(rank) if len(parts) == len(segments) else None


def first(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    """The first value of that name."""
    return next((value for key, value in pairs if key == name), None)


def rank(route: Route, request: Request) -> tuple[object, ...] | None:
    """What the module `strangler.model.route_index` documents as precedence; None where the route does not match."""
    host, path = host_rank(route.host, request.host), path_rank(route.path, request.path)
    if host is None or path is None or (route.methods and request.method not in route.methods):
        return None
    headers = [(name.decode().lower(), value.decode()) for name, value in request.headers]
    query = [(key, unquote_plus(value)) for key, _, value in (pair.partition("=") for pair in request.query.split("&"))]
    for conditions, pairs in ((route.headers, headers), (route.query, query)):
        for condition in conditions:
            found = first(pairs, condition.name)
            if found is None or (condition.value is not None and found != condition.value):
                return None
    return (host, path, 0 if route.methods else 1, -len(route.headers), -len(route.query))


def without_ties(routes: list[Route]) -> list[Route]:
    """`routes` without those that the index says could tie with an earlier one."""
    try:
        build_index(routes)
    except AmbiguityError as error:
        late = {second.number for _, second in error.pairs}
        return [route for route in routes if route.number not in late]
    return routes


@settings(max_examples=150, deadline=None)
@given(routes=ROUTES, requests=REQUESTS)
def test_the_index_finds_what_trying_every_route_finds(routes: list[Route], requests: list[Request]) -> None:
    routes = without_ties(routes)
    snapshot = a_snapshot(*routes)
    for request in requests:
        ranked = [(found, route) for route in routes if (found := rank(route, request)) is not None]
        found = find_route(snapshot, request)
        if not ranked:
            assert found is None
            continue
        best = min(ranks for ranks, _ in ranked)
        # That it is one alone is the promise of the check for ties.
        [expected] = [route for ranks, route in ranked if ranks == best]
        assert found is expected


@settings(max_examples=80, deadline=None)
@given(routes=ROUTES, requests=REQUESTS)
def test_the_order_of_the_routes_decides_nothing(routes: list[Route], requests: list[Request]) -> None:
    routes = without_ties(routes)
    one, other = a_snapshot(*routes), a_snapshot(*reversed(routes))
    for request in requests:
        assert find_route(one, request) is find_route(other, request)


@settings(max_examples=80, deadline=None)
@given(routes=ROUTES)
def test_ambiguous_routes_match_a_common_request(routes: list[Route]) -> None:
    try:
        build_index(routes)
    except AmbiguityError as error:
        for pair in error.pairs:
            request = witness(*pair)
            ranks = [rank(route, request) for route in pair]
            assert ranks[0] is not None
            assert ranks[0] == ranks[1]
    else:
        for pair in combinations(routes, 2):
            request = witness(*pair)
            ranks = [rank(route, request) for route in pair]
            assert ranks[0] is None or ranks[0] != ranks[1]


def witness(one: Route, other: Route) -> Request:
    """A request that both routes match, where there is any such request."""
    method = next(iter(one.methods & other.methods or one.methods or other.methods or {"GET"}))
    fields = {}
    for kind in ("headers", "query"):
        wanted: dict[str, str] = {}
        for condition in (*getattr(one, kind), *getattr(other, kind)):
            wanted[condition.name] = condition.value or wanted.get(condition.name, "1")
        fields[kind] = wanted
    path = "/" + "/".join("a" if part[:1] in ("*", "{") else part for part in one.path.split("/")[1:])
    query = "&".join(f"{name}={value}" for name, value in fields["query"].items())
    host = one.host.replace("*", "w") or "other"
    return a_request(f"{method} {path}?{query}", *fields["headers"].items(), host=host)
