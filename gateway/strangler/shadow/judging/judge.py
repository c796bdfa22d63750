"""The judge's logic: the outcome of each pair. Its process is `control.judge.main`, seen from outside `.handle`.

A pair has exactly one outcome (`comparison.compare.Outcome`). A pair is left
out only before its outcome is known, or because of what legacy alone did;
everything else counts, for the candidate or against it:

1. A pair that comes while too many wait is left out unseen.
2. Where legacy's response is missing there is nothing to compare with; where
   the candidate's is, the candidate *failed to answer*.
3. Where legacy's response is partial (304, 206 …) or in a coding that can't be
   decoded, both sides are asked anew by the copy's fields.
4. Two responses are compared. A difference in a read is asked about once more
   before it counts (`confirming`).
5. What was found is settled: counted, with examples, for its epoch. The same
   caller asking for the same thing is evidence once an hour (`variety`).

Nothing here waits for the store: what was found gathers until `flush`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import time

import structlog

from strangler.comparison.compare import Outcome
from strangler.comparison.rules import Rules
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.model.migration import Migration
from strangler.model.shadow import Shadow
from strangler.model.snapshot import Snapshot
from strangler.redaction.redaction import Redaction
from strangler.shadow.evidence.epochs import Epochs, Reset
from strangler.shadow.evidence.store import SELF_TEST
from strangler.shadow.evidence.unwritten import EpochOf, RememberedEvidence, UnwrittenEvidence
from strangler.shadow.evidence.variety import unit_of
from strangler.shadow.judging.case import NOTHING_FOUND, WAITING, Ask, Case, left_out, not_comparable, without_response
from strangler.shadow.judging.confirming import DifferingRead, confirm, lagging, legacy_before
from strangler.shadow.judging.equal_bytes import Sameness
from strangler.shadow.judging.lag import EarlierResponses
from strangler.shadow.judging.learning import ask_twice, learn, read_noise
from strangler.shadow.judging.ledger import Finding, Keeping, Ledger, Match
from strangler.shadow.judging.pending import PendingWork
from strangler.shadow.judging.resend import ResendFailed, ask
from strangler.shadow.judging.tally import ShadowTally
from strangler.shadow.noise.noise import Noise
from strangler.shadow.pair import NotCompared, Pair, Reason, failing

log = structlog.get_logger(part="judge")

FAVOURED = 332
"""Pairs that prove fewer than 1 % wrong responses if all are right; routes with fewer are copied whatever the share."""

ASKING = 32
"""Most requests of one migration to its sides at a time, beside those of callers."""


class Judge:
    """Judges the pairs of the migrations of a snapshot.

    `ask_again` sends a request to an endpoint. `on_known_pair` gets what a
    known pair of a self-test came to: its ticket, kind and outcome.
    """

    def __init__(
        self, ask_again: Ask = ask, on_known_pair: Callable[[str, str, str], None] = lambda *known: None
    ) -> None:
        self._ledger = Ledger(on_known_pair)
        self._hurry = asyncio.Event()
        self._learned: dict[str, bytes] = {}
        self._epochs: dict[str, Epochs] = {}
        self._earlier = EarlierResponses()
        self._ask = ask_again
        self._cases: dict[str, Case] = {}
        self._routes: tuple[tuple[str, str], ...] = ()
        self._version = ""
        self._pending = PendingWork()

    def apply(self, snapshot: Snapshot, rules: Mapping[str, Rules], settings: Mapping[str, str] | None = None) -> None:
        """Judge by `snapshot` and the `rules` of each migration from the next pair on.

        `settings` has for each migration a digest of all that decides about its
        responses and their comparison; another one begins an epoch.
        """
        now = time()
        self._version = snapshot.version
        for name, migration in snapshot.migrations.items():
            if migration.shadow is not None:
                self._begin_epoch(migration, migration.shadow, (settings or {}).get(name, ""), now)
        self._cases = {
            name: self._case(snapshot, migration, migration.shadow, rules.get(name, DEFAULT_RULES))
            for name, migration in snapshot.migrations.items()
            if migration.shadow is not None
        }
        for name in self._cases:
            self._ledger.tallies.setdefault(name, ShadowTally())
        self._routes = tuple(
            (route.migration.name, route.name)
            for route in snapshot.routes
            if route.migration is not None and route.migration.name in self._cases
        )

    def _begin_epoch(self, migration: Migration, shadow: Shadow, settings: str, now: float) -> None:
        epochs = self._epochs.get(migration.name)
        if epochs is None:
            self._epochs[migration.name] = Epochs(migration.name, settings, shadow.version_header, now)
        else:
            epochs.configure(settings, shadow.version_header, now)

    def _case(self, snapshot: Snapshot, migration: Migration, shadow: Shadow, rules: Rules) -> Case:
        known = self._cases.get(migration.name)
        document = known.noise.document() if known is not None else self._learned.get(migration.name)
        noise = Noise(rules.noise) if document is None else read_noise(migration.name, document, rules)
        return Case(
            migration,
            shadow,
            rules,
            Sameness(rules),
            Keeping(shadow.store == "values", Redaction(shadow.redact)),
            noise,
            self._epochs[migration.name],
            snapshot.upstreams[migration.legacy],
            snapshot.upstreams[migration.extracted],
            self._ask,
            asyncio.Semaphore(ASKING),
            self._hurry,
        )

    def remember(self, before: RememberedEvidence) -> None:
        """Go on from what was found before, which is added to what was found since this judge began."""
        self._ledger.remember(before)
        self._learned = {**before.learned, **self._learned}
        for name, epochs in self._epochs.items():
            epochs.remember(before.epochs.get(name, ()))
        self.reset(before.resets)
        for name, case in self._cases.items():
            if name in before.learned:
                case.noise.merge(read_noise(name, before.learned[name], case.rules))
                case.noise_changed = True

    def reset(self, resets: Mapping[str, Reset]) -> None:
        """Begin the evidence of migrations anew that an operator has reset since."""
        for name, reset in resets.items():
            epochs = self._epochs.get(name)
            if epochs is None:
                continue
            before = epochs.id
            epochs.reset(reset, time())
            if epochs.id != before and name in self._cases:
                self._cases[name].noise.forget_candidate()
                self._cases[name].noise_changed = True

    def forget(self) -> None:
        """Begin anew, for another store: nothing was seen, compared or learned."""
        self._ledger.forget()
        self._learned = {}
        for epochs in self._epochs.values():
            epochs.forget(time())
        for case in self._cases.values():
            case.noise = Noise(case.rules.noise)

    def favoured(self) -> frozenset[str]:
        """The names of the routes that have too few pairs to say anything."""
        return frozenset(
            route
            for name, route in self._routes
            if self._ledger.evidence_of(name, self._epochs[name].id, route) < FAVOURED
        )

    @property
    def tallies(self) -> dict[str, ShadowTally]:
        """What became of each migration's requests since this judge began."""
        return self._ledger.tallies

    def shadows(self) -> dict[str, Shadow]:
        """The shadows by migration."""
        return {name: case.shadow for name, case in self._cases.items()}

    def epochs(self) -> dict[str, str]:
        """The present epoch of each migration that is shadowed."""
        return {name: case.epochs.id for name, case in self._cases.items()}

    def tested(self, migration: str, epoch: str, at: float, failure: str) -> None:
        """Record that a self-test is over; `failure` is empty if it passed."""
        self._ledger.tested(migration, epoch, at, failure)

    def count(self, not_compared: Mapping[NotCompared, int]) -> None:
        """Count requests of which workers could not make pairs."""
        for what, count in not_compared.items():
            epochs = self._epochs.get(what.migration)
            if what.version and what.version != self._version and failing(what.reason, what.served):
                what = what._replace(reason=Reason.CHANGED)
            self._ledger.count(what, epochs.id if epochs is not None else "", count)

    def flush(self) -> UnwrittenEvidence:
        """What was found since the last call."""
        evidence = self._ledger.flush()
        now = time()
        for name, case in self._cases.items():
            if case.noise_changed:
                case.noise_changed = False
                evidence.noise[name] = self._learned[name] = case.noise.document()
            current = case.epochs.current
            current.last = max(current.last, now)
            evidence.epochs[EpochOf(name, current.id)] = current
        return evidence

    def hurry(self) -> None:
        """The judge ends: ask at once what is still to be asked."""
        self._hurry.set()

    async def settle(self) -> None:
        """Wait for all requests that are under way; cancelling this cancels them."""
        await self._pending.settle()

    def judge(self, pair: Pair) -> None:
        """Determine the outcome of `pair`, now or, where requests have to be sent for it, later."""
        case = self._cases.get(pair.migration)
        if case is None or (pair.version and pair.version != self._version):
            # It was copied under another configuration, so it is no evidence for the present epoch.
            if not pair.self_test:
                self.count({NotCompared(pair.migration, pair.route, pair.operation, pair.served, Reason.CHANGED): 1})
            return
        epoch = SELF_TEST if pair.self_test else self._epoch_of(case, pair)
        self._ledger.count_responses(pair, epoch)
        if pair.legacy.missing:
            self._settle(case, epoch, left_out(pair, pair.legacy.missing))
        elif pair.extracted.missing:
            self._settle(case, epoch, without_response(pair))
        elif case.waiting >= WAITING:
            # Before it is known what it is: matches and mismatches alike.
            self._settle(case, epoch, left_out(pair, Reason.OVERLOAD))
        elif case.is_partial(pair):
            self._pending.begin(case, self._judge_anew(case, pair, epoch), self._cut_off(case, pair, epoch))
        else:
            self._judge_whole(case, pair, epoch)

    def _epoch_of(self, case: Case, pair: Pair) -> str:
        before = case.epochs.id
        epoch = case.epochs.of(pair)
        if epoch != before:
            # Of another version of a side it is to be learned anew how the candidate varies.
            self._ledger.keep(pair.migration, {before, epoch})
            case.noise.forget_candidate()
            case.noise_changed = True
        return epoch

    async def _judge_anew(self, case: Case, pair: Pair, epoch: str) -> None:
        """Ask both sides by the copy's fields, and judge that."""
        try:
            async with case.asking:
                pair = await case.ask_both(pair)
        except ResendFailed as error:
            log.info("legacy gave no whole response to compare with", migration=pair.migration, reason=str(error))
            self._settle(case, epoch, left_out(pair, Reason.CONDITIONAL))
            return
        if pair.extracted.missing:
            self._settle(case, epoch, without_response(pair))
        else:
            self._judge_whole(case, pair, epoch, anew=True)

    def _judge_whole(self, case: Case, pair: Pair, epoch: str, *, anew: bool = False) -> None:
        """Compare two complete responses; `anew` is whether both sides were asked with the copy's fields."""
        read = pair.is_read
        unit = unit_of(pair)
        comparison = case.sameness.of(pair.legacy, pair.extracted)
        if comparison is None:
            if read and not anew and case.undecodable(pair.legacy):
                self._pending.begin(case, self._judge_anew(case, pair, epoch), self._cut_off(case, pair, epoch))
                return
            comparison = case.compared(pair.legacy, pair.extracted)
        if not pair.self_test:
            if read:
                self._earlier.note(pair, pair.legacy, pair.at)
            if learn(case, pair, comparison, read):
                self._pending.begin(case, ask_twice(case, pair, comparison))
            if comparison.outcome is Outcome.MATCH:
                self._ledger.settle_match(Match(pair, comparison, case.keeping), epoch, unit)
                return
        first = comparison
        if comparison.differences:
            comparison = case.without_noise(comparison, pair.operation)
        if read and comparison.outcome is Outcome.IGNORED and first.outcome is Outcome.MISMATCH:
            # All of it is noise, unless it is an earlier response of legacy: a value that lags varies as legacy's does.
            differing = DifferingRead(pair, first, unit)
            behind = legacy_before(case, differing, self._earlier)
            if behind is not None:
                find = partial(lagging, case, differing, behind, self._earlier)
                self._pending.begin(case, self._settle_found(case, epoch, find), self._stands(case, epoch, differing))
                return
        if comparison.outcome is Outcome.NOT_COMPARED:
            self._settle(case, epoch, not_comparable(case, pair, comparison, unit))
        elif comparison.outcome is Outcome.MISMATCH and read:
            differing = DifferingRead(pair, comparison, unit)
            find = partial(confirm, case, differing, self._earlier)
            self._pending.begin(case, self._settle_found(case, epoch, find), self._stands(case, epoch, differing))
        else:
            rule = comparison.ignored[0][1] if comparison.outcome is Outcome.IGNORED else ""
            self._settle(case, epoch, Finding(comparison.outcome, rule, pair, comparison, unit))

    async def _settle_found(self, case: Case, epoch: str, find: Callable[[], Awaitable[Finding]]) -> None:
        self._settle(case, epoch, await find())

    def failed(self, pair: Pair) -> None:
        """The judge could not judge `pair`: a defect, which must not excuse the candidate."""
        case = self._cases.get(pair.migration)
        if case is not None:
            finding = Finding(Outcome.MISMATCH, Reason.FAILED, pair, NOTHING_FOUND, unit_of(pair))
            self._settle(case, case.epochs.id, finding)

    def _settle(self, case: Case, epoch: str, finding: Finding) -> None:
        self._ledger.settle(finding, epoch, case.keeping)

    def _stands(self, case: Case, epoch: str, read: DifferingRead) -> Callable[[bool], None]:
        """Return what to do if the sides can't be asked again: the difference stands."""
        return lambda cancelled: self._settle(case, epoch, read.found(Outcome.MISMATCH, Reason.UNCONFIRMED))

    def _cut_off(self, case: Case, pair: Pair, epoch: str) -> Callable[[bool], None]:
        """Return what to do with a pair that was not compared yet if the sides can't be asked again."""

        def settle(cancelled: bool) -> None:
            if cancelled:
                self._settle(case, epoch, left_out(pair, Reason.STOPPED))
            else:
                self.failed(pair)

        return settle
