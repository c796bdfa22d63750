"""The judge: what each pair comes to, asked again where that could be chance.

A pair ends in exactly one of match, ignored, mismatch and not compared. A
mismatch of a read counts only when both sides, asked once more after a moment,
differ again: between the two first answers somebody may have written, or a
replica may have lagged. What then agrees is `racy`.

Nothing here waits for the store: what was found gathers until `flush`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic, time
from typing import Any

import structlog

from gateway.config.snapshot import SAFE_METHODS, Migration, Shadow, Snapshot, Stage, Upstream
from gateway.shadow.asking import NotAnswered, Secure, ask, secure
from gateway.shadow.comparison import Comparison, Outcome, compare
from gateway.shadow.difference import Difference
from gateway.shadow.document import documented
from gateway.shadow.noise import Noise
from gateway.shadow.pair import Answered, NotCompared, Pair, Reason
from gateway.shadow.redaction import Redaction
from gateway.shadow.rules import DEFAULT_RULES, Rules
from gateway.shadow.sameness import Sameness
from gateway.shadow.store import PERIOD, Evidence, Example, Remembered, Reservoirs, bucket_of_latency
from gateway.shadow.time_limit import TooCostly, limited

log = structlog.get_logger(part="judge")

FAVOURED = 299
"""Pairs without a mismatch that show, at 95 %, that fewer than 1 % would differ; routes with fewer are favoured."""

ASKING = 32
"""Most questions of one migration to a side at a time, beside those of callers."""
WAITING = 256
"""Most mismatches of one migration that wait for being asked again."""

LEARNED = "noise, learned"
"""The rule of a difference that legacy has with itself as often."""

MOST_SECONDS = 2.0
"""Of processor time for one comparison; other pairs wait meanwhile."""
_TOO_COSTLY = Comparison(Outcome.NOT_COMPARED, evidence=False, reason=Reason.COSTLY)

WINDOW = 60.0
SILENT_AFTER = 20

Ask = Callable[[str, bytes, float, int, Secure | None], Awaitable[Answered]]


@dataclass(slots=True)
class Tally:
    """What became of a migration's requests since the judge began, and of late.

    `recent` has a second, how many requests came in it, and how many of them were compared.
    """

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    recent: deque[tuple[int, int, int]] = field(default_factory=deque)

    def add(self, outcome: Outcome, reason: str, count: int) -> None:
        """Count `count` requests; `reason` is a reason or a rule."""
        key = (str(outcome), reason)
        self.outcomes[key] = self.outcomes.get(key, 0) + count
        second = int(monotonic())
        compared = count if outcome is not Outcome.NOT_COMPARED or reason == Reason.RACY else 0
        if self.recent and self.recent[-1][0] == second:
            _, seen, before = self.recent.pop()
            self.recent.append((second, seen + count, before + compared))
        else:
            self.recent.append((second, count, compared))
            while self.recent[0][0] < second - WINDOW:
                self.recent.popleft()

    def problem(self) -> str | None:
        """Why this shadow proves nothing at the moment, or None."""
        recent = [entry for entry in self.recent if entry[0] >= monotonic() - WINDOW]
        seen = sum(count for _, count, _ in recent)
        if seen < SILENT_AFTER or any(compared for _, _, compared in recent):
            return None
        reasons = sorted(
            ((count, reason) for (outcome, reason), count in self.outcomes.items() if outcome == Outcome.NOT_COMPARED),
            reverse=True,
        )
        listed = ", ".join(f"{reason} {count}" for count, reason in reasons[:4])
        return f"none of the last {seen} requests was compared ({listed})"


@dataclass(slots=True)
class Case:
    """A migration under judgement."""

    migration: Migration
    shadow: Shadow
    rules: Rules
    sameness: Sameness
    redaction: Redaction
    noise: Noise
    legacy: Upstream
    extracted: Upstream
    asking: asyncio.Semaphore
    met: dict[str, Secure | None] = field(default_factory=dict)
    waiting: int = 0
    noise_changed: bool = False

    def without_noise(self, pair: Pair, comparison: Comparison, *, again: bool = False) -> Comparison:
        """`comparison` with the differences that are noise among those that are let pass."""
        noisy, rest = self.noise.sift(pair.endpoint, comparison.differences, again=again)
        if not noisy:
            return comparison
        self.noise_changed = True
        return replace(
            comparison,
            outcome=Outcome.MISMATCH if rest else Outcome.IGNORED,
            differences=tuple(rest),
            ignored=(*comparison.ignored, *((difference, LEARNED) for difference in noisy)),
        )


class Judge:
    """Judges the pairs of the migrations of a snapshot.

    `ask_again` asks an endpoint.
    """

    def __init__(self, ask_again: Ask = ask) -> None:
        self.tallies: dict[str, Tally] = {}
        self.gathered = Evidence()
        self._reservoirs = Reservoirs()
        self._compared: dict[tuple[str, str], int] = {}
        self._learned: dict[str, bytes] = {}
        self._ask = ask_again
        self._cases: dict[str, Case] = {}
        self._routes: tuple[tuple[str, str], ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()

    def apply(self, snapshot: Snapshot, rules: Mapping[str, Rules]) -> None:
        """Judge by `snapshot` and the `rules` of each migration from the next pair on."""
        self._cases = {
            name: self._case(snapshot, migration, migration.shadow, rules.get(name, DEFAULT_RULES))
            for name, migration in snapshot.migrations.items()
            if migration.shadow is not None
        }
        for name in self._cases:
            self.tallies.setdefault(name, Tally())
        self._routes = tuple(
            (route.migration.name, route.name)
            for route in snapshot.routes
            if route.migration is not None and route.migration.name in self._cases
        )

    def _case(self, snapshot: Snapshot, migration: Migration, shadow: Shadow, rules: Rules) -> Case:
        return Case(
            migration,
            shadow,
            rules,
            Sameness(rules),
            Redaction(shadow.redact),
            self._noise_of(migration.name, rules),
            snapshot.upstreams[migration.legacy],
            snapshot.upstreams[migration.extracted],
            asyncio.Semaphore(ASKING),
        )

    def remember(self, before: Remembered) -> None:
        """Go on from what was found before, which is added to what was found since this judge began."""
        self._reservoirs.merge(before.seen)
        self.gathered.keep_reservoirs(before.seen)
        for route, count in before.compared.items():
            self._compared[route] = self._compared.get(route, 0) + count
        self._learned = {**before.learned, **self._learned}
        for name, case in self._cases.items():
            if name in before.learned:
                case.noise.merge(_noise(name, before.learned[name], case.rules))
                case.noise_changed = True

    def forget(self) -> None:
        """Begin anew, for another store: nothing was seen, compared or learned."""
        self._reservoirs = Reservoirs()
        self._compared = {}
        self._learned = {}
        for case in self._cases.values():
            case.noise = Noise(case.rules.noise)

    def favoured(self) -> frozenset[str]:
        """The names of the routes that have too few pairs to say anything."""
        return frozenset(route for name, route in self._routes if self._compared.get((name, route), 0) < FAVOURED)

    def shadows(self) -> dict[str, Shadow]:
        """The shadows by migration."""
        return {name: case.shadow for name, case in self._cases.items()}

    def count(self, not_compared: Mapping[NotCompared, int]) -> None:
        """Count requests that a worker could not make pairs of."""
        for what, count in not_compared.items():
            self._count(what, Outcome.NOT_COMPARED, what.reason, count=count)
            if what.reason in (Reason.UNREACHABLE, Reason.TIMED_OUT):
                asked = self._asked_side(what.migration)
                self._count_answer(what.migration, what.endpoint, asked, 0, 0.0, count)

    def flush(self) -> Evidence:
        """What was found since the last call."""
        evidence, self.gathered = self.gathered, Evidence()
        for name, case in self._cases.items():
            if case.noise_changed:
                case.noise_changed = False
                evidence.noise[name] = self._learned[name] = case.noise.document()
        return evidence

    async def settle(self) -> None:
        """Wait for all questions that are under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def judge(self, pair: Pair) -> None:
        """Compare the two answers of `pair`, and see to what follows from it."""
        for side, answered in (("legacy", pair.legacy), ("extracted", pair.extracted)):
            self._count_answer(pair.migration, pair.endpoint, side, answered.status, answered.seconds, 1)
        case = self._cases.get(pair.migration)
        if case is None:  # its shadow ended while the pair was on its way
            self._not_compared(pair, Reason.UNCONFIRMED)
            return
        comparison = case.sameness.of(pair.legacy, pair.extracted)
        if comparison is None:
            comparison = _compared(pair.legacy, pair.extracted, case.rules)
        first = comparison
        if comparison.outcome is not Outcome.NOT_COMPARED:
            case.noise.compared(pair.endpoint, comparison.differences, pair.at)
            comparison = case.without_noise(pair, comparison)
        read = pair.method in SAFE_METHODS
        if comparison.outcome is not Outcome.MISMATCH or not read:
            self._settle(case, pair, comparison)
        elif case.waiting >= WAITING:
            self._not_compared(pair, Reason.OVERLOAD)
        else:
            case.waiting += 1
            self._later(self._confirm(case, pair))
        shadow = case.shadow
        if (
            read
            and first.outcome is not Outcome.NOT_COMPARED
            and case.waiting < WAITING
            and case.noise.asks(pair.endpoint, shadow.noise_percent, shadow.noise_learning_percent)
        ):
            case.waiting += 1
            self._later(self._learn_noise(case, pair, first))

    async def _confirm(self, case: Case, pair: Pair) -> None:
        try:
            await asyncio.sleep(case.shadow.confirm_after)
            async with case.asking:
                legacy, extracted = await asyncio.gather(
                    self._ask_side(case, pair, pair.legacy), self._ask_side(case, pair, pair.extracted)
                )
        except NotAnswered as error:
            log.debug("a mismatch could not be confirmed", migration=pair.migration, reason=str(error))
            self._not_compared(pair, Reason.UNCONFIRMED)
            return
        finally:
            case.waiting -= 1
        again = case.without_noise(pair, _compared(legacy, extracted, case.rules), again=True)
        if again.outcome is not Outcome.MATCH and again.outcome is not Outcome.IGNORED:
            self._settle(case, pair._replace(legacy=legacy, extracted=extracted), again)
        else:
            self._not_compared(pair, Reason.RACY)

    async def _learn_noise(self, case: Case, pair: Pair, first: Comparison) -> None:
        """Ask both sides once more, and learn what differs by itself."""
        try:
            async with case.asking:
                legacy, extracted = await asyncio.gather(
                    self._ask_side(case, pair, pair.legacy),
                    self._ask_side(case, pair, pair.extracted),
                    return_exceptions=True,
                )
        finally:
            case.waiting -= 1
        for again in (legacy, extracted):
            if isinstance(again, BaseException) and not isinstance(again, NotAnswered):
                raise again
        if isinstance(legacy, BaseException):
            log.debug("legacy did not answer twice", migration=pair.migration, reason=str(legacy))
            return
        itself = _compared(pair.legacy, legacy, case.rules)
        if itself.outcome is Outcome.NOT_COMPARED:
            return
        candidate = None if isinstance(extracted, BaseException) else _compared(pair.extracted, extracted, case.rules)
        varied = None if candidate is None or candidate.outcome is Outcome.NOT_COMPARED else candidate.differences
        case.noise.asked_twice(pair.endpoint, itself.differences, first.differences, varied)
        case.noise_changed = True

    async def _ask_side(self, case: Case, pair: Pair, answered: Answered) -> Answered:
        upstream = case.legacy if answered is pair.legacy else case.extracted
        met = case.met.get(answered.endpoint)
        if met is None and answered.endpoint.startswith("https:"):
            met = case.met[answered.endpoint] = secure(upstream, answered.endpoint)
        return await self._ask(answered.endpoint, pair.request, case.shadow.timeout, case.shadow.response_body, met)

    def _settle(self, case: Case, pair: Pair, comparison: Comparison) -> None:
        outcome = comparison.outcome
        if outcome is Outcome.NOT_COMPARED:
            self._not_compared(pair, comparison.reason or Reason.UNCONFIRMED)
            return
        reason = comparison.ignored[0][1] if outcome is Outcome.IGNORED and comparison.ignored else ""
        what = NotCompared(pair.migration, pair.route, pair.endpoint, reason)
        self._count(what, outcome, reason, evidence=comparison.evidence)
        signatures = self._count_signatures(pair, comparison.differences) or [f"{outcome} {pair.endpoint}"]
        example = Example(
            pair.migration,
            pair.route,
            pair.endpoint,
            pair.at,
            str(outcome),
            partial(documented, pair, comparison, case.shadow.store == "values", case.redaction),
        )
        for signature in signatures:
            for slot in self._reservoirs.slots(pair.migration, signature):
                self.gathered.chosen[(pair.migration, signature, slot)] = example

    def _count_signatures(self, pair: Pair, differences: Sequence[Difference]) -> list[str]:
        """Count each signature that a pair has, once, and give them as they are known."""
        found = {difference.signature: difference for difference in differences}
        period = _period(pair.at)
        signatures: list[str] = []
        for signature, difference in found.items():
            known = self._reservoirs.known(pair.migration, signature)
            counts = self.gathered.signatures
            kind, risk = str(difference.kind), str(difference.risk)
            key = (pair.migration, known, period, pair.endpoint, difference.path, kind, risk)
            counts[key] = counts.get(key, 0) + 1
            signatures.append(known)
        return signatures

    def _not_compared(self, pair: Pair, reason: str) -> None:
        what = NotCompared(pair.migration, pair.route, pair.endpoint, reason)
        self._count(what, Outcome.NOT_COMPARED, reason)

    def _count(
        self, what: NotCompared, outcome: Outcome, reason: str, *, evidence: bool = False, count: int = 1
    ) -> None:
        self.tallies.setdefault(what.migration, Tally()).add(outcome, reason, count)
        if evidence:
            route = (what.migration, what.route)
            self._compared[route] = self._compared.get(route, 0) + count
        key = (what.migration, what.route, what.endpoint, _period(time()), str(outcome), reason, evidence)
        self.gathered.outcomes[key] = self.gathered.outcomes.get(key, 0) + count

    def _count_answer(self, migration: str, endpoint: str, side: str, status: int, seconds: float, count: int) -> None:
        key = (migration, endpoint, side, _period(time()), status, bucket_of_latency(seconds))
        self.gathered.answers[key] = self.gathered.answers.get(key, 0) + count

    def _asked_side(self, migration: str) -> str:
        """The side that gets the copies."""
        case = self._cases.get(migration)
        return "extracted" if case is None or case.migration.stage is Stage.SHADOW else "legacy"

    def _noise_of(self, migration: str, rules: Rules) -> Noise:
        """What was learned so far about the noise of a migration."""
        case = self._cases.get(migration)
        document = case.noise.document() if case is not None else self._learned.get(migration)
        return Noise(rules.noise) if document is None else _noise(migration, document, rules)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("asking again failed", error=repr(error), exc_info=error)


def _compared(legacy: Answered, extracted: Answered, rules: Rules) -> Comparison:
    try:
        with limited(MOST_SECONDS):
            return compare(legacy.answer, extracted.answer, rules)
    except TooCostly:
        return _TOO_COSTLY


def _noise(migration: str, document: bytes, rules: Rules) -> Noise:
    try:
        return Noise.read(document, rules.noise)
    except ValueError as error:
        log.error("learning noise anew", migration=migration, error=str(error))
        return Noise(rules.noise)


def _period(at: float) -> int:
    return int(at // PERIOD) * PERIOD
