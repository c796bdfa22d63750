"""Full buffers at the worst moment: what is paused, and that it goes on."""

from __future__ import annotations

from typing import cast

from strangler.model.snapshot import Snapshot
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.client.request_reader import READ_AHEAD, SLICE
from strangler.proxy.upstream.connection import LARGEST_HEAD
from tests.proxy.in_process import Plane, run, transport_of

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
BIG = 300_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def big_head(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def test_a_connection_whose_client_is_behind_goes_on_reading_for_the_next(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        slow, quick = plane.client(), plane.client()
        slow.stuck = True
        slow.feed(GET % 1)
        await plane.settle()
        quick.feed(GET % 2)
        (upstream,) = plane.busy()
        upstream.feed(big_head(BIG) + b"x" * 10)
        # The last piece fills the client's buffer, which pauses the upstream, and completes the response.
        upstream.feed(b"x" * (BIG - 10))
        assert slow.paused
        await plane.settle()
        assert b"GET /2 " in upstream.take()
        upstream.feed(big_head(2) + b"ok")
        assert quick.take().endswith(b"\r\n\r\nok")

    run(test)


def test_the_next_answer_waits_for_a_client_that_is_behind(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.stuck = True
        client.feed(GET % 1 + GET % 2 + GET % 3)
        await plane.settle()
        (upstream,) = plane.busy()
        assert upstream.take().count(b"GET ") == 1
        upstream.feed(big_head(BIG) + b"x" * BIG)
        await plane.settle()
        assert client.paused
        assert upstream.take() == b"", "the second request must wait until the first answer is read"
        assert not client.reading
        client.drain()
        assert upstream.take().count(b"GET /2") == 1
        upstream.feed(big_head(2) + b"ok")
        assert upstream.take().count(b"GET /3") == 1
        upstream.feed(big_head(2) + b"ok")
        await plane.settle()
        assert client.reading
        client.feed(GET % 4)
        assert upstream.take().count(b"GET /4") == 1

    run(test)


def test_a_client_that_is_behind_pauses_the_upstream_and_resumes_it(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.stuck = True
        client.feed(GET % 1)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(big_head(2 * BIG) + b"x" * BIG)
        assert not upstream.reading
        client.drain()
        assert upstream.reading
        upstream.feed(b"x" * BIG)
        assert client.take().endswith(b"\r\n\r\n" + b"x" * 2 * BIG)

    run(test)


def test_an_upstream_that_is_behind_pauses_the_client_and_resumes_it(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (2 * BIG))
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.stuck = True
        client.feed(b"x" * BIG)
        assert not client.reading
        upstream.drain()
        client.feed(b"x" * BIG)
        assert upstream.take().endswith(b"\r\n\r\n" + b"x" * 2 * BIG)

    run(test)


def test_a_body_that_comes_before_its_connection_is_held_within_bounds(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        first, second = plane.client(), plane.client()
        first.feed(GET % 1)
        await plane.settle()
        (upstream,) = plane.busy()
        second.feed(b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (2 * BIG))
        second.feed(b"x" * BIG)
        assert not second.reading
        upstream.feed(big_head(2) + b"ok")
        await plane.settle()
        (upstream,) = plane.busy()
        assert second.reading
        second.feed(b"x" * BIG)
        assert upstream.take().endswith(b"\r\n\r\n" + b"x" * 2 * BIG)

    run(test)


def test_a_client_that_hangs_up_while_paused_frees_the_upstream(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client, other = plane.client(), plane.client()
        client.stuck = True
        client.feed(GET % 1)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(big_head(2 * BIG) + b"x" * BIG)
        client.close()
        await plane.settle()
        assert upstream.aborted
        other.feed(GET % 2)
        await plane.settle()
        assert [transport_of(connection).closed for connection in plane.loop.connections] == [True, False]

    run(test)


def test_what_a_client_pipelines_far_ahead_waits_unparsed(snapshot: Snapshot) -> None:
    """Each parsed request takes kilobytes; thousands of them fit into one read."""

    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        one = b"GET /%04d HTTP/1.1\r\nHost: a\r\n\r\n"
        client.feed(b"".join(one % number for number in range(4000)))
        connection = cast(ClientConnection, client.protocol)
        assert len(connection.waiting) <= READ_AHEAD + SLICE // len(one)
        answered = 0
        while answered < 4000:
            await plane.settle()
            (upstream,) = plane.busy()
            assert upstream.take().startswith(b"GET /%04d " % answered)
            upstream.feed(ANSWER)
            answered += 1
        assert client.take().count(b"HTTP/1.1 200 OK") == 4000

    run(test)


def test_an_upstreams_trailer_without_end_is_given_up(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ")
        for _ in range(LARGEST_HEAD // 4096 + 2):
            if not upstream.closed:
                upstream.feed(b"a" * 4096)
        assert upstream.closed
        assert client.closed
        assert not client.take().endswith(b"0\r\n\r\n")

    run(test)


def test_answers_of_the_gateway_s_own_let_others_have_their_turn(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        eager, other = plane.client(), plane.client()
        # Each is refused at once, for the NUL in its path.
        refused = b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n"
        count = 10 * SLICE // len(refused)
        eager.feed(refused * count)
        first = eager.take().count(b"HTTP/1.1 400")
        assert 0 < first <= 2 * SLICE // len(refused)
        other.feed(GET % 1)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(ANSWER)
        assert other.take().endswith(b"ok")
        answered = first
        for _ in range(3 * count):
            await plane.settle()
            answered += eager.take().count(b"HTTP/1.1 400")
        eager.feed(GET % 2)
        await plane.settle()
        assert plane.busy()
        assert answered == count

    run(test)
