"""Which share of callers a change of a route's destination moves, by the split's own `side_of_bucket`."""

from __future__ import annotations

from dataclasses import dataclass

from strangler.model.migration import Migration, SideName, Stage
from strangler.routing.split import BUCKETS, side_of_bucket


@dataclass(frozen=True, slots=True)
class Destination:
    """What serves a route: an upstream, or a migration's two sides."""

    upstream: str
    migration: Migration | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether a controller decides, of which a file does not tell where it stands."""
        return self.migration is not None and self.migration.stage is Stage.ROLLOUT

    def side_of(self, bucket: int) -> SideName | None:
        """The side of the callers with this bucket; None without a migration."""
        return None if self.migration is None else side_of_bucket(self.migration, bucket)

    def upstream_of(self, side: SideName | None) -> str:
        """The upstream of a side."""
        if self.migration is None or side is None:
            return self.upstream
        return self.migration.extracted if side == "extracted" else self.migration.legacy


@dataclass(frozen=True, slots=True)
class Redrawn:
    """Shares of a route's callers, 0 to 1.

    `moved` get another upstream: `ways` has, by the upstreams before and after,
    how many. `back` of them go from the extracted side to the legacy upstream
    again. `twice` is the part of `back` that is drawn anew, and will move again
    when the share rises.
    """

    ways: dict[tuple[str, str], float]
    back: float
    twice: float

    @property
    def moved(self) -> float:
        """The share that gets another upstream."""
        return sum(self.ways.values())


def redrawn(before: Destination, after: Destination) -> Redrawn:
    """Whom the change from `before` to `after` moves; neither is unknown."""
    if _is_same_draw(before, after):
        return _of_pairs({(bucket, bucket): 1 / BUCKETS for bucket in range(BUCKETS)}, before, after, anew=False)
    # Other buckets than before, as good as independent of them: only the sides count.
    return _of_pairs(_independent(before, after), before, after, anew=_is_drawn(before) and _is_drawn(after))


def _is_same_draw(before: Destination, after: Destination) -> bool:
    one, other = before.migration, after.migration
    if one is None or other is None or not (_is_drawn(before) and _is_drawn(after)):
        return False
    return one.name == other.name and one.sticky == other.sticky


def _is_drawn(destination: Destination) -> bool:
    migration = destination.migration
    return migration is not None and migration.stage is Stage.CANARY and 0 < migration.threshold < BUCKETS


def _independent(before: Destination, after: Destination) -> dict[tuple[int, int], float]:
    """One bucket for each side of either, with the share of callers who are on both."""
    return {
        (one, other): weight * weights
        for one, weight in _sides(before).items()
        for other, weights in _sides(after).items()
    }


def _sides(destination: Destination) -> dict[int, float]:
    """The first bucket of each side, and the share of the callers on it."""
    if not _is_drawn(destination):
        return {0: 1.0}
    assert destination.migration is not None
    threshold = destination.migration.threshold
    return {0: threshold / BUCKETS, threshold: 1 - threshold / BUCKETS}


def _of_pairs(pairs: dict[tuple[int, int], float], before: Destination, after: Destination, *, anew: bool) -> Redrawn:
    ways: dict[tuple[str, str], float] = {}
    back = 0.0
    for (one, other), weight in pairs.items():
        side = before.side_of(one)
        way = before.upstream_of(side), after.upstream_of(after.side_of(other))
        if way[0] == way[1]:
            continue
        ways[way] = ways.get(way, 0.0) + weight
        if side == "extracted" and before.migration is not None and way[1] == before.migration.legacy:
            back += weight
    return Redrawn(ways, back, back if anew else 0.0)
