"""How many callers came to each route and side, and by which upstream they were served, in one day of UTC.

A caller is the subject of its token, or its address without one. Callers are
counted by sketches, right to about 3 %, at the end of a request. One that was
counted before is recognised by a set of `known` callers, before it is hashed: that
is one test of a set for a usual request, 0.03 µs.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from strangler.observe.sketch import Sketch

DAY = 86_400
MOST_KNOWN = 65_536
"""Callers that are recognised; then they are hashed anew."""
LONGEST_KNOWN = 128
"""Characters of a caller that is recognised; a client may choose its subject with some issuers."""
MOST_LABELS = 5_000
"""Routes with their sides and upstreams whose callers are counted, a KiB each; further ones are left out."""


class RouteLabels(NamedTuple):
    """A route, the side of its migration, and the upstream; "" where there is none."""

    route: str
    side: str
    upstream: str


class RouteCallersReport(NamedTuple):
    """The registers of the sketches that changed since the last report, by labels, and the day that they are of."""

    day: int
    sketches: Mapping[RouteLabels, bytes]


class RouteCallers:
    """One worker's callers of the present day."""

    __slots__ = ("_changed", "_day", "_known", "_size", "_sketches")

    def __init__(self) -> None:
        self._day = int(time()) // DAY
        self._sketches: dict[RouteLabels, Sketch] = {}
        self._changed: set[RouteLabels] = set()
        self._known: dict[RouteLabels, set[str]] = {}
        self._size = 0

    def known(self, route: str, side: str, upstream: str) -> set[str]:
        """The callers who need not be counted any more; it holds until the next report."""
        return self._known.setdefault(RouteLabels(route, side, upstream), set())

    def see(self, known: set[str], route: str, side: str, upstream: str, caller: str) -> None:
        """Count `caller`, who is not in `known`. Requests without an upstream or a caller do not count."""
        if self._size >= MOST_KNOWN:
            self._forget_known()
        if len(caller) <= LONGEST_KNOWN:
            known.add(caller)
            self._size += 1
        labels = RouteLabels(route, side, upstream)
        sketch = self._sketches.get(labels)
        if sketch is None:
            if not upstream or len(self._sketches) >= MOST_LABELS:
                return
            sketch = self._sketches[labels] = Sketch()
        if caller and sketch.add(xxh3_64_intdigest(caller.encode("utf-8", "surrogatepass"))):
            self._changed.add(labels)

    def take(self) -> RouteCallersReport:
        """The sketches that changed since the last call. With a new day, counting begins anew afterwards."""
        report = RouteCallersReport(
            self._day, {labels: bytes(self._sketches[labels].registers) for labels in self._changed}
        )
        self._changed = set()
        today = int(time()) // DAY
        if today != self._day:
            self._day = today
            self._sketches = {}
            self._forget_known()
        return report

    def _forget_known(self) -> None:
        for known in self._known.values():
            known.clear()
        self._known = {}
        self._size = 0
