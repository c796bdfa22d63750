"""Traffic with the shape of a recorded week: how many requests came in each of its hours."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from strangler.rollout.simulation.traffic import Traffic

HOUR = 3600.0
WEEK = 168 * HOUR


@dataclass(frozen=True, slots=True)
class RecordedTraffic(Traffic):
    """`shape` is the traffic of each hour of a week since 1970 (a Thursday) by the mean hour's."""

    shape: tuple[float, ...] = (1.0,) * 168

    @property
    def period(self) -> float:
        """A week."""
        return WEEK

    def wall_time(self, time: float, phase: float) -> float:
        """The wall time that `time` of traffic takes, beginning at `phase` seconds of the week."""
        weeks, rest = divmod(self._passed_by(phase) + time, WEEK)
        ends = _ends(self.shape)
        hour = min(bisect_left(ends, rest), len(ends) - 1)
        before = ends[hour - 1] if hour else 0.0
        within = (rest - before) / self.shape[hour] if self.shape[hour] else 0.0
        return weeks * WEEK + hour * HOUR + within - phase

    def traffic_time(self, wall: float, phase: float) -> float:
        """The traffic time that passes in `wall` seconds, beginning at `phase` seconds of the week."""
        weeks, rest = divmod(phase + wall, WEEK)
        return weeks * WEEK + self._passed_by(rest) - self._passed_by(phase)

    def _passed_by(self, phase: float) -> float:
        """The traffic time from the start of the week to `phase`."""
        hour = min(int(phase // HOUR), len(self.shape) - 1)
        before = _ends(self.shape)[hour - 1] if hour else 0.0
        return before + (phase - hour * HOUR) * self.shape[hour]


def recorded_traffic(traffic: Traffic, hourly: Sequence[int], last_hour: int) -> RecordedTraffic:
    """`traffic` with the shape of `hourly`, the requests of the 168 hours up to `last_hour`, in hours since 1970.

    Hours before the first request count as the mean of those after it: they were not recorded.
    """
    first = next((place for place, count in enumerate(hourly) if count), 0)
    mean = sum(hourly) / max(1, len(hourly) - first)
    shape = [1.0] * len(hourly)
    if mean > 0:
        for place in range(first, len(hourly)):
            shape[(last_hour - len(hourly) + 1 + place) % len(hourly)] = hourly[place] / mean
    values = {name: getattr(traffic, name) for name in Traffic.__dataclass_fields__}
    return RecordedTraffic(**values, shape=tuple(shape))


def with_callers(traffic: Traffic, callers: float, seconds: float) -> Traffic:
    """`traffic` with so many callers that about `callers` of them come within `seconds` of mean traffic."""
    return replace(traffic, callers=max(1, round(callers / traffic.seen_by(seconds))))


def with_requests(traffic: Traffic, callers: float, requests: float, seconds: float) -> Traffic:
    """`traffic` in which within `seconds` about `callers` come with about `requests`, some of which are few."""
    found = traffic
    for _ in range(50):
        per_day = requests / found.callers * 86_400 / seconds
        found = with_callers(replace(found, requests_per_day=per_day), callers, seconds)
    return found


@lru_cache(maxsize=16)
def _ends(shape: tuple[float, ...]) -> tuple[float, ...]:
    """The traffic time at the end of each hour. A week of traffic time takes a week."""
    return tuple(accumulate(part * HOUR for part in shape))
