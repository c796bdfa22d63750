"""Checks of how failures are handled: settings that depend on each other."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.schema.resilience import BalancingSection, BreakerSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_address
from strangler.model.resilience import BalancingPolicy


def problems(checked: Checked) -> Iterator[Problem]:
    """Everything that is wrong."""
    for name, upstream in checked.model.upstreams.items():
        yield from _balancing(checked, upstream.balancing, "upstreams", name, "balancing")
        yield from _breaker(checked, upstream.breaker, "upstreams", name, "breaker")
    for name, migration in checked.model.migrations.items():
        yield from _breaker(checked, migration.breaker, "migrations", name, "breaker")


def warnings(checked: Checked) -> Iterator[Problem]:
    """What is allowed and probably not meant."""
    for name, upstream in checked.model.upstreams.items():
        if upstream.resolve is not None and all(is_address(endpoint.host) for endpoint in upstream.endpoints):
            yield checked.problem("has no effect: every endpoint is an address", "upstreams", name, "resolve")


def _balancing(checked: Checked, balancing: BalancingSection, *path: Step) -> Iterator[Problem]:
    if balancing.policy is not BalancingPolicy.CONSISTENT_HASH:
        if balancing.key:
            yield checked.problem(f"{balancing.policy} takes no key; only consistent_hash does", *path, "key")
        return
    if not balancing.key:
        yield checked.problem("consistent_hash needs a 'key'", *path, hint="for example key: ['claim:sub', ip]")
    if balancing.slow_start:
        yield checked.problem(
            "consistent_hash does not support slow_start: keys would move back and forth", *path, "slow_start"
        )
    for number, key in enumerate(balancing.key):
        if key.kind == "none":
            yield checked.problem("'none' is drawn anew for each request, so it can't be a key", *path, "key", number)


def _breaker(checked: Checked, breaker: BreakerSection | None, *path: Step) -> Iterator[Problem]:
    if breaker is not None and breaker.slow is None and "slow_percent" in breaker.model_fields_set:
        yield checked.problem(
            "has no effect without 'slow', the time after which a response counts as slow", *path, "slow_percent"
        )
