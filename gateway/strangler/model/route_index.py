"""The route index: from host, path and the rest of a request to the one route that matches best.

Precedence, as in the Kubernetes Gateway API: the more specific host (exact,
then the longest `*.suffix`, then any), then the more specific path (compared
segment by segment: literal, one segment, rest), then a match on methods, then
the number of header conditions, then the number of query conditions. The order
of the file decides nothing: two routes that could tie for a request are
refused when the index is built.

A look-up walks a tree of segments, so its cost depends on the length of the
path and hardly on the number of routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from strangler.model.folding import CASE, EXACT, FINAL_SLASH
from strangler.model.path_patterns import Segment, SegmentKind, parse_pattern
from strangler.model.route import FieldMatch, Route

Asked = TypeVar("Asked")
Accepts = Callable[[Route, Asked], bool]

_FINAL_SLASH = Segment(SegmentKind.LITERAL)


class AmbiguityError(ValueError):
    """Routes of which neither is more specific: `pairs` names them two by two."""

    def __init__(self, pairs: Sequence[tuple[Route, Route]]) -> None:
        super().__init__("; ".join(f"{a.name} and {b.name} can match the same request" for a, b in pairs))
        self.pairs = tuple(pairs)


class Node:
    """One position in a path: what may follow, and the routes that end here."""

    __slots__ = ("ends", "literals", "one", "rests")

    def __init__(self) -> None:
        self.literals: dict[str, Node] = {}
        self.one: Node | None = None
        self.ends: tuple[Route, ...] = ()
        self.rests: tuple[Route, ...] = ()

    def with_routes(self, replaced: Mapping[int, Route]) -> Node:
        """A copy that has the `replaced` routes, by their number, in the place of the others."""
        copy = Node()
        copy.literals = {text: child.with_routes(replaced) for text, child in self.literals.items()}
        copy.one = None if self.one is None else self.one.with_routes(replaced)
        copy.ends = tuple(replaced.get(route.number, route) for route in self.ends)
        copy.rests = tuple(replaced.get(route.number, route) for route in self.rests)
        return copy

    def nodes(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.literals.values():
            yield from child.nodes()
        if self.one is not None:
            yield from self.one.nodes()


class RouteIndex:
    """Finds the best match among routes; built once, then only read.

    `suffix_labels` is the number of labels of the longest `*.suffix`.
    """

    __slots__ = ("any_host", "exact_hosts", "suffix_hosts", "suffix_labels")

    def __init__(self) -> None:
        self.any_host = Node()
        self.exact_hosts: dict[str, Node] = {}
        self.suffix_hosts: dict[str, Node] = {}
        self.suffix_labels = 0

    @property
    def has_hosts(self) -> bool:
        """Whether any route looks at the host."""
        return bool(self.exact_hosts or self.suffix_hosts)

    def with_routes(self, replaced: Mapping[int, Route]) -> RouteIndex:
        """A copy that has the `replaced` routes, by their number; they match the same requests as the others."""
        copy = RouteIndex()
        copy.any_host = self.any_host.with_routes(replaced)
        copy.exact_hosts = {host: tree.with_routes(replaced) for host, tree in self.exact_hosts.items()}
        copy.suffix_hosts = {suffix: tree.with_routes(replaced) for suffix, tree in self.suffix_hosts.items()}
        copy.suffix_labels = self.suffix_labels
        return copy

    def find(self, host: str, segments: Sequence[str], accepts: Accepts[Asked], request: Asked) -> Route | None:
        """The best route for `host` (lower case, without port) and `segments` that `accepts` for `request`."""
        if self.exact_hosts or self.suffix_hosts:
            for tree in self._trees(host):
                route = _search(tree, segments, accepts, request)
                if route is not None:
                    return route
        return _search(self.any_host, segments, accepts, request)

    def _trees(self, host: str) -> Iterator[Node]:
        tree = self.exact_hosts.get(host)
        if tree is not None:
            yield tree
        labels = host.split(".")
        for count in range(min(len(labels) - 1, self.suffix_labels), 0, -1):
            tree = self.suffix_hosts.get(".".join(labels[-count:]))
            if tree is not None:
                yield tree


def _search(node: Node, segments: Sequence[str], accepts: Accepts[Asked], request: Asked) -> Route | None:
    """Depth first, the more specific branch first; each node is visited once at the most."""
    end = len(segments)
    depth = 0
    postponed: list[tuple[Node, int]] = []
    while True:
        if depth == end:
            for route in node.ends:
                if accepts(route, request):
                    return route
            for route in node.rests:
                if accepts(route, request):
                    return route
        else:
            segment = segments[depth]
            if node.rests:
                postponed.append((node, -1))
            if node.one is not None and segment:
                postponed.append((node.one, depth + 1))
            child = node.literals.get(segment)
            if child is not None:
                node = child
                depth += 1
                continue
        while postponed:
            node, depth = postponed.pop()
            if depth >= 0:
                break
            for route in node.rests:
                if accepts(route, request):
                    return route
        else:
            return None


def build_index(routes: Iterable[Route], folding: int = EXACT) -> RouteIndex:
    """An index of `routes`, whose patterns are folded as upstreams of this `folding` do.

    Raises AmbiguityError where two routes tie and PatternError for a path that
    can't be understood.
    """
    index = RouteIndex()
    for route in routes:
        _insert(_tree(index, route.host), folded_pattern(parse_pattern(route.path), folding), route)
    ties = []
    trees = [index.any_host, *index.exact_hosts.values(), *index.suffix_hosts.values()]
    for node in (node for tree in trees for node in tree.nodes()):
        ties += [pair for pair in combinations(node.ends, 2) if _tie(*pair)]
        ties += [pair for pair in combinations(node.rests, 2) if _tie(*pair)]
        node.ends = tuple(sorted(node.ends, key=_precedence))
        node.rests = tuple(sorted(node.rests, key=_precedence))
    if ties:
        raise AmbiguityError(sorted(ties, key=lambda pair: (pair[0].number, pair[1].number)))
    return index


def folded_pattern(pattern: Sequence[Segment], folding: int) -> Sequence[Segment]:
    """`pattern` for paths as upstreams of this `folding` compare them."""
    if folding & FINAL_SLASH and len(pattern) > 1 and pattern[-1] == _FINAL_SLASH:
        pattern = pattern[:-1]
    if folding & CASE:
        pattern = [
            replace(part, text=part.text.lower()) if part.kind is SegmentKind.LITERAL else part for part in pattern
        ]
    return pattern


def _tree(index: RouteIndex, host: str) -> Node:
    if not host:
        return index.any_host
    if host.startswith("*."):
        suffix = host[2:].lower()
        index.suffix_labels = max(index.suffix_labels, suffix.count(".") + 1)
        return index.suffix_hosts.setdefault(suffix, Node())
    return index.exact_hosts.setdefault(host.lower(), Node())


def _insert(node: Node, segments: Sequence[Segment], route: Route) -> None:
    for segment in segments:
        if segment.kind is SegmentKind.REST:
            node.rests += (route,)
            return
        if segment.kind is SegmentKind.ONE:
            if node.one is None:
                node.one = Node()
            node = node.one
        else:
            node = node.literals.setdefault(segment.text, Node())
    node.ends += (route,)


def _precedence(route: Route) -> tuple[int, int, int]:
    return (-bool(route.methods), -len(route.headers), -len(route.query))


def _tie(first: Route, second: Route) -> bool:
    return (
        _precedence(first) == _precedence(second)
        and (not first.methods or bool(first.methods & second.methods))
        and not _contradict(first.headers, second.headers, fold=True)
        and not _contradict(first.query, second.query, fold=False)
    )


def _contradict(first: Sequence[FieldMatch], second: Sequence[FieldMatch], fold: bool) -> bool:
    """Whether no request could satisfy both: one field would need two values."""
    wanted = {field.name.lower() if fold else field.name: field.value for field in first}
    for field in second:
        value = wanted.get(field.name.lower() if fold else field.name)
        if value is not None and field.value is not None and value != field.value:
            return True
    return False
