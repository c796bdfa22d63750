"""One worker as the control process sees it: started by it, or taken over from the one before it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from time import monotonic

from strangler.control.system.isolated import python_module
from strangler.control.system.process_figures import Peak
from strangler.control.system.signals import signals_held
from strangler.control.workers.listening import Listening
from strangler.control.workers.runtime_folder import FormerWorker
from strangler.observe.counters import Report
from strangler.pickle_stream import framed

FORMER = -1
"""The number of every worker that was taken over."""


class WorkerProcess:
    """A worker's process, its link, and what is known of it.

    `number` is its place among the workers. `heard` is when it last said
    something, `failure` what it could not do, or why it was killed. `settled`
    tells that it serves or is `gone`.
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
        self.latest = Report()
        self.lag = Peak()
        self.settled = asyncio.Event()
        self.gone = False
        self._writer = writer
        self._process = process

    def tell(self, message: object) -> None:
        """Send a message; a worker that is gone hears nothing."""
        if not self._writer.is_closing():
            self._writer.write(framed(message))

    def tell_encoded(self, data: bytes) -> None:
        """Send a message that is encoded already, because others get it, too."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def serves(self, version: str) -> None:
        """Note that it serves by the snapshot of this version."""
        self.version = version
        self.failure = None
        self.settled.set()

    def kill(self) -> None:
        """End it without asking."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
        elif not self.reader.at_eof():
            os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """Wait for its end after its link has ended; why it came."""
        self._writer.close()
        code = None if self._process is None else await self._process.wait()
        self.gone = True
        self.settled.set()
        if code is None:
            return "its link ended"
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return how if self.failure is None else f"{how}: {self.failure}"


async def start_worker(number: int, listening: Listening) -> WorkerProcess:
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
    return WorkerProcess(number, process.pid, reader, writer, process)


async def take_over(former: FormerWorker) -> WorkerProcess:
    """A worker that lost its control process."""
    reader, writer = await asyncio.open_connection(sock=former.link)
    return WorkerProcess(FORMER, former.pid, reader, writer, None)
