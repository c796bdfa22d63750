"""Paths that an upstream treats as the same: in another case, or with another slash at the end.

Express serves `/admin` for `/Admin/`, IIS serves files in any case. The `paths` of
such an upstream say so, and routes are then matched as it matches paths:
a request that a route to it would take is looked up again in an index whose
patterns are folded, and the route found there counts. So a path that the
upstream treats as a protected one is protected.
"""

from __future__ import annotations

from collections.abc import Sequence

EXACT = 0
CASE = 1
FINAL_SLASH = 2

WORDS = {CASE: "case", FINAL_SLASH: "a final slash", CASE | FINAL_SLASH: "case and a final slash"}


def folded(segments: Sequence[str], folding: int) -> Sequence[str]:
    """`segments` as an upstream of this `folding` compares them."""
    if folding & FINAL_SLASH and len(segments) > 1 and not segments[-1]:
        segments = segments[:-1]
    if folding & CASE:
        segments = [segment.lower() for segment in segments]
    return segments
