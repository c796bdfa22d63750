"""The channel for pairs from a worker to the judge: a Unix socket, bounded, and lossy when the judge is slow.

A worker never waits for the judge. Its messages form a batch that is sent with
the worker's tick; when more than WAITING_BYTES wait, or the judge does not
listen, pairs are dropped and counted as `overload`. Counts are kept until they
can be sent.

Messages are framed by `pickle_stream`. The socket is in a directory that only
this user can enter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from strangler.pickle_stream import complete_messages, framed
from strangler.shadow.known_pairs import SelfTestOrder
from strangler.shadow.pair import Batch, NotCompared, Pair, Reason, SideResponse

WAITING_BYTES = 8_388_608
PAIRS_AT_ONCE = 3
"""A batch of this many is sent without waiting for the tick: clients served meanwhile wait while it is packed."""
COUNTS_EVERY = 1.0
RECONNECT = 0.5
DRAIN = 1.0
READ_EVERY = 0.005
"""Seconds in which messages collect in the socket: a wake-up for each costs the judge as much as judging it."""
READ_AT_ONCE = 32_768
"""Bytes worth a wake-up: while that many arrive at a time, the judge continues to read."""
_OVERHEAD = 512
_ANSWERS = Pair._fields.index("legacy")
_VERSION = Pair._fields.index("version")


class Channel(asyncio.Protocol):
    """The worker's end; `on_order` gets each self-test that the judge orders."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_order: Callable[[SelfTestOrder], None]) -> None:
        self._loop = loop
        self._on_order = on_order
        self._received = bytearray()
        self._path: str | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._pairs: list[Pair] = []
        self._bytes = 0
        self._not_compared: dict[NotCompared, int] = {}
        self._counts_at = 0.0

    @property
    def connected(self) -> bool:
        """Whether the judge is reached, so that pairs are sent rather than dropped."""
        return self._transport is not None

    def listen_at(self, path: str | None) -> None:
        """The address of the judge; None if there is no judge."""
        if path != self._path:
            self._path = path
            self.close()
            self._retry_at = 0.0
            self._connect(self._loop.time())

    def offer(self, pair: Pair) -> None:
        """Add `pair` to the next batch, or count it as not compared because of overload."""
        legacy, extracted = pair.legacy, pair.extracted
        size = (
            _OVERHEAD
            + len(pair.request)
            + len(legacy.head)
            + len(legacy.body)
            + len(extracted.head)
            + len(extracted.body)
        )
        if self._transport is None or self._waiting() + size > WAITING_BYTES:
            if not pair.self_test:
                self.count(_left_out(pair))
            return
        self._pairs.append(pair)
        self._bytes += size
        if len(self._pairs) >= PAIRS_AT_ONCE:
            self._send(self._transport)

    def count(self, what: NotCompared) -> None:
        """Count one request that was not compared."""
        self._not_compared[what] = self._not_compared.get(what, 0) + 1

    def flush(self, now: float, *, last: bool = False) -> None:
        """Send the batch, counts alone only once a second unless it is the `last`; `now` is the loop's time."""
        transport = self._transport
        if transport is None:
            self._connect(now)
            return
        if not self._pairs and (not self._not_compared or self._waiting() > WAITING_BYTES):
            return
        if not self._pairs and now < self._counts_at and not last:
            return
        self._counts_at = now + COUNTS_EVERY
        self._send(transport)

    def _send(self, transport: asyncio.WriteTransport) -> None:
        # Plain tuples, which need no class lookup, take a third of the time at both ends.
        pairs = [pair[:_ANSWERS] + pair.legacy + pair.extracted + pair[_VERSION:] for pair in self._pairs]
        data = framed((pairs, self._not_compared))
        self._pairs = []
        self._bytes = 0
        self._not_compared = {}
        transport.write(data)

    async def drained(self) -> None:
        """Send the batch and wait until it is written, at most DRAIN seconds.

        A worker that ends just after its start has no connection yet, and waits for one.
        """
        end = self._loop.time() + DRAIN
        while self._transport is None and self._not_compared and self._path is not None and self._loop.time() < end:
            self._connect(self._loop.time())
            await asyncio.sleep(0.01)
        self.flush(self._loop.time(), last=True)
        while self._transport is not None and self._transport.get_write_buffer_size() and self._loop.time() < end:
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Close the channel; data written already is still sent."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _waiting(self) -> int:
        assert self._transport is not None
        return self._bytes + self._transport.get_write_buffer_size()

    def _connect(self, now: float) -> None:
        if self._path is None or self._connecting is not None or now < self._retry_at:
            return
        self._retry_at = now + RECONNECT
        self._connecting = self._loop.create_task(self._open(self._path))

    async def _open(self, path: str) -> None:
        try:
            transport, _ = await self._loop.create_unix_connection(lambda: self, path)
        except OSError:
            return  # the judge is starting; the next flush tries again
        finally:
            self._connecting = None
        self._transport = cast(asyncio.WriteTransport, transport)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._received.clear()

    def data_received(self, data: bytes) -> None:
        for order in complete_messages(self._received, data):
            self._on_order(SelfTestOrder._make(order))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None


class ChannelReceiver(asyncio.Protocol):
    """The judge's end of one worker's channel.

    Passes each batch to `take`, and itself to `met` once connected and to `gone` once disconnected.
    """

    def __init__(
        self,
        take: Callable[[Batch], None],
        gone: Callable[[ChannelReceiver], None],
        met: Callable[[ChannelReceiver], None] = lambda receiver: None,
    ) -> None:
        self._take = take
        self._gone = gone
        self._met = met
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def order(self, order: SelfTestOrder) -> None:
        """Have the worker send known pairs."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(tuple(order)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._met(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and len(data) < READ_AT_ONCE:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(READ_EVERY, self._read_on)
        for packed in complete_messages(self._received, data):
            self._take(_unpacked(*packed))

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._gone(self)


def _unpacked(pairs: list[tuple[Any, ...]], not_compared: dict[NotCompared, int]) -> Batch:
    legacy, extracted = _ANSWERS, _ANSWERS + len(SideResponse._fields)
    end = extracted + len(SideResponse._fields)
    return Batch(
        [
            Pair._make(
                (
                    *one[:legacy],
                    SideResponse._make(one[legacy:extracted]),
                    SideResponse._make(one[extracted:end]),
                    one[end],
                )
            )
            for one in pairs
        ],
        not_compared,
    )


def _left_out(pair: Pair) -> NotCompared:
    """Return the item counted in place of a pair for which there is no room."""
    return NotCompared(pair.migration, pair.route, pair.operation, pair.served, Reason.OVERLOAD, pair.version)
