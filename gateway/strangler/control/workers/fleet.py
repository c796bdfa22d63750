"""The workers as the control process sees them: started, told, replaced when they die or are to be.

All workers accept from one listening socket that the control process holds
open, so a worker that dies takes no waiting connection with it and the port
never closes. A worker that is replaced leaves only once another one serves: it
accepts no more, finishes what it has begun, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any

import structlog

from strangler.control import messages
from strangler.control.workers.crash_loop import CrashLoop
from strangler.control.workers.handle import FORMER, WorkerProcess, start_worker, take_over
from strangler.control.workers.listening import Listening
from strangler.control.workers.runtime_folder import FormerWorker
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.counters import Report
from strangler.pickle_stream import framed, read_message

log = structlog.get_logger(part="workers")

START_DEADLINE = 30.0
REPORT_DEADLINE = 0.5
KILL_AFTER = 2.0
LISTENING_LATE = 3.0
FAILED_STARTS = 3
"""So many workers in a row that end before any has served make the start fail."""


class Workers:
    """Keeps `count` workers running on `listening`.

    `on_report` takes each worker's figures, `on_refetch` the name of a provider
    whose key set is too old. `running` are the workers by their number,
    `leaving` those that others replace.
    """

    def __init__(
        self,
        count: int,
        listening: Listening,
        on_report: Callable[[Report], None],
        on_refetch: Callable[[str], None],
    ) -> None:
        self.running: dict[int, WorkerProcess] = {}
        self.leaving: set[WorkerProcess] = set()
        self.restarts = 0
        self._count = count
        self._listening = listening
        self._folder = listening.folder
        self._on_report = on_report
        self._on_refetch = on_refetch
        self._snapshot: Snapshot | None = None
        self._applying = b""
        self._keys: dict[str, messages.Keys] = {}
        self._down = messages.Down(frozenset())
        self._judge: messages.JudgeAt | None = None
        self._favour = messages.Favour(frozenset())
        self._addresses: dict[str, messages.Addresses] = {}
        self._drain: messages.Drain | None = None
        self._stopping = asyncio.Event()
        self._crash_loops = {number: CrashLoop() for number in range(count)}
        self._starts_at: dict[int, float] = {}
        self._coming: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: set[asyncio.Task[None]] = set()
        self._relieving: asyncio.Task[None] | None = None
        self._replacing = asyncio.Lock()
        self._replacement_waits = False
        self._tickets = itertools.count(1)
        self._awaited: dict[int, tuple[set[WorkerProcess], asyncio.Event]] = {}
        self._changed = asyncio.Condition()
        self._have_served = False
        self.start_failed = asyncio.Event()

    # What all workers are told

    def publish(self, snapshot: Snapshot, encoded: bytes | None = None) -> None:
        """Have every worker, now and later, serve by `snapshot`; `encoded` is the message that says so."""
        self._snapshot = snapshot
        # Once for all workers, and for those that are started later.
        self._applying = encoded or framed(messages.Apply(snapshot))
        for worker in (*self.running.values(), *self._coming):
            worker.tell_encoded(self._applying)

    def publish_keys(self, keys: messages.Keys) -> None:
        """Have every worker verify with this key set."""
        self._keys[keys.provider] = keys
        self._tell(keys)

    def publish_down(self, endpoints: frozenset[tuple[str, str]]) -> None:
        """Have every worker avoid these endpoints."""
        self._down = messages.Down(endpoints)
        self._tell(self._down)

    def publish_judge(self, path: str) -> None:
        """Have every worker send its pairs to the judge at this socket."""
        self._judge = messages.JudgeAt(path)
        self._tell(self._judge)

    def publish_favoured(self, routes: frozenset[str]) -> None:
        """Have every worker shadow these routes whatever the share."""
        if routes != self._favour.routes:
            self._favour = messages.Favour(routes)
            self._tell(self._favour)

    def publish_addresses(self, upstream: str, endpoints: tuple[Endpoint, ...]) -> None:
        """Have every worker use these endpoints of `upstream`."""
        self._addresses[upstream] = messages.Addresses(upstream, endpoints)
        self._tell(self._addresses[upstream])

    def _tell(self, message: object) -> None:
        for worker in (*self.running.values(), *self._coming):
            worker.tell(message)

    def reopen_logs(self) -> None:
        """Have every worker open its access log's file again."""
        for worker in self._everyone():
            worker.tell(messages.ReopenLog())

    async def report_now(self) -> None:
        """Fetch the figures of all workers; one that does not answer in time is left out."""
        ticket = next(self._tickets)
        event = asyncio.Event()
        self._awaited[ticket] = (set(self.running.values()), event)
        for worker in self.running.values():
            worker.tell(messages.ReportNow(ticket))
        if not self.running:
            event.set()
        try:
            async with asyncio.timeout(REPORT_DEADLINE):
                await event.wait()
        except TimeoutError:
            late = sorted(worker.number for worker in self._awaited[ticket][0])
            log.warning("workers did not report in time", workers=late)
        finally:
            del self._awaited[ticket]

    # What is known of them

    def serving(self, version: str) -> bool:
        """Whether every worker is there and serves by the snapshot of `version`."""
        return len(self.running) == self._count and all(w.version == version for w in self.running.values())

    def why_not_serving(self, version: str) -> str | None:
        """Why not every worker serves by the snapshot of `version`; None if all do."""
        if self.serving(version):
            return None
        for number, crash_loop in self._crash_loops.items():
            worker = self.running.get(number)
            if worker is not None and worker.failure is not None:
                return f"worker {number} keeps an older configuration: {worker.failure}"
            if crash_loop.in_a_row > 1 and (worker is None or not worker.version):
                return f"worker {number} ended {crash_loop.in_a_row} times in a row: {crash_loop.reason}"
        return "workers are starting or taking over the newest configuration"

    def as_json(self) -> dict[str, Any]:
        """The state of all workers."""
        now = monotonic()
        return {
            "workers": [
                {
                    "number": worker.number,
                    "pid": worker.pid,
                    "version": worker.version,
                    "failure": worker.failure,
                    "last_end": self._crash_loops[worker.number].reason,
                }
                for worker in self.running.values()
            ],
            "workers_waiting": [
                {
                    "number": number,
                    "ended_in_a_row": self._crash_loops[number].in_a_row,
                    "last_end": self._crash_loops[number].reason,
                    "starts_in_seconds": round(max(0.0, at - now), 1),
                }
                for number, at in self._starts_at.items()
            ],
            "workers_leaving": [worker.pid for worker in self.leaving],
            "worker_restarts": self.restarts,
        }

    async def wait_serving(self, deadline: float) -> bool:
        """Wait until all serve by the newest snapshot, `deadline` seconds at the most."""
        try:
            async with asyncio.timeout(deadline), self._changed:
                await self._changed.wait_for(
                    lambda: self._snapshot is not None and self.serving(self._snapshot.version)
                )
        except TimeoutError:
            return False
        return True

    def pids(self) -> set[int]:
        """The processes of all workers, also of those that come and leave."""
        return {worker.pid for worker in self._everyone()}

    def _everyone(self) -> list[WorkerProcess]:
        return [*self.running.values(), *self._coming, *self.leaving]

    # Life

    async def start(self, former: Sequence[FormerWorker] = ()) -> None:
        """Start the workers; `former` ones serve until these do. `publish` must have been called."""
        for one in former:
            worker = await take_over(one)
            log.info("took over a worker of an earlier start", pid=worker.pid)
            self.leaving.add(worker)
            self._follow(worker)
        for number in range(self._count):
            self._later(self._start(number, 0.0))
        if former:
            self._relieving = asyncio.create_task(self._relieve(tuple(self.leaving)))
        self._later(self._end_the_silent())

    async def replace(self) -> None:
        """Replace the workers one by one, each once another one serves in its place.

        One call that waits for another to end does for all that come meanwhile.
        """
        if self._replacement_waits:
            return
        self._replacement_waits = True
        async with self._replacing:
            self._replacement_waits = False
            for number in range(self._count):
                if self._stopping.is_set():
                    return
                try:
                    successor = await self._launch(number)
                except OSError as error:
                    log.error("a new worker can't be started, the others stay", worker=number, error=str(error))
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(successor.settled.wait(), START_DEADLINE)
                self._coming.discard(successor)
                if self._stopping.is_set():
                    # `stop` waits for it.
                    self.leaving.add(successor)
                    return
                if successor.gone or not successor.version:
                    successor.kill()
                    log.error("a new worker does not serve, the others stay", worker=number, why=successor.failure)
                    return
                before = self.running.get(number)
                self.running[number] = successor
                self._starts_at.pop(number, None)
                if before is not None:
                    self._dismiss(before)
            log.info("workers replaced")

    async def stop(self, drain: float, delay: float) -> None:
        """Drain all workers, which accept for `delay` seconds; after `drain` more and a moment they are killed."""
        self._stopping.set()
        if self._relieving is not None:
            self._relieving.cancel()
        self._drain = messages.Drain(drain, delay)
        for worker in self._everyone():
            worker.tell(self._drain)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=KILL_AFTER)
        if self._following:
            await asyncio.wait(self._following, timeout=delay + drain + KILL_AFTER)
        for worker in self._everyone():
            log.warning("worker did not drain in time, killed", worker=worker.number, pid=worker.pid)
            worker.kill()
        await asyncio.gather(*self._following, *self._tasks, return_exceptions=True)

    async def _start(self, number: int, wait: float) -> None:
        """Start the worker `number` after `wait` seconds, unless somebody else has, or the end comes first."""
        self._starts_at[number] = due = monotonic() + wait
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), wait)
        if self._stopping.is_set() or self._starts_at.get(number) != due:
            return
        del self._starts_at[number]
        try:
            worker = await self._launch(number)
        except OSError as error:
            # No process or no descriptor is left: that passes.
            self._start_later(number, error)
            return
        self._coming.discard(worker)
        if number in self.running:
            self._dismiss(worker)
        else:
            self.running[number] = worker

    def _start_later(self, number: int, error: OSError) -> None:
        """Try again to start a worker that could not be, unless one is there meanwhile."""
        if self._stopping.is_set() or number in self.running:
            return
        wait = self._crash_loops[number].ended(0.0, f"it could not be started: {error}")
        log.error("worker can't be started, trying again", worker=number, error=str(error), wait_seconds=wait)
        self._later(self._start(number, wait))

    async def _launch(self, number: int) -> WorkerProcess:
        worker = await start_worker(number, self._listening)
        self._coming.add(worker)
        self._brief(worker)
        log.info("worker started", worker=number, pid=worker.pid)
        self._follow(worker)
        return worker

    def _brief(self, worker: WorkerProcess) -> None:
        """Tell a new worker all that the others know."""
        for keys in self._keys.values():
            worker.tell(keys)
        worker.tell(self._down)
        for addresses in self._addresses.values():
            worker.tell(addresses)
        assert self._snapshot is not None
        worker.tell_encoded(self._applying)
        if self._judge is not None:
            worker.tell(self._judge)
            worker.tell(self._favour)
        if self._drain is not None:
            worker.tell(self._drain)

    def _dismiss(self, worker: WorkerProcess) -> None:
        """Have a worker leave that another one replaces."""
        assert self._snapshot is not None
        self.leaving.add(worker)
        worker.tell(messages.Drain(self._snapshot.drain))

    async def _relieve(self, former: Sequence[WorkerProcess]) -> None:
        while not await self.wait_serving(START_DEADLINE):
            log.warning("the new workers do not serve yet, those of the earlier start go on")
        for worker in former:
            if worker in self.leaving:
                self._dismiss(worker)

    async def _end_the_silent(self) -> None:
        """Kill workers that do not report any more: their event loop stands, and so do their clients."""
        while not self._stopping.is_set():
            before = monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)
            now = monotonic()
            for worker in self.running.values():
                if now - before > LISTENING_LATE:
                    # This process stood itself, so it can't tell.
                    worker.heard = now
                elif now - worker.heard > (limit := self._hang_limit(worker)):
                    worker.failure = f"it was silent for {limit:g} s"
                    log.error("worker is silent, killed", worker=worker.number, pid=worker.pid)
                    worker.kill()

    def _hang_limit(self, worker: WorkerProcess) -> float:
        assert self._snapshot is not None
        # Until it serves, a worker has more to do than to report.
        return self._snapshot.hang if worker.version else max(self._snapshot.hang, START_DEADLINE)

    def _follow(self, worker: WorkerProcess) -> None:
        self._begin(self._until_its_end(worker), self._following)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._begin(work, self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(_say_failure)

    async def _until_its_end(self, worker: WorkerProcess) -> None:
        try:
            await self._listen_to(worker)
        finally:
            reason = await worker.ended()
            lived = monotonic() - worker.started
            if self._folder is not None:
                self._folder.forget(worker.pid)
            for ticket in list(self._awaited):
                self._settle(ticket, worker)
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
        crash_loop = self._crash_loops[number]
        wait = crash_loop.ended(lived, reason)
        if not (self._have_served or self.leaving) and crash_loop.in_a_row >= FAILED_STARTS:
            # None ever served, and none of an earlier start does: another one would end as these did.
            log.error("no worker can be started", worker=number, reason=reason, ended_in_a_row=crash_loop.in_a_row)
            self.start_failed.set()
            return
        log.error(
            "worker ended, starting another",
            worker=number,
            reason=reason,
            lived_seconds=round(lived, 1),
            ended_in_a_row=crash_loop.in_a_row,
            wait_seconds=wait,
        )
        self._later(self._start(number, wait))

    async def _listen_to(self, worker: WorkerProcess) -> None:
        while True:
            try:
                message = await read_message(worker.reader)
                if message is None:
                    return
                await self._take(message, worker)
            except Exception as error:
                # Messages have their length before them, so the next one is sound again.
                if worker.number == FORMER:
                    log.warning("a former worker, of another version, is not understood", error=repr(error))
                else:
                    log.error("a worker's message failed", worker=worker.number, exc_info=error)

    async def _take(self, message: object, worker: WorkerProcess) -> None:
        worker.heard = monotonic()
        match message:
            case messages.Ready():
                worker.serves(message.version)
                self._have_served = True
                async with self._changed:
                    self._changed.notify_all()
            case messages.Failed():
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
                self._settle(message.ticket, worker)

    def _settle(self, ticket: int, worker: WorkerProcess) -> None:
        awaited = self._awaited.get(ticket)
        if awaited is not None:
            awaited[0].discard(worker)
            if not awaited[0]:
                awaited[1].set()


def _say_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task about workers failed", exc_info=error)
