"""The judge as the control process sees it: started with the first shadow, replaced when it ends or falls silent.

A judge that can't be started, or no longer reports, is one of the gateway's
`problems`; the gateway runs without it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from strangler.config.load import Loaded
from strangler.control import messages
from strangler.control.judge.figures import JudgeFigures
from strangler.control.judge.workers_socket import WorkersSocket
from strangler.control.system.python_command import python_module
from strangler.control.system.signals import signals_held
from strangler.observe.background_tasks import BackgroundTasks
from strangler.pickle_stream import framed, read_message
from strangler.shadow.evidence.epoch_settings import epoch_settings

log = structlog.get_logger(part="judge")

START_DEADLINE = 15.0
"""Seconds for which the gateway is not ready while its first judge starts; clients need no judge."""
RESTART = 1.0
LONGEST_RESTART = 30.0
"""Seconds before another judge starts: the first, doubled with each early end, and the maximum."""
STOP_DEADLINE = 11.0
"""Seconds for the judge's own deadlines at its end, and one more."""
SILENT_AFTER = 60.0
"""Seconds without a report after which the judge is replaced; it reports every two."""
LATE = 15.0
"""Seconds without a report after which that is a problem."""


class JudgeHandle:
    """Keeps a judge running from the first snapshot on that shadows anything.

    `on_start` gets the path of the socket for workers, `on_report` each report.
    The socket is in the folder of temporary files, else in `folder`. `pid` is
    the judge's process, None where none runs, `ready` whether it has reported.
    """

    def __init__(
        self,
        on_start: Callable[[str], None],
        on_report: Callable[[messages.JudgeReport], None],
        folder: Path | None = None,
    ) -> None:
        self.figures = JudgeFigures()
        self.pid: int | None = None
        self.ready = False
        self._on_start = on_start
        self._on_report = on_report
        self._other_folder = folder
        self._began = 0.0
        self._heard = monotonic()
        self._failure: str | None = None
        self._judge_by: messages.JudgeBy | None = None
        self._socket: WorkersSocket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks = BackgroundTasks(log)
        self._running: asyncio.Task[None] | None = None
        self._stopping = False

    def __repr__(self) -> str:
        if not self.started:
            return "<judge, not needed>"
        process = "no process" if self.pid is None else f"process {self.pid}"
        state = "ready" if self.ready else "starting"
        failure = "" if self._failure is None else f", failed: {self._failure}"
        return f"<judge, {process}, {state}, restarts: {self.figures.restarts}{failure}>"

    @property
    def started(self) -> bool:
        """Whether a judge was ever needed."""
        return self._running is not None

    def apply(self, loaded: Loaded) -> None:
        """Judge by what was `loaded`; start a judge if one is needed now."""
        model = loaded.model
        comparisons = {str(name): (model.compare, section.compare) for name, section in model.migrations.items()}
        settings = {name: epoch_settings(model, name) for name in comparisons}
        self._judge_by = messages.JudgeBy(loaded.snapshot, comparisons, settings)
        self.figures.apply(loaded.snapshot)
        if self._running is None:
            if not self.figures.shadowed:
                return
            self._began = self._heard = monotonic()
            self._running = self._tasks.start(self._keep_running(), "keeping a judge running")
        self._send(self._judge_by)

    async def stop(self) -> None:
        """Let the judge finish the pairs that the workers have sent, and remove the socket."""
        self._stopping = True
        if self._running is None:
            return
        self._send(messages.Drain(STOP_DEADLINE))
        if self._writer is None:
            self._running.cancel()
        await asyncio.wait([self._running], timeout=STOP_DEADLINE)
        if not self._running.done():
            log.warning("judge did not stop in time")
            self.figures.lose("the judge did not stop in time")
            self._running.cancel()
            await asyncio.wait([self._running], timeout=1.0)
        if self._socket is not None:
            self._socket.close()

    def problems(self) -> list[str]:
        """What is wrong with judging, and with storing its evidence."""
        if not self.started:
            return []
        problems = []
        silent = monotonic() - self._heard
        if self._failure is not None:
            problems.append(f"the judge does not run: {self._failure}")
        elif silent > LATE:
            problems.append(f"the judge has not reported for {silent:.0f} s")
        if (error := self.figures.report.store.error) is not None:
            problems.append(f"evidence can't be stored: {error}")
        return problems

    def why_not_ready(self) -> str | None:
        """Why requests of shadowed migrations would not be compared yet; None after START_DEADLINE, judge or not."""
        late = monotonic() - self._began > START_DEADLINE
        if not self.started or self.ready or self.figures.restarts or late:
            return None
        return "the judge of shadowed requests is starting"

    def as_json(self) -> dict[str, Any]:
        """The judge, and what judges have found since the control process started."""
        if not self.started:
            return {}
        return {
            "judge": self.pid,
            "ready": self.ready,
            "judge_restarts": self.figures.restarts,
            "store": self.figures.store_as_json(),
            "migrations": self.figures.migrations_as_json(),
        }

    def _send(self, message: object) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(framed(message))

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stopping:
            began = monotonic()
            try:
                reason = f"exit code {await self._run(self._workers_socket())}"
            except OSError as error:
                # The machine has no process, descriptor or place for a socket left at the moment.
                reason = f"it could not be run: {error}"
            self.pid = None
            self.ready = False
            if self._stopping:
                return
            self._failure = reason
            self.figures.judge_ended()
            log.error("judge ended, starting another", reason=reason)
            failures = 0 if monotonic() - began > LONGEST_RESTART else failures + 1
            await asyncio.sleep(min(RESTART * 2 ** min(failures - 1, 16), LONGEST_RESTART) if failures else RESTART)

    def _workers_socket(self) -> WorkersSocket:
        """The socket for workers, opened at the first call. Raises OSError where there is no place for it."""
        if self._socket is None:
            self._socket = WorkersSocket(self._other_folder)
            self._on_start(self._socket.path)
        return self._socket

    async def _run(self, listening: WorkersSocket) -> int:
        """Run a judge until it ends. Returns its exit code."""
        ours, theirs = socket.socketpair()
        try:
            with signals_held():
                process = await asyncio.create_subprocess_exec(
                    *python_module("strangler.control.judge.main"),
                    str(listening.fileno()),
                    str(theirs.fileno()),
                    pass_fds=(listening.fileno(), theirs.fileno()),
                )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = process.pid
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            self._send(self._judge_by)
            self._heard = monotonic()
            while (message := await self._next_message(reader, process)) is not None:
                if isinstance(message, messages.JudgeReport):
                    self._reported(message)
            return await process.wait()
        finally:
            self._writer.close()
            self._writer = None
            if process.returncode is None:
                process.kill()

    async def _next_message(self, reader: asyncio.StreamReader, process: asyncio.subprocess.Process) -> object:
        try:
            async with asyncio.timeout(SILENT_AFTER):
                return await read_message(reader)
        except TimeoutError:
            log.error("judge is silent, killed", pid=process.pid, seconds=SILENT_AFTER)
            process.kill()
            return None

    def _reported(self, report: messages.JudgeReport) -> None:
        self.figures.add(report)
        self.ready = True
        self._heard = monotonic()
        self._failure = None
        self._on_report(report)
