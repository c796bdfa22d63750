"""The last seven days of traffic, as they were counted."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from strangler.observe.route_callers import RouteLabels
from strangler.observe.sketch import REGISTERS, Sketch
from strangler.traffic import tables
from strangler.traffic.periods import DAY, HOUR, HOURS, KEPT_DAYS


class WeekError(ValueError):
    """A document that is not a week of traffic."""


@dataclass(slots=True)
class Week:
    """Requests and callers of the 168 hours before and with the hour `until`, by labels.

    Callers are those of the days (of UTC) in it. `hourly` are all requests of each hour, the oldest
    first. `recorded` is how many hours there are since the first count of the
    week.
    """

    until: int
    requests: dict[RouteLabels, int] = field(default_factory=dict)
    callers: dict[RouteLabels, Sketch] = field(default_factory=dict)
    hourly: list[int] = field(default_factory=lambda: [0] * HOURS)

    @property
    def recorded(self) -> int:
        """How many hours ago the first request was counted, with that hour."""
        return next((HOURS - place for place, count in enumerate(self.hourly) if count), 0)

    def requests_of(self, chosen: Callable[[RouteLabels], bool] = lambda labels: True) -> int:
        """How many requests there were with the labels that are `chosen`."""
        return sum(count for labels, count in self.requests.items() if chosen(labels))

    def callers_of(self, chosen: Callable[[RouteLabels], bool] = lambda labels: True) -> Sketch:
        """Whose callers there were with the labels that are `chosen`, each once."""
        return union(sketch for labels, sketch in self.callers.items() if chosen(labels))


def union(sketches: Iterable[Sketch]) -> Sketch:
    """The callers of all `sketches`, each once."""
    whole = Sketch()
    for sketch in sketches:
        whole.merge(sketch.registers)
    return whole


def read_week(connection: Connection, now: float) -> Week:
    """The week that ends with the present hour."""
    until = int(now) // HOUR
    week = Week(until)
    hours = tables.requests
    for row in connection.execute(select(hours).where(hours.c.hour > until - HOURS, hours.c.hour <= until)):
        labels = RouteLabels(row.route, row.side, row.upstream)
        week.requests[labels] = week.requests.get(labels, 0) + row.requests
        week.hourly[row.hour - until + HOURS - 1] += row.requests
    days = tables.callers
    for row in connection.execute(select(days).where(days.c.day > int(now) // DAY - KEPT_DAYS)):
        labels = RouteLabels(row.route, row.side, row.upstream)
        week.callers.setdefault(labels, Sketch()).merge(row.sketch)
    return week


def as_document(week: Week) -> dict[str, Any]:
    """The week with nothing but what JSON can hold."""
    return {
        "until": week.until,
        "hourly": week.hourly,
        "requests": [labels._asdict() | {"requests": count} for labels, count in week.requests.items()],
        "callers": [
            labels._asdict() | {"sketch": b64encode(bytes(sketch.registers)).decode()}
            for labels, sketch in week.callers.items()
        ],
    }


def from_document(document: Any) -> Week:
    """The week that `as_document` made a document of. Raises WeekError."""
    try:
        week = Week(int(document["until"]), hourly=[int(count) for count in document["hourly"]])
        for row in document["requests"]:
            week.requests[RouteLabels(row["route"], row["side"], row["upstream"])] = int(row["requests"])
        for row in document["callers"]:
            registers = b64decode(row["sketch"], validate=True)
            if len(registers) != REGISTERS:
                raise WeekError("a sketch has another size")
            week.callers[RouteLabels(row["route"], row["side"], row["upstream"])] = Sketch(registers)
    except (KeyError, TypeError, ValueError) as error:
        raise WeekError(f"not a week of traffic: {error}") from None
    if len(week.hourly) != HOURS:
        raise WeekError("not a week of traffic: it has another number of hours")
    return week
