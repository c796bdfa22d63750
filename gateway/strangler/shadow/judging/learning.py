"""Learning what differs by itself: both sides are asked once more, whatever came of the pair."""

from __future__ import annotations

import asyncio
from time import time

import structlog

from strangler.comparison.compare import Comparison, Outcome
from strangler.comparison.rules import Rules
from strangler.shadow.judging.case import WAITING, Case
from strangler.shadow.judging.resend import ResendFailed
from strangler.shadow.noise.noise import Noise
from strangler.shadow.pair import Pair

log = structlog.get_logger(part="judge")

LEARNED_WITHIN = 1.0
"""Seconds after which a pair is not asked about again to learn what legacy varies by itself."""


def learn(case: Case, pair: Pair, first: Comparison, read: bool) -> bool:
    """Learn from a pair what legacy varies; whether both sides are to be asked for it once more."""
    if first.outcome is Outcome.NOT_COMPARED:
        return False
    case.noise.compared(pair.operation, first.differences, pair.at)
    shadow = case.shadow
    # What is asked after a while shows how legacy varies in that time, and not between the two responses.
    return (
        read
        and case.waiting < WAITING
        and time() - pair.at < LEARNED_WITHIN
        and case.noise.asks(pair.operation, shadow.noise_percent, shadow.noise_learning_percent)
    )


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
