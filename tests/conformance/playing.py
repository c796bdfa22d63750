"""Plays a row through a gateway: sends its bytes, reads what arrives at both ends, compares.

Each row is played in more than one way, because the gateway must not care:

- `whole`: its bytes at once;
- `in pieces`: byte by byte, so that every state of a parser is left and entered again;
- `again`: twice on one connection, so that what is remembered of the first time
  counts the second time. Where the row ends its connection, a plain exchange comes first.

After each row another request is sent, on the same connection where that must
go on, and nothing but it may arrive: what is left over of a row would show
before it.
"""

from __future__ import annotations

import re
from typing import Literal

from tests.conformance import messages
from tests.conformance.messages import (
    Incomplete,
    first_request,
    first_response,
    in_one_chunk,
    request_in_one_chunk,
    responses_in_one_chunk,
    status_of,
)
from tests.conformance.rows import (
    BadGateway,
    Client,
    ClientBreaks,
    ClientEnds,
    ClientFinishes,
    ClientSees,
    ClientSeesBreak,
    ClientSeesEnd,
    ClientSeesStatus,
    Conversation,
    Got,
    Refused,
    Request,
    Response,
    Row,
    Step,
    Upstream,
    UpstreamEnds,
    UpstreamSees,
    UpstreamSeesEnd,
    get,
    ok,
)
from tests.conformance.wire import End, Wire

Mode = Literal["whole", "in pieces", "again"]


def modes(row: Row) -> tuple[Mode, ...]:
    """The ways in which `row` can be played."""
    if isinstance(row, Conversation):
        # Its steps are pieces already.
        return ("whole", "again")
    if isinstance(row, Request) and len(row.sent) > LARGE:
        # What one read brings in is taken in before anything is counted.
        return ("in pieces",)
    return ("whole", "in pieces", "again")


LARGE = 65_536

PROBE = get(target=b"/probe")
PLAIN = get(target=b"/plain")
ANSWER = ok(b"Content-Length: 2", body=b"ok")
ANSWER_TO_HEAD = ok(b"Content-Length: 2")


def play(wire: Wire, port: int, row: Row, mode: Mode) -> None:
    """Fail unless the gateway at `port`, before the upstream of `wire`, does what `row` says."""
    try:
        if isinstance(row, Request):
            _RequestPlay(wire, port, mode).play(row)
        elif isinstance(row, Response):
            _ResponsePlay(wire, port, mode).play(row)
        else:
            _ConversationPlay(wire, port, mode).play(row)
    except BaseException:
        start_over(wire, port)
        raise
    finally:
        wire.close_clients()


def start_over(wire: Wire, port: int) -> None:
    """Leave nothing of a failed row behind: neither at the upstream nor in the gateway's pool."""
    wire.close_clients()
    wire.close_upstreams()
    for _ in range(8):
        try:
            _Play(wire, port, "whole").probe(None)
        except AssertionError:
            continue
        break
    wire.close_clients()


def method_of(request: bytes) -> bytes:
    """The method of a request."""
    return request.lstrip(b"\r\n").partition(b" ")[0]


class _Play:
    """What all kinds of rows need: the requests that arrived at the upstream, and probes."""

    def __init__(self, wire: Wire, port: int, mode: Mode) -> None:
        self.wire = wire
        self.port = port
        self.mode = mode
        self.in_pieces = mode == "in pieces"
        self.seen: list[bytes] = []

    def answer(self) -> bool:
        """Take the whole requests that have arrived, and answer them; always true, for conditions."""
        for end in self.wire.upstreams:
            while (request := self.take_request(end)) is not None:
                self.seen.append(request)
                end.send(ANSWER_TO_HEAD if method_of(request) == b"HEAD" else ANSWER)
        return True

    def take_request(self, end: End) -> bytes | None:
        """The next whole request at `end`, without the gateway's own fields."""
        try:
            head, body = first_request(bytes(end.received))
        except Incomplete:
            return None
        del end.received[: len(head) + len(body)]
        return in_one_chunk(messages.without_own_request_fields(head), body)

    def take_response(self, client: End, method: bytes, *, dated: bool = True) -> tuple[bytes, bytes] | None:
        """The next whole response at `client`, an interim one, too, without the gateway's own fields."""
        try:
            head, body = first_response(bytes(client.received), method, client.ended)
        except Incomplete:
            return None
        del client.received[: len(head) + len(body)]
        return messages.without_own_response_fields(head, dated=dated), body

    def exchange(self, client: End, request: bytes) -> None:
        """A plain request and its answer."""
        found: list[int] = []

        def done() -> bool:
            self.answer()
            response = self.take_response(client, method_of(request))
            if response is not None:
                found.append(status_of(response[0]))
            return bool(found) or client.ended

        client.send(request)
        self.wire.until(done, f"an answer to {request!r}")
        assert found == [200], f"{request!r} was answered by {found}"

    def probe(self, client: End | None) -> None:
        """Another request, on `client` or a new connection, which must be served as if nothing had been."""
        before = len(self.seen)
        if client is None:
            client = self.wire.client(self.port)
        self.exchange(client, PROBE)
        assert self.seen[before:] == [PROBE], f"beside the probe the upstream saw {self.seen[before:]}"


class _RequestPlay(_Play):
    def play(self, row: Request) -> None:
        expected = row.expected
        client = self.wire.client(self.port)
        if isinstance(expected, Refused):
            wanted = list(expected.before)
            statuses = [200] * len(wanted) + [expected.status]
            closes = expected.closes
        else:
            wanted = [row.sent] if expected.requests is None else list(expected.requests)
            wanted = [request_in_one_chunk(request) for request in wanted]
            statuses = [200] * len(wanted)
            closes = expected.closes
        methods = [method_of(request) for request in wanted]
        methods += [method_of(row.sent)] * (len(statuses) - len(methods))
        if self.mode == "again":
            if closes:
                self.exchange(client, PLAIN)
            else:
                self._once(row, client, methods, statuses)
                assert self.seen == wanted, f"the upstream saw {self.seen}"
            self.seen.clear()
        self._once(row, client, methods, statuses)
        if closes:
            self.wire.until(lambda: client.ended, "the end of the client's connection")
            assert not client.received, f"behind the answer the client got {bytes(client.received)!r}"
        partial = [end for end in self.wire.upstreams if end.received]
        if isinstance(expected, Refused) and expected.partial:
            self.wire.until(lambda: all(end.ended for end in partial), "the end of the half request")
            for end in partial:
                end.received.clear()
        else:
            assert not partial, f"a part of a request reached the upstream: {partial}"
        assert self.seen == wanted, f"the upstream saw {self.seen}"
        self.probe(None if closes else client)

    def _once(self, row: Request, client: End, methods: list[bytes], statuses: list[int]) -> None:
        found: list[int] = []

        def done() -> bool:
            self.answer()
            while len(found) < len(statuses):
                response = self.take_response(client, methods[len(found)])
                if response is None:
                    return client.ended
                status = status_of(response[0])
                if status >= 200:
                    found.append(status)
            return True

        client.send(row.sent, in_pieces=self.in_pieces)
        self.wire.until(done, f"{statuses}, after {found}")
        assert found == statuses, f"the client got {found}; the upstream saw {self.seen}"


class _ResponsePlay(_Play):
    def play(self, row: Response) -> None:
        client = self.wire.client(self.port)
        if self.mode == "again":
            if isinstance(row.expected, Got) and row.expected.reused and not row.expected.closes:
                self._once(row, row.expected, client)
            else:
                self.exchange(client, PLAIN)
        if isinstance(row.expected, Got):
            end = self._once(row, row.expected, client)
            self._probe(None if row.expected.closes else client, end, reused=row.expected.reused)
        else:
            end = self._fails(row, row.expected, client)
            self._probe(None, end, reused=False)

    def _ask(self, row: Response, client: End) -> End:
        """The upstream's connection after the request has arrived there and was answered as the row says."""
        found: list[End] = []

        def arrived() -> bool:
            found.extend(end for end in self.wire.upstreams if self.take_request(end) is not None)
            return bool(found)

        client.send(row.request)
        self.wire.until(arrived, "the request at the upstream")
        (end,) = found
        end.send(row.sent, in_pieces=self.in_pieces)
        if row.ends:
            end.finish_sending()
        return end

    def _once(self, row: Response, expected: Got, client: End) -> End:
        end = self._ask(row, client)
        method = method_of(row.request)
        got: list[bytes] = []

        def done() -> bool:
            while (response := self.take_response(client, method, dated=b"\r\nDate:" in row.sent)) is not None:
                got.append(in_one_chunk(*response))
                if status_of(response[0]) >= 200:
                    return True
            return client.ended

        self.wire.until(done, f"the response, after {got}")
        wanted = responses_in_one_chunk(row.sent if expected.response is None else expected.response, method)
        assert b"".join(got) == wanted, f"the client got {b''.join(got)!r}, and {client}"
        if expected.closes:
            self.wire.until(lambda: client.ended, "the end of the client's connection")
        assert not client.received, f"behind the response the client got {bytes(client.received)!r}"
        return end

    def _fails(self, row: Response, expected: BadGateway, client: End) -> End:
        end = self._ask(row, client)
        method = method_of(row.request)
        found: list[int] = []

        def done() -> bool:
            if row.ends:
                # A connection that was used before may have been closed just now, so the request is sent once more.
                for again in [other for other in self.wire.upstreams if self.take_request(other) is not None]:
                    again.send(row.sent, in_pieces=self.in_pieces)
                    again.finish_sending()
            if client.was_reset:
                return True
            while (response := self.take_response(client, method)) is not None:
                status = status_of(response[0])
                if status >= 200:
                    found.append(status)
                    return True
            return client.ended

        self.wire.until(done, "an answer or a broken one")
        broken = client.was_reset or (client.ended and not found)
        may_be_broken = self.in_pieces or row.ends
        assert found == [expected.status] or (broken and may_be_broken), f"the client got {found}, and {client}"
        return end

    def _probe(self, client: End | None, end: End, *, reused: bool) -> None:
        served: list[End] = []

        def arrived() -> bool:
            served.extend(each for each in self.wire.upstreams if self.take_request(each) is not None)
            return bool(served)

        if client is None:
            client = self.wire.client(self.port)
        client.send(PROBE)
        self.wire.until(arrived, "the next request at the upstream")
        assert (served == [end]) == reused, f"the next request came on {served}, the one before on {end}"
        if not reused:
            self.wire.until(lambda: end.ended, "the end of the upstream's connection")
        served[0].send(ANSWER)
        self.wire.until(lambda: client.received.endswith(b"\r\n\r\nok"), "the answer to the next request")
        assert client.received.startswith(b"HTTP/1.1 200 OK\r\n"), client


_OWN = re.compile(
    rb"X-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\n"
    rb"(?:X-Forwarded-Host: [^\r]*\r\nX-Forwarded-Port: [0-9]+\r\n)?"
    rb"|Date: [^\r]*GMT\r\n|Via: 1\.1 strangler\r\n|X-Request-Id: [0-9a-f]{32}\r\n"
    rb"|traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n"
)


class _ConversationPlay(_Play):
    def play(self, row: Conversation) -> None:
        client = self.wire.client(self.port)
        if self.mode == "again":
            self.exchange(client, PLAIN)
        for number, step in enumerate(row.steps):
            try:
                self._step(client, step)
            except AssertionError as error:
                raise AssertionError(f"step {number}, {step}: {error}") from error
        assert not client.received, f"at last the client got {bytes(client.received)!r}"
        self.wire.hang_up(client)
        self.probe(None)
        # A half request that reached the upstream belongs to this row, also where it came after what the row says.
        halves = [end for end in self.wire.upstreams if end.received]
        self.wire.until(lambda: all(end.ended for end in halves), "the end of what was half sent")
        for end in halves:
            end.received.clear()

    def _step(self, client: End, step: Step) -> None:
        match step:
            case Client(data):
                client.send(data, in_pieces=self.in_pieces)
            case ClientEnds():
                self.wire.hang_up(client)
            case ClientBreaks():
                client.reset()
                self.wire.hang_up(client)
            case ClientFinishes():
                client.finish_sending()
            case Upstream(data):
                self._upstream().send(data, in_pieces=self.in_pieces)
            case UpstreamEnds():
                self._upstream().finish_sending()
            case UpstreamSees(data):
                self._sees(self._newest, data)
            case ClientSees(data):
                self._sees(lambda: client, data)
            case ClientSeesStatus(status):
                self._sees_status(client, status)
            case ClientSeesEnd():
                self._ends(client)
            case ClientSeesBreak():
                self._ends(client)
                assert client.was_reset, f"the connection ended as if all were well: {client}"
            case UpstreamSeesEnd():
                self._ends(self._upstream())

    def _upstream(self) -> End:
        assert self.wire.latest is not None
        return self.wire.latest

    def _newest(self) -> End | None:
        return self.wire.latest

    def _sees(self, which: object, data: bytes) -> None:
        assert callable(which)

        def arrived() -> bool:
            end: End | None = which()
            if end is None or not end.received:
                return False
            return _OWN.sub(b"", bytes(end.received)) == data

        self.wire.until(arrived, repr(data))
        end: End = which()
        end.take()

    def _sees_status(self, client: End, status: int) -> None:
        found: list[int] = []

        def arrived() -> bool:
            response = self.take_response(client, b"GET")
            if response is not None:
                found.append(status_of(response[0]))
            return bool(found) or client.ended

        self.wire.until(arrived, f"the status {status}")
        assert found == [status], f"the client got {found}"

    def _ends(self, end: End) -> None:
        self.wire.until(lambda: end.ended, "the end of the connection")
        assert not end.received, f"before the end arrived {end}"
