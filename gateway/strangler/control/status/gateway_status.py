"""What the admin API shows of the gateway: readiness, what is degraded, the status document and the metrics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from strangler.compiled import compiled_modules
from strangler.config.compile.admin import AdminAccess
from strangler.control.configuration import RunningConfiguration
from strangler.control.judge.handle import JudgeHandle
from strangler.control.key_sets.providers import ProviderKeys
from strangler.control.rollouts.engine import RolloutEngine
from strangler.control.status.certificates import certificate_families
from strangler.control.status.event_log import event_log_families, event_log_problem
from strangler.control.status.metrics import exposition, shadow_pairs, traffic_families
from strangler.control.status.migrations import migrations_as_json
from strangler.control.status.own_metrics import (
    build_family,
    configuration_families,
    key_set_families,
    redis_as_json,
    redis_families,
    store_families,
    version,
)
from strangler.control.status.rollout_metrics import rollout_families
from strangler.control.status.totals import WorkerTotals
from strangler.control.status.worker_metrics import worker_families
from strangler.control.system.process_figures import Peak, process_families
from strangler.control.traffic.recorder import TrafficRecorder
from strangler.control.upstreams.monitor import UpstreamMonitor
from strangler.control.workers.fleet import Workers
from strangler.model.snapshot import Snapshot
from strangler.observe.loop_lag import LoopLag
from strangler.observe.worker_report import WorkerReport
from strangler.traffic.week import Week

LAG_INTERVAL = 1.0


@dataclass(slots=True)
class GatewayStatus:
    """Reads the parts of the control process, and changes none of them.

    `draining` is set once the gateway stops; `loop_lag` is the control
    process's own.
    """

    configuration: RunningConfiguration
    workers: Workers
    judge: JudgeHandle
    keys: ProviderKeys
    upstreams: UpstreamMonitor
    totals: WorkerTotals
    traffic: TrafficRecorder
    rollouts: RolloutEngine
    draining: bool = False
    loop_lag: Peak = field(default_factory=Peak)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that workers have, or are getting."""
        return self.workers.briefing.snapshot

    @property
    def access(self) -> AdminAccess:
        """Who may use the admin API by the running configuration."""
        return self.configuration.loaded.admin

    def forget_sessions(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Have every worker forget who these sessions belong to."""
        self.workers.briefing.forget_sessions(sessions, subjects)

    def why_not_ready(self) -> str | None:
        """Why the gateway is not ready to serve, or None if it is."""
        if self.draining:
            return "draining"
        return self.workers.why_not_serving(self.snapshot.version) or self.judge.why_not_ready()

    def degraded(self) -> list[str]:
        """The problems of the gateway's own dependencies, despite which it serves requests."""
        problems = (self.configuration.files.problem(), event_log_problem())
        found = [problem for problem in problems if problem is not None] + self.judge.problems()
        return found + ([f"rollouts hold: {self.rollouts.problem}"] if self.rollouts.problem is not None else [])

    async def status(self) -> dict[str, Any]:
        """The state of everything, with the workers' newest figures."""
        await self.workers.report_now()
        reports = self._reports()
        return {
            "ready": self.why_not_ready() is None,
            "degraded": self.degraded(),
            "version": version(),
            "compiled": list(compiled_modules()),
            "configuration": self.configuration.as_json(),
            **self.workers.as_json(),
            "providers": self.keys.as_json(),
            "redis": redis_as_json(reports),
            "health": self.upstreams.health_as_json(),
            "upstreams": self.upstreams.upstreams_as_json(reports),
            "migrations": migrations_as_json(self.snapshot, self.totals),
            "shadow": self.judge.as_json(),
        }

    async def week(self) -> Week:
        """The last week of traffic. Raises StoreError."""
        await self.workers.report_now()
        return await self.traffic.week()

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format, with the workers' newest figures."""
        await self.workers.report_now()
        return exposition(self._families)

    async def measure_loop_lag(self) -> None:
        """Measure for how long this process's event loop is blocked, until cancelled."""
        lag = LoopLag()
        while True:
            await asyncio.sleep(LAG_INTERVAL)
            self.loop_lag.add(lag.take())

    def _reports(self) -> list[WorkerReport]:
        return [worker.latest for worker in self.workers.running.values()]

    def _families(self) -> Iterator[Metric]:
        reports = self._reports()
        yield from traffic_families(self.totals)
        yield from worker_families(reports, self.workers.count, self.workers.restarts)
        yield from self.upstreams.families(reports)
        yield shadow_pairs(self.judge.figures.outcomes())
        yield from self._process_families()
        yield build_family()
        yield from key_set_families(self.keys.sources)
        yield from certificate_families(self.snapshot)
        yield from redis_families(reports)
        yield from store_families(self.judge)
        yield from rollout_families(self.rollouts)
        yield from configuration_families(self.configuration)
        yield GaugeMetricFamily(
            "strangler_degraded", "Problems that /readyz and /status list as degraded.", len(self.degraded())
        )
        yield from event_log_families()

    def _process_families(self) -> Iterator[Metric]:
        pids = {"control": os.getpid()}
        lags = {"control": self.loop_lag.value()}
        for number, worker in self.workers.running.items():
            pids[f"worker-{number}"] = worker.pid
            lags[f"worker-{number}"] = worker.lag.value()
        if self.judge.pid is not None:
            pids["judge"] = self.judge.pid
            lags["judge"] = self.judge.figures.lag.value()
        yield from process_families(pids, lags)
