"""Self-tests of the running shadow: which worker sends known pairs when, and whether they get the right outcome.

A test belongs to a migration's epoch. It is due every hour, and whenever the
configuration, a version or a worker is another. Each worker that is connected
gets an order and has to hand over every known pair (`self_test`); the judge has
to find what each must come to, and the store has to give that back.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field
from time import monotonic, time

import structlog

from strangler.comparison.compare import Outcome
from strangler.shadow.copying.channel import ChannelReceiver
from strangler.shadow.evidence.store import ShadowStore
from strangler.shadow.judging.judge import Judge
from strangler.shadow.known_pairs import KNOWN_PAIRS, PATH, KnownPair, SelfTestOrder

log = structlog.get_logger(part="judge")

EVERY = 3600.0
DEADLINE = 60.0
"""Seconds from the order until every known pair has to be in the store: a store may be busy for a while."""
AGAIN = 5.0
"""Seconds after which a worker that has sent nothing gets the order once more: it may not know the migration yet."""
RETRY = 60.0

_UNCOMPARED = {str(Outcome.FAILED), str(Outcome.NOT_COMPARED)}


@dataclass(slots=True)
class _Round:
    """A self-test that is under way: which worker got which ticket, and what the pairs of each came to."""

    epoch: str
    generation: int
    began: float
    ordered: float
    tickets: dict[str, ChannelReceiver]
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Last:
    epoch: str
    generation: int
    ended: float
    failure: str


class SelfTests:
    """Tests the migrations of `judge` by the workers that are connected."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._workers: set[ChannelReceiver] = set()
        self._generation = 0
        self._rounds: dict[str, _Round] = {}
        self._last: dict[str, _Last] = {}
        self._sides: tuple[asyncio.Server, asyncio.Server] | None = None

    def changed(self) -> None:
        """The configuration changed: test all migrations again."""
        self._generation += 1

    def met(self, worker: ChannelReceiver) -> None:
        """A worker has connected."""
        self._workers.add(worker)
        self._generation += 1

    def left(self, worker: ChannelReceiver) -> None:
        """A worker is gone."""
        self._workers.discard(worker)

    def came(self, ticket: str, kind: str, outcome: str) -> None:
        """A known pair got its outcome."""
        for running in self._rounds.values():
            if ticket in running.tickets:
                running.outcomes.setdefault(ticket, {})[kind] = outcome

    def failures(self) -> dict[str, str]:
        """What is wrong with the comparison of each migration that failed its last test."""
        return {name: last.failure for name, last in self._last.items() if last.failure}

    async def proceed(self, store: ShadowStore | None) -> None:
        """Begin what is due and end what is done; to be called every few seconds, with the store if there is one."""
        if not self._workers:
            return
        if self._sides is None:
            self._sides = (await _serve("legacy"), await _serve("candidate"))
        for name, epoch in self._judge.epochs().items():
            running = self._rounds.get(name)
            if running is not None:
                await self._follow(name, running, store)
            elif self._is_due(name, epoch):
                self._begin(name, epoch)
        for name in self._rounds.keys() - self._judge.epochs().keys():
            del self._rounds[name]

    def close(self) -> None:
        """Close the two servers."""
        for server in self._sides or ():
            server.close()

    def _is_due(self, name: str, epoch: str) -> bool:
        last = self._last.get(name)
        if last is None or (last.epoch, last.generation) != (epoch, self._generation):
            return True
        return monotonic() - last.ended > (RETRY if last.failure else EVERY)

    def _begin(self, name: str, epoch: str) -> None:
        now = monotonic()
        tickets = {secrets.token_hex(8): worker for worker in self._workers}
        self._rounds[name] = _Round(epoch, self._generation, now, now, tickets)
        for ticket, worker in tickets.items():
            worker.order(self._order(name, ticket))

    def _order(self, name: str, ticket: str) -> SelfTestOrder:
        assert self._sides is not None
        return SelfTestOrder(name, ticket, *map(_url, self._sides))

    async def _follow(self, name: str, running: _Round, store: ShadowStore | None) -> None:
        now = monotonic()
        for ticket in [ticket for ticket, worker in running.tickets.items() if worker not in self._workers]:
            del running.tickets[ticket]
        if not running.tickets:
            # All workers of that round are gone; there is another one for those that came.
            del self._rounds[name]
            return
        patience = self._judge.shadows()[name].confirm_after
        wrong = [text for ticket in running.tickets for text in _wrong(running.outcomes.get(ticket, {}))]
        missing = [ticket for ticket in running.tickets if not _is_whole(running.outcomes.get(ticket, {}))]
        if wrong:
            self._end(name, running, wrong[0])
        elif not missing and store is not None and await self._are_stored(running, store):
            self._end(name, running, "")
        elif now - running.began > DEADLINE + 2 * patience:
            self._end(name, running, _late(len(missing), len(running.tickets)))
        elif missing and now - running.ordered > AGAIN + 2 * patience:
            running.ordered = now
            for ticket in missing:
                worker = running.tickets.pop(ticket)
                again = secrets.token_hex(8)
                running.tickets[again] = worker
                worker.order(self._order(name, again))

    async def _are_stored(self, running: _Round, store: ShadowStore) -> bool:
        """Whether the store gives back what each known pair came to. Raises StoreError."""
        for ticket in running.tickets:
            stored = await asyncio.to_thread(store.known_pairs, ticket)
            if stored != {kind: known.expected for kind, known in KNOWN_PAIRS.items()}:
                return False
        return True

    def _end(self, name: str, running: _Round, failure: str) -> None:
        del self._rounds[name]
        before = self._last.get(name)
        self._last[name] = _Last(running.epoch, running.generation, monotonic(), failure)
        self._judge.tested(name, running.epoch, time(), failure)
        if failure:
            log.error("nothing is proven: the comparison fails its self-test", migration=name, failure=failure)
        elif before is not None and before.failure:
            log.info("a migration's self-test passes again", migration=name)


def _is_whole(outcomes: dict[str, str]) -> bool:
    """Whether every known pair was compared: on a busy machine a copy may time out, and is sent once more."""
    return outcomes.keys() == KNOWN_PAIRS.keys() and not _UNCOMPARED & set(outcomes.values())


def _wrong(outcomes: dict[str, str]) -> list[str]:
    return [
        f"the known pair '{kind}' came to '{outcome}' instead of '{KNOWN_PAIRS[kind].expected}'"
        + (": a rule lets everything pass" if outcome == "ignored" else "")
        for kind, outcome in outcomes.items()
        if outcome != KNOWN_PAIRS[kind].expected and outcome not in _UNCOMPARED
    ]


def _late(missing: int, workers: int) -> str:
    if missing:
        return f"the known pairs of {missing} of {workers} workers could not be compared within {DEADLINE:g} s"
    return f"the known pairs could not be read back from the store within {DEADLINE:g} s"


def _url(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"http://{host}:{port}"


async def _serve(side: str) -> asyncio.Server:
    """A server on the loopback interface that responds as `side` does to known pairs."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                known = _known(head)
                if known is None:
                    break
                status, fields, body = known.legacy if side == "legacy" else known.candidate
                writer.write(b"HTTP/1.1 %d Known\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(respond, "127.0.0.1", 0)


def _known(head: bytes) -> KnownPair | None:
    """The known pair that a request asks for."""
    target = head.split(b" ", 2)[1]
    return KNOWN_PAIRS.get(target.removeprefix(PATH).decode("latin-1")) if target.startswith(PATH) else None
