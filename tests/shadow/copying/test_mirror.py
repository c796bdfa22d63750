"""Copies in a worker: when they start, what they never take from a caller, that each request is counted once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.exchange import Exchange
from strangler.routing.request import Request
from strangler.routing.split import bucket_of, shadow_bucket
from strangler.shadow.copying.channel import Channel, ChannelReceiver
from strangler.shadow.copying.lane import Lane
from strangler.shadow.copying.mirror import Mirror
from strangler.shadow.known_pairs import KNOWN_PAIRS, SelfTestOrder
from strangler.shadow.pair import Batch, NotCompared, Pair, SideResponse
from tests.proxy.in_process import Plane, Transport, run, transport_of

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
NOTHING = SideResponse("http://127.0.0.1:1", 200, b"", b"", 0.0)


class Sent:
    """Stands where the channel to the judge is."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.counts: dict[str, int] = {}

    def offer(self, pair: Pair) -> None:
        self.pairs.append(pair)

    def count(self, what: NotCompared) -> None:
        self.counts[what.reason] = self.counts.get(what.reason, 0) + 1

    def flush(self, now: float, *, last: bool = False) -> None:
        pass

    @property
    def total(self) -> int:
        return len(self.pairs) + sum(self.counts.values())


class Shadowed(Plane):
    """A data plane that copies; `sent` is what its judge would get."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot)
        self.sent = Sent()
        self.mirror = Mirror(self.plane, cast(Channel, self.sent))
        self.plane.mirror = self.mirror

    def side(self, port: int) -> list[Transport]:
        """The connections with work to an endpoint of that port, 1 for legacy and 2 for extracted."""
        return [
            transport_of(connection)
            for connection in self.loop.connections
            if connection.exchange is not None
            and connection.pool.endpoint.port == port
            and not connection.transport.is_closing()
        ]

    def tick(self, seconds: float) -> None:
        """Time passes."""
        self.plane.now += seconds
        self.mirror.tick(self.plane.now)

    @property
    def lane(self) -> Lane:
        (lane,) = self.mirror.lanes
        return lane

    @property
    def held(self) -> int:
        return sum(lane.held for lane in self.mirror.lanes)


def compiled(folder: Path, *, connections: int = 64, **shadow: Any) -> Snapshot:
    configuration = {
        "version": 1,
        "upstreams": {
            "old": {"endpoints": "http://127.0.0.1:1", "connections": connections},
            "new": {"endpoints": "http://127.0.0.1:2", "connections": connections},
            "box": {"endpoints": "http://127.0.0.1:3", "connections": connections},
        },
        "default": "old",
        "migrations": {
            "items": {
                "from": "old",
                "to": "new",
                "stage": "shadow",
                "canary": {"percent": 50, "sticky": ["header:X-Caller"]},
                "shadow": shadow,
                "routes": [{"name": "one", "match": {"path": "/items/**"}}],
            }
        },
        "access_log": {"enabled": False},
    }
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(configuration))
    return load(file, {}).snapshot


@pytest.fixture
def snapshot(tmp_path: Path) -> Callable[..., Snapshot]:
    """Compiles a configuration whose migration `items` is in shadow."""
    return lambda **options: compiled(tmp_path, **options)


def get(path: str = "/items/1", caller: str = "a") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Caller: {caller}\r\n\r\n".encode()


def test_the_caller_has_the_answer_before_the_copy_starts(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        client = plane.client()
        # The second and third have fields that are known by then, which takes another way.
        for number in range(3):
            client.feed(get(f"/items/{number}"))
            await plane.settle()
            (legacy,) = plane.side(1)
            legacy.take()
            legacy.feed(OK)
            assert client.take().endswith(b"\r\n\r\n{}")
            assert plane.side(2) == []
            await plane.settle()
            (extracted,) = plane.side(2)
            assert extracted.take().startswith(b"GET /items/%d HTTP/1.1\r\n" % number)
            extracted.feed(OK)
        assert [pair.target for pair in plane.sent.pairs] == ["/items/0", "/items/1", "/items/2"]
        assert plane.held == 0

    run(test)


def test_other_routes_are_not_recorded(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        client = plane.client()
        client.feed(get("/elsewhere"))
        await plane.settle()
        (exchange,) = [one.exchange for one in plane.plane.clients]
        assert type(exchange) is Exchange
        plane.side(1)[0].feed(OK)
        await plane.settle()
        assert plane.side(2) == []
        assert plane.sent.total == 0

    run(test)


def post(path: str, *chunks: bytes, whole: bool = True) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n" * whole


def test_a_copy_has_the_whole_body_also_of_what_came_before_its_turn(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(methods=["POST"], sandbox="box"))
        client = plane.client()
        client.feed(post("/items/1", b"one") + post("/items/2", b"two", b"more"))
        for body in (b"one", b"more"):
            await plane.settle()
            plane.side(1)[0].feed(OK)
            await plane.settle()
            (copied,) = plane.side(3)
            assert copied.take().partition(b"\r\n\r\n")[2].endswith(body + b"\r\n0\r\n\r\n")
            copied.feed(OK)
            await plane.settle()
        assert len(plane.sent.pairs) == 2
        assert plane.held == 0

    run(test)


def test_a_request_that_was_answered_before_its_end_is_not_copied(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(methods=["POST"], sandbox="box"))
        client = plane.client()
        client.feed(post("/items/1", b"one", whole=False))
        await plane.settle()
        plane.side(1)[0].feed(OK.replace(b"200 OK", b"401 No"))
        await plane.settle()
        assert client.take().startswith(b"HTTP/1.1 401")
        assert plane.side(3) == []
        assert plane.sent.counts == {"request incomplete": 1}
        assert plane.held == 0

    run(test)


def test_an_answer_of_the_upstream_with_the_status_of_a_client_that_hung_up_is_one(
    snapshot: Callable[..., Snapshot],
) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        client = plane.client()
        client.feed(get())
        await plane.settle()
        plane.side(1)[0].feed(OK.replace(b"200 OK", b"499 Odd"))
        await plane.settle()
        plane.side(2)[0].feed(OK)
        assert [pair.legacy.status for pair in plane.sent.pairs] == [499]

    run(test)


def test_a_copy_takes_no_connection_from_callers(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(connections=1))
        client, other = plane.client(), plane.client()
        client.feed(get())
        await plane.settle()
        plane.side(1)[0].feed(OK)
        await plane.settle()
        (hanging,) = plane.side(2)
        pool = plane.plane.pools["new"].endpoints[0]
        assert (pool.open, len(pool.waiting)) == (0, 0)
        other.feed(get("/elsewhere"))
        await plane.settle()
        plane.side(1)[0].feed(OK)
        assert other.take().startswith(b"HTTP/1.1 200")
        plane.tick(60)
        assert hanging.aborted
        assert [one.extracted.missing for one in plane.sent.pairs] == ["timed out"]

    run(test)


def test_recordings_count_against_the_bound(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(concurrency=1, queue=1))
        clients = [plane.client() for _ in range(5)]
        for client in clients:
            client.feed(get())
        await plane.settle()
        assert plane.sent.counts == {"overload": 3}
        for legacy in plane.side(1):
            legacy.feed(OK)
        await plane.settle()
        assert len(plane.side(2)) == 1
        plane.side(2)[0].feed(OK)
        await plane.settle()
        plane.side(2)[0].feed(OK)
        assert len(plane.sent.pairs) == 2
        assert plane.held == 0

    run(test)


def test_a_connection_that_ends_under_a_copy_is_the_failure_of_the_other_side(
    snapshot: Callable[..., Snapshot],
) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        client = plane.client()
        for missing in ("", "broke off"):
            client.feed(get())
            await plane.settle()
            plane.side(1)[0].feed(OK)
            await plane.settle()
            (copy,) = plane.side(2)
            if missing:
                copy.close()
            else:
                copy.feed(OK)
            await plane.settle()
            # It is not asked again, or a fault would have to happen twice to be seen.
            assert plane.side(2) == []
            assert plane.sent.pairs[-1].extracted.missing == missing

    run(test)


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, "too big"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", "malformed response"),
    ],
)
def test_a_response_that_cannot_be_taken_is_handed_over_as_missing(
    snapshot: Callable[..., Snapshot], answer: bytes, missing: str
) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(response_body="1KiB"))
        client = plane.client()
        client.feed(get())
        await plane.settle()
        plane.side(1)[0].feed(OK)
        await plane.settle()
        plane.side(2)[0].feed(answer)
        await plane.settle()
        (one,) = plane.sent.pairs
        assert (one.legacy.body, one.legacy.missing) == (b"{}", "")
        assert (one.extracted.body, one.extracted.missing) == (b"", missing)
        assert plane.held == 0

    run(test)


def test_a_copy_asks_for_the_whole_response_in_a_coding_that_can_be_decoded(snapshot: Callable[..., Snapshot]) -> None:
    fields = (
        b'If-None-Match: "a"\r\nif-modified-since: x\r\nRANGE: bytes=0-1\r\nIf-Range: "a"\r\nIf-Odd: stays\r\n'
        b"Accept-Encoding: gzip;q=0.9, dcb, br\r\n"
    )

    async def test(conditions: str, kept: bool) -> None:
        plane = Shadowed(snapshot(conditions=conditions))
        client = plane.client()
        client.feed(b"GET /items/1 HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        await plane.settle()
        (legacy,) = plane.side(1)
        assert fields in legacy.take()
        legacy.feed(OK)
        await plane.settle()
        head = plane.side(2)[0].take()
        assert (b"If-None-Match" in head) is (b"if-modified-since" in head) is (b"RANGE" in head) is kept
        assert b"If-Odd: stays\r\n" in head
        assert b"Accept-Encoding: gzip;q=0.9, br\r\n" in head

    run(lambda: test("strip", False))
    run(lambda: test("keep", True))


def test_a_write_that_a_condition_stopped_is_not_copied(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(methods=["PUT"], sandbox="box"))
        client = plane.client()
        client.feed(b'PUT /items/1 HTTP/1.1\r\nHost: a\r\nIf-Match: "a"\r\nContent-Length: 0\r\n\r\n')
        await plane.settle()
        plane.side(1)[0].feed(OK.replace(b"200 OK", b"412 No"))
        await plane.settle()
        assert plane.side(3) == []
        assert plane.sent.counts == {"conditional": 1}

    run(test)


def test_where_copies_hang_the_want_of_room_is_the_other_sides_doing(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(concurrency=1, queue=0, timeout="5s"))
        for _ in range(2):
            plane.client().feed(get())
        await plane.settle()
        assert plane.sent.counts == {"overload": 1}
        plane.side(1)[0].feed(OK)
        await plane.settle()
        plane.tick(6)
        assert plane.sent.pairs[-1].extracted.missing == "timed out"
        for _ in range(2):
            plane.client().feed(get())
        await plane.settle()
        assert plane.sent.counts == {"overload": 1, "timed out": 1}

    run(test)


def test_callers_are_told_apart_by_their_sticky_key(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        client = plane.client()
        for caller in ("a", "b", "a"):
            client.feed(get(caller=caller))
            await plane.settle()
            plane.side(1)[0].feed(OK)
            await plane.settle()
            plane.side(2)[0].feed(OK)
            await plane.settle()
        first, second, third = (one.caller for one in plane.sent.pairs)
        assert first == third != second

    run(test)


def test_what_the_end_of_a_worker_cuts_off_is_counted(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(concurrency=1))
        clients = [plane.client() for _ in range(3)]
        for client in clients:
            client.feed(get())
        await plane.settle()
        for legacy in plane.side(1):
            legacy.feed(OK)
        await plane.settle()
        plane.mirror.count_cut_off()
        assert plane.sent.counts == {"gateway stopped": 3}
        assert plane.held == 0

    run(test)


def test_known_pairs_go_the_way_of_all_others(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        order = SelfTestOrder("items", "ticket", "http://127.0.0.1:8", "http://127.0.0.1:9")
        plane.mirror.self_test(order)
        await plane.settle()
        for number in range(len(KNOWN_PAIRS)):
            await plane.settle()
            copy = plane.side(9)[0]
            kind = copy.take().partition(b"self-test/")[2].partition(b" ")[0].decode()
            status, head, body = KNOWN_PAIRS[kind].candidate
            copy.feed(b"HTTP/1.1 %d Known\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body))
            await plane.settle()
            assert plane.sent.pairs[number].self_test == f"ticket {kind}"
        assert {one.self_test for one in plane.sent.pairs} == {f"ticket {kind}" for kind in KNOWN_PAIRS}
        plane.mirror.self_test(order._replace(migration="another"))
        assert plane.held == 0

    run(test)


def test_a_request_whose_shadow_a_reload_ends_is_served_without_a_copy(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        # As one that was decided before, and let in by its rate limits after.
        plane.mirror.apply(replace(plane.plane.snapshot, migrations={}))
        client = plane.client()
        client.feed(get())
        await plane.settle()
        plane.side(1)[0].feed(OK)
        await plane.settle()
        assert client.take().endswith(b"{}")
        assert plane.side(2) == []

    run(test)


def test_a_share_of_callers_is_copied_whole_sessions_at_a_time(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(percent=30))
        for number in range(200):
            for _ in range(2):
                plane.client().feed(get(caller=str(number)))
                await plane.settle()
                plane.side(1)[0].feed(OK)
                await plane.settle()
                for copy in plane.side(2):
                    copy.feed(OK)
        callers = [pair.request.partition(b"X-Caller: ")[2].partition(b"\r")[0] for pair in plane.sent.pairs]
        assert 35 <= len(set(callers)) <= 85
        assert all(callers.count(caller) == 2 for caller in callers)
        assert plane.sent.counts == {"sampled out": 400 - len(callers)}

    run(test)


def test_routes_with_too_few_pairs_are_copied_whatever_the_share(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        for percent, copies in ((0.01, 1), (0, 0)):
            plane = Shadowed(snapshot(percent=percent))
            plane.mirror.favoured = frozenset({"items/one"})
            client = plane.client()
            client.feed(get())
            await plane.settle()
            plane.side(1)[0].feed(OK)
            await plane.settle()
            assert len(plane.side(2)) == copies

    run(test)


def test_who_is_copied_says_nothing_about_who_is_on_which_side(snapshot: Callable[..., Snapshot]) -> None:
    migration = snapshot(percent=50).migrations["items"]

    def request(caller: str) -> Request:
        return Request("GET", "/items/1", "", "a", [(b"X-Caller", caller.encode())], "192.0.2.1")

    callers = [str(number) for number in range(4000)]
    copied = [caller for caller in callers if shadow_bucket(migration, request(caller), None) < 5000]
    extracted = [caller for caller in copied if bucket_of("items", caller) < 5000]
    assert len(copied) / len(callers) == pytest.approx(0.5, abs=0.04)
    assert len(extracted) / len(copied) == pytest.approx(0.5, abs=0.06)
    nobody = Request("GET", "/items/1", "", "a", [], "192.0.2.1")
    assert shadow_bucket(migration, nobody, None) == shadow_bucket(migration, nobody, None)


_STEPS = (
    *("ask", "ask post", "hang up", "answer", "answer half", "too big", "break legacy"),
    *("answer copy", "half copy", "too big copy", "break copy", "wait", "reload"),
)


@settings(max_examples=120, deadline=None)
@given(steps=st.lists(st.sampled_from(_STEPS), max_size=40), concurrency=st.integers(1, 3), queue=st.integers(0, 3))
def test_every_request_is_accounted_for_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], concurrency: int, queue: int
) -> None:
    snapshot = compiled(
        tmp_path_factory.getbasetemp(), concurrency=concurrency, queue=queue, response_body="1KiB", timeout="5s"
    )

    async def test() -> None:
        plane = Shadowed(snapshot)
        asked = 0
        for step in steps:
            legacy, copies = plane.side(1), plane.side(2)
            match step:
                case "ask":
                    plane.client().feed(get())
                    asked += 1
                case "ask post":
                    plane.client().feed(b"POST /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
                    asked += 1
                case "hang up":
                    for client in list(plane.plane.clients)[:1]:
                        client.transport.abort()
                case "answer" if legacy:
                    legacy[0].feed(OK)
                case "answer half" if legacy:
                    legacy[0].feed(OK[:-1])
                case "too big" if legacy:
                    legacy[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000)
                case "break legacy" if legacy:
                    legacy[0].close()
                case "answer copy" if copies:
                    copies[0].feed(OK)
                case "half copy" if copies:
                    copies[0].feed(OK[:-1])
                case "too big copy" if copies:
                    copies[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1500)
                case "break copy" if copies:
                    copies[0].close()
                case "wait":
                    plane.tick(3)
                case "reload":
                    plane.plane.apply(snapshot)
            await plane.settle()
        for client in list(plane.plane.clients):
            client.transport.abort()
        for _ in range(concurrency + queue + asked):
            await plane.settle()
            plane.tick(6)
        await plane.settle()
        assert plane.sent.total == asked, (plane.sent.counts, len(plane.sent.pairs))
        assert plane.held == 0
        # A half response that a whole one follows ends with the first byte of that.
        for pair in plane.sent.pairs:
            assert pair.legacy.body in (b"{}", b"{H")
            assert pair.extracted.body in ((b"",) if pair.extracted.missing else (b"{}", b"{H"))

    run(test)


def test_a_judge_that_does_not_listen_costs_pairs_which_are_counted(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        channel = Channel(loop, lambda order: None)
        channel.listen_at("/nonexistent/judge")
        request = b"GET / HTTP/1.1\r\n\r\n"
        answered = Pair("items", "items/one", "GET /items", 0.0, "legacy", 1, request, "", NOTHING, NOTHING)
        for _ in range(3):
            channel.offer(answered)
            channel.flush(0.0)
            await asyncio.sleep(0)
        batches: list[Batch] = []
        closed = asyncio.Event()
        path = str(tmp_path / "judge.sock")
        server = await loop.create_unix_server(
            lambda: ChannelReceiver(batches.append, lambda receiver: closed.set()), path
        )
        channel.listen_at(path)
        async with asyncio.timeout(20):
            await channel.drained()
            while not batches:
                await asyncio.sleep(0.005)
        overload = NotCompared("items", "items/one", "GET /items", "legacy", "overload")
        assert batches == [Batch([], {overload: 3})]
        channel.close()
        await closed.wait()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("field", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"])
def test_a_read_that_asks_to_be_taken_for_something_else_is_not_copied(
    snapshot: Callable[..., Snapshot], field: str
) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot())
        client = plane.client()
        client.feed(f"GET /items/1 HTTP/1.1\r\nHost: a\r\n{field}: DELETE\r\n\r\n".encode())
        await plane.settle()
        plane.side(1)[0].feed(OK)
        await plane.settle()
        assert client.take().startswith(b"HTTP/1.1 200")
        assert plane.side(2) == []
        assert plane.sent.counts == {"method not copied": 1}

    run(test)


def test_a_lane_shows_how_many_copies_it_holds(snapshot: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Shadowed(snapshot(concurrency=1, queue=5))
        lane = plane.lane
        assert repr(lane) == "<Lane items held=0 flying=0 waiting=0>"
        for _ in range(3):
            plane.client().feed(get())
        await plane.settle()
        for transport in plane.side(1):
            transport.feed(OK)
        await plane.settle()
        assert repr(lane) == "<Lane items held=3 flying=1 waiting=2>"
        lane.rest()
        assert repr(lane) == "<Lane items held=3 flying=1 waiting=2 resting>"

    run(test)
