"""Warnings of rollouts to which too few callers come, by the counts in the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time

from strangler.config.compile.rollout import compile_policy
from strangler.config.load import Loaded
from strangler.config.text.problems import Problem
from strangler.rollout.outlook import StepOutlook, outlook
from strangler.rollout.policy import DAY, RolloutPolicy
from strangler.store.database import Database, StoreError
from strangler.traffic import tables
from strangler.traffic.daily import callers_a_day

PATIENCE = 2.0
"""Seconds that the store may take."""
FAILING = 0.01
"""The share of the callers who fail on either side, as `strangler rollout simulate` supposes."""


def too_few_callers(loaded: Loaded) -> Iterator[Problem]:
    """A step of a rollout that would count as stuck before so many callers have come as it needs.

    The first such step of each migration. Nothing where the store can't be read
    within `PATIENCE`: a configuration may be looked at where its store is not.
    """
    if not loaded.rollouts:
        return
    try:
        daily = _callers_a_day(loaded.snapshot.store.url, loaded.rollouts)
    except StoreError:
        return
    for name, callers in daily.items():
        rollout = loaded.model.migrations[name].rollout
        assert rollout is not None
        policy = compile_policy(rollout)
        if not (policy.errors or policy.latency):
            continue
        step = next((each for each in outlook(policy, FAILING) if _is_stuck(each, policy, callers)), None)
        if step is not None:
            yield Problem(
                loaded.rollouts[name],
                f"too few callers for the rollout of '{name}': {step.sentence(callers)}",
                "raise the share of the step, beta, harmful_ratio or floor, or stuck_after.canary",
            )


def _callers_a_day(url: str, names: Iterable[str]) -> dict[str, float]:
    """The callers a day of each migration whose callers were counted for a day."""
    database = Database(url, tables.metadata, create=False, deadline=PATIENCE)
    try:
        now = time()
        found = database.read(lambda connection: {name: callers_a_day(connection, now, name) for name in names})
    finally:
        database.close()
    return {name: callers for name, callers in found.items() if callers is not None}


def _is_stuck(step: StepOutlook, policy: RolloutPolicy, callers: float) -> bool:
    return step.needed.mean > callers * policy.deadlines.canary / DAY
