"""What the configuration says about each migration that has a section `rollout`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import orjson

from strangler.config.compile.rollout import compile_policy
from strangler.config.load import Loaded
from strangler.config.schema.routes import MigrationSection
from strangler.model.migration import Stage
from strangler.rollout.policy import RolloutPolicy
from strangler.routing.split import BUCKETS
from strangler.shadow.evidence.epoch_settings import epoch_settings

_PROVEN = {"from_", "to", "routes", "auth", "always", "never"}
_RULES = {"steps", "alpha", "beta", "harmful_ratio", "floor"}


class MetricQuery(NamedTuple):
    """Where the number of a metric gate comes from."""

    prometheus: str
    query: str


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """How a migration may move.

    `stage` is the stage in the configuration where that is not `rollout`. The
    `digest` is of all that a proof rests on: sides, routes, comparison, callers,
    steps and error probabilities, but not windows, approvals, dependencies,
    deadlines or a dry run, which may change while it runs. `settings` is the part
    of it that shadow evidence is about. `least_compared` is a share, 0 to 1, of
    the sampled requests. `routes` are the names of the migration's routes.
    """

    migration: str
    policy: RolloutPolicy
    stage: str | None
    fixed_share: float
    digest: str
    settings: str
    least_compared: float
    routes: frozenset[str]
    metrics: Mapping[str, MetricQuery]
    writes: str | None
    webhook: str | None = field(default=None, repr=False)


def plans_of(loaded: Loaded) -> dict[str, RolloutPlan]:
    """The plans by migration, those first that others depend on."""
    plans = {
        str(name): _plan(loaded, str(name), section)
        for name, section in loaded.model.migrations.items()
        if section.rollout is not None
    }
    ordered: dict[str, RolloutPlan] = {}

    def put(name: str) -> None:
        # The configuration has no circles.
        if name in plans and name not in ordered:
            for other in plans[name].policy.depends_on:
                put(other)
            ordered[name] = plans[name]

    for name in plans:
        put(name)
    return ordered


def share_in_configuration(loaded: Loaded, migration: str) -> float | None:
    """The share of callers that the stage in the configuration gives, 0 to 1; None for an unknown migration."""
    configured = loaded.snapshot.migrations.get(migration)
    return None if configured is None else configured.extracted_buckets / BUCKETS


def _plan(loaded: Loaded, name: str, section: MigrationSection) -> RolloutPlan:
    rollout = section.rollout
    assert rollout is not None
    settings = epoch_settings(loaded.model, name)
    shadow = section.shadow
    return RolloutPlan(
        migration=name,
        policy=compile_policy(rollout),
        stage=None if section.stage is Stage.ROLLOUT else str(section.stage),
        fixed_share=share_in_configuration(loaded, name) or 0.0,
        digest=_digest(section, settings),
        settings=settings,
        least_compared=(50.0 if shadow is None else shadow.least_compared) / 100,
        routes=frozenset(
            route.name
            for route in loaded.snapshot.routes
            if route.migration is not None and route.migration.name == name
        ),
        metrics={gate: MetricQuery(str(one.prometheus), one.query) for gate, one in rollout.gates.metrics.items()},
        writes=rollout.writes,
        webhook=None if rollout.notify is None else str(rollout.notify.webhook),
    )


def _digest(section: MigrationSection, settings: str) -> str:
    rollout, canary = section.rollout, section.canary
    assert rollout is not None
    gates = rollout.gates
    said = [
        settings,
        section.model_dump(mode="json", include=_PROVEN, warnings=False),
        rollout.model_dump(mode="json", include=_RULES, warnings=False),
        [gates.equivalence.model_dump(mode="json"), gates.errors.enabled, gates.latency.enabled],
        None if canary is None or canary.sticky is None else [str(key) for key in canary.sticky],
    ]
    return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str), digest_size=4).hexdigest()
