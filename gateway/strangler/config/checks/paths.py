"""Protected paths that an upstream may also serve under another spelling, which a wider route lets through.

A route for `/admin` requires a token, and everything else goes to the same
upstream without one. If that treats `/Admin` or `/admin/` as `/admin`, as
Express does, these are unprotected; only its operators know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from strangler.config.checks.checked import Checked
from strangler.config.schema.auth import RequirementSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem
from strangler.model.path_patterns import PatternError, Segment, SegmentKind, parse_pattern

_EVERY_PATH = "/**"


@dataclass(frozen=True, slots=True)
class _Route:
    """What counts of a route: its place, pattern and upstreams, and whether it demands a caller."""

    name: str
    place: tuple[Step, ...]
    path: str
    pattern: Sequence[Segment]
    upstreams: tuple[str, ...]
    protected: bool

    @property
    def is_exact(self) -> bool:
        return self.pattern[-1].kind is not SegmentKind.REST

    @property
    def has_letters(self) -> bool:
        return any(part.kind is SegmentKind.LITERAL and part.text.lower() != part.text.upper() for part in self.pattern)


@dataclass(frozen=True, slots=True)
class _Exposure:
    """A protected route, and what lets `others`, spellings of its path, through without a caller."""

    route: _Route
    wider: str
    others: list[str]


def warnings(checked: Checked) -> Iterator[Problem]:
    """One for each upstream of which it is not known what it takes for the same path, and should be."""
    routes = list(_routes(checked))
    for name, upstream in checked.model.upstreams.items():
        case, slash = upstream.paths.case is None, upstream.paths.final_slash is None
        exposures: list[_Exposure] = []
        for route in routes:
            if not route.protected or name not in route.upstreams:
                continue
            others = [
                *([route.path.upper()] if case and route.has_letters else []),
                *([_other_slash(route.path)] if slash and route.is_exact and route.path != "/" else []),
            ]
            wider = _wider(checked, route, name, routes) if others else None
            if wider is not None:
                exposures.append(_Exposure(route, wider, others))
        if exposures:
            yield _warning(checked, name, exposures[0], len(exposures) - 1)


def _warning(checked: Checked, upstream: str, exposure: _Exposure, more: int) -> Problem:
    route, others = exposure.route, " and ".join(exposure.others)
    also = f" (and likewise {more} more route{'' if more == 1 else 's'})" if more else ""
    return Problem(
        checked.document.source(*route.place),
        f"the route '{route.name}' protects {route.path}, but {exposure.wider} forwards {others} to '{upstream}',"
        f" which may treat it as the same path{also}",
        f"set 'case' and 'final_slash' in upstreams.{upstream}.paths to exact or ignored",
    )


def _wider(checked: Checked, protected: _Route, upstream: str, routes: list[_Route]) -> str | None:
    """What lets other spellings of the path through to `upstream` without a caller; None for nothing."""
    for route in routes:
        if not route.protected and upstream in route.upstreams and _covers(route.pattern, protected.pattern):
            return f"the route '{route.name}'"
    return "'default'" if checked.model.default == upstream else None


def _routes(checked: Checked) -> Iterator[_Route]:
    for number, route in enumerate(checked.model.routes):
        yield from _route(route.name, ("routes", number, "match"), route.match.path, (route.upstream,), (route.auth,))
    for name, migration in checked.model.migrations.items():
        for number, part in enumerate(migration.routes):
            place: tuple[Step, ...] = ("migrations", name, "routes", number, "match")
            sides = (migration.from_, migration.to)
            title = f"{name}/{number if part.name is None else part.name}"
            yield from _route(title, place, part.match.path, sides, (part.auth, migration.auth))


def _route(
    name: str,
    place: tuple[Step, ...],
    path: str | None,
    upstreams: tuple[str, ...],
    auth: tuple[RequirementSection | None, ...],
) -> Iterator[_Route]:
    try:
        pattern = parse_pattern(path or _EVERY_PATH)
    except PatternError:
        return  # reported at its own place
    requirement = next((one for one in auth if one is not None), None)
    protected = requirement is not None and requirement.required
    yield _Route(name, place if path is None else (*place, "path"), path or _EVERY_PATH, pattern, upstreams, protected)


def _other_slash(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"


def _covers(wide: Sequence[Segment], narrow: Sequence[Segment]) -> bool:
    """Whether other spellings of what `narrow` matches are matched by `wide`, which ends with the rest."""
    if wide[-1].kind is not SegmentKind.REST or len(wide) > len(narrow) + 1:
        return False
    pairs = zip(wide[:-1], narrow, strict=False)
    return all(one.kind is SegmentKind.ONE or one == other for one, other in pairs)
