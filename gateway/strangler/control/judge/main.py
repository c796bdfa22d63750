"""The judge's process: takes the pairs of all workers, and reports their outcomes to the control process.

Started by the control process as `python -m strangler.control.judge.main LISTEN LINK`,
with the numbers of two inherited file descriptors: the Unix socket to which
workers connect, and the link. It yields the processor to the workers. Without a
store that can be written it goes on judging and reports that: a task of its own
waits for the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import structlog
import uvloop

from strangler.comparison import time_limit
from strangler.control import messages
from strangler.control.judge.judging import Judging
from strangler.control.judge.storing import Storing
from strangler.control.system.signals import ignore_signals, take_sigterm
from strangler.model.snapshot import Snapshot
from strangler.observe.background_tasks import BackgroundTasks
from strangler.observe.logs import configure_logs
from strangler.observe.loop_lag import LoopLag
from strangler.pickle_stream import framed, read_message
from strangler.shadow.copying.channel import ChannelReceiver

log = structlog.get_logger(part="judge")

FIRST_LOOK = 0.05
"""Seconds between two looks for the first configuration, before which nothing can be judged."""
INTERVAL = 2.0
"""Seconds between two reports to the control process, and between two turns with the store."""
FIRST_OPEN = 4.0
"""Seconds to wait for what the store holds before pairs are taken without it."""
LAST_CONNECTIONS = 0.1
"""Seconds at the end to accept connections of workers that wait in the backlog."""
SETTLE_DEADLINE = 3.0
FINISH_DEADLINE = 4.0
"""Seconds at the end to write what is not written."""
NICENESS = 5


class JudgeProcess:
    """Connects judging and storing to the workers and the control process."""

    def __init__(self, listening: socket.socket, link: socket.socket) -> None:
        self._listening = listening
        self._link = link
        self._snapshot: Snapshot | None = None
        self._judging = Judging()
        self._storing = Storing(self._judging)
        self._server: asyncio.AbstractServer | None = None
        self._workers: set[ChannelReceiver] = set()
        self._without_workers = asyncio.Event()
        self._without_workers.set()
        self._ended = asyncio.Event()
        self._tasks = BackgroundTasks(log)

    async def run(self) -> bool:
        """Judge until the control process reports that all pairs have been sent, or is gone.

        False where a thread still waits for the store.
        """
        reader, writer = await asyncio.open_connection(sock=self._link)
        following = self._tasks.start(self._follow(reader), "messages of the control process")
        storing = self._tasks.start(self._keep_storing(), "storing")
        lag = LoopLag()
        began: float | None = None
        loop = asyncio.get_running_loop()
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), INTERVAL if self._server is not None else FIRST_LOOK)
            if self._snapshot is None:
                continue
            began = began or loop.time()
            if self._storing.tried or loop.time() - began > FIRST_OPEN:
                # Examples are chosen by what the store holds, so that is read first, as far as possible.
                await self._accept_workers()
            self._send(writer, lag.take())
        finished = await self._finish(self._snapshot, storing) if self._snapshot is not None else True
        storing.cancel()
        with contextlib.suppress(ConnectionError):
            self._send(writer, lag.take())
            await writer.drain()
        writer.close()
        lag.close()
        following.cancel()
        return finished

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        """Follow the messages of the control process, until it ends this process or is gone."""
        try:
            while (message := await read_message(reader)) is not None:
                match message:
                    case messages.JudgeBy():
                        self._snapshot = message.snapshot
                        self._judging.apply(message)
                    case messages.Drain():
                        break
        finally:
            self._ended.set()

    async def _keep_storing(self) -> None:
        """Give the store its turn every INTERVAL; it may take as long as it likes."""
        while not self._ended.is_set():
            if self._snapshot is not None:
                try:
                    await self._storing.turn(self._snapshot.store.url)
                except Exception as error:
                    # Whatever a driver raises, the next turn may succeed.
                    log.exception("storing evidence failed unexpectedly")
                    self._storing.failed(repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), INTERVAL if self._storing.tried else FIRST_LOOK)

    async def _accept_workers(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._worker_connected, sock=self._listening)

    def _worker_connected(self) -> ChannelReceiver:
        """The judge's end of a worker's channel."""
        receiver = ChannelReceiver(self._judging.take, self._worker_left, self._judging.self_tests.met)
        self._workers.add(receiver)
        self._without_workers.clear()
        return receiver

    def _worker_left(self, receiver: ChannelReceiver) -> None:
        self._workers.discard(receiver)
        self._judging.self_tests.left(receiver)
        if not self._workers:
            self._without_workers.set()

    async def _finish(self, snapshot: Snapshot, storing: asyncio.Task[None]) -> bool:
        """Judge what the workers have sent, and write it, both within bounds; false where the store was too slow."""
        # A worker that connected just before it ended waits in the backlog, with all that it has sent.
        await self._accept_workers()
        await asyncio.sleep(LAST_CONNECTIONS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._without_workers.wait(), SETTLE_DEADLINE)
        judge = self._judging.judge
        judge.hurry()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(judge.settle(), SETTLE_DEADLINE)
        try:
            async with asyncio.timeout(FINISH_DEADLINE):
                await storing
                await self._storing.finish(snapshot.store.url)
        except TimeoutError:
            self._storing.lose_unwritten("the store did not respond at the end")
            return False
        self._storing.lose_unwritten("the store could not be written at the end")
        return True

    def _send(self, writer: asyncio.StreamWriter, loop_lag: float) -> None:
        """Report to the control process, unless it is gone."""
        if not writer.is_closing():
            writer.write(framed(self._judging.report(self._storing.report(), loop_lag)))


def _yield_to_workers() -> None:
    """Let workers have the processor first.

    Linux may share it among sessions before it looks at nice values
    (sched(7), "autogroup"): in the session of the workers, what the judge uses
    would be taken from them.
    """
    os.nice(NICENESS)
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    with contextlib.suppress(OSError):  # another system, or one without autogroups
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def main() -> None:
    """Entry point of the process."""
    stream = configure_logs()
    _yield_to_workers()
    time_limit.install()
    ignore_signals()
    # The control process decides when this process ends; if it dies, the link closes.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    take_sigterm()
    listening = socket.socket(fileno=int(sys.argv[1]))
    link = socket.socket(fileno=int(sys.argv[2]))
    listening.setblocking(False)
    link.setblocking(False)

    async def judge() -> None:
        if not await JudgeProcess(listening, link).run():
            # The end of the interpreter would wait for the thread that waits for the store.
            stream.finish()
            os._exit(0)

    uvloop.run(judge())


if __name__ == "__main__":
    main()
