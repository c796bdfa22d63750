"""A worker process: a data plane on the inherited listening socket, told what to do over the link.

Started by the supervisor as `python -m gateway.control.worker LISTEN LINK`,
with the numbers of the two inherited file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys

import uvloop

from gateway.auth.keys import KeySet, KeySetError, parse_key_set
from gateway.config.snapshot import Endpoint
from gateway.control import messages
from gateway.proxy.plane import DataPlane
from gateway.shadow.mirror import Mirror

REPORT_INTERVAL = 1.0
ORPHAN_DRAIN = 30.0


class Worker:
    """Joins a data plane to the link with the control process."""

    def __init__(self, listening: socket.socket, link: socket.socket) -> None:
        self._listening = listening
        self._link = link
        self._plane: DataPlane | None = None
        self._mirror: Mirror | None = None
        self._keys: dict[str, KeySet | None] = {}
        self._down: frozenset[tuple[str, str]] = frozenset()
        self._addresses: dict[str, tuple[Endpoint, ...]] = {}
        self._ended = asyncio.Event()
        self._drain_deadline = ORPHAN_DRAIN
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Serve until told to drain, or asked to by SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        for ignored in (signal.SIGINT, signal.SIGHUP):
            # A terminal sends these to the whole group; the control process decides what they mean.
            signal.signal(ignored, signal.SIG_IGN)
        reader, self._writer = await asyncio.open_connection(sock=self._link)
        told = asyncio.create_task(self._listen_to(reader))
        reporting = asyncio.create_task(self._report())
        await self._ended.wait()
        if self._plane is not None:
            await self._plane.drain(self._drain_deadline)
            self._say(messages.Reported(self._plane.report()))
            self._plane.close()
        if self._mirror is not None:
            await self._mirror.close()
        for task in (told, reporting):
            task.cancel()
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        self._writer.close()

    def _say(self, message: object) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(messages.encode(message))

    async def _listen_to(self, reader: asyncio.StreamReader) -> None:
        while (message := await messages.read(reader)) is not None:
            match message:
                case messages.Keys():
                    self._take_keys(message)
                case messages.Apply():
                    await self._apply(message)
                case messages.JudgeAt() if self._mirror is not None:
                    self._mirror.channel.listen_at(message.path)
                case messages.Favour() if self._mirror is not None:
                    self._mirror.favoured = message.routes
                case messages.Down():
                    self._down = message.endpoints
                    if self._plane is not None:
                        self._plane.set_down(message.endpoints)
                case messages.Addresses():
                    self._addresses[message.upstream] = message.endpoints
                    if self._plane is not None:
                        self._plane.set_addresses(message.upstream, message.endpoints)
                case messages.ReportNow() if self._plane is not None:
                    self._say(messages.Reported(self._plane.report(), message.ticket))
                case messages.Drain():
                    self._drain_deadline = message.deadline
                    self._ended.set()

    def _take_keys(self, message: messages.Keys) -> None:
        # Where there is none, a set without keys: the data plane refuses by it, and forgets what it had before.
        keys = KeySet({}, "")
        if message.document is not None:
            with contextlib.suppress(KeySetError):
                keys = parse_key_set(message.document)
        self._keys[message.provider] = keys
        if self._plane is not None:
            self._plane.set_keys(message.provider, keys, message.refetch_after)

    async def _apply(self, message: messages.Apply) -> None:
        if self._plane is None:
            self._plane = DataPlane(message.snapshot, self._keys, self._ask_refetch)
            for upstream, endpoints in self._addresses.items():
                self._plane.set_addresses(upstream, endpoints)
            self._plane.set_down(self._down)
            self._plane.mirror = self._mirror = Mirror(self._plane)
            await self._plane.serve(self._listening)
            # What lives now lives long: a collection need not look at it again.
            gc.collect()
            gc.freeze()
        else:
            self._plane.apply(message.snapshot)
        self._say(messages.Ready(message.snapshot.version))

    def _ask_refetch(self, provider: str) -> None:
        self._say(messages.Refetch(provider))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL)
            if self._plane is not None:
                self._say(messages.Reported(self._plane.report()))


def main() -> None:
    """Entry point of the process."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    link = socket.socket(fileno=int(sys.argv[2]))
    listening.setblocking(False)
    link.setblocking(False)

    async def serve() -> None:
        await Worker(listening, link).run()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
