"""The control process: loads the configuration, starts the workers, and keeps both current.

It does everything that may wait. SIGHUP and a change of the files reload; an
invalid configuration leaves the running one in place, and the log and `/status`
say so. SIGHUP also opens the access log's file again, SIGUSR1 does that alone,
SIGUSR2 replaces the workers, SIGTERM and SIGINT drain. On its first start an
invalid configuration or a taken port is an error.

It waits for none of its own dependencies on its event loop: events are written
and files read by threads, the store belongs to the judge. What fails of them is
in `degraded`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from strangler.config.load import ConfigurationError, Loaded, load
from strangler.control import messages
from strangler.control.admin.api import AdminServer, migration_state
from strangler.control.judge.handle import JudgeLink
from strangler.control.key_sets import KeySetSource
from strangler.control.messages import Keys
from strangler.control.status.metrics import Sums, exposition, shadow_pairs
from strangler.control.status.own_metrics import (
    build_family,
    key_set_families,
    redis_as_json,
    redis_families,
    store_families,
    version,
)
from strangler.control.system.notify import ServiceManager
from strangler.control.system.orphans import reap_orphans
from strangler.control.system.process_figures import Peak, process_families
from strangler.control.system.signals import remembered_signals
from strangler.control.system.watch import POLL, Watch, digests
from strangler.control.upstreams.discovery import Discovery
from strangler.control.upstreams.health import HealthChecks
from strangler.control.upstreams.status import upstream_gauges, upstreams_as_json
from strangler.control.workers.fleet import START_DEADLINE, Workers
from strangler.control.workers.listening import address_of, listen, open_listening
from strangler.model.auth import Provider
from strangler.model.listener import Listener
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.background_stream import BackgroundStream
from strangler.observe.counters import Report
from strangler.observe.descriptors import needed, raise_limit
from strangler.observe.loop_lag import LoopLag
from strangler.pickle_stream import framed

log = structlog.get_logger(part="control")

JUDGE_POLL = 0.05
"""Seconds between looks whether the judge is there."""
FIRST_ANSWERS_DEADLINE = 2.0
EVENT_LOG_LATE = 5.0


class Supervisor:
    """Runs the gateway of the configuration at `path` with `workers` worker processes.

    `addresses` are used in place of the configuration's: `listen`, `admin`.
    """

    def __init__(self, path: Path, workers: int, addresses: Mapping[str, Listener] = MappingProxyType({})) -> None:
        self._path = path
        self._addresses = addresses
        # Before any worker starts, which inherits it.
        self._descriptors = raise_limit()
        self._loaded: Loaded = load(path)
        self._files = Watch()
        self._seen = digests(self._loaded.watched)
        self._reload_error: list[str] = []
        self._loaded_at = datetime.now(UTC)
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._asked_reload = asyncio.Lock()
        self._reload_waits = False
        self._sums = Sums()
        self._listening = open_listening(addresses.get("listen", self.snapshot.listen))
        self._admin_socket = listen(addresses.get("admin", self.snapshot.admin))
        self._workers = Workers(workers, self._listening, self._sums.add, self._refetch)
        self._service = ServiceManager(os.environ)
        self._health = HealthChecks(self._workers.publish_down)
        self._judge = JudgeLink(
            self._workers.publish_judge,
            lambda judged: self._workers.publish_favoured(judged.favoured),
            None if self._listening.folder is None else self._listening.folder.path,
        )
        self._discovery = Discovery(self._publish_addresses)
        self._sources: dict[str, tuple[KeySetSource, asyncio.Task[None]]] = {}
        self._lag = Peak()
        self._background: set[asyncio.Task[None]] = set()

    @property
    def snapshot(self) -> Snapshot:
        """The running snapshot."""
        return self._loaded.snapshot

    async def run(self) -> str | None:
        """Serve until SIGTERM or SIGINT; why that was not possible, None where it was."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stopping.set)
        handlers = {
            signal.SIGHUP: self._hang_up,
            signal.SIGUSR1: lambda: self._reopen_logs("SIGUSR1"),
            signal.SIGUSR2: lambda: self._later(self._workers.replace()),
        }
        for name, handler in handlers.items():
            loop.add_signal_handler(name, handler)
        for warning in self._loaded.warnings:
            log.warning("configuration", warning=str(warning))
        self._compare_descriptors()
        self._start_sources()
        self._discovery.apply(self.snapshot)
        await self._wait_for_keys_and_addresses()
        self._workers.publish(self.snapshot)
        self._health.apply(self.snapshot, self._discovery.addresses)
        self._judge.apply(self._loaded)
        await self._workers.start(self._listening.former)
        admin = AdminServer(self)
        serving_admin = asyncio.create_task(admin.serve([self._admin_socket]))
        watching = _begin(self._watch(), "watching files")
        announcing = _begin(self._announce(), "start")
        signs_of_life = _begin(self._show_life(), "signs of life")
        failing = _begin(self._stop_without_workers(), "start of workers")
        measuring = _begin(self._measure_lag(), "measuring the event loop")
        reaping = _begin(reap_orphans(self._children), "waiting for orphans")
        if signal.SIGHUP in remembered_signals():
            # It came while this process started. Workers are new anyhow, and so is what they have opened.
            self._later(self._reload_as_asked())
        await self._stopping.wait()
        failing.cancel()
        snapshot = self.snapshot
        log.info("draining", delay_seconds=snapshot.delay, deadline_seconds=snapshot.drain)
        self._service.stopping()
        announcing.cancel()
        watching.cancel()
        self._health.stop()
        self._discovery.stop()
        for _, task in self._sources.values():
            task.cancel()
        self._listening.socket.close()
        await self._workers.stop(snapshot.drain, snapshot.delay)
        await self._judge.stop()
        admin.should_exit = True
        beside = (announcing, watching, signs_of_life, measuring, reaping)
        for task in beside:
            task.cancel()
        await asyncio.gather(serving_admin, *beside, return_exceptions=True)
        if self._listening.folder is not None:
            self._listening.folder.release()
        log.info("stopped")
        return "no worker comes up; the lines above say why" if self._workers.start_failed.is_set() else None

    async def _stop_without_workers(self) -> None:
        await self._workers.start_failed.wait()
        self._stopping.set()

    async def _announce(self) -> None:
        while not await self._workers.wait_serving(START_DEADLINE):
            reason = self.why_not_ready()
            log.error("not ready yet", reason=reason)
            self._service.status(f"Not ready: {reason}")
        while self._judge.why_not_ready() is not None:
            await asyncio.sleep(JUDGE_POLL)
        log.info(
            "ready",
            listen=address_of(self._listening.socket),
            admin=address_of(self._admin_socket),
            version=self.snapshot.version,
            pid=os.getpid(),
        )
        self._service.ready()

    async def _measure_lag(self) -> None:
        lag = LoopLag()
        while True:
            await asyncio.sleep(1.0)
            self._lag.add(lag.take())

    def _children(self) -> set[int]:
        return self._workers.pids() | ({self._judge.pid} if self._judge.pid is not None else set())

    async def _show_life(self) -> None:
        interval = self._service.watchdog_interval
        while interval is not None:
            self._service.alive()
            await asyncio.sleep(interval)

    def _compare_descriptors(self) -> None:
        """Say so where workers may have fewer file descriptors than the connections that they accept."""
        need, clients = needed(self.snapshot), self.snapshot.limits.connections
        limits = self._descriptors
        if limits.soft >= need:
            return
        say = log.error if limits.soft < clients else log.warning
        say(
            "too few file descriptors for the connections that a worker accepts",
            limit=limits.soft,
            hard_limit=limits.hard,
            needed=need,
            limits_connections=clients,
            do=f"raise the hard limit to {need} (ulimit -Hn, LimitNOFILE= of systemd) or lower limits.connections",
        )

    # Reload

    def _hang_up(self) -> None:
        self._reopen_logs("SIGHUP")
        self._later(self._reload_as_asked())

    def _reopen_logs(self, reason: str) -> None:
        log.info("access log is opened again", reason=reason)
        self._workers.reopen_logs()

    async def _reload_as_asked(self) -> None:
        """Reload for the service manager, which waits until that is done.

        One that waits for another to end does for all that are asked for meanwhile.
        """
        if self._reload_waits:
            return
        self._reload_waits = True
        async with self._asked_reload:
            self._reload_waits = False
            await self._reload_for_manager()

    async def _reload_for_manager(self) -> None:
        self._service.reloading()
        await self.reload("SIGHUP")
        await self._workers.wait_serving(START_DEADLINE)
        self._service.ready()

    async def reload(self, reason: str) -> None:
        """Load the configuration again and serve by it, or keep the running one if it is invalid."""
        async with self._reloading:
            try:
                loaded = await self._files.read(lambda: load(self._path))
            except ConfigurationError as error:
                self._reload_error = [str(problem) for problem in error.problems]
                log.error(
                    "configuration is invalid, keeping the running one", reason=reason, problems=self._reload_error
                )
                return
            except Exception as error:
                # Whatever it is about the files: the next change is to be seen, too.
                self._reload_error = [str(error)]
                unforeseen = None if isinstance(error, OSError) else error
                log.error(
                    "configuration can't be read, keeping the running one",
                    reason=reason,
                    error=repr(error),
                    exc_info=unforeseen,
                )
                return
            was_invalid, self._reload_error = bool(self._reload_error), []
            before = self.snapshot
            if loaded.snapshot.version == before.version:
                if was_invalid:
                    log.info("configuration is valid again, and the running one", version=before.version)
                return
            for name in ("listen", "admin"):
                if name not in self._addresses and getattr(loaded.snapshot, name) != getattr(before, name):
                    log.warning("a changed address takes effect at the next start", setting=name)
            encoded = await asyncio.to_thread(framed, messages.Apply(loaded.snapshot))
            self._loaded = loaded
            self._loaded_at = datetime.now(UTC)
            self._start_sources()
            self._discovery.apply(self.snapshot)
            self._workers.publish(self.snapshot, encoded)
            self._health.apply(self.snapshot, self._discovery.addresses)
            self._judge.apply(self._loaded)
            self._compare_descriptors()
            log.info("configuration reloaded", reason=reason, version=self.snapshot.version)

    async def _watch(self) -> None:
        seen = self._seen
        while True:
            try:
                before, seen = seen, await self._files.changed(self._loaded.watched, seen)
                for source, _ in list(self._sources.values()):
                    file = source.provider.jwks_file
                    if file is not None and seen.get(file) != before.get(file):
                        await source.fetch()
                await self.reload("a file changed")
            except Exception as error:
                # Whatever it was, the next change is to be seen.
                self._files.failed(error)
                log.error("taking up a change of the files has failed", exc_info=error)
                await asyncio.sleep(POLL)

    # Key sets

    def _start_sources(self) -> None:
        """One source for each provider that has its keys elsewhere; unchanged providers keep theirs."""
        wanted = {name: provider for name, provider in self.snapshot.providers.items() if provider.secret is None}
        earlier: dict[str, KeySetSource] = {}
        for name, (source, task) in list(self._sources.items()):
            if wanted.get(name) != source.provider:
                task.cancel()
                del self._sources[name]
                earlier[name] = source
        for name, provider in wanted.items():
            if name not in self._sources:
                self._sources[name] = self._start_source(provider, earlier.get(name))

    def _start_source(
        self, provider: Provider, earlier: KeySetSource | None
    ) -> tuple[KeySetSource, asyncio.Task[None]]:
        source = KeySetSource(provider, self._publish_keys)
        if earlier is not None:
            source.take_over(earlier)
        return source, _begin(source.run(), f"keys of {provider.name}")

    def _publish_keys(self, source: KeySetSource) -> None:
        running = self._sources.get(source.provider.name)
        if running is None or running[0] is not source:
            # A fetch that ended after its source was replaced.
            return
        self._workers.publish_keys(Keys(source.provider.name, source.document, source.refetch_after))

    async def _wait_for_keys_and_addresses(self) -> None:
        """Give the issuers and name servers a moment, so that the first requests are not refused for want of them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ANSWERS_DEADLINE):
                while not self._discovery.complete or any(
                    source.document is None for source, _ in self._sources.values()
                ):
                    await asyncio.sleep(0.02)

    def _publish_addresses(self, upstream: str, endpoints: tuple[Endpoint, ...]) -> None:
        self._workers.publish_addresses(upstream, endpoints)
        self._health.apply(self.snapshot, self._discovery.addresses)

    def _refetch(self, provider: str) -> None:
        known = self._sources.get(provider)
        if known is None:
            self._workers.publish_keys(Keys(provider, None, 60.0))
            return
        source = known[0]

        async def refetch() -> None:
            await source.refetch()
            self._publish_keys(source)

        self._later(refetch())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = _begin(work, "reload or refetch")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # What the admin API shows

    def why_not_ready(self) -> str | None:
        """Why the gateway is not ready to serve, or None if it is."""
        if self._stopping.is_set():
            return "draining"
        return self._workers.why_not_serving(self.snapshot.version) or self._judge.why_not_ready()

    def degraded(self) -> list[str]:
        """What is wrong with the gateway's own dependencies while requests are served all the same."""
        known = (self._files.problem(), _event_log_problem())
        return [problem for problem in known if problem is not None] + self._judge.problems()

    async def metrics(self) -> bytes:
        """All metrics, the workers' newest figures included."""
        await self._workers.report_now()
        return exposition(self._sums, self._families)

    def _families(self) -> Iterator[Metric]:
        yield from self._gauges()
        yield shadow_pairs(self._judge.outcomes())
        yield from self._own_condition()

    def _own_condition(self) -> Iterator[Metric]:
        workers = {f"worker-{number}": worker for number, worker in self._workers.running.items()}
        lags = {"control": self._lag.value(), **{name: worker.lag.value() for name, worker in workers.items()}}
        pids = {"control": os.getpid(), **{name: worker.pid for name, worker in workers.items()}}
        if self._judge.pid is not None:
            pids["judge"] = self._judge.pid
            lags["judge"] = self._judge.lag.value()
        yield from process_families(pids, lags)
        yield build_family()
        yield from key_set_families({name: source for name, (source, _) in self._sources.items()})
        yield from redis_families(self._reports())
        yield from store_families(self._judge)
        yield GaugeMetricFamily(
            "strangler_watch_last_look_timestamp_seconds",
            "When the files of the configuration were last looked at for changes.",
            self._files.last_look,
        )
        yield GaugeMetricFamily(
            "strangler_degraded", "How many things are wrong that /readyz and /status name.", len(self.degraded())
        )
        if isinstance(sys.stderr, BackgroundStream):
            yield CounterMetricFamily(
                "strangler_event_log_dropped_lines",
                "Lines of the event log that could not be written.",
                sys.stderr.dropped,
            )

    def _gauges(self) -> Iterator[GaugeMetricFamily]:
        workers = list(self._workers.running.values())
        yield GaugeMetricFamily("strangler_workers", "Worker processes running.", len(workers))
        yield GaugeMetricFamily(
            "strangler_worker_restarts", "Workers that ended and were replaced since the start.", self._workers.restarts
        )
        clients = sum(worker.latest.client_connections for worker in workers)
        yield GaugeMetricFamily("strangler_client_connections", "Open client connections.", clients)
        tunnels = sum(worker.latest.tunnels for worker in workers)
        yield GaugeMetricFamily(
            "strangler_tunnels", "Of these, WebSockets and others that have switched protocols.", tunnels
        )
        connections = GaugeMetricFamily(
            "strangler_upstream_connections", "Open connections to endpoints.", labels=("endpoint", "state")
        )
        sums: dict[str, tuple[int, int]] = {}
        for worker in workers:
            for url, (total, idle) in worker.latest.upstream_connections.items():
                known = sums.get(url, (0, 0))
                sums[url] = (known[0] + total, known[1] + idle)
        for url, (total, idle) in sums.items():
            connections.add_metric((url, "idle"), idle)
            connections.add_metric((url, "busy"), total - idle)
        yield connections
        up = GaugeMetricFamily(
            "strangler_endpoint_up", "1 where the health checks find the endpoint up.", labels=("upstream", "endpoint")
        )
        for (upstream, url), health in self._health.endpoints.items():
            up.add_metric((upstream, url), int(health.up))
        yield up
        yield from upstream_gauges(self._reports())
        yield GaugeMetricFamily(
            "strangler_configuration_valid",
            "1 where the newest configuration is the running one.",
            int(not self._reload_error),
        )

    def _reports(self) -> list[Report]:
        return [worker.latest for worker in self._workers.running.values()]

    async def status_now(self) -> dict[str, Any]:
        """The state of everything, the workers' newest included."""
        await self._workers.report_now()
        return self.status()

    def status(self) -> dict[str, Any]:
        """The state of everything, for people."""
        return {
            "ready": self.why_not_ready() is None,
            "degraded": self.degraded(),
            "version": version(),
            "configuration": {
                "path": str(self._path),
                "version": self.snapshot.version,
                "loaded_at": self._loaded_at.isoformat(timespec="seconds"),
                "valid": not self._reload_error,
                "problems": self._reload_error,
                "warnings": [str(warning) for warning in self._loaded.warnings],
            },
            **self._workers.as_json(),
            "providers": {
                name: {
                    "keys": source.document is not None,
                    "fetched_at": source.fetched_at,
                    "last_error": source.last_error,
                    "skipped": list(source.skipped),
                }
                for name, (source, _) in self._sources.items()
            },
            "redis": redis_as_json(self._reports()),
            "health": self._health.as_json(),
            "upstreams": upstreams_as_json(
                self.snapshot, self._discovery.addresses, self._health.endpoints, self._reports()
            ),
            "migrations": {
                name: migration_state(m) | {"fallbacks": self._sums.fallbacks_of(name)}
                for name, m in self.snapshot.migrations.items()
            },
            "shadow": self._judge.as_json(),
        }


def _event_log_problem() -> str | None:
    stream = sys.stderr
    if not isinstance(stream, BackgroundStream) or (waited := stream.blocked_for()) < EVENT_LOG_LATE:
        return None
    return f"standard error has taken nothing for {waited:.0f} s; {stream.dropped} lines were dropped"


def _begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """A task whose failure is said, although nobody waits for it."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_say_failure)
    return task


def _say_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the control process failed", task=task.get_name(), exc_info=error)
