"""Plays bytes as what a client and an upstream send, through a data plane in memory, and checks what must always hold.

An input is three parts with `PARTS` between: what the client sends, what the
upstream answers to its first request (nothing: a proper answer), and how both
are cut into reads and how the play ends.

Before and behind this client another one, B, sends a plain request over the
same upstream connections. What must hold, whatever the bytes are:

- nothing raises, and nothing waits for what will not come;
- what an upstream gets is whole requests, each readable in one way, and at most
  a beginning of one where the connection was given up;
- B's requests and answers are exactly B's;
- the client's answers come in the order of its requests, each whole with its
  own content, or the connection ends;
- once everybody has left, no connection is held and nobody waits;
- all of it is the same where the parser reads plain heads, too (decision 0028).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.tunnel import TunnelEnd
from strangler.proxy.http.broken import ResetWhenSent
from tests.conformance.messages import Ambiguous, Incomplete, first_request, first_response, status_of, values
from tests.conformance.messages import without_own_request_fields as plain_request
from tests.fuzz.configuration import KEYS
from tests.proxy.in_process import Plane, Transport, transport_of

PARTS = b"\n--8<--\n"
MOST_STEPS = 10_000
STEP = 0.004
"""Seconds between two steps: after two of them an idle connection has proven to stay open."""

FROM_B = b"GET /b HTTP/1.1\r\nHost: b.example\r\nX-B: from b alone\r\n\r\n"
TO_B = b"HTTP/1.1 200 OK\r\nX-To: b\r\nDate: now\r\nContent-Length: 10\r\n\r\nto b alone"

_FORWARDED = re.compile(
    rb"X-Forwarded-For: [^\r]*\r\nX-Forwarded-Proto: http\r\n"
    rb"(?:X-Forwarded-Host: [^\r]*\r\nX-Forwarded-Port: [0-9]+\r\n)?"
)
_PROBLEM = re.compile(
    rb"HTTP/1\.1 (?:[45][0-9]{2} [^\r]*\r\nContent-Type: application/problem\+json|200 OK\r\nAllow: [^\r]*)\r\n"
    rb"Content-Length: ([0-9]+)\r\n"
)
_NUMBER = re.compile(rb"HTTP/1\.1 200 OK\r\nX-To: a\r\nX-Number: ([0-9]+)\r\n")
_OWN_IN_ANSWER = re.compile(rb"X-Request-Id: [0-9a-f]{32}\r\nVia: 1\.1 strangler\r\n")


_DRAWN = re.compile(
    rb"(?<=-request-id: )[0-9a-f]{32}|(?<=date: ).*GMT|(?<=traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}"
    rb'|(?<="request_id":")[0-9a-f]{32}|\x88\x82[\s\S]{6}',
    re.IGNORECASE,
)

Seen = tuple[bytes, bytes]
"""What upstreams and the client got, without what is drawn: ids and the masks of WebSocket's last frames."""


class Broken(AssertionError):
    """One of the things that must always hold did not."""


def parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The client's bytes, the upstream's, and the cuts."""
    client, _, rest = data.partition(PARTS)
    upstream, _, cuts = rest.partition(PARTS)
    return client, upstream, cuts


def joined(client: bytes, upstream: bytes = b"", cuts: bytes = b"") -> bytes:
    """An input of these parts."""
    return PARTS.join((client, upstream, cuts))


def pieces(data: bytes, cuts: bytes) -> Iterator[bytes]:
    """`data` in reads as long as the bytes of `cuts` say, over and over; whole without cuts."""
    sizes = [cut for cut in cuts if cut]
    place = number = 0
    while place < len(data):
        size = sizes[number % len(sizes)] if sizes else len(data)
        yield data[place : place + size]
        place += size
        number += 1


class SettlingLoop(asyncio.SelectorEventLoop):
    """An event loop that can be asked whether anything is due."""

    async def settle(self) -> None:
        """Let everything happen that is due, and what follows from it."""
        while self._ready:
            await asyncio.sleep(0)


class Player:
    """Plays one input after another, each with a data plane of its own, on one event loop."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._runner = asyncio.Runner(loop_factory=SettlingLoop)
        self._raised: list[dict[str, Any]] = []
        self._runner.get_loop().set_exception_handler(lambda _, context: self._raised.append(context))

    def play(self, data: bytes) -> None:
        """Play `data`, with plain heads read in one pass and parsed; raises whatever the gateway raises, or Broken."""
        self._raised.clear()
        as_ever = self._runner.run(self._play(data, takes_plain=True))
        parsed = self._runner.run(self._play(data, takes_plain=False))
        if self._raised:
            raise Broken(f"a callback raised: {self._raised}") from self._raised[0].get("exception")
        if as_ever != parsed:
            raise Broken(f"with the parser alone it is {parsed} instead of {as_ever}")

    async def _play(self, data: bytes, *, takes_plain: bool) -> Seen:
        world = Plane(self._snapshot, KEYS)
        world.plane.takes_plain = takes_plain
        # What happens must not depend on how long it takes.
        world.loop.still = world.plane.now
        try:
            return await _Play(world, *parts(data)).play()
        finally:
            world.plane.close()

    def close(self) -> None:
        """End the loop."""
        self._runner.close()


def _own_answer(got: bytes) -> int | None:
    """The length of the gateway's own answer that `got` begins with; without its body, if it answers a HEAD."""
    head, end, rest = got.partition(b"\r\n\r\n")
    length = _PROBLEM.match(head)
    if not end or length is None:
        return None
    body = int(length[1]) if rest.startswith(b'{"type":"about:blank"') else 0
    if len(rest) < body:
        raise Broken(f"half an answer of the gateway's own: {got!r}")
    return len(head) + len(end) + body


class _Play:
    def __init__(self, world: Plane, sent: bytes, answer: bytes, cuts: bytes) -> None:
        self.world = world
        self.sent = sent
        self.answer = answer
        self.how = cuts[0] if cuts else 0
        self.cuts = cuts[1:]
        self.methods: list[bytes] = []
        self.seen = b""
        self.steps = 0

    async def play(self) -> Seen:
        await self.ask_as_b()
        client = self.world.client()
        got = await self.play_client(client)
        ended = client.closed or client.ended or isinstance(client.protocol, ResetWhenSent)
        await self.leave(client)
        self.seen += b"".join([bytes(transport_of(one).written) for one in self.world.loop.connections])
        self.check_answers(got, client, ended=ended)
        await self.ask_as_b()
        await self.check_rest()
        return _DRAWN.sub(b"?", self.seen), _DRAWN.sub(b"?", got)

    # B

    async def ask_as_b(self) -> None:
        """A plain request by another client: it and its answer pass as they are."""
        client = self.world.client()
        client.feed(FROM_B)
        await self.settle()
        busy = self.busy()
        if len(busy) != 1:
            raise Broken(f"B's request reached {len(busy)} upstreams; B got {bytes(client.written)!r}")
        seen = busy[0].take()
        if self._without_own(seen) != FROM_B:
            raise Broken(f"of B the upstream saw {seen!r}")
        busy[0].feed(TO_B)
        await self.settle()
        got = client.take()
        if _OWN_IN_ANSWER.sub(b"", got) != TO_B:
            raise Broken(f"B got {got!r}")
        client.close()
        await self.settle()

    def _without_own(self, request: bytes) -> bytes:
        return plain_request(_FORWARDED.sub(b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n", request))

    # The client

    async def play_client(self, client: Transport) -> bytes:
        """Feed the client's reads as fast as they are taken, and answer what reaches an upstream."""
        waiting = list(pieces(self.sent, self.cuts))
        waiting.reverse()
        while True:
            self.count()
            moved = False
            if waiting and client.is_reading():
                client.feed(waiting.pop())
                moved = True
            await self.settle()
            if self.world.refetches:
                self.world.refetches.clear()
                self.world.plane.set_keys("shop", KEYS["shop"], 10.0)
                await self.settle()
                moved = True
            moved = await self.answer_one(bool(waiting)) or moved
            if client.closed:
                break
            if not moved:
                break
        connection: Any = client.protocol
        if isinstance(connection, TunnelEnd):
            if waiting and not client.closed:
                raise Broken(f"{len(waiting)} reads are not taken by the tunnel")
            return bytes(client.written)
        if isinstance(connection, ResetWhenSent):
            return bytes(client.written)
        exchange = connection.exchange
        if not client.closed and waiting and exchange is None and not client.ended:
            raise Broken(f"{len(waiting)} reads are not taken, and nobody is waited for")
        if exchange is not None and exchange.request_complete and not self.busy():
            raise Broken(f"an exchange waits for nobody: {bytes(client.written)!r}")
        return bytes(client.written)

    async def answer_one(self, more: bool) -> bool:
        """Answer one request that has reached an upstream; whether there was one."""
        for upstream in self.busy():
            whole = self.take_whole(upstream)
            if whole is None:
                early = self.how & 1 and not more and b"\r\n\r\n" in upstream.written
                if not early:
                    continue
                method = bytes(upstream.written).split(b" ")[0]
            else:
                method = whole
            number = len(self.methods)
            self.methods.append(method)
            if number == 0 and self.answer:
                await self.answer_oddly(upstream)
            elif method == b"HEAD":
                upstream.feed(b"HTTP/1.1 200 OK\r\nX-To: a\r\nX-Number: %d\r\nContent-Length: 9\r\n\r\n" % number)
            else:
                body = b"answer %d" % number
                head = b"HTTP/1.1 200 OK\r\nX-To: a\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n"
                upstream.feed(head % (number, len(body)) + body)
            await self.settle()
            return True
        return False

    async def answer_oddly(self, upstream: Transport) -> None:
        """The input's answer, read by read; then the upstream hangs up if more is waited for, or always."""
        connection: Any = upstream.protocol
        asked = connection.exchange
        for piece in pieces(self.answer, self.cuts):
            self.count()
            if upstream.closed or connection.exchange is not asked:
                break
            if upstream.is_reading():
                upstream.feed(piece)
            await self.settle()
        if not upstream.closed and (connection.exchange is asked or self.how & 2):
            upstream.close()

    def take_whole(self, upstream: Transport) -> bytes | None:
        """The method of the whole request at an upstream, which is taken; Broken where it could be read in two ways."""
        written = bytes(upstream.written)
        try:
            head, body = first_request(written)
        except Incomplete:
            return None
        except Ambiguous as error:
            raise Broken(f"the upstream saw {written!r}: {error}") from error
        if len(head) + len(body) != len(written):
            raise Broken(f"behind a request the upstream saw {written[len(head) + len(body) :]!r}")
        if b"from b alone" in head + body:
            raise Broken(f"a field of B in {head!r}")
        if len(values(head, b"host")) != 1 or values(head, b"via")[-1:] != [b"1.1 strangler"]:
            raise Broken(f"not one Host, or no Via: {head!r}")
        if not re.search(rb"\r\nX-Forwarded-For: 192\.0\.2\.7\r\n", head) or len(values(head, b"x-forwarded-for")) != 1:
            raise Broken(f"not the gateway's own X-Forwarded-For: {head!r}")
        self.seen += upstream.take()
        return head.split(b" ")[0]

    async def leave(self, client: Transport) -> None:
        """The client goes, or its deadlines pass until it is closed."""
        connection: Any = client.protocol
        if self.how & 4:
            for _ in range(6):
                if client.closed:
                    break
                if isinstance(client.protocol, ResetWhenSent):
                    client.protocol.tick(self.world.plane.now)
                else:
                    (connection.tunnel if isinstance(connection, TunnelEnd) else connection).expired()
                await self.settle()
            else:
                raise Broken("deadlines passed, and the connection is still open")
        if not client.closed:
            client.close()
        await self.settle()

    def check_answers(self, got: bytes, client: Transport, *, ended: bool) -> None:
        """Whole answers, in order, each with its own content; at most the last one is broken off.

        `ended` tells whether the gateway had ended the connection before the client left.
        """
        expected = 0
        odd_to_come = bool(self.answer and self.methods)
        while got:
            own = _own_answer(got)
            if own is not None:
                # Which request it answers can't be told, so it answers whichever comes next.
                got = got[own:]
                continue
            numbered = _NUMBER.match(got)
            number = int(numbered[1]) if numbered is not None else 0
            if number >= max(1, len(self.methods)):
                raise Broken(f"an answer to nothing: {got!r}")
            try:
                head, body = first_response(got, self.methods[number] if self.methods else b"GET", client.closed)
            except Incomplete:
                if odd_to_come or ended:
                    return
                raise Broken(f"half an answer: {got!r}") from None
            except Ambiguous as error:
                if odd_to_come and ended:
                    return
                raise Broken(f"the client got {got!r}: {error}") from error
            got = got[len(head) + len(body) :]
            if status_of(head) == 101:
                # What follows is another protocol's.
                return
            if status_of(head) < 200:
                continue
            if numbered is not None:
                if number < expected:
                    raise Broken(f"answer {number} where {expected} or a later one comes next")
                expected = number + 1
                wanted = b"" if self.methods[number] == b"HEAD" else b"answer %d" % number
                if body != wanted:
                    raise Broken(f"{body!r} instead of {wanted!r}")
            elif odd_to_come:
                odd_to_come = False
            else:
                raise Broken(f"nobody's answer: {head!r}")

    async def check_rest(self) -> None:
        """Nobody is there any more, and nothing is held for them."""
        for connection in list(self.world.loop.connections):
            connection.transport.abort()
        await self.settle()
        plane = self.world.plane
        if plane.clients or plane.tunnels:
            raise Broken(f"clients are left: {plane.clients}, {plane.tunnels}")
        for pool in plane.pools.values():
            for endpoint in pool.endpoints:
                if endpoint.open or endpoint.idle or endpoint.waiting:
                    raise Broken(f"something is held: {endpoint}")

    def busy(self) -> list[Transport]:
        """The upstream connections that are open and have an exchange."""
        return [transport for transport in self.world.busy() if not transport.closed]

    async def settle(self) -> None:
        """Let everything happen that waits for nothing outside."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SettlingLoop)
        await loop.settle()

    def count(self) -> None:
        self.steps += 1
        assert self.world.loop.still is not None
        self.world.loop.still += STEP
        if self.steps > MOST_STEPS:
            raise Broken("it never ends")
