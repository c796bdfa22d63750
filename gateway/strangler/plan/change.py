"""A changed configuration, and what of last week's traffic it would have sent elsewhere.

1. Each route of the old configuration, and the requests that no route matches, is
   followed into the new one by examples of its requests.
2. The two destinations say which share of the callers gets another upstream.
3. The traffic of the route in the week says how many requests and callers that is.

What can't be followed is reported as unknown: a new route that takes a part of
the requests of an old one, and a rollout of which a file does not tell where it
stands. Lists (`always`, `never`) and overrides are reported as changes, and are
not weighed: the counts do not tell whom they concern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.observe.sketch import Sketch
from strangler.plan.differences import Difference, differences
from strangler.plan.draw import Destination, Redrawn, redrawn
from strangler.plan.examples import examples
from strangler.plan.picture import Picture, RoutePicture
from strangler.routing.decide import Refusal, find_route
from strangler.traffic.week import Week, union

NOWHERE = "404"
"""Stands for an upstream where there is none: the gateway responds itself."""
NO_ROUTE = ""
"""The route of requests that no route matches, as traffic is counted."""


@dataclass(frozen=True, slots=True)
class Move:
    """What changes for the requests of a route: the shares that move, and how many requests and callers of the week."""

    route: str
    redrawn: Redrawn
    requests: float
    callers: float


@dataclass(slots=True)
class Plan:
    """The difference of two configurations. `requests` and `callers` are those of the week; shares are 0 to 1.

    `unknown` are sentences about what could not be followed.
    """

    old: str
    new: str
    differences: list[Difference]
    moves: list[Move] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    recorded: int = 0
    requests: int = 0
    callers: int = 0
    moved_requests: float = 0.0
    moved_callers: float = 0.0

    @property
    def back(self) -> list[Move]:
        """The moves by which callers go back to the legacy side."""
        return [move for move in self.moves if move.redrawn.back > 0]

    @property
    def twice(self) -> list[Move]:
        """The moves by which callers are drawn anew, and will switch sides twice."""
        return [move for move in self.moves if move.redrawn.twice > 0]


def plan(old: Picture, new: Picture, week: Week | None) -> Plan:
    """What `new` changes of `old`, weighed by the traffic of `week`."""
    found = Plan(old.version, new.version, list(differences(old, new)))
    comparison = _Comparison(old, new)
    traffic = week or Week(0)
    groups: dict[tuple[tuple[tuple[str, str], float], ...], list[Sketch]] = {}
    for route in [*old.routes, *([None] if old.default is not None else [])]:
        outcome = comparison.follow(route)
        if isinstance(outcome, str):
            found.unknown.append(outcome)
            continue
        if not outcome.ways:
            continue
        name = NO_ROUTE if route is None else route.name
        callers = traffic.callers_of(lambda labels, name=name: labels.route == name)  # type: ignore[misc]
        requests = traffic.requests_of(lambda labels, name=name: labels.route == name)  # type: ignore[misc]
        found.moves.append(Move(name, outcome, requests * outcome.moved, callers.count() * outcome.moved))
        # Callers who move alike are counted once, by whatever routes they came.
        groups.setdefault(tuple(sorted(outcome.ways.items())), []).append(callers)
    found.unknown += comparison.taken_parts()
    found.recorded, found.requests = traffic.recorded, traffic.requests_of()
    found.callers = traffic.callers_of().count()
    found.moved_requests = sum(move.requests for move in found.moves)
    moved = sum(union(sketches).count() * sum(share for _, share in ways) for ways, sketches in groups.items())
    found.moved_callers = min(moved, union(each for sketches in groups.values() for each in sketches).count())
    return found


class _Comparison:
    def __init__(self, old: Picture, new: Picture) -> None:
        self._old, self._new = old, new
        self._before, self._after = old.snapshot(), new.snapshot()
        self._by_name = {route.name: route for route in self._before.routes}

    def follow(self, picture: RoutePicture | None) -> Redrawn | str:
        """What becomes of the requests of a route of the old configuration; None are those without a route."""
        name = f"route {picture.name}" if picture is not None else "requests without a route"
        before = _destination(self._before, None if picture is None else self._by_name[picture.name])
        after = {_destination(self._after, route) for route in self._routes_after(picture)}
        if not after:
            return f"{name}: no example of its requests could be followed"
        if len(after) > 1:
            return f"{name}: its requests go different ways, depending on their method"
        (destination,) = after
        if _stays_in_rollout(before, destination):
            return Redrawn({}, 0.0, 0.0)
        if before.is_unknown:
            return f"{name}: a file does not tell where its rollout stands; compare with the running gateway"
        return redrawn(before, destination)

    def taken_parts(self) -> Iterator[str]:
        """The new routes that take a part of the requests of an old one."""
        known = {route.matches for route in self._old.routes}
        for picture in self._new.routes:
            if picture.matches in known:
                continue
            for request in examples(picture):
                old, new = find_route(self._before, request), find_route(self._after, request)
                if isinstance(old, Refusal) or not isinstance(new, Route) or new.name != picture.name:
                    continue
                before, after = _destination(self._before, old), _destination(self._after, new)
                whole = self._follows_wholly(old, new)
                if not whole and before.upstream != NOWHERE and (before.is_unknown or redrawn(before, after).ways):
                    taken = "of the requests without a route" if old is None else f"of those of route {old.name}"
                    yield f"route {new.name}: it takes a part {taken}; how large it is was not counted"
                    break

    def _follows_wholly(self, old: Route | None, new: Route) -> bool:
        picture = None if old is None else self._old.routes[old.number]
        return all(route is not None and route.name == new.name for route in self._routes_after(picture))

    def _routes_after(self, picture: RoutePicture | None) -> Iterator[Route | None]:
        """The routes in the new configuration of the old one's examples."""
        name = None if picture is None else picture.name
        for request in examples(picture):
            old = find_route(self._before, request)
            if isinstance(old, Refusal) or (None if old is None else old.name) != name:
                continue
            new = find_route(self._after, request)
            if not isinstance(new, Refusal):
                yield new


def _destination(snapshot: Snapshot, route: Route | None) -> Destination:
    if route is None:
        return Destination(snapshot.default if snapshot.default is not None else NOWHERE)
    return Destination(route.upstream, route.migration)


def _stays_in_rollout(before: Destination, after: Destination) -> bool:
    one, other = before.migration, after.migration
    return (
        one is not None
        and other is not None
        and one.rolled_out
        and other.rolled_out
        and (one.name, one.legacy, one.extracted) == (other.name, other.legacy, other.extracted)
    )
