"""A migration: the two sides of one business capability, its stage, and its split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from strangler.model.caller import Condition, Override, StickyKey
from strangler.model.methods import COMPARABLE
from strangler.model.resilience import BreakerSettings, LegacyFallback
from strangler.model.shadow import Shadow

SideName = Literal["legacy", "extracted"]


class Stage(StrEnum):
    """Where a migration stands, in the order in which it moves.

    ROLLOUT is for the configuration alone: the controller publishes one of the others in its place.
    """

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    EXTRACTED = "extracted"
    RETIRED = "retired"
    ROLLOUT = "rollout"


@dataclass(frozen=True, slots=True)
class CallerCounting:
    """Failing, slow and seen callers of a migration are counted under `scope`, while it is rolled out.

    A caller is slow whose request takes longer than `slow_after` of its route, in
    seconds; in a route that is not named there none is.
    """

    scope: str
    slow_after: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Migration:
    """One business capability moving from an upstream to another.

    `threshold` is the share of callers on the extracted side in 1/100 of a
    percent, 0 to 10,000; it is meant for stage canary alone. `shadow` is set
    where requests are copied at this stage. Each side has a breaker of its own
    by `breaker`. With `fallback` None the legacy side never
    serves requests in place of the extracted one. `rolled_out` tells that the
    controller decides about stage, threshold and shadow, `counting` which of its
    callers are counted.
    """

    name: str
    legacy: str
    extracted: str
    stage: Stage
    threshold: int = 0
    sticky: tuple[StickyKey, ...] = ()
    always: tuple[Condition, ...] = ()
    never: tuple[Condition, ...] = ()
    override: Override | None = None
    shadow: Shadow | None = None
    breaker: BreakerSettings | None = None
    fallback: LegacyFallback | None = LegacyFallback()
    rolled_out: bool = False
    counting: CallerCounting | None = None

    @property
    def extracted_buckets(self) -> int:
        """How many of the 10,000 buckets of callers are on the extracted side at this stage."""
        match self.stage:
            case Stage.CANARY:
                return self.threshold
            case Stage.EXTRACTED | Stage.RETIRED:
                return 10_000
            case _:
                return 0

    @property
    def copied_sides(self) -> tuple[SideName, ...]:
        """The sides whose requests are copied to the other side."""
        if self.shadow is None:
            return ()
        if self.rolled_out:
            return ("extracted",) if self.stage is Stage.EXTRACTED else ("legacy",)
        legacy: tuple[SideName, ...] = ("legacy",) if self.stage is Stage.SHADOW else ()
        return (*legacy, "extracted") if self.shadow.reverse else legacy

    def copied_to(self, side: SideName, method: str) -> str | None:
        """The upstream that gets copies of requests that `side` serves; None where no such request is copied.

        Only a sandbox gets copies of requests that may change data.
        """
        shadow = self.shadow
        if shadow is None or side not in self.copied_sides or method not in shadow.methods:
            return None
        if side == "extracted":
            return self.legacy if method in COMPARABLE else None
        return self.extracted if method in COMPARABLE else shadow.sandbox
