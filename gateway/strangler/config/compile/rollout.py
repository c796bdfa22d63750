"""Rollouts: what the controller may do, and the snapshot by which workers serve what it has decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from strangler.config.compile.migrations import compile_shadow
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.rollout import RolloutSection
from strangler.model.migration import CallerCounting, Migration, Stage
from strangler.model.snapshot import Snapshot
from strangler.rollout.policy import Deadlines, EquivalenceRule, RolloutPolicy


class Placement(NamedTuple):
    """Where the controller has put a migration: the share of callers on the extracted side, 0 to 1, and the rest.

    `shadowed` asks for copies, `counting` is None where no callers are counted.
    """

    share: float
    shadowed: bool
    counting: CallerCounting | None


def compile_policy(section: RolloutSection) -> RolloutPolicy:
    """What `section` allows."""
    gates = section.gates
    equivalence = gates.equivalence
    rule = EquivalenceRule(equivalence.target / 100, frozenset(equivalence.classes))
    return RolloutPolicy(
        steps=tuple(section.steps),
        alpha=section.alpha,
        beta=section.beta,
        harmful_ratio=section.harmful_ratio,
        floor=min(section.floor / 100, 0.999),
        equivalence=rule if equivalence.enabled else None,
        errors=gates.errors.enabled,
        latency=gates.latency.enabled,
        metrics={name: gate.below for name, gate in gates.metrics.items()},
        approve_before=frozenset(gates.approval.before if gates.approval is not None else ()),
        windows=tuple(section.windows),
        depends_on=tuple(map(str, section.depends_on)),
        watch=section.watch,
        deadlines=Deadlines(**section.stuck_after.model_dump()),
        dry_run=section.dry_run,
    )


def placed(snapshot: Snapshot, model: Configuration, placements: Mapping[str, Placement]) -> Snapshot:
    """`snapshot` with the migrations of stage rollout where `placements` put them; `model` is what it was made from.

    A migration without a placement stays on its legacy side. Another placement is another version.
    """
    moved = {
        name: _placed(migration, model, placements[name])
        for name, migration in snapshot.migrations.items()
        if migration.rolled_out and name in placements
    }
    if not moved:
        return snapshot
    routes = {
        route.number: replace(
            route,
            migration=moved[route.migration.name],
            shadowed=moved[route.migration.name].shadow is not None,
            counted=moved[route.migration.name].counting is not None,
            slow_after=_slow_after(moved[route.migration.name], route.name),
        )
        for route in snapshot.routes
        if route.migration is not None and route.migration.name in moved
    }
    return replace(
        snapshot,
        version=f"{snapshot.version}+{_version_of(placements)}",
        migrations={**snapshot.migrations, **moved},
        routes=tuple(routes.get(route.number, route) for route in snapshot.routes),
        index=snapshot.index.with_routes(routes),
        folded=None
        if snapshot.folded is None
        else {folding: index.with_routes(routes) for folding, index in snapshot.folded.items()},
    )


def _placed(migration: Migration, model: Configuration, placement: Placement) -> Migration:
    shadow = compile_shadow(model.migrations[migration.name].shadow) if placement.shadowed else None
    if placement.share <= 0:
        stage = Stage.LEGACY if shadow is None else Stage.SHADOW
    else:
        stage = Stage.EXTRACTED if placement.share >= 1 else Stage.CANARY
    return replace(
        migration,
        stage=stage,
        threshold=round(placement.share * 10_000) if stage is Stage.CANARY else 0,
        shadow=shadow,
        counting=placement.counting,
    )


def _slow_after(migration: Migration, route: str) -> float:
    counting = migration.counting
    return float("inf") if counting is None else counting.slow_after.get(route, float("inf"))


def _version_of(placements: Mapping[str, Placement]) -> str:
    """A digest of where the migrations are."""
    said = "\n".join(
        f"{name} {share} {shadowed} {counting and (counting.scope, sorted(counting.slow_after.items()))}"
        for name, (share, shadowed, counting) in sorted(placements.items())
    )
    return blake2b(said.encode(), digest_size=4).hexdigest()
