"""Upstreams: their endpoints, deadlines and limits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

from strangler.config.compile.resilience import compile_balancing, compile_breaker, compile_ejection, compile_resolve
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.upstreams import UpstreamSection
from strangler.model.folding import EXACT
from strangler.model.resilience import Concurrency, RetryBudget
from strangler.model.upstream import HealthCheck, Timeouts, Upstream, UpstreamTls


def compile_upstreams(model: Configuration, tls: Mapping[str, UpstreamTls]) -> dict[str, Upstream]:
    """The upstreams by name; `tls` are their TLS settings."""
    return {str(name): _upstream(str(name), section, tls[str(name)]) for name, section in model.upstreams.items()}


def _upstream(name: str, section: UpstreamSection, tls: UpstreamTls) -> Upstream:
    health = section.health
    return Upstream(
        name=name,
        endpoints=tuple(section.endpoints),
        timeouts=compile_timeouts(section),
        health=None if health is None else HealthCheck(**{**health.model_dump(), "status": frozenset(health.status)}),
        connections=section.connections,
        idle_connections=section.idle_connections,
        keep_alive=section.keep_alive,
        bare_lf=section.bare_lf,
        queue=section.queue,
        host=section.host,
        upgrades=frozenset(section.upgrades),
        tls=tls,
        folding=section.paths.folding,
        resolve=compile_resolve(section.resolve),
        balancing=compile_balancing(section.balancing),
        ejection=compile_ejection(section.ejection),
        breaker=compile_breaker(section.breaker),
        retry_budget=RetryBudget(**section.retry_budget.model_dump()),
        concurrency=None if section.concurrency is None else Concurrency(**section.concurrency.model_dump()),
    )


def compile_timeouts(section: UpstreamSection) -> Timeouts:
    """The deadlines of an upstream."""
    return Timeouts(**section.timeouts.model_dump())


def folding_of(model: Configuration, *upstreams: str) -> int:
    """Which differences between paths these upstreams ignore together; undefined upstreams ignore none."""
    sections = [model.upstreams[name] for name in upstreams if name in model.upstreams]
    return reduce(or_, [section.paths.folding for section in sections], EXACT)
