"""What legacy said shortly before: by which a candidate that is behind is told from one that is wrong.

Of each unit (who asks for what) the latest few different responses are kept,
within a bound in bytes over all; of traffic that never repeats nothing is ever
found here, and what differs there is a mismatch or unsteady.
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.shadow.pair import Answered

EACH = 4
"""Different responses of one unit that are kept."""

MOST_BYTES = 16 * 1024 * 1024
_OVERHEAD = 500


class EarlierResponses:
    """The latest different responses of legacy by unit, and when each was last seen."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[int, list[tuple[Answered, float]]] = OrderedDict()

    def note(self, unit: int, answered: Answered, at: float) -> None:
        """Legacy gave this response at `at`, in seconds since 1970."""
        kept = self._kept.get(unit)
        if kept is None:
            kept = self._kept[unit] = []
        else:
            self._kept.move_to_end(unit)
            newest, _ = kept[-1]
            if newest.status == answered.status and newest.body == answered.body:
                kept[-1] = (newest, at)
                return
            if len(kept) >= EACH:
                self._bytes -= _size(kept.pop(0)[0])
        kept.append((answered, at))
        self._bytes += _size(answered)
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= sum(_size(one) for one, _ in oldest)

    def before(self, unit: int, at: float) -> list[tuple[Answered, float]]:
        """The different responses that legacy gave before `at`, the newest first, each with when it was last seen."""
        return [(answered, seen) for answered, seen in reversed(self._kept.get(unit, ())) if seen < at]

    def since(self, unit: int, at: float) -> list[Answered]:
        """The different responses that legacy gave at `at` or later."""
        return [answered for answered, seen in self._kept.get(unit, ()) if seen >= at]


def _size(answered: Answered) -> int:
    return len(answered.body) + len(answered.head) + _OVERHEAD
