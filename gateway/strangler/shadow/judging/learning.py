"""Learning what differs by itself: both sides are asked once more, whatever came of the pair."""

from __future__ import annotations

import asyncio

import structlog

from strangler.comparison.compare import Comparison, Outcome
from strangler.comparison.rules import Rules
from strangler.shadow.judging.case import Case
from strangler.shadow.judging.resend import ResendFailed
from strangler.shadow.noise.noise import Noise
from strangler.shadow.pair import Pair

log = structlog.get_logger(part="judge")


async def ask_twice(case: Case, pair: Pair, first: Comparison) -> None:
    """Ask both sides once more, and learn what differs by itself."""
    async with case.asking:
        legacy, extracted = await asyncio.gather(
            case.ask_legacy(pair, tries=1), case.ask_candidate(pair), return_exceptions=True
        )
    if isinstance(extracted, BaseException):
        raise extracted
    if isinstance(legacy, ResendFailed):
        log.debug("legacy did not respond twice", migration=pair.migration, reason=str(legacy))
        return
    if isinstance(legacy, BaseException):
        raise legacy
    itself = case.compared(pair.legacy, legacy)
    if itself.outcome is Outcome.NOT_COMPARED:
        return
    candidate = None if extracted.missing else case.compared(pair.extracted, extracted)
    varied = None if candidate is None or candidate.outcome is Outcome.NOT_COMPARED else candidate.differences
    case.noise.asked_twice(pair.operation, itself.differences, first.differences, varied)
    case.noise_changed = True


def read_noise(migration: str, document: bytes, rules: Rules) -> Noise:
    """What was learned about the noise of a migration; nothing where its document can't be read."""
    try:
        return Noise.read(document, rules.noise)
    except ValueError as error:
        log.error("learning noise anew", migration=migration, error=str(error))
        return Noise(rules.noise)
