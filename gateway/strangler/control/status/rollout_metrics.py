"""Rollouts for Prometheus: where each stands, whether it is stuck, and what its gates show."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from strangler.control.rollouts.engine import RolloutEngine
from strangler.rollout.states import RolloutState

RESULTS = ("pass", "fail", "not enough", "cannot measure")


def rollout_families(engine: RolloutEngine) -> Iterator[Metric]:
    """The metrics of the rollouts, by this gateway's last turn; nothing where no migration has one."""
    if not engine.plans:
        return
    yield GaugeMetricFamily("strangler_rollout_leader", "1 where this gateway's controller decides.", int(engine.leads))
    yield GaugeMetricFamily(
        "strangler_rollouts_measuring",
        "0 where all rollouts hold because the store can't be read or written; /status says why.",
        int(engine.problem is None),
    )
    state = GaugeMetricFamily(
        "strangler_rollout_state", "1 for the state in which a rollout is.", labels=("migration", "state")
    )
    share = GaugeMetricFamily(
        "strangler_rollout_share", "The share of callers on the extracted side, 0 to 1.", labels=("migration",)
    )
    stuck = GaugeMetricFamily("strangler_rollout_stuck", "1 where a rollout makes no progress.", labels=("migration",))
    gate = GaugeMetricFamily(
        "strangler_rollout_gate", "1 for the result that a gate has.", labels=("migration", "gate", "result")
    )
    records = {} if engine.stored is None else engine.stored.records
    for name in engine.plans.keys() & records.keys():
        known = records[name]
        for each in RolloutState:
            state.add_metric((name, each.value), int(known.record.state is each))
        share.add_metric((name,), known.share)
        stuck.add_metric((name,), int(known.record.stuck is not None))
        for shown in known.shown["gates"]:
            for result in RESULTS:
                gate.add_metric((name, shown["gate"], result), int(shown["result"] == result))
    yield from (state, share, stuck, gate)
