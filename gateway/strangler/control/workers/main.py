"""A worker process: a data plane on the inherited listening socket, which follows the control process's messages.

Started by the control process as `python -m strangler.control.workers.main LISTEN LINK
TALLY FOLDER`, with the numbers of the three inherited file descriptors and the
runtime folder, "" where there is none. When the control process is gone, the
worker serves on, and hands over to the next one that connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from pathlib import Path

import uvloop

from strangler.auth.keys import KeySet, KeySetError, parse_key_set
from strangler.control import messages
from strangler.control.system.signals import ignore_signals, take_sigterm
from strangler.control.workers.handover import Handover, SharedDescriptors
from strangler.control.workers.large_messages import LargeMessages
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.background_stream import use_for_standard_error
from strangler.observe.loop_lag import LoopLag
from strangler.pickle_stream import framed, read_message
from strangler.proxy.plane import DataPlane
from strangler.shadow.copying.mirror import Mirror

REPORT_INTERVAL = 1.0


class WorkerProcess:
    """Joins a data plane to the link with the control process."""

    def __init__(self, listening: socket.socket, link: socket.socket, tally: int, folder: Path | None) -> None:
        self._listening = listening
        self._link = link
        self._tally = tally
        self._folder = folder
        self._plane: DataPlane | None = None
        self._mirror: Mirror | None = None
        self._keys: dict[str, KeySet | None] = {}
        self._down: frozenset[tuple[str, str]] = frozenset()
        self._addresses: dict[str, tuple[Endpoint, ...]] = {}
        self._large = LargeMessages()
        self._ended = asyncio.Event()
        self._drain: messages.Drain | None = None
        self._failure: BaseException | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._following: asyncio.Task[None] | None = None
        self._lag: LoopLag

    async def run(self) -> None:
        """Serve until a `Drain` message or SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        take_sigterm()
        handover = None
        if self._folder is not None:
            handover = Handover(self._folder, SharedDescriptors(self._listening.fileno(), self._tally), self._follow)
        self._follow(self._link)
        self._lag = LoopLag()
        reporting = asyncio.create_task(self._report())
        await self._ended.wait()
        if handover is not None:
            handover.close()
        if self._plane is not None:
            drain = self._drain or messages.Drain(self._plane.snapshot.drain, self._plane.snapshot.delay)
            await self._plane.drain(drain.deadline, drain.delay)
            self._send(messages.Reported(self._plane.report()))
            self._plane.close()
        if self._mirror is not None:
            await self._mirror.close()
        reporting.cancel()
        self._lag.close()
        if self._following is not None:
            self._following.cancel()
        if self._writer is not None:
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()
            self._writer.close()
        if self._failure is not None:
            raise self._failure

    def _follow(self, link: socket.socket) -> None:
        """Follow the messages that come over `link` from now on."""
        if self._following is not None:
            self._following.cancel()
        self._following = asyncio.create_task(self._follow_link(link))

    async def _follow_link(self, link: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=link)
        self._writer = writer
        try:
            await self._follow_messages(reader)
        except Exception as error:
            # A worker that missed a message can't serve; the control process logs why, and starts another.
            self._failure = error
            self._send(messages.ConfigurationFailed(repr(error)))
            self._ended.set()
            return
        writer.close()
        if self._plane is None:
            # The control process ended before it sent a snapshot.
            self._ended.set()

    @property
    def _is_linked(self) -> bool:
        return self._writer is not None and not self._writer.is_closing()

    def _send(self, message: object) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(framed(message))

    async def _follow_messages(self, reader: asyncio.StreamReader) -> None:
        while (message := await read_message(reader, self._large.decode)) is not None:
            match message:
                case messages.Keys():
                    self._take_keys(message)
                case messages.Apply():
                    await self._apply(message)
                case messages.JudgeAt() if self._mirror is not None:
                    self._mirror.channel.listen_at(message.path)
                case messages.Favour() if self._mirror is not None:
                    self._mirror.favoured = message.routes
                case messages.ForgetSessions() if self._plane is not None:
                    self._plane.forget_sessions(message.sessions, message.subjects)
                case messages.Down():
                    self._down = message.endpoints
                    if self._plane is not None:
                        self._plane.set_down(message.endpoints)
                case messages.Addresses():
                    self._addresses[message.upstream] = message.endpoints
                    if self._plane is not None:
                        self._plane.set_addresses(message.upstream, message.endpoints)
                case messages.ReportNow() if self._plane is not None:
                    self._send(messages.Reported(self._plane.report(), message.ticket, self._lag.take()))
                case messages.ReopenLog() if self._plane is not None:
                    self._reopen_log(self._plane)
                case messages.Drain():
                    self._drain = message
                    self._ended.set()

    def _take_keys(self, message: messages.Keys) -> None:
        # Without a document, a set without keys: the data plane refuses tokens, and forgets the keys that it had.
        keys = KeySet({}, "")
        if message.document is not None:
            with contextlib.suppress(KeySetError):
                keys = parse_key_set(message.document)
        self._keys[message.provider] = keys
        if self._plane is not None:
            self._plane.set_keys(message.provider, keys, message.refetch_after)

    async def _apply(self, message: messages.Apply) -> None:
        if self._plane is None:
            await self._serve(message.snapshot)
        else:
            await self._change(self._plane, message)

    async def _serve(self, snapshot: Snapshot) -> None:
        """Serve by the first snapshot."""
        plane = self._plane = DataPlane(snapshot, self._keys, self._ask_refetch, self._tally)
        for upstream, endpoints in self._addresses.items():
            plane.set_addresses(upstream, endpoints)
        plane.set_down(self._down)
        plane.mirror = self._mirror = Mirror(plane)
        await plane.serve(self._listening)
        # What exists now lives long, so the collector need not visit it again.
        gc.collect()
        gc.freeze()
        self._large.resume_collector()
        self._send(messages.Ready(snapshot.version))

    async def _change(self, plane: DataPlane, message: messages.Apply) -> None:
        """Serve by another snapshot, or report why that is impossible."""
        before = [plane.snapshot]
        try:
            plane.apply(message.snapshot, message.derived if isinstance(message, messages.Prepared) else None)
        except Exception as error:
            # For example, a log file can't be opened. The worker serves on as before; the control process logs it.
            self._large.resume_collector()
            self._send(messages.ConfigurationFailed(repr(error)))
            return
        self._send(messages.Ready(message.snapshot.version))
        await self._large.settle(plane, before)

    def _reopen_log(self, plane: DataPlane) -> None:
        try:
            plane.reopen_access_log()
        except OSError as error:
            self._send(messages.ConfigurationFailed(f"the access log can't be reopened: {error}"))

    def _ask_refetch(self, provider: str) -> None:
        self._send(messages.Refetch(provider))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL)
            # Without a control process, the figures wait for the next one.
            if self._plane is not None and self._is_linked:
                self._send(messages.Reported(self._plane.report(), 0, self._lag.take()))


def main() -> None:
    """Entry point of the process."""
    ignore_signals()
    use_for_standard_error()
    listening = socket.socket(fileno=int(sys.argv[1]))
    link = socket.socket(fileno=int(sys.argv[2]))
    listening.setblocking(False)
    link.setblocking(False)

    async def serve() -> None:
        await WorkerProcess(listening, link, int(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4] else None).run()

    try:
        uvloop.run(serve())
    except OSError:
        # The control process has received the error, and logs it.
        sys.exit(1)


if __name__ == "__main__":
    main()
