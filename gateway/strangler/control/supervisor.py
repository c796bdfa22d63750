"""The control process: starts the gateway's parts, connects them, and handles signals.

SIGHUP reloads the configuration and reopens the access log, SIGUSR1 only
reopens the log, SIGUSR2 replaces the workers, SIGTERM and SIGINT drain.

Its event loop waits for none of the gateway's own dependencies: threads write
events and read files, and the judge's process has the store. Their failures are
listed as degraded (`status.gateway_status`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import structlog

from strangler.compiled import how_it_runs
from strangler.config.load import Loaded
from strangler.control.admin.access import UnguardedAdmin
from strangler.control.admin.api import AdminServer
from strangler.control.coalescing import Coalesced
from strangler.control.configuration import RunningConfiguration
from strangler.control.judge.handle import JudgeHandle
from strangler.control.key_sets.providers import ProviderKeys
from strangler.control.rollouts.controller import RolloutController
from strangler.control.rollouts.engine import RolloutEngine
from strangler.control.status.gateway_status import GatewayStatus
from strangler.control.status.totals import WorkerTotals
from strangler.control.system.descriptor_limits import report_shortage
from strangler.control.system.notify import ServiceManager
from strangler.control.system.orphans import reap_orphans
from strangler.control.system.signals import remembered_signals
from strangler.control.traffic.recorder import TrafficRecorder
from strangler.control.upstreams.monitor import UpstreamMonitor
from strangler.control.workers.fleet import Workers
from strangler.control.workers.handle import START_DEADLINE
from strangler.control.workers.listening import address_of, listen, open_listening
from strangler.model.addresses import is_loopback
from strangler.model.listener import ListenAddress
from strangler.observe.background_tasks import BackgroundTasks
from strangler.observe.descriptors import raise_limit
from strangler.observe.worker_report import WorkerReport

log = structlog.get_logger(part="control")

POLL = 0.02
"""Seconds between two looks whether the first keys, addresses or the judge are there."""
FIRST_RESPONSES_DEADLINE = 2.0
"""Seconds for which the start waits for issuers and name servers."""


class Supervisor:
    """Runs the gateway of the configuration at `path` with `workers` worker processes.

    `addresses` replace the configuration's `listen` and `admin`. Raises
    ConfigurationError, UnguardedAdmin, and OSError where an address is in use.
    """

    def __init__(self, path: Path, workers: int, addresses: Mapping[str, ListenAddress] = MappingProxyType({})) -> None:
        # Before any worker starts: workers inherit the limit.
        self._descriptors = raise_limit()
        self._configuration = RunningConfiguration(path, self._apply, fixed=addresses.keys())
        snapshot = self._configuration.snapshot
        self._admin = addresses.get("admin", snapshot.admin)
        if not is_loopback(self._admin.host) and not self._configuration.loaded.admin.tokens:
            raise UnguardedAdmin(self._admin)
        self._listening = open_listening(addresses.get("listen", snapshot.listen))
        self._admin_socket = listen(self._admin)
        self._totals = WorkerTotals()
        self._traffic = TrafficRecorder()
        self._workers = Workers(
            workers, self._listening, self._take_report, lambda provider: self._keys.refetch(provider)
        )
        briefing = self._workers.briefing
        self._keys = ProviderKeys(briefing.publish_keys)
        self._upstreams = UpstreamMonitor(snapshot, briefing.publish_addresses, briefing.publish_down)
        self._judge = JudgeHandle(
            briefing.publish_judge,
            lambda report: briefing.publish_favoured(report.favoured),
            None if self._listening.folder is None else self._listening.folder.path,
        )
        self._rollouts = RolloutEngine(self._workers.acknowledged, lambda: self._publish(self._configuration.loaded))
        self._status = GatewayStatus(
            self._configuration,
            self._workers,
            self._judge,
            self._keys,
            self._upstreams,
            self._totals,
            self._traffic,
            self._rollouts,
        )
        self._service = ServiceManager(os.environ)
        self._reload = Coalesced(self._reload_for_manager)
        self._stopping = asyncio.Event()
        self._until_draining = BackgroundTasks(log)
        self._until_stopped = BackgroundTasks(log)
        self._requested = BackgroundTasks(log)

    async def run(self) -> str | None:
        """Serve until SIGTERM or SIGINT. Returns why that was impossible, None where it was not."""
        self._handle_signals()
        await self._start()
        admin = AdminServer(self._status, RolloutController(self._rollouts), self._admin)
        serving_admin = self._requested.start(admin.serve([self._admin_socket]), "admin API")
        self._until_draining.start(self._announce(), "announcement")
        self._until_draining.start(self._configuration.watch(self._fetch_keys_from), "watching files")
        self._until_draining.start(self._stop_without_workers(), "start of workers")
        self._until_draining.start(self._rollouts.run(), "rollouts")
        self._until_stopped.start(self._traffic.run(), "storing counts of traffic")
        self._until_stopped.start(self._service.keep_alive(), "watchdog of the service manager")
        self._until_stopped.start(self._status.measure_loop_lag(), "measuring the event loop")
        self._until_stopped.start(reap_orphans(self._children), "reaping orphans")
        if signal.SIGHUP in remembered_signals():
            # It came while this process started. The workers are new, and so is every file that they have open.
            self._requested.start(self._reload.run(), "reload")
        await self._stopping.wait()
        await self._drain()
        admin.should_exit = True
        self._until_stopped.cancel()
        for tasks in (self._until_draining, self._until_stopped):
            await tasks.wait()
        await asyncio.wait([serving_admin])
        if self._listening.folder is not None:
            self._listening.folder.release()
        log.info("stopped")
        return "no worker comes up; the lines above say why" if self._workers.start_failed.is_set() else None

    async def _start(self) -> None:
        loaded = self._configuration.loaded
        for warning in loaded.warnings:
            log.warning("configuration", warning=str(warning))
        report_shortage(self._descriptors, loaded.snapshot)
        self._look_up(loaded)
        self._rollouts.apply(loaded)
        await asyncio.gather(self._wait_for_keys_and_addresses(), self._rollouts.prepare())
        self._publish(loaded)
        await self._workers.start(self._listening.former)

    def _apply(self, loaded: Loaded, message: bytes) -> None:
        """Serve by a configuration that takes the place of another."""
        self._look_up(loaded)
        self._rollouts.apply(loaded)
        self._publish(loaded, message)
        report_shortage(self._descriptors, loaded.snapshot)

    def _look_up(self, loaded: Loaded) -> None:
        self._keys.apply(loaded.snapshot.providers)
        self._upstreams.look_up(loaded.snapshot)

    def _publish(self, loaded: Loaded, message: bytes | None = None) -> None:
        placed = self._rollouts.placed(loaded)
        self._totals.expect(placed.snapshot)
        # `message` has the snapshot without rollouts.
        self._workers.briefing.publish(placed.snapshot, message if placed is loaded else None)
        self._upstreams.check()
        self._judge.apply(placed)
        self._traffic.apply(loaded)

    def _take_report(self, report: WorkerReport) -> None:
        self._totals.add(report)
        self._rollouts.take(report)
        self._traffic.add(report)

    async def _wait_for_keys_and_addresses(self) -> None:
        """Give issuers and name servers a moment, so that the first requests are not refused for lack of keys."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_RESPONSES_DEADLINE):
                while not (self._upstreams.complete and self._keys.complete):
                    await asyncio.sleep(POLL)

    async def _fetch_keys_from(self, files: Collection[str]) -> None:
        await self._keys.fetch_from(files)

    async def _announce(self) -> None:
        while not await self._workers.wait_serving(START_DEADLINE):
            reason = self._status.why_not_ready()
            log.error("not ready yet", reason=reason)
            self._service.status(f"Not ready: {reason}")
        while self._judge.why_not_ready() is not None:
            await asyncio.sleep(POLL)
        log.info(
            "ready",
            listen=address_of(self._listening.socket),
            admin=address_of(self._admin_socket),
            version=self._configuration.snapshot.version,
            code=how_it_runs(),
            pid=os.getpid(),
        )
        self._service.ready()

    async def _stop_without_workers(self) -> None:
        await self._workers.start_failed.wait()
        self._stopping.set()

    async def _drain(self) -> None:
        snapshot = self._configuration.snapshot
        log.info("draining", delay_seconds=snapshot.delay, deadline_seconds=snapshot.drain)
        self._status.draining = True
        self._service.stopping()
        self._until_draining.cancel()
        self._upstreams.stop()
        self._keys.stop()
        self._listening.socket.close()
        await self._workers.stop(snapshot.drain, snapshot.delay)
        await self._rollouts.close()
        await self._judge.stop()
        await self._traffic.finish()

    def _children(self) -> set[int]:
        return self._workers.pids() | ({self._judge.pid} if self._judge.pid is not None else set())

    # Signals

    def _handle_signals(self) -> None:
        handlers = {
            signal.SIGTERM: self._stopping.set,
            signal.SIGINT: self._stopping.set,
            signal.SIGHUP: self._hang_up,
            signal.SIGUSR1: lambda: self._reopen_logs("SIGUSR1"),
            signal.SIGUSR2: lambda: self._requested.start(self._workers.replace(), "replacement of the workers"),
        }
        for number, handler in handlers.items():
            asyncio.get_running_loop().add_signal_handler(number, handler)

    def _hang_up(self) -> None:
        self._reopen_logs("SIGHUP")
        self._requested.start(self._reload.run(), "reload")

    def _reopen_logs(self, reason: str) -> None:
        log.info("reopening the access log", reason=reason)
        self._workers.reopen_logs()

    async def _reload_for_manager(self) -> None:
        """Reload, and report the end of it to the service manager, which waits for that."""
        self._service.reloading()
        await self._configuration.reload("SIGHUP")
        await self._workers.wait_serving(START_DEADLINE)
        self._service.ready()
