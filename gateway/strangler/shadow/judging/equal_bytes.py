"""Finds responses that are equal byte by byte where it matters, without parsing them.

Most pairs of a service that is nearly right are of this kind, and the judge
shares the machine with the workers (decision 0021).
"""

from __future__ import annotations

import re

from strangler.comparison.compare import Comparison, Outcome
from strangler.comparison.headers import REFUSALS
from strangler.comparison.rules import Rules
from strangler.shadow.pair import SideResponse

_SAME = Comparison(Outcome.MATCH)
_SAME_ERROR = Comparison(Outcome.MATCH, evidence=False)


class Sameness:
    """Knows by `rules` which header lines matter; those that say what the bytes of a body mean always do."""

    def __init__(self, rules: Rules) -> None:
        always = {b"content-encoding", b"content-type", *REFUSALS.values()}
        names = b"|".join(re.escape(name) for name in {*rules.headers, *always})
        self._relevant = re.compile(rb"^(?:%b):[^\r\n]*" % names, re.IGNORECASE | re.MULTILINE)

    def of(self, legacy: SideResponse, extracted: SideResponse) -> Comparison | None:
        """What `compare` would find of two responses that are the same; None where they have to be compared."""
        if legacy.status != extracted.status or legacy.body != extracted.body:
            return None
        if legacy.head != extracted.head:
            relevant = self._relevant.findall
            if relevant(legacy.head) != relevant(extracted.head):
                return None
        return _SAME if legacy.status < 400 else _SAME_ERROR
