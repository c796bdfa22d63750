"""All workers as the control process sees them: started, restarted when they end, replaced on request.

All workers accept from one listening socket that the control process holds
open, so a worker that dies takes no waiting connection with it and the port
never closes. A worker that is replaced leaves only once its successor serves:
it stops accepting, finishes the exchanges that it has begun, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import structlog

from strangler.control import messages
from strangler.control.coalescing import Coalesced
from strangler.control.workers.briefing import Briefing
from strangler.control.workers.handle import FORMER, START_DEADLINE, WorkerHandle, start_worker, take_over
from strangler.control.workers.listening import Listening
from strangler.control.workers.requested_reports import RequestedReports
from strangler.control.workers.runtime_folder import FormerWorker
from strangler.control.workers.silence import kill_silent
from strangler.control.workers.start_schedule import StartSchedule
from strangler.observe.background_tasks import BackgroundTasks
from strangler.observe.worker_report import WorkerReport
from strangler.pickle_stream import read_message

log = structlog.get_logger(part="workers")

KILL_AFTER = 2.0
"""Seconds after the end of draining at which workers that still run are killed."""
FAILED_STARTS = 3
"""Workers in a row that end before any has served, after which the gateway's start has failed."""


class Workers:
    """Keeps `count` workers running on `listening`.

    `on_report` gets each worker's report, `on_refetch` the name of a provider
    whose key set lacks a token's key. `running` are the workers by number,
    `leaving` those that have a successor, `briefing` what all of them must
    know. `start_failed` is set when no worker can be started.
    """

    def __init__(
        self,
        count: int,
        listening: Listening,
        on_report: Callable[[WorkerReport], None],
        on_refetch: Callable[[str], None],
    ) -> None:
        self.running: dict[int, WorkerHandle] = {}
        self.leaving: set[WorkerHandle] = set()
        self.briefing = Briefing(lambda: (*self.running.values(), *self._coming))
        self.restarts = 0
        self.count = count
        self._listening = listening
        self._folder = listening.folder
        self._on_report = on_report
        self._on_refetch = on_refetch
        self._stopping = asyncio.Event()
        self._schedule = StartSchedule(count)
        self._coming: set[WorkerHandle] = set()
        self._tasks = BackgroundTasks(log)
        self._following = BackgroundTasks(log)
        self._relieving: asyncio.Task[None] | None = None
        self._replacement = Coalesced(self._replace_all)
        self._requested_reports = RequestedReports()
        self._changed = asyncio.Condition()
        self._have_served = False
        self.start_failed = asyncio.Event()

    def reopen_logs(self) -> None:
        """Have every worker open its access log's file again."""
        for worker in self._everyone():
            worker.send(messages.ReopenLog())

    async def report_now(self) -> None:
        """Fetch the figures of all workers; a worker that does not report in time is left out."""
        await self._requested_reports.request(self.running.values())

    # State

    def serving(self, version: str) -> bool:
        """Whether every worker is there and serves by the snapshot of `version`."""
        return len(self.running) == self.count and all(w.version == version for w in self.running.values())

    def acknowledged(self) -> tuple[int, int]:
        """How many workers run, and how many of them serve by the newest snapshot."""
        version = self.briefing.snapshot.version
        return len(self.running), sum(worker.version == version for worker in self.running.values())

    def why_not_serving(self, version: str) -> str | None:
        """Why not every worker serves by the snapshot of `version`; None if all do."""
        if self.serving(version):
            return None
        for number in range(self.count):
            worker = self.running.get(number)
            ended = self._schedule.ended_in_a_row(number)
            if worker is not None and worker.failure is not None:
                return f"worker {number} keeps an older configuration: {worker.failure}"
            if ended > 1 and (worker is None or not worker.version):
                return f"worker {number} ended {ended} times in a row: {self._schedule.last_end(number)}"
        return "workers are starting or applying the newest configuration"

    def as_json(self) -> dict[str, Any]:
        """The state of all workers."""
        return {
            "workers": [
                {
                    "number": worker.number,
                    "pid": worker.pid,
                    "version": worker.version,
                    "failure": worker.failure,
                    "last_end": self._schedule.last_end(worker.number),
                }
                for worker in self.running.values()
            ],
            "workers_waiting": self._schedule.as_json(),
            "workers_leaving": [worker.pid for worker in self.leaving],
            "worker_restarts": self.restarts,
        }

    async def wait_serving(self, deadline: float) -> bool:
        """Wait until all workers serve by the newest snapshot, at most `deadline` seconds; whether they do."""
        try:
            async with asyncio.timeout(deadline), self._changed:
                await self._changed.wait_for(lambda: self.serving(self.briefing.snapshot.version))
        except TimeoutError:
            return False
        return True

    def pids(self) -> set[int]:
        """The processes of all workers, including those that are starting or leaving."""
        return {worker.pid for worker in self._everyone()}

    def _everyone(self) -> list[WorkerHandle]:
        return [*self.running.values(), *self._coming, *self.leaving]

    # Start, replacement and end

    async def start(self, former: Sequence[FormerWorker] = ()) -> None:
        """Start the workers; `former` ones serve until these do. A snapshot must have been published."""
        for one in former:
            worker = await take_over(one)
            log.info("took over a worker of an earlier start", pid=worker.pid)
            self.leaving.add(worker)
            self._follow(worker)
        for number in range(self.count):
            self._start_soon(number, 0.0)
        if former:
            self._relieving = self._tasks.start(self._relieve(tuple(self.leaving)), "relief of former workers")
        self._tasks.start(
            kill_silent(self.running.values, lambda: self.briefing.snapshot.hang, self._stopping),
            "killing silent workers",
        )

    async def replace(self) -> None:
        """Replace the workers one by one, each once its successor serves; requests meanwhile are served by one more."""
        await self._replacement.run()

    async def _replace_all(self) -> None:
        for number in range(self.count):
            if self._stopping.is_set() or not await self._replace(number):
                return
        log.info("workers replaced")

    async def _replace(self, number: int) -> bool:
        """Replace the worker `number`; whether its successor serves."""
        try:
            successor = await self._launch(number)
        except OSError as error:
            log.error("a new worker can't be started, the others stay", worker=number, error=str(error))
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(successor.settled.wait(), START_DEADLINE)
        self._coming.discard(successor)
        if self._stopping.is_set():
            # `stop` waits for it.
            self.leaving.add(successor)
            return False
        if successor.gone or not successor.version:
            successor.kill()
            log.error("a new worker does not serve, the others stay", worker=number, why=successor.failure)
            return False
        before = self.running.get(number)
        self.running[number] = successor
        self._schedule.cancel(number)
        if before is not None:
            self._dismiss(before)
        return True

    async def stop(self, drain: float, delay: float) -> None:
        """Drain all workers, which accept for `delay` seconds; `drain` seconds and KILL_AFTER later they are killed."""
        self._stopping.set()
        if self._relieving is not None:
            self._relieving.cancel()
        message = messages.Drain(drain, delay)
        self.briefing.drain(message)
        for worker in self._everyone():
            worker.send(message)
        await self._tasks.wait(KILL_AFTER)
        await self._following.wait(delay + drain + KILL_AFTER)
        for worker in self._everyone():
            log.warning("worker did not drain in time, killed", worker=worker.number, pid=worker.pid)
            worker.kill()
        await self._following.wait()
        await self._tasks.wait()

    def _start_soon(self, number: int, wait: float) -> None:
        self._tasks.start(self._start(number, wait), f"start of worker {number}")

    async def _start(self, number: int, wait: float) -> None:
        """Start the worker `number` after `wait` seconds, if that is still needed then."""
        if not await self._schedule.wait(number, wait, self._stopping):
            return
        try:
            worker = await self._launch(number)
        except OSError as error:
            # The machine has no process or descriptor left at the moment. Meanwhile another start may have succeeded.
            if not self._stopping.is_set() and number not in self.running:
                wait = self._schedule.ended(number, 0.0, f"it could not be started: {error}")
                log.error("worker can't be started, trying again", worker=number, error=str(error), wait_seconds=wait)
                self._start_soon(number, wait)
            return
        self._coming.discard(worker)
        if number in self.running:
            self._dismiss(worker)
        else:
            self.running[number] = worker

    async def _launch(self, number: int) -> WorkerHandle:
        worker = await start_worker(number, self._listening)
        self._coming.add(worker)
        self.briefing.brief(worker)
        log.info("worker started", worker=number, pid=worker.pid)
        self._follow(worker)
        return worker

    def _dismiss(self, worker: WorkerHandle) -> None:
        """Have a worker leave that has a successor."""
        self.leaving.add(worker)
        worker.send(messages.Drain(self.briefing.snapshot.drain))

    async def _relieve(self, former: Sequence[WorkerHandle]) -> None:
        while not await self.wait_serving(START_DEADLINE):
            log.warning("the new workers do not serve yet, those of the earlier start go on")
        for worker in former:
            if worker in self.leaving:
                self._dismiss(worker)

    def _follow(self, worker: WorkerHandle) -> None:
        self._following.start(self._until_its_end(worker), f"following {worker!r}")

    async def _until_its_end(self, worker: WorkerHandle) -> None:
        try:
            await self._listen_to(worker)
        finally:
            reason = await worker.ended()
            lived = monotonic() - worker.started
            if self._folder is not None:
                self._folder.forget(worker.pid)
            self._requested_reports.ended(worker)
            if worker in self.leaving:
                self.leaving.discard(worker)
                log.info("worker left", pid=worker.pid, reason=reason)
            elif self.running.get(worker.number) is worker:
                del self.running[worker.number]
                self._replace_ended(worker.number, reason, lived)

    def _replace_ended(self, number: int, reason: str, lived: float) -> None:
        if self._stopping.is_set():
            return
        self.restarts += 1
        wait = self._schedule.ended(number, lived, reason)
        ended_in_a_row = self._schedule.ended_in_a_row(number)
        if not (self._have_served or self.leaving) and ended_in_a_row >= FAILED_STARTS:
            # No worker of this start has served, and none of an earlier start serves: the next would end as these did.
            log.error("no worker can be started", worker=number, reason=reason, ended_in_a_row=ended_in_a_row)
            self.start_failed.set()
            return
        log.error(
            "worker ended, starting another",
            worker=number,
            reason=reason,
            lived_seconds=round(lived, 1),
            ended_in_a_row=ended_in_a_row,
            wait_seconds=wait,
        )
        self._start_soon(number, wait)

    async def _listen_to(self, worker: WorkerHandle) -> None:
        while True:
            try:
                message = await read_message(worker.reader)
                if message is None:
                    return
                await self._take(message, worker)
            except Exception as error:
                # Each message is framed by its length, so the next one can be read.
                if worker.number == FORMER:
                    log.warning("a former worker, of another version, is not understood", error=repr(error))
                else:
                    log.error("a worker's message failed", worker=worker.number, exc_info=error)

    async def _take(self, message: object, worker: WorkerHandle) -> None:
        worker.heard = monotonic()
        match message:
            case messages.Ready():
                worker.serves(message.version)
                self._have_served = True
                async with self._changed:
                    self._changed.notify_all()
            case messages.ConfigurationFailed():
                worker.failure = message.reason
                log.error("worker failed", worker=worker.number, pid=worker.pid, reason=message.reason)
            case messages.Refetch():
                self._on_refetch(message.provider)
            case messages.Reported():
                worker.latest = message.report
                worker.lag.add(message.loop_lag)
                self._on_report(message.report)
                for notice in message.report.notices:
                    log.warning(notice.event, worker=worker.number, **notice.fields)
                self._requested_reports.reported(message.ticket, worker)
