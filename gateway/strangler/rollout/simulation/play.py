"""One simulated rollout, from its first turn until it has rolled back or all callers are on the extracted side.

What is played is the gate on failing callers, with windows if the policy has
some; all other gates and the dependencies count as passed, and the time to watch
as served. The controller takes a turn when `events` finds that it might act, and another
one a second later, because it does not promote in the first turn after a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from strangler.rollout.advance import advance
from strangler.rollout.evidence import CallerCounts, CallersSeen, Published, RolloutEvidence, Unavailable
from strangler.rollout.policy import DAY, RolloutPolicy
from strangler.rollout.record import Record, wanted
from strangler.rollout.simulation.events import StepEvents
from strangler.rollout.simulation.traffic import Traffic, step_cells
from strangler.rollout.states import RolloutState

REVISION = "simulated"
START = 1_800_000_000.0
HOLDING_TURN = 900.0
"""Seconds after which a rollout that holds is looked at again."""
LONGEST = 90 * DAY
NOT_COUNTED = Unavailable("not simulated")


@dataclass(frozen=True, slots=True)
class Played:
    """How a rollout went. `state` is ROLLED_BACK, WATCHING, or where it still was when no caller was left.

    `seconds` is how long each canary step lasted, by its percentage, `reached` the
    last one. `exposed` is the share of all callers who came while they were on the
    extracted side.
    """

    state: RolloutState
    reached: float
    seconds: dict[float, float]
    exposed: float


def played_policy(policy: RolloutPolicy) -> RolloutPolicy:
    """The part of the policy that is played."""
    return replace(
        policy,
        equivalence=None,
        errors=True,
        latency=False,
        metrics={},
        approve_before=frozenset(),
        depends_on=(),
        dry_run=False,
    )


class Play:
    """A simulated rollout of a release that fails `ratio` times as many callers as the legacy side."""

    def __init__(self, policy: RolloutPolicy, traffic: Traffic, ratio: float, random: Random) -> None:
        self._policy = policy
        self._traffic = traffic
        self._ratio = ratio
        self._random = random
        self._now = START + random.random() * traffic.period
        self._record = Record(migration=REVISION, revision=REVISION)
        self._events: StepEvents | None = None
        self._began = self._now
        self._seconds: dict[float, float] = {}
        self._times: list[tuple[float, float]] = []

    def run(self) -> Played:
        """Play to the end."""
        started = self._now
        while self._record.state not in (RolloutState.ROLLED_BACK, RolloutState.WATCHING):
            if self._now - started > LONGEST or (self._events is not None and self._events.exhausted):
                break
            self._turn()
            if self._record.effective is RolloutState.CANARY:
                self._proceed()
            elif self._record.state is RolloutState.HOLDING:
                self._now += HOLDING_TURN
                self._turn()
        self._end_step()
        reached = self._times[-1][0] * 100 if self._times else 0.0
        return Played(self._record.state, reached, self._seconds, self._exposed())

    def _turn(self) -> None:
        before = self._record
        self._now += 1.0
        self._record = advance(self._policy, before, self._evidence(), self._now).record
        if self._record.state is RolloutState.PROMOTING:
            self._end_step()
        elif self._record.effective is RolloutState.CANARY and self._events is None:
            share = wanted(self._policy, self._record).share
            cells = step_cells(self._traffic, share, self._ratio)
            self._events = StepEvents(self._policy, share, cells, self._random)
            self._began = self._now

    def _proceed(self) -> None:
        """Let callers come until the controller might act, and let it turn."""
        events = self._events
        assert events is not None
        holds = self._record.state is RolloutState.HOLDING
        phase = self._began % self._traffic.period
        until = self._traffic.traffic_time(self._now + HOLDING_TURN - self._began, phase) if holds else float("inf")
        events.run(self._record.rollback_test("errors"), until, promotes=not holds)
        self._now = max(self._now, self._began + self._traffic.wall_time(events.time, phase))
        self._turn()

    def _evidence(self) -> RolloutEvidence:
        published = Published(self._record.publication, 1, 1)
        events = self._events
        if events is None:
            return RolloutEvidence(revision=REVISION, published=published)
        counts = CallerCounts(
            scope=self._record.scope,
            at=self._now,
            extracted=events.extracted,
            control=events.control,
            share=events.share,
            seen=CallersSeen(events.seen, int(events.seen * (1 - events.share) / events.share)),
        )
        return RolloutEvidence(revision=REVISION, errors=counts, published=published)

    def _end_step(self) -> None:
        if self._events is not None:
            self._times.append((self._events.share, self._events.time))
            self._seconds[self._events.share * 100] = self._now - self._began
            self._events = None

    def _exposed(self) -> float:
        """A caller who joined with a step was on the extracted side in it and in all later ones."""
        exposed, before = 0.0, 0.0
        for index, (share, _) in enumerate(self._times):
            exposed += (share - before) * self._traffic.seen_by(sum(time for _, time in self._times[index:]))
            before = share
        return exposed


def play(policy: RolloutPolicy, traffic: Traffic, ratio: float, random: Random) -> Played:
    """One rollout under a `played_policy`."""
    return Play(policy, traffic, ratio, random).run()
