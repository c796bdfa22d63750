"""Ask both sides what was recorded, and compare their answers.

Both are asked at about the same time. A mismatch of a read counts only when
both, asked once more after a moment, differ again: in between somebody may have
written, or a replica may have lagged. What then agrees is `racy` and not
compared. What is not safe to repeat is asked once. An error of ours with one
request costs its pair alone: it is counted, with its place.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from gateway.config.snapshot import SAFE_METHODS
from gateway.replay.ask import Answered, NotAnswered, Side, TooBig
from gateway.replay.recorded import RecordedRequest, sayable
from gateway.shadow.comparison import Comparison, Outcome, compare
from gateway.shadow.rules import Rules

RACY = "racy"
TOO_BIG = "too big"
FAILED = "failed here"
NOT_ANSWERED = {"legacy": "legacy not answered", "extracted": "extracted not answered"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a request came to.

    The answers are those that were compared last, None where a side gave none;
    `detail` says what a side did instead.
    """

    request: RecordedRequest
    comparison: Comparison
    legacy: Answered | None
    extracted: Answered | None
    detail: str | None = None


async def judge(
    request: RecordedRequest, legacy: Side, extracted: Side, rules: Rules, confirm_after: float
) -> Judgement:
    """Ask both sides and compare; a mismatch of a read is asked again after `confirm_after` seconds."""
    found = await _judge_once(request, legacy, extracted, rules)
    if found.comparison.outcome is not Outcome.MISMATCH or request.method not in SAFE_METHODS:
        return found
    await asyncio.sleep(confirm_after)
    again = await _judge_once(request, legacy, extracted, rules)
    if again.comparison.outcome in (Outcome.MATCH, Outcome.IGNORED):
        racy = Comparison(Outcome.NOT_COMPARED, evidence=False, reason=RACY)
        return Judgement(request, racy, again.legacy, again.extracted)
    return again


async def _judge_once(request: RecordedRequest, legacy: Side, extracted: Side, rules: Rules) -> Judgement:
    one, other = await asyncio.gather(legacy.ask(request), extracted.ask(request), return_exceptions=True)
    for side, answer in (("legacy", one), ("extracted", other)):
        if isinstance(answer, NotAnswered):
            reason = NOT_ANSWERED[side]
        elif isinstance(answer, TooBig):
            reason = TOO_BIG
        elif isinstance(answer, BaseException):
            raise answer
        else:
            continue
        comparison = Comparison(Outcome.NOT_COMPARED, evidence=False, reason=reason)
        answered = [None if isinstance(side, BaseException) else side for side in (one, other)]
        return Judgement(request, comparison, answered[0], answered[1], str(answer))
    assert isinstance(one, Answered)
    assert isinstance(other, Answered)
    return Judgement(request, compare(one.answer, other.answer, rules), one, other)


async def replay(
    requests: Iterable[RecordedRequest],
    legacy: Side,
    extracted: Side,
    rules: Rules,
    on_judged: Callable[[Judgement], None],
    *,
    concurrency: int = 8,
    rate: float = 0,
    confirm_after: float = 0.5,
) -> None:
    """Judge all requests, at most `concurrency` at a time and `rate` a second begun (0: as fast as they are answered).

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


def _failed(request: RecordedRequest, error: Exception) -> Judgement:
    """What a request came to that could not be asked or compared because of `error`."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    comparison = Comparison(Outcome.NOT_COMPARED, evidence=False, reason=FAILED)
    detail = sayable(f"{request}: {type(error).__name__}: {error}{place}")
    return Judgement(request, comparison, None, None, detail)


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
