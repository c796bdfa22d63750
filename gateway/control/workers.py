"""The workers as the control process sees them: started, told, replaced when they die.

All workers accept from one listening socket that the control process holds
open, so a worker that dies takes no waiting connection with it and the port
never closes. A worker that dies soon after its start is replaced later and
later, so that a crash loop does not eat the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import sys
from collections.abc import Callable
from time import monotonic

import structlog

from gateway.config.snapshot import Endpoint, Snapshot
from gateway.control import messages
from gateway.observe.counters import Report

log = structlog.get_logger(part="workers")

STABLE_AFTER = 10.0
LONGEST_WAIT = 10.0
START_DEADLINE = 30.0
REPORT_DEADLINE = 0.5
KILL_AFTER = 2.0


class WorkerProcess:
    """One worker: its process, its link, and what is known of it."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.process = process
        self.started = monotonic()
        self.version = ""
        self.latest = Report()
        self._writer = writer

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def tell(self, message: object) -> None:
        """Send a message; a worker that is gone hears nothing."""
        if not self._writer.is_closing():
            self._writer.write(messages.encode(message))


class Workers:
    """Keeps `count` workers running on `listening`.

    `on_report` takes each worker's figures, `on_refetch` the name of a provider
    whose key set is too old.
    """

    def __init__(
        self,
        count: int,
        listening: socket.socket,
        on_report: Callable[[Report], None],
        on_refetch: Callable[[str], None],
    ) -> None:
        self.running: dict[int, WorkerProcess] = {}
        self.restarts = 0
        self._count = count
        self._listening = listening
        self._on_report = on_report
        self._on_refetch = on_refetch
        self._snapshot: Snapshot | None = None
        self._keys: dict[str, messages.Keys] = {}
        self._down = messages.Down(frozenset())
        self._judge: messages.JudgeAt | None = None
        self._favour = messages.Favour(frozenset())
        self._addresses: dict[str, messages.Addresses] = {}
        self._stopping = False
        self._slots: list[asyncio.Task[None]] = []
        self._tickets = itertools.count(1)
        self._awaited: dict[int, tuple[set[int], asyncio.Event]] = {}
        self._changed = asyncio.Condition()

    # What all workers are told

    def publish(self, snapshot: Snapshot) -> None:
        """Have every worker, now and later, serve by `snapshot`."""
        self._snapshot = snapshot
        self._tell(messages.Apply(snapshot))

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
        for worker in self.running.values():
            worker.tell(message)

    async def report_now(self) -> None:
        """Fetch the figures of all workers; one that does not answer in time is left out."""
        ticket = next(self._tickets)
        event = asyncio.Event()
        self._awaited[ticket] = (set(self.running), event)
        self._tell(messages.ReportNow(ticket))
        if not self.running:
            event.set()
        try:
            async with asyncio.timeout(REPORT_DEADLINE):
                await event.wait()
        except TimeoutError:
            log.warning("workers did not report in time", workers=sorted(self._awaited[ticket][0]))
        finally:
            del self._awaited[ticket]

    def serving(self, version: str) -> bool:
        """Whether every worker is there and serves by the snapshot of `version`."""
        return len(self.running) == self._count and all(w.version == version for w in self.running.values())

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

    # Life

    def start(self) -> None:
        """Start the workers; `publish` must have been called."""
        self._slots = [asyncio.create_task(self._keep_running(number)) for number in range(self._count)]

    async def stop(self, drain: float) -> None:
        """Drain all workers; after `drain` seconds and a moment they are killed."""
        self._stopping = True
        self._tell(messages.Drain(drain))
        if not self._slots:
            return
        _, pending = await asyncio.wait(self._slots, timeout=drain + KILL_AFTER)
        for worker in self.running.values():
            log.warning("worker did not drain in time, killed", worker=worker.number, pid=worker.pid)
            worker.process.kill()
        for slot in pending:
            if not self.running:
                slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)

    async def _keep_running(self, number: int) -> None:
        wait = 0.0
        while not self._stopping:
            started = monotonic()
            code = await self._run(number)
            if self._stopping:
                return
            self.restarts += 1
            lived = monotonic() - started
            wait = 0.0 if lived >= STABLE_AFTER else min(LONGEST_WAIT, wait * 2 or 0.1)
            reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            log.error(
                "worker ended, starting another",
                worker=number,
                reason=reason,
                lived_seconds=round(lived, 1),
                wait_seconds=wait,
            )
            await asyncio.sleep(wait)

    async def _run(self, number: int) -> int:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.control.worker",
                str(self._listening.fileno()),
                str(theirs.fileno()),
                pass_fds=(self._listening.fileno(), theirs.fileno()),
            )
        finally:
            theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = WorkerProcess(number, process, writer)
        for keys in self._keys.values():
            worker.tell(keys)
        worker.tell(self._down)
        for addresses in self._addresses.values():
            worker.tell(addresses)
        assert self._snapshot is not None
        worker.tell(messages.Apply(self._snapshot))
        if self._judge is not None:
            worker.tell(self._judge)
            worker.tell(self._favour)
        self.running[number] = worker
        log.info("worker started", worker=number, pid=process.pid)
        try:
            await self._listen_to(worker, reader)
            return await process.wait()
        finally:
            writer.close()
            del self.running[number]
            for waiting, event in self._awaited.values():
                waiting.discard(number)
                if not waiting:
                    event.set()

    async def _listen_to(self, worker: WorkerProcess, reader: asyncio.StreamReader) -> None:
        while (message := await messages.read(reader)) is not None:
            match message:
                case messages.Ready():
                    worker.version = message.version
                    async with self._changed:
                        self._changed.notify_all()
                case messages.Refetch():
                    self._on_refetch(message.provider)
                case messages.Reported():
                    worker.latest = message.report
                    self._on_report(message.report)
                    for notice in message.report.notices:
                        log.warning(notice.event, worker=worker.number, **notice.fields)
                    self._settle(message.ticket, worker.number)

    def _settle(self, ticket: int, number: int) -> None:
        awaited = self._awaited.get(ticket)
        if awaited is not None:
            awaited[0].discard(number)
            if not awaited[0]:
                awaited[1].set()
