"""Asks both sides again where their responses to a read differ, and applies the rules of `comparison.second_look`.

Shadowing adds two things. Between rules 1 and 2: a candidate that responds what
legacy responded shortly before *lags*; a rule may accept that, with a bound by
which the candidate must have caught up. In rule 2: legacy's variation excuses
nothing once it is known how legacy varies there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import time

import structlog

from strangler.comparison.compare import Comparison, Outcome
from strangler.comparison.second_look import seen_again, written_between
from strangler.shadow.judging.case import Case
from strangler.shadow.judging.lag import EarlierResponse, EarlierResponses
from strangler.shadow.judging.ledger import Finding
from strangler.shadow.judging.resend import ResendFailed
from strangler.shadow.pair import Pair, Reason, SideResponse

log = structlog.get_logger(part="judge")

_LENGTHS = ((1.0, "up to 1 s"), (10.0, "up to 10 s"), (60.0, "up to 1 min"), (3600.0, "up to 1 h"))


@dataclass(frozen=True, slots=True)
class DifferingRead:
    """A read whose two responses differ, as `first` found; `unit` is a digest of caller and request."""

    pair: Pair
    first: Comparison
    unit: int

    def found(self, outcome: Outcome, reason: str = "") -> Finding:
        """Return the finding that the first difference is of `outcome`."""
        return Finding(outcome, reason, self.pair, self.first, self.unit)


async def confirm(case: Case, read: DifferingRead, earlier: EarlierResponses) -> Finding:
    """Ask both sides again and return what the difference is."""
    pair = read.pair
    await case.pause(case.shadow.confirm_after)
    async with case.asking:
        legacy, extracted = await asyncio.gather(_legacy_again(case, pair), case.ask_candidate(pair))
    if legacy is None:
        return read.found(Outcome.MISMATCH, Reason.UNCONFIRMED)
    itself = case.compared(pair.legacy, legacy)
    if written_between(itself, lambda: case.agree(legacy, pair.extracted, pair.operation)):
        return read.found(Outcome.NOT_COMPARED, Reason.RACY)
    behind = _behind(case, pair, earlier)
    earlier.note(pair, legacy, time())
    if behind is not None:
        return await lagging(case, read, behind, earlier)
    if case.excused(read.first, itself, pair.operation):
        return read.found(Outcome.NOT_COMPARED, Reason.RACY)
    if extracted.missing:
        return read.found(Outcome.MISMATCH, Reason.UNCONFIRMED)
    again = case.without_noise(case.compared(legacy, extracted), pair.operation, again=True)
    outcome = seen_again(again)
    if outcome is Outcome.UNSTEADY:
        return read.found(outcome)
    if outcome is None:
        return read.found(Outcome.MISMATCH, Reason.UNCONFIRMED)
    return Finding(outcome, "", pair._replace(legacy=legacy, extracted=extracted), again, read.unit)


async def _legacy_again(case: Case, pair: Pair) -> SideResponse | None:
    try:
        return await case.ask_legacy(pair)
    except ResendFailed as error:
        log.info("a mismatch could not be confirmed", migration=pair.migration, reason=str(error))
        return None


def _behind(case: Case, pair: Pair, earlier: EarlierResponses) -> EarlierResponse | None:
    """Return the earlier response of legacy that the candidate gives now; None if none is known."""
    for one in earlier.before(pair):
        if one.response.body != pair.legacy.body and case.agree(one.response, pair.extracted, pair.operation):
            return one
    return None


def legacy_before(case: Case, read: DifferingRead, earlier: EarlierResponses) -> EarlierResponse | None:
    """Return the earlier response of legacy that the candidate gives now, noise included.

    Only responses that contain the values in which the candidate differs are
    compared, since most pairs of a noisy operation get here.
    """
    pair = read.pair
    values = [one.extracted.encode() for one in read.first.differences if one.extracted is not None]
    for one in earlier.before(pair):
        body = one.response.body
        if body == pair.legacy.body or not all(value in body for value in values):
            continue
        if case.compared(one.response, pair.extracted).agrees:
            return one
    return None


async def lagging(case: Case, read: DifferingRead, behind: EarlierResponse, earlier: EarlierResponses) -> Finding:
    """Return a lag, unless a rule has a bound that the candidate keeps.

    No rule lets a caller have what legacy gave to another one.
    """
    pair, first = read.pair, read.first
    counts = read.found(Outcome.LAG, _length(pair.at - behind.seen))
    today = datetime.now(UTC).date()
    rules = [rule for rule in case.rules.lag_rules if not rule.expired(today)]
    if not rules or not behind.is_for(pair.caller):
        return counts
    rule = max(rules, key=lambda one: one.seconds)
    replaced = earlier.replaced_at(pair, behind)
    if replaced is not None and pair.at - replaced > rule.seconds:
        return counts
    await case.pause(pair.at + rule.seconds - time())
    async with case.asking:
        legacy, extracted = await asyncio.gather(_legacy_again(case, pair), case.ask_candidate(pair))
    if legacy is None or extracted.missing:
        return counts
    earlier.note(pair, legacy, time())
    # Every response of legacy since then is newer than the bound.
    since = [pair.legacy, legacy, *earlier.since(pair)]
    if not any(case.agree(response, extracted, pair.operation) for response in since):
        return counts
    passing = tuple((difference, rule.name) for difference in first.differences)
    ignored = replace(first, outcome=Outcome.IGNORED, differences=(), ignored=(*first.ignored, *passing))
    return Finding(Outcome.IGNORED, rule.name, pair, ignored, read.unit)


def _length(seconds: float) -> str:
    """Return an upper bound of a lag as text, one of a few."""
    return next((text for bound, text in _LENGTHS if seconds <= bound), "more than 1 h")
