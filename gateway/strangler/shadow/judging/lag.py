"""Legacy's earlier responses, by which a candidate that lags is distinguished from a wrong one.

For each target and body the latest few different responses are kept, within a
total bound in bytes. If requests never repeat, a difference is a mismatch or
unsteady, never a lag.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from strangler.shadow.pair import Pair, SideResponse

EACH = 4
"""Different responses to one request that are kept."""

MOST_BYTES = 16 * 1024 * 1024
_OVERHEAD = 500


@dataclass(slots=True)
class EarlierResponse:
    """A response of legacy: when it was last and first seen, in seconds since 1970, and which caller got it.

    `shared`: several callers got the same response, so it depends on none of them.
    """

    response: SideResponse
    seen: float
    caller: int
    first: float
    shared: bool = False

    def is_for(self, caller: int) -> bool:
        """Whether `caller` could have got it."""
        return self.shared or self.caller == caller

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.response.body) + len(self.response.head) + _OVERHEAD


class EarlierResponses:
    """The latest different responses of legacy by what was asked for; `most` bytes of all."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[int, list[EarlierResponse]] = OrderedDict()

    def note(self, pair: Pair, response: SideResponse, at: float) -> None:
        """Legacy gave this response to the request of `pair` at `at`."""
        key = _asked(pair)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = []
        else:
            self._kept.move_to_end(key)
            newest = kept[-1]
            if newest.response.status == response.status and newest.response.body == response.body:
                newest.seen = max(newest.seen, at)
                newest.shared |= newest.caller != pair.caller
                return
            if len(kept) >= EACH:
                self._bytes -= kept.pop(0).size
        noted = EarlierResponse(response, at, pair.caller, at)
        kept.append(noted)
        self._bytes += noted.size
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= sum(one.size for one in oldest)

    def before(self, pair: Pair) -> list[EarlierResponse]:
        """The different responses that legacy gave to the same request before that of `pair`, the newest first."""
        return [one for one in reversed(self._kept.get(_asked(pair), ())) if one.seen < pair.at]

    def replaced_at(self, pair: Pair, earlier: EarlierResponse) -> float | None:
        """When legacy first gave another response after `earlier`; None where that is not known."""
        kept = self._kept.get(_asked(pair), [])
        after = [one.first for one in kept if one.first > earlier.first]
        return min(after, default=None)

    def since(self, pair: Pair) -> list[SideResponse]:
        """The different responses that legacy gave to the same request with that of `pair` or later."""
        return [one.response for one in self._kept.get(_asked(pair), ()) if one.seen >= pair.at]


def _asked(pair: Pair) -> int:
    """What was requested, by any caller; Python's own hash, since this never leaves the process."""
    return hash((pair.request_line, pair.body))
