"""How many callers came to each route and side, and by which upstream they were served, in one day of UTC.

A caller is the subject of its token, or its address without one. Callers are
counted by sketches, right to about 3 %, where a request is decided. Callers that
were counted before are recognised before they are hashed.
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


class _Counted:
    __slots__ = ("changed", "known", "sketch")

    def __init__(self) -> None:
        self.sketch = Sketch()
        self.known: set[str] = set()
        self.changed = False


class RouteCallers:
    """One worker's callers of the present day."""

    __slots__ = ("_by_names", "_counted", "_day", "_known")

    def __init__(self) -> None:
        self._counted: dict[RouteLabels, _Counted] = {}
        self._by_names: dict[str, dict[str, _Counted]] = {}
        self._day = int(time()) // DAY
        self._known = 0

    def see(self, route: str, side: str, upstream: str, caller: str) -> None:
        """A request of `caller` was decided."""
        # Without a tuple to build and hash: a caller who is known takes two look-ups and a test.
        try:
            counted = self._by_names[route][upstream]
        except KeyError:
            new = self._add(route, side, upstream)
            if new is None:
                return
            counted = new
        if caller in counted.known:
            return
        self._count(counted, caller)

    def _add(self, route: str, side: str, upstream: str) -> _Counted | None:
        if len(self._counted) >= MOST_LABELS:
            return None
        counted = self._counted[RouteLabels(route, side, upstream)] = _Counted()
        self._by_names.setdefault(route, {})[upstream] = counted
        return counted

    def _count(self, counted: _Counted, caller: str) -> None:
        digest = xxh3_64_intdigest(caller.encode("utf-8", "surrogatepass"))
        if counted.sketch.add(digest):
            counted.changed = True
        if len(caller) <= LONGEST_KNOWN:
            if self._known >= MOST_KNOWN:
                self._forget_known()
            counted.known.add(caller)
            self._known += 1

    def take(self) -> RouteCallersReport:
        """The sketches that changed since the last call. With a new day, counting begins anew afterwards."""
        day = self._day
        changed = {}
        for labels, counted in self._counted.items():
            if counted.changed:
                changed[labels] = bytes(counted.sketch.registers)
                counted.changed = False
        today = int(time()) // DAY
        if today != day:
            self._day = today
            self._counted = {}
            self._by_names = {}
            self._known = 0
        return RouteCallersReport(day, changed)

    def _forget_known(self) -> None:
        for counted in self._counted.values():
            counted.known = set()
        self._known = 0
