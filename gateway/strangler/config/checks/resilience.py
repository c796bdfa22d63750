"""What must hold of how failures are met: settings that need each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from strangler.config.schema.configuration import Configuration
from strangler.config.schema.resilience import BalancingSection, BreakerSection
from strangler.config.text.document import Document, Step
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_address
from strangler.model.resilience import Policy


@dataclass(frozen=True, slots=True)
class ResilienceChecks:
    """The checks of one configuration; `document` is what `model` was made from."""

    model: Configuration
    document: Document

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong."""
        for name, upstream in self.model.upstreams.items():
            yield from self._balancing(upstream.balancing, "upstreams", name, "balancing")
            yield from self._breaker(upstream.breaker, "upstreams", name, "breaker")
        for name, migration in self.model.migrations.items():
            yield from self._breaker(migration.breaker, "migrations", name, "breaker")

    def warnings(self) -> Iterator[Problem]:
        """What is allowed and probably not meant."""
        for name, upstream in self.model.upstreams.items():
            if upstream.resolve is not None and all(is_address(endpoint.host) for endpoint in upstream.endpoints):
                yield self._problem(
                    "there is nothing to look up: every endpoint is an address", "upstreams", name, "resolve"
                )

    def _balancing(self, balancing: BalancingSection, *path: Step) -> Iterator[Problem]:
        if balancing.policy is not Policy.CONSISTENT_HASH:
            if balancing.key:
                yield self._problem(f"{balancing.policy} has no key; consistent_hash has one", *path, "key")
            return
        if not balancing.key:
            yield self._problem("consistent_hash needs a 'key'", *path, hint="as in key: ['claim:sub', ip]")
        if balancing.slow_start:
            yield self._problem(
                "consistent_hash has no slow start: keys would move back and forth", *path, "slow_start"
            )
        for number, key in enumerate(balancing.key):
            if key.kind == "none":
                yield self._problem("'none' is a new draw for each request, so it is no key", *path, "key", number)

    def _breaker(self, breaker: BreakerSection | None, *path: Step) -> Iterator[Problem]:
        if breaker is not None and breaker.slow is None and "slow_percent" in breaker.model_fields_set:
            yield self._problem("says nothing without 'slow', from when on an answer is slow", *path, "slow_percent")

    def _problem(self, message: str, *path: Step, hint: str | None = None) -> Problem:
        return Problem(self.document.source(*path), message, hint)
