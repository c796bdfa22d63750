"""What a difference between two first responses is: the candidate's fault, or a change that came in between.

Both sides are asked once more after a moment. What counts is whether *legacy*
agrees with itself:

1. Legacy now says what the candidate said first: a write came in between, and
   the candidate saw it. The pair is *racy* and left out.
2. The candidate said what legacy had said shortly before: it *lags*. A rule may
   let that pass, with a bound, by which the candidate must have caught up.
3. Legacy differs from itself in everything in which the candidate differed:
   *racy*, too, unless it is known by now how legacy varies there.
4. Otherwise the difference is the candidate's. It is a *mismatch* where the two
   differ again, and *unsteady* where they agree now: a random fault is seen
   again only as often as it happens.

Where nothing can be learned because a side does not respond, the first
difference stands.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from time import time

import structlog

from strangler.comparison.compare import Comparison, Outcome
from strangler.shadow.judging.case import Case
from strangler.shadow.judging.lag import EarlierResponse, EarlierResponses
from strangler.shadow.judging.ledger import Finding
from strangler.shadow.judging.resend import ResendFailed
from strangler.shadow.pair import Pair, Reason, SideResponse

log = structlog.get_logger(part="judge")

_LENGTHS = ((1.0, "up to 1 s"), (10.0, "up to 10 s"), (60.0, "up to 1 min"), (3600.0, "up to 1 h"))


async def confirm(case: Case, pair: Pair, first: Comparison, unit: int, earlier: EarlierResponses) -> Finding:
    """Find out what the `first` difference of a read is; `unit` is who asked for what."""
    await case.pause(case.shadow.confirm_after)
    async with case.asking:
        legacy, extracted = await asyncio.gather(_legacy_again(case, pair), case.ask_candidate(pair))
    if legacy is None:
        return Finding(Outcome.MISMATCH, Reason.UNCONFIRMED, pair, first, unit)
    itself = case.compared(pair.legacy, legacy)
    if not itself.agrees and case.agree(legacy, pair.extracted, pair.operation):
        return Finding(Outcome.NOT_COMPARED, Reason.RACY, pair, first, unit)
    behind = _behind(case, pair, earlier)
    earlier.note(pair, legacy, time())
    if behind is not None:
        return await lagging(case, pair, first, behind, unit, earlier)
    if not itself.agrees and case.excused(first, itself, pair.operation):
        return Finding(Outcome.NOT_COMPARED, Reason.RACY, pair, first, unit)
    if extracted.missing:
        return Finding(Outcome.MISMATCH, Reason.UNCONFIRMED, pair, first, unit)
    again = case.without_noise(case.compared(legacy, extracted), pair.operation, again=True)
    if again.agrees:
        return Finding(Outcome.UNSTEADY, "", pair, first, unit)
    if again.outcome is Outcome.NOT_COMPARED:
        return Finding(Outcome.MISMATCH, Reason.UNCONFIRMED, pair, first, unit)
    return Finding(Outcome.MISMATCH, "", pair._replace(legacy=legacy, extracted=extracted), again, unit)


async def _legacy_again(case: Case, pair: Pair) -> SideResponse | None:
    try:
        return await case.ask_legacy(pair)
    except ResendFailed as error:
        log.info("a mismatch could not be confirmed", migration=pair.migration, reason=str(error))
        return None


def _behind(case: Case, pair: Pair, earlier: EarlierResponses) -> EarlierResponse | None:
    """What legacy said before and the candidate says now; None where that is not known."""
    for one in earlier.before(pair):
        if one.response.body != pair.legacy.body and case.agree(one.response, pair.extracted, pair.operation):
            return one
    return None


def legacy_before(case: Case, pair: Pair, first: Comparison, earlier: EarlierResponses) -> EarlierResponse | None:
    """What legacy said before and the candidate says now, to the letter: noise included.

    Looked for among responses that hold the values in which the candidate
    differs, since most pairs of a noisy operation are compared here.
    """
    values = [one.extracted.encode() for one in first.differences if one.extracted is not None]
    for one in earlier.before(pair):
        body = one.response.body
        if body == pair.legacy.body or not all(value in body for value in values):
            continue
        if case.compared(one.response, pair.extracted).agrees:
            return one
    return None


async def lagging(
    case: Case, pair: Pair, first: Comparison, behind: EarlierResponse, unit: int, earlier: EarlierResponses
) -> Finding:
    """A lag counts unless a rule has a bound that the candidate keeps.

    No rule lets a caller have what legacy gave to another one.
    """
    length = pair.at - behind.seen
    counts = Finding(Outcome.LAG, _length(length), pair, first, unit)
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
    # Whatever legacy has said since then is not older than the bound.
    since = [pair.legacy, legacy, *earlier.since(pair)]
    if not any(case.agree(response, extracted, pair.operation) for response in since):
        return counts
    passing = tuple((difference, rule.name) for difference in first.differences)
    ignored = replace(first, outcome=Outcome.IGNORED, differences=(), ignored=(*first.ignored, *passing))
    return Finding(Outcome.IGNORED, rule.name, pair, ignored, unit)


def _length(seconds: float) -> str:
    """How long a lag is at the most, in one of a few words."""
    return next((text for bound, text in _LENGTHS if seconds <= bound), "more than 1 h")
