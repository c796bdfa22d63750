"""One worker as the control process sees it: started, or taken over from an earlier control process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from time import monotonic

from strangler.control.system.process_figures import Peak
from strangler.control.system.python_command import python_module
from strangler.control.system.signals import signals_held
from strangler.control.workers.listening import Listening
from strangler.control.workers.runtime_folder import FormerWorker
from strangler.observe.worker_report import WorkerReport
from strangler.pickle_stream import framed

FORMER = -1
"""The number of every worker that was taken over."""
START_DEADLINE = 30.0
"""Seconds within which a worker should serve."""


class WorkerHandle:
    """A worker's process, its link, and its state.

    `number` is its place among the workers, `version` that of the snapshot by
    which it serves, "" before the first. `heard` is when its last message came,
    `failure` what it could not do, or why it was killed. `settled` is set once
    it serves or is `gone`.
    """

    def __init__(
        self,
        number: int,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        process: asyncio.subprocess.Process | None,
    ) -> None:
        self.number = number
        self.pid = pid
        self.reader = reader
        self.started = self.heard = monotonic()
        self.version = ""
        self.failure: str | None = None
        self.latest = WorkerReport()
        self.lag = Peak()
        self.settled = asyncio.Event()
        self.gone = False
        self._writer = writer
        self._process = process

    def __repr__(self) -> str:
        name = "former worker" if self.number == FORMER else f"worker {self.number}"
        state = "gone" if self.gone else f"serves {self.version}" if self.version else "starting"
        failure = "" if self.failure is None else f", failed: {self.failure}"
        return f"<{name}, process {self.pid}, {state}{failure}>"

    def send(self, message: object) -> None:
        """Send a message, unless the worker is gone."""
        self.send_framed(framed(message))

    def send_framed(self, data: bytes) -> None:
        """Send a message that is framed already, because other workers get it as well."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def serves(self, version: str) -> None:
        """The worker reports that it serves by the snapshot of this version."""
        self.version = version
        self.failure = None
        self.settled.set()

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
        elif not self.reader.at_eof():
            os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """Wait for the process to end once its link is closed. Returns the reason."""
        self._writer.close()
        code = None if self._process is None else await self._process.wait()
        self.gone = True
        self.settled.set()
        if code is None:
            return "its link ended"
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return how if self.failure is None else f"{how}: {self.failure}"


async def start_worker(number: int, listening: Listening) -> WorkerHandle:
    """A new worker on `listening`."""
    ours, theirs = socket.socketpair()
    descriptors = (listening.socket.fileno(), theirs.fileno(), listening.tally)
    try:
        with signals_held():
            process = await asyncio.create_subprocess_exec(
                *python_module("strangler.control.workers.main"),
                *map(str, descriptors),
                "" if listening.folder is None else str(listening.folder.path),
                pass_fds=descriptors,
            )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours)
    return WorkerHandle(number, process.pid, reader, writer, process)


async def take_over(former: FormerWorker) -> WorkerHandle:
    """A worker that lost its control process."""
    reader, writer = await asyncio.open_connection(sock=former.link)
    return WorkerHandle(FORMER, former.pid, reader, writer, None)
