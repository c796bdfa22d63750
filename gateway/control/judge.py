"""The judge's process: takes the pairs of all workers, and tells the control process what they came to.

Started by the control process as `python -m gateway.control.judge LISTEN LINK`,
with the numbers of two inherited file descriptors: the Unix socket to which
workers connect, and the link. It yields the processor to the workers. Without
a store that can be written it goes on judging, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from time import monotonic, time

import structlog
import uvloop

from gateway.config.snapshot import Snapshot
from gateway.control import messages
from gateway.observe.logs import configure_logs
from gateway.shadow import time_limit
from gateway.shadow.capture import Captures
from gateway.shadow.channel import Receiver
from gateway.shadow.evidence import Evidence
from gateway.shadow.judge import Judge
from gateway.shadow.pair import Batch
from gateway.shadow.redaction import Redaction
from gateway.shadow.rules import compile_rules
from gateway.shadow.self_testing import SelfTests
from gateway.shadow.store import ShadowStore, metadata
from gateway.store.database import Database, StoreError

log = structlog.get_logger(part="judge")

FIRST_LOOK = 0.05
"""Seconds between looks for the first configuration, before which nothing can be judged."""
INTERVAL = 2.0
"""Seconds between two reports to the control process, two looks for captures, and two writes at the least."""
WRITING_SHARE = 0.01
"""Most of the time that is spent writing, so that few requests meet it: what takes 40 ms waits for four seconds."""
LONGEST_UNWRITTEN = 10.0
RETAIN_INTERVAL = 60.0
SETTLE_DEADLINE = 3.0
NICENESS = 5


class JudgeProcess:
    """Joins a judge to the workers, the store and the control process."""

    def __init__(self, listening: socket.socket, link: socket.socket) -> None:
        self._listening = listening
        self._link = link
        self._snapshot: Snapshot | None = None
        self._store: ShadowStore | None = None
        self._store_url = ""
        self._store_error: str | None = None
        self._judge = Judge(on_known_pair=lambda *known: self._self_tests.came(*known))
        self._self_tests = SelfTests(self._judge)
        self._captures = Captures()
        self._unwritten = Evidence()
        self._write_at = 0.0
        self._retained_at = monotonic()
        self._workers: set[Receiver] = set()
        self._without_workers = asyncio.Event()
        self._without_workers.set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Judge until the control process says that all pairs have been sent, or is gone."""
        reader, writer = await asyncio.open_connection(sock=self._link)
        told = asyncio.create_task(self._listen_to(reader))
        server: asyncio.AbstractServer | None = None
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), INTERVAL if server is not None else FIRST_LOOK)
            if self._snapshot is None:
                continue
            await self._open_store(self._snapshot.store.url)
            if server is None:
                # Once it is known what was found before, as far as that can be had: examples are chosen by it.
                server = await asyncio.get_running_loop().create_unix_server(self._met, sock=self._listening)
            if monotonic() >= self._write_at:
                await self._flush()
            await self._exchange_captures()
            await self._test()
            writer.write(messages.encode(self._judged()))
        await self._finish()
        with contextlib.suppress(ConnectionError):
            writer.write(messages.encode(self._judged()))
            await writer.drain()
        writer.close()
        told.cancel()

    async def _finish(self) -> None:
        """Judge what the workers have sent, within bounds, and write it."""
        if self._snapshot is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._without_workers.wait(), SETTLE_DEADLINE)
        self._judge.hurry()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._judge.settle(), SETTLE_DEADLINE)
        await self._flush()
        await self._exchange_captures()
        if self._store is not None:
            self._store.database.close()

    async def _listen_to(self, reader: asyncio.StreamReader) -> None:
        while (message := await messages.read(reader)) is not None:
            match message:
                case messages.JudgeBy():
                    self._apply(message)
                case messages.Drain():
                    break
        self._ended.set()

    def _apply(self, message: messages.JudgeBy) -> None:
        self._snapshot = snapshot = message.snapshot
        shadows = {name: migration.shadow for name, migration in snapshot.migrations.items()}
        redact = {name: shadow.redact for name, shadow in shadows.items() if shadow is not None}
        rules = {name: compile_rules(*said, redact=redact.get(name)) for name, said in message.comparisons.items()}
        self._judge.apply(snapshot, rules, message.settings)
        self._self_tests.changed()
        self._captures.redactions = {name: Redaction(shadow.redact) for name, shadow in self._judge.shadows().items()}

    async def _open_store(self, url: str) -> None:
        """Have the store at `url` open, and the judge go on from what is in it.

        Not while a configuration is applied: something may be written just then.
        """
        if self._store is not None and self._store_url == url:
            return
        if self._store is not None:
            await asyncio.to_thread(self._store.database.close)
            self._store = None
            self._judge.forget()
            self._captures.forget()
        try:
            store = ShadowStore(await asyncio.to_thread(Database, url, metadata))
            await asyncio.to_thread(store.drop_replaced_tables)
            before = await asyncio.to_thread(store.remembered)
        except StoreError as error:
            self._failed(error)
            return
        self._store, self._store_url, self._store_error = store, url, None
        # What was learned and chosen without the store is not all that is known.
        self._unwritten.noise.clear()
        self._unwritten.keep_reservoirs(before.seen)
        self._judge.remember(before)

    def _failed(self, error: StoreError) -> None:
        if str(error) != self._store_error:
            log.error("evidence can't be stored", error=str(error))
        self._store_error = str(error)

    def _met(self) -> Receiver:
        """The end of a worker that has just connected."""
        receiver = Receiver(self._take, self._left, self._self_tests.met)
        self._workers.add(receiver)
        self._without_workers.clear()
        return receiver

    def _left(self, receiver: Receiver) -> None:
        self._workers.discard(receiver)
        self._self_tests.left(receiver)
        if not self._workers:
            self._without_workers.set()

    def _take(self, batch: Batch) -> None:
        for pair in batch.pairs:
            try:
                self._judge.judge(pair)
                if self._captures.wanted:
                    self._captures.take(pair)
            except Exception:
                # Whatever two upstreams have sent, the next pair is to be judged.
                log.exception("a pair can't be judged", migration=pair.migration, operation=pair.operation)
                self._judge.failed(pair)
        self._judge.count(batch.not_compared)

    async def _flush(self) -> None:
        evidence = self._judge.flush()
        evidence.merge(self._unwritten)
        self._unwritten = Evidence()
        if self._store is None:
            self._unwritten = evidence
            return
        began = monotonic()
        try:
            if evidence:
                await self._store.write(evidence)
            if monotonic() - self._retained_at > RETAIN_INTERVAL:
                self._retained_at = monotonic()
                keeps = {name: shadow.keep for name, shadow in self._judge.shadows().items()}
                await self._store.retain(keeps, time())
            self._store_error = None
        except StoreError as error:
            self._unwritten = evidence
            self._failed(error)
        now = monotonic()
        self._write_at = now + min((now - began) / WRITING_SHARE, LONGEST_UNWRITTEN)

    async def _exchange_captures(self) -> None:
        if self._store is None or self._store_error is not None:
            return
        try:
            await self._captures.exchange(self._store.database, time())
        except StoreError as error:
            self._failed(error)

    async def _test(self) -> None:
        """See to self-tests, and to resets that an operator has written into the store."""
        store = self._store if self._store_error is None else None
        try:
            if store is not None:
                self._judge.reset(await asyncio.to_thread(store.resets))
            await self._self_tests.proceed(store)
        except StoreError as error:
            self._failed(error)

    def _judged(self) -> messages.Judged:
        judge = self._judge
        problems = {name: problem for name, tally in judge.tallies.items() if (problem := tally.problem())}
        problems |= {name: f"cannot measure: {failure}" for name, failure in self._self_tests.failures().items()}
        outcomes = {name: dict(tally.outcomes) for name, tally in judge.tallies.items()}
        return messages.Judged(outcomes, problems, self._store_error, judge.favoured())


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
    configure_logs()
    _yield_to_workers()
    time_limit.install()
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # The control process decides when it is over; its end closes the link.
        signal.signal(ignored, signal.SIG_IGN)
    listening = socket.socket(fileno=int(sys.argv[1]))
    link = socket.socket(fileno=int(sys.argv[2]))
    listening.setblocking(False)
    link.setblocking(False)

    async def judge() -> None:
        await JudgeProcess(listening, link).run()

    uvloop.run(judge())


if __name__ == "__main__":
    main()
