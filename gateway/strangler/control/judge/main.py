"""The judge's process: takes the pairs of all workers, and tells the control process what they came to.

Started by the control process as `python -m strangler.control.judge.main LISTEN LINK`,
with the numbers of two inherited file descriptors: the Unix socket to which
workers connect, and the link. It yields the processor to the workers. Without
a store that can be written it goes on judging, and says so: the store is asked
by a task of its own, and what it finds is reported whether it answers or not.
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

from strangler.comparison import time_limit
from strangler.config.compile.compare import compile_rules
from strangler.control import messages
from strangler.control.judge.store_state import StoreState
from strangler.control.system.signals import ignore_signals, take_sigterm
from strangler.model.snapshot import Snapshot
from strangler.observe.logs import configure_logs
from strangler.observe.loop_lag import LoopLag
from strangler.pickle_stream import framed, read_message
from strangler.redaction.redaction import Redaction
from strangler.shadow.copying.channel import Receiver
from strangler.shadow.evidence.capture import Captures
from strangler.shadow.evidence.store import ShadowStore, metadata
from strangler.shadow.evidence.unwritten import Evidence
from strangler.shadow.judging.judge import Judge
from strangler.shadow.pair import Batch
from strangler.shadow.self_test import SelfTests
from strangler.store.database import Database, StoreError

log = structlog.get_logger(part="judge")

FIRST_LOOK = 0.05
"""Seconds between looks for the first configuration, before which nothing can be judged."""
INTERVAL = 2.0
"""Seconds between two reports to the control process, two looks for captures, and two writes at the least."""
WRITING_SHARE = 0.01
"""Most of the time that is spent writing, so that few requests meet it: what takes 40 ms waits for four seconds."""
LONGEST_UNWRITTEN = 10.0
RETAIN_INTERVAL = 60.0
LAST_MEETING = 0.1
"""Seconds at the end for connections that workers have made and that have not been met yet."""
SETTLE_DEADLINE = 3.0
FINISH_DEADLINE = 4.0
"""Seconds at the end for writing what has not been written."""
FIRST_OPEN = 4.0
"""Seconds to wait for what the store holds before pairs are taken without it."""
MOST_EXAMPLES = 500
MOST_COUNTS = 200_000
"""Most examples and counts that wait for a store that can't be written."""
NICENESS = 5


class JudgeProcess:
    """Joins a judge to the workers, the store and the control process."""

    def __init__(self, listening: socket.socket, link: socket.socket) -> None:
        self._listening = listening
        self._link = link
        self._snapshot: Snapshot | None = None
        self._store: ShadowStore | None = None
        self._store_url = ""
        self._state = StoreState()
        self._store_was_asked = False
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

    async def run(self) -> bool:
        """Judge until the control process says that all pairs have been sent, or is gone.

        False where a thread still waits for the store.
        """
        reader, writer = await asyncio.open_connection(sock=self._link)
        told = asyncio.create_task(self._listen_to(reader))
        storing = asyncio.create_task(self._keep_storing())
        lag = LoopLag()
        server: asyncio.AbstractServer | None = None
        began: float | None = None
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), INTERVAL if server is not None else FIRST_LOOK)
            if self._snapshot is None:
                continue
            began = began or monotonic()
            if server is None and (self._store_was_asked or monotonic() - began > FIRST_OPEN):
                # Once it is known what was found before, as far as that can be had: examples are chosen by it.
                server = await self._meet_workers()
            _send(writer, self._judged(lag.take()))
        if server is None and self._snapshot is not None:
            # The end came right after the start: what workers have sent waits in the backlog.
            server = await self._meet_workers()
        finished = await self._finish(storing)
        with contextlib.suppress(ConnectionError):
            _send(writer, self._judged(lag.take()))
            await writer.drain()
        writer.close()
        lag.close()
        told.cancel()
        return finished

    async def _meet_workers(self) -> asyncio.AbstractServer:
        return await asyncio.get_running_loop().create_unix_server(self._met, sock=self._listening)

    async def _keep_storing(self) -> None:
        """Write what is found, and look for captures, again and again; the store may take as long as it likes."""
        while not self._ended.is_set():
            if self._snapshot is not None:
                try:
                    await self._store_once(self._snapshot.store.url)
                except Exception as error:
                    # Whatever a driver raises, the next round may go well.
                    log.exception("storing evidence has failed in a way that was not foreseen")
                    self._state.failed(repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), INTERVAL if self._store_was_asked else 0.1)

    async def _store_once(self, url: str) -> None:
        try:
            await self._open_store(url)
        finally:
            self._store_was_asked = True
        if monotonic() >= self._write_at:
            await self._flush()
        await self._exchange_captures()
        await self._test()

    async def _finish(self, storing: asyncio.Task[None]) -> bool:
        """Judge what the workers have sent, within bounds, and write it, within others; whether that was possible."""
        if self._snapshot is None:
            storing.cancel()
            return True
        # A worker that has connected just before it ended is still to be met: its connection waits in the backlog.
        await asyncio.sleep(LAST_MEETING)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._without_workers.wait(), SETTLE_DEADLINE)
        self._judge.hurry()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._judge.settle(), SETTLE_DEADLINE)
        try:
            async with asyncio.timeout(FINISH_DEADLINE):
                await storing
                await self._open_store(self._snapshot.store.url)
                await self._flush()
                await self._exchange_captures()
                if self._store is not None:
                    await asyncio.to_thread(self._store.database.close)
        except TimeoutError:
            self._state.lose(self._state.unwritten(self._counted()), "the store did not answer at the end")
            return False
        self._state.lose(self._state.unwritten(self._counted()), "the store could not be written at the end")
        return True

    def _counted(self) -> int:
        """How many pairs have been judged, or were not for some reason."""
        return sum(sum(tally.outcomes.values()) for tally in self._judge.tallies.values())

    async def _listen_to(self, reader: asyncio.StreamReader) -> None:
        while (message := await read_message(reader)) is not None:
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
        with self._state.asking():
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
        self._store, self._store_url = store, url
        self._state.answered()
        # What was learned and chosen without the store is not all that is known.
        self._unwritten.noise.clear()
        self._unwritten.keep_reservoirs(before.seen)
        self._judge.remember(before)

    def _failed(self, error: StoreError) -> None:
        self._state.failed(str(error))

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
                if self._captures.wanted and not pair.self_test:
                    self._captures.take(pair)
            except Exception:
                # Whatever two upstreams have sent, the next pair is to be judged.
                log.exception("a pair can't be judged", migration=pair.migration, operation=pair.operation)
                self._judge.failed(pair)
        self._judge.count(batch.not_compared)

    async def _flush(self) -> None:
        began = monotonic()
        total = self._counted()
        evidence = self._judge.flush()
        evidence.merge(self._unwritten)
        self._unwritten = Evidence()
        if self._store is None:
            self._keep_unwritten(evidence)
            return
        try:
            with self._state.asking():
                if evidence:
                    await self._store.write(evidence)
            self._state.written(total, began)
            evidence = Evidence()
            await self._retain(self._store)
        except StoreError as error:
            self._keep_unwritten(evidence)
            self._failed(error)
        now = monotonic()
        self._write_at = now + min((now - began) / WRITING_SHARE, LONGEST_UNWRITTEN)

    def _keep_unwritten(self, evidence: Evidence) -> None:
        """Write it another time; within bounds, for the store may be away for days."""
        self._unwritten = evidence
        chosen = evidence.chosen
        while len(chosen) > MOST_EXAMPLES:
            del chosen[next(iter(chosen))]
        if len(evidence.outcomes) + len(evidence.responses) + len(evidence.signatures) > MOST_COUNTS:
            self._unwritten = Evidence()
            self._state.lose(sum(evidence.outcomes.values()), "too much waits for a store that can't be written")

    async def _retain(self, store: ShadowStore) -> None:
        if monotonic() - self._retained_at <= RETAIN_INTERVAL:
            return
        self._retained_at = monotonic()
        keeps = {name: shadow.keep for name, shadow in self._judge.shadows().items()}
        with self._state.asking():
            await store.retain(keeps, time())

    async def _exchange_captures(self) -> None:
        if self._store is None or self._state.error is not None:
            return
        try:
            with self._state.asking():
                await self._captures.exchange(self._store.database, time())
        except StoreError as error:
            self._failed(error)

    async def _test(self) -> None:
        """See to self-tests, and to resets that an operator has written into the store."""
        store = self._store if self._state.error is None else None
        try:
            with self._state.asking():
                if store is not None:
                    self._judge.reset(await asyncio.to_thread(store.resets))
                await self._self_tests.proceed(store)
        except StoreError as error:
            self._failed(error)

    def _judged(self, lag: float) -> messages.Judged:
        judge = self._judge
        problems = {name: problem for name, tally in judge.tallies.items() if (problem := tally.problem())}
        problems |= {name: f"cannot measure: {failure}" for name, failure in self._self_tests.failures().items()}
        outcomes = {name: dict(tally.outcomes) for name, tally in judge.tallies.items()}
        writing = self._state.writing(self._counted())
        return messages.Judged(outcomes, problems, writing.error, judge.favoured(), writing, lag)


def _send(writer: asyncio.StreamWriter, message: object) -> None:
    # The control process may have been killed, whose end of the link is then closed.
    if not writer.is_closing():
        writer.write(framed(message))


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
    # The control process decides when it is over; its end closes the link.
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
