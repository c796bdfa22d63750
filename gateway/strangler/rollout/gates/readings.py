"""Which gates count in which state, and what they show.

No caller is on the extracted side while proving, so that failing and slow callers
count from the first canary step on. While promoting, the gates of the share that
is on its way can fail already.
"""

from __future__ import annotations

from strangler.rollout.evidence import RolloutEvidence
from strangler.rollout.gates.callers import ERRORS, LATENCY, caller_reading
from strangler.rollout.gates.equivalence import equivalence_reading
from strangler.rollout.gates.metric import metric_reading
from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.record import Record
from strangler.rollout.results import Reading
from strangler.rollout.states import RolloutState

CALLERS_MOVED = frozenset({RolloutState.CANARY, RolloutState.PROMOTING, RolloutState.WATCHING})
GATED = CALLERS_MOVED | {RolloutState.PROVING}


def read_gates(policy: RolloutPolicy, record: Record, evidence: RolloutEvidence, now: float) -> tuple[Reading, ...]:
    """The reading of each gate that counts in the state of the record, or in the state that it holds."""
    state = record.effective
    if state not in GATED:
        return ()
    readings = []
    if policy.equivalence is not None:
        readings.append(equivalence_reading(policy, evidence.equivalence, record.scope, now))
    if state in CALLERS_MOVED:
        if policy.errors:
            readings.append(caller_reading(ERRORS, policy, record, evidence.errors, now))
        if policy.latency:
            readings.append(caller_reading(LATENCY, policy, record, evidence.latency, now))
    for gate, below in policy.metrics.items():
        readings.append(metric_reading(gate, below, evidence.metrics.get(gate), record.effective_since, now))
    return tuple(readings)
