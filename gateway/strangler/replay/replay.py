"""Send recorded requests to both sides, and compare their responses.

Both are asked at about the same time. Where they differ in a read, both are
asked once more after a moment. If legacy then differs from itself where the
candidate differed, or says what the candidate said, a write came in between:
the pair is `racy` and not compared. Otherwise the difference is the
candidate's: a `mismatch` where it shows again, `unsteady` where it does not. A
candidate that does not respond has *failed to answer*. What is not safe to
repeat is asked once. An error of ours with one request costs its pair alone: it
is counted, with its place.
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


async def judge(
    request: RecordedRequest, legacy: Side, extracted: Side, rules: Rules, confirm_after: float
) -> ReplayedPair:
    """Ask both sides and compare; a mismatch of a read is asked again after `confirm_after` seconds."""
    first = await _judge_once(request, legacy, extracted, rules)
    if first.comparison.outcome is not Outcome.MISMATCH or request.method not in COMPARABLE:
        return first
    await asyncio.sleep(confirm_after)
    again = await _judge_once(request, legacy, extracted, rules)
    if again.legacy is None:
        # Nothing more can be learned, so the difference stands.
        return first
    assert first.legacy is not None
    assert first.extracted is not None
    itself = compare(first.legacy.response, again.legacy.response, rules)
    if not itself.agrees and (
        compare(again.legacy.response, first.extracted.response, rules).agrees
        or first.comparison.signatures <= itself.signatures
    ):
        return replace(first, comparison=_left_out(RACY))
    if again.comparison.agrees:
        return replace(first, comparison=replace(first.comparison, outcome=Outcome.UNSTEADY))
    return again if again.comparison.outcome is Outcome.MISMATCH else first


def _left_out(reason: str) -> Comparison:
    return Comparison(Outcome.NOT_COMPARED, evidence=False, reason=reason)


async def _judge_once(request: RecordedRequest, legacy: Side, extracted: Side, rules: Rules) -> ReplayedPair:
    one, other = await asyncio.gather(legacy.ask(request), extracted.ask(request), return_exceptions=True)
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
    legacy: Side,
    extracted: Side,
    rules: Rules,
    on_judged: Callable[[ReplayedPair], None],
    *,
    concurrency: int = 8,
    rate: float = 0,
    confirm_after: float = 0.5,
) -> None:
    """Judge all requests, at most `concurrency` at a time and `rate` a second begun (0: no limit).

    `on_judged` gets each as it is judged.
    """
    waiting = iter(requests)
    pace = _Pace(rate)

    async def work(mine: Iterator[RecordedRequest]) -> None:
        for request in mine:
            await pace.wait()
            try:
                on_judged(await judge(request, legacy, extracted, rules, confirm_after))
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
