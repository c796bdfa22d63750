"""A migration under judgement: how its pairs are compared, and what is known so far."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from time import time

from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.response import DECODED, too_large
from strangler.comparison.rules import Rules
from strangler.comparison.second_look import varies_as_much
from strangler.comparison.time_limit import TooCostly, limited
from strangler.model.migration import Migration
from strangler.model.shadow import Shadow
from strangler.model.upstream import Upstream
from strangler.shadow.comparable_requests import PARTIAL
from strangler.shadow.evidence.epochs import Epochs
from strangler.shadow.evidence.variety import unit_of
from strangler.shadow.judging.equal_bytes import Sameness
from strangler.shadow.judging.ledger import Finding, Keeping
from strangler.shadow.judging.resend import ResendFailed, Secure, secure
from strangler.shadow.noise.judgement import Judgement
from strangler.shadow.noise.noise import Noise
from strangler.shadow.pair import Pair, Reason, SideResponse

LEARNED = "noise, learned"
"""The rule of a difference that legacy has with itself as often."""

MOST_SECONDS = 2.0
"""Of processor time for one comparison; other pairs wait meanwhile."""

WAITING = 256
"""Most pairs of one migration for which there is a request to come."""

TRIES = 3
"""Requests to legacy before it is given up that a difference is confirmed."""

NOTHING_FOUND = Comparison(Outcome.NOT_COMPARED, evidence=False)

Ask = Callable[[str, bytes, float, int, Secure | None], Awaitable[SideResponse]]


@dataclass(slots=True)
class Case:
    """What the judge needs of one migration.

    `ask` sends bytes to an endpoint; `asking` bounds how many such requests
    there are at a time, and `waiting` counts the pairs for which there is one
    to come. `hurry` is set when the judge ends: then nothing waits any more.
    """

    migration: Migration
    shadow: Shadow
    rules: Rules
    sameness: Sameness
    keeping: Keeping
    noise: Noise
    epochs: Epochs
    legacy: Upstream
    extracted: Upstream
    ask: Ask
    asking: asyncio.Semaphore
    hurry: asyncio.Event
    tls: dict[str, Secure | None] = field(default_factory=dict)
    waiting: int = 0
    noise_changed: bool = False

    def compared(self, legacy: SideResponse, extracted: SideResponse) -> Comparison:
        """What comparing two whole responses finds, by the rules; noise still counts."""
        try:
            with limited(MOST_SECONDS):
                return compare(legacy.response, extracted.response, self.rules)
        except TooCostly:
            return Comparison(Outcome.NOT_COMPARED, evidence=False, reason=Reason.COSTLY)

    def without_noise(self, comparison: Comparison, operation: str, *, again: bool = False) -> Comparison:
        """`comparison` with the differences that are noise at `operation` among those that are let pass.

        `again`: it compares the responses to a repeated request,
        which does not count as a use of what was learned.
        """
        noisy, rest = self.noise.sift(operation, comparison.differences, again=again)
        if not noisy or comparison.unlisted:
            # Whether the differences that are not listed are noise is unknown.
            return comparison
        self.noise_changed = True
        return replace(
            comparison,
            outcome=Outcome.MISMATCH if rest else Outcome.IGNORED,
            differences=tuple(rest),
            ignored=(*comparison.ignored, *((difference, LEARNED) for difference in noisy)),
        )

    def excused(self, first: Comparison, itself: Comparison, operation: str) -> bool:
        """Whether legacy differs from itself wherever the candidate differed from it.

        Not where it is known by now what legacy varies: a value that is none
        of those is the candidate's fault, however often legacy's changes.
        """
        return varies_as_much(first, itself) and all(
            self.noise.judgement(operation, difference.signature) is Judgement.UNDECIDED
            for difference in first.differences
        )

    def agree(self, legacy: SideResponse, extracted: SideResponse, operation: str) -> bool:
        """Whether two responses mean the same, but for noise."""
        return self.without_noise(self.compared(legacy, extracted), operation, again=True).agrees

    def too_large(self, side: SideResponse) -> bool:
        """Whether a response is more than the rules compare once it is decoded."""
        return too_large(side.response, self.rules.decoded_body)

    def undecodable(self, side: SideResponse) -> bool:
        """Whether a body is in a coding that can't be decoded."""
        return b"content-encoding" in side.head.lower() and any(
            coding not in DECODED for coding in side.response.encodings
        )

    def is_partial(self, pair: Pair) -> bool:
        """Whether the side that served the caller gave less than the whole response."""
        served = pair.legacy if pair.served == "legacy" else pair.extracted
        return served.status in PARTIAL and self.shadow.conditions == "strip" and pair.is_read and not pair.self_test

    async def ask_legacy(self, pair: Pair, tries: int = TRIES) -> SideResponse:
        """Legacy's response to the same request. Raises ResendFailed where none of the tries gets one."""
        for left in range(tries - 1, -1, -1):
            try:
                return await self._ask(pair, pair.legacy.endpoint, self.legacy)
            except ResendFailed:
                if not left:
                    raise
                await self.pause(self.shadow.confirm_after)
        raise AssertionError("there is at least one try")

    async def ask_candidate(self, pair: Pair) -> SideResponse:
        """The candidate's response to the same request; a missing one has the reason."""
        try:
            return await self._ask(pair, pair.extracted.endpoint, self.extracted)
        except ResendFailed as error:
            return SideResponse(pair.extracted.endpoint, 0, b"", b"", 0.0, error.reason)

    async def ask_both(self, pair: Pair) -> Pair:
        """The pair of the same request, asked anew: legacy first, as with traffic. Raises ResendFailed for legacy."""
        legacy = await self.ask_legacy(pair)
        at = time()
        return pair._replace(at=at, legacy=legacy, extracted=await self.ask_candidate(pair))

    async def pause(self, seconds: float) -> None:
        """Wait, unless the judge ends."""
        try:
            await asyncio.wait_for(self.hurry.wait(), seconds)
        except TimeoutError:
            return

    async def _ask(self, pair: Pair, endpoint: str, upstream: Upstream) -> SideResponse:
        tls = self.tls.get(endpoint)
        if tls is None and endpoint.startswith("https:"):
            try:
                tls = self.tls[endpoint] = secure(upstream, endpoint)
            except OSError as error:
                raise ResendFailed(f"{endpoint}: {error}", Reason.UNREACHABLE) from error
        return await self.ask(endpoint, pair.request, self.shadow.timeout, self.shadow.response_body, tls)


def not_comparable(case: Case, pair: Pair, comparison: Comparison, unit: int) -> Finding:
    """What two responses come to that can't be compared: legacy's size excuses the candidate, nothing else does."""
    if comparison.reason == Reason.TOO_BIG:
        outcome = Outcome.NOT_COMPARED if case.too_large(pair.legacy) else Outcome.FAILED
        return Finding(outcome, Reason.TOO_BIG, pair, comparison, unit)
    return Finding(Outcome.MISMATCH, comparison.reason or Reason.FAILED, pair, comparison, unit)


def left_out(pair: Pair, reason: str) -> Finding:
    """A pair that is not compared, for `reason`."""
    return Finding(Outcome.NOT_COMPARED, reason, pair, NOTHING_FOUND, 0)


def without_response(pair: Pair) -> Finding:
    """A pair to whose request the candidate sent no response."""
    return Finding(Outcome.FAILED, pair.extracted.missing, pair, NOTHING_FOUND, unit_of(pair))
