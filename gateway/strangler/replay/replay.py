"""Send recorded requests to both sides, and compare their responses.

Both sides are asked at about the same time. If their responses to a read
differ, both are asked again after a moment, and `comparison.second_look` says
what the difference is. A candidate that does not respond has *failed to answer*.
What is not safe to repeat is asked once. An internal error with one request
fails that pair only: it is counted, with its place.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.response import too_large
from strangler.comparison.rules import Rules
from strangler.comparison.second_look import seen_again, varies_as_much, written_between
from strangler.model.methods import COMPARABLE
from strangler.replay.ask import NoResponse, Side, TimedResponse, TooBig
from strangler.replay.recorded import RecordedRequest, sayable

RACY = "racy"
TOO_BIG = "too big"
FAILED = "failed here"
LEGACY_NOT_ANSWERED = "legacy not answered"
NO_RESPONSE = "no response"


@dataclass(frozen=True, slots=True)
class ReplayedPair:
    """The outcome of a recorded request.

    The responses are those compared last, None where a side sent none;
    `detail` says what a side did instead.
    """

    request: RecordedRequest
    comparison: Comparison
    legacy: TimedResponse | None
    extracted: TimedResponse | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class BothSides:
    """The two sides, and how to judge their responses: by `rules`, reads again after `confirm_after` seconds."""

    legacy: Side
    extracted: Side
    rules: Rules
    confirm_after: float = 0.5


async def judge(request: RecordedRequest, sides: BothSides) -> ReplayedPair:
    """Ask both sides and compare their responses."""
    rules = sides.rules
    first = await _judge_once(request, sides)
    if first.comparison.outcome is not Outcome.MISMATCH or request.method not in COMPARABLE:
        return first
    await asyncio.sleep(sides.confirm_after)
    again = await _judge_once(request, sides)
    if again.legacy is None:
        # Nothing more can be learned, so the difference stands.
        return first
    assert first.legacy is not None
    assert first.extracted is not None
    now, candidate = again.legacy.response, first.extracted.response
    itself = compare(first.legacy.response, now, rules)
    if written_between(itself, lambda: compare(now, candidate, rules).agrees) or varies_as_much(
        first.comparison, itself
    ):
        return replace(first, comparison=_left_out(RACY))
    outcome = seen_again(again.comparison)
    if outcome is Outcome.UNSTEADY:
        return replace(first, comparison=replace(first.comparison, outcome=outcome))
    return first if outcome is None else again


def _left_out(reason: str) -> Comparison:
    return Comparison(Outcome.NOT_COMPARED, evidence=False, reason=reason)


async def _judge_once(request: RecordedRequest, sides: BothSides) -> ReplayedPair:
    rules = sides.rules
    one, other = await asyncio.gather(sides.legacy.ask(request), sides.extracted.ask(request), return_exceptions=True)
    for response in (one, other):
        if isinstance(response, BaseException) and not isinstance(response, (NoResponse, TooBig)):
            raise response
    answered = [None if isinstance(side, BaseException) else side for side in (one, other)]
    if isinstance(one, BaseException):
        reason = TOO_BIG if isinstance(one, TooBig) else LEGACY_NOT_ANSWERED
        return ReplayedPair(request, _left_out(reason), answered[0], answered[1], str(one))
    if isinstance(other, BaseException):
        reason = TOO_BIG if isinstance(other, TooBig) else NO_RESPONSE
        return ReplayedPair(request, Comparison(Outcome.FAILED, reason=reason), answered[0], answered[1], str(other))
    comparison = compare(one.response, other.response, rules)
    if comparison.reason == TOO_BIG and not too_large(one.response, rules.decoded_body):
        comparison = Comparison(Outcome.FAILED, reason=TOO_BIG)
    return ReplayedPair(request, comparison, one, other)


async def replay(
    requests: Iterable[RecordedRequest],
    sides: BothSides,
    on_judged: Callable[[ReplayedPair], None],
    *,
    concurrency: int = 8,
    rate: float = 0,
) -> None:
    """Judge all requests, at most `concurrency` at a time and `rate` begun per second (0: no limit).

    Each pair is passed to `on_judged` once it is judged.
    """
    waiting = iter(requests)
    pace = _Pace(rate)

    async def work(mine: Iterator[RecordedRequest]) -> None:
        for request in mine:
            await pace.wait()
            try:
                on_judged(await judge(request, sides))
            except Exception as error:
                on_judged(_failed(request, error))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work(waiting))


def _failed(request: RecordedRequest, error: Exception) -> ReplayedPair:
    """What a request came to that could not be asked or compared because of `error`."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    comparison = Comparison(Outcome.NOT_COMPARED, evidence=False, reason=FAILED)
    detail = sayable(f"{request}: {type(error).__name__}: {error}{place}")
    return ReplayedPair(request, comparison, None, None, detail)


class _Pace:
    """Lets one through every 1/rate seconds."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = monotonic()

    async def wait(self) -> None:
        if not self._interval:
            return
        at = max(self._next, monotonic())
        self._next = at + self._interval
        await asyncio.sleep(at - monotonic())
