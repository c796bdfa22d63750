"""Which requests of a migration are copied, and what is kept of the pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from strangler.model.methods import COMPARABLE


@dataclass(frozen=True, slots=True)
class Keep:
    """How long evidence is kept: by age in seconds, and by the bytes of stored pairs."""

    age: float = 604_800.0
    size: int = 268_435_456


@dataclass(frozen=True, slots=True)
class Redact:
    """What is never stored of pairs besides credentials: fields of these `names`, and payment card numbers."""

    names: frozenset[str] = frozenset()
    card_numbers: bool = True


@dataclass(frozen=True, slots=True)
class Shadow:
    """Which requests of a migration are copied to the other side, within which bounds, and what is kept of the pairs.

    `threshold` is the share of callers or requests in 1/100 of a percent.
    `request_body` and `response_body` are bytes, `concurrency` and `queue`
    copies of one worker. `sandbox` alone gets copies of unsafe methods.
    With `reverse`, requests that extracted serves are copied to legacy.
    `conditions` is whether copies keep conditional and range fields.
    `version_header` is the response header with a side's version,
    in lower case. `least_compared` is the share of the sampled requests, in
    percent, that must have been compared before anything is proven.
    """

    percent: float = 100
    by: Literal["caller", "request"] = "caller"
    methods: frozenset[str] = COMPARABLE
    sandbox: str | None = None
    reverse: bool = False
    request_body: int = 65_536
    response_body: int = 262_144
    concurrency: int = 32
    queue: int = 256
    timeout: float = 10.0
    confirm_after: float = 0.5
    noise_percent: float = 1
    noise_learning_percent: float = 50
    store: Literal["digests", "values"] = "digests"
    redact: Redact = Redact()
    keep: Keep = Keep()
    conditions: Literal["strip", "keep"] = "strip"
    version_header: str | None = None
    least_compared: float = 50

    @property
    def threshold(self) -> int:
        """The share in 1/100 of a percent."""
        return round(self.percent * 100)
