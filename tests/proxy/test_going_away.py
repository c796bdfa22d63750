"""What the gateway itself ends: WebSockets get a close frame with 1001 between two frames, and requests are no 499."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.websocket_frames import FrameWatch, close_frame
from tests.proxy.in_process import Plane, Transport, run

UPGRADE = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: %b\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: %b\r\n\r\n"
GOING_AWAY = b"\x88\x02\x03\xe9"
TEXT = 0x81


def frame(payload: bytes, *, masked: bool = False, first: int = TEXT) -> bytes:
    """A frame; the mask is zero, so that the payload stays as it is."""
    bit, size = (0x80 if masked else 0), len(payload)
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 65_536:
        head = bytes([first, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, bit | 127]) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65_535, 65_536]), max_size=4),
    st.booleans(),
    st.lists(st.integers(1, 70_000), max_size=30),
)
def test_boundaries_are_known_however_the_bytes_come(sizes: list[int], masked: bool, cuts: list[int]) -> None:
    frames = [frame(bytes(size), masked=masked) for size in sizes]
    boundaries, stream, passed = {0}, b"".join(frames), 0
    for one in frames:
        passed += len(one)
        boundaries.add(passed)
    watch, place = FrameWatch(masked=masked), 0
    for cut in [*cuts, len(stream)]:
        piece = stream[place : place + cut]
        assert watch.feed(piece) == len(piece)
        place += len(piece)
        assert watch.at_boundary == (place in boundaries)
    assert not watch.lost
    assert not watch.closed


@pytest.mark.parametrize("data", [b"hello", b"\x83\x80\0\0\0\0", b"\x81\x00", b"\xff\xff", b"\x08\x80", b"\x89\xfe"])
def test_what_is_no_frame_of_a_client_is_never_interrupted(data: bytes) -> None:
    watch = FrameWatch(masked=True)
    watch.feed(data)
    assert watch.lost
    assert not watch.at_boundary


def test_a_close_frame_for_a_server_is_masked() -> None:
    sent = close_frame(masked=True)
    assert sent[:2] == b"\x88\x82"
    assert bytes(one ^ other for one, other in zip(sent[2:6], sent[6:], strict=False)) == b"\x03\xe9"
    assert close_frame(masked=False) == GOING_AWAY


async def tunnel(snapshot: Snapshot, protocol: bytes = b"websocket") -> tuple[Plane, Transport, Transport]:
    """A tunnel, with its client and its upstream."""
    plane = Plane(snapshot)
    client = plane.client()
    client.feed(UPGRADE % protocol)
    await plane.settle()
    (upstream,) = plane.busy()
    upstream.feed(SWITCH % protocol)
    client.take()
    upstream.take()
    return plane, client, upstream


def test_both_ends_get_a_close_frame_and_a_moment_to_answer_it(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane, client, upstream = await tunnel(snapshot)
        client.feed(frame(b"hello", masked=True))
        upstream.feed(frame(b"x" * 70_000))
        client.take()
        upstream.take()
        (one,) = plane.plane.tunnels
        one.go_away("drained")
        assert client.take() == GOING_AWAY
        assert upstream.take()[:2] == b"\x88\x82"
        # A message that was on its way, then the answer to the close frame: nothing of both goes on.
        client.feed(frame(b"late", masked=True) + frame(b"\x03\xe9", masked=True, first=0x88))
        assert not client.closed, "the other end has not answered yet"
        upstream.feed(frame(b"\x03\xe9", first=0x88))
        assert client.closed
        assert upstream.closed
        assert client.take() == upstream.take() == b""

    run(test)


def test_a_frame_that_is_on_its_way_is_completed_first(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane, client, upstream = await tunnel(snapshot)
        whole = frame(b"0123456789")
        upstream.feed(whole[:6])
        assert client.take() == whole[:6]
        (one,) = plane.plane.tunnels
        one.go_away("drained")
        assert client.take() == b""
        assert upstream.take()[:2] == b"\x88\x82"
        upstream.feed(whole[6:] + frame(b"another one"))
        assert client.take() == whole[6:] + GOING_AWAY

    run(test)


def test_an_end_that_was_closed_by_the_other_gets_no_second_close_frame(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane, client, upstream = await tunnel(snapshot)
        upstream.feed(frame(b"\x03\xe8", first=0x88))
        client.take()
        (one,) = plane.plane.tunnels
        one.go_away("drained")
        assert client.take() == b""

    run(test)


def test_ends_that_do_not_answer_are_closed_after_a_moment(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane, client, upstream = await tunnel(snapshot)
        (one,) = plane.plane.tunnels
        one.go_away("idle")
        assert not client.closed
        assert not upstream.closed
        one.expired()
        assert client.closed
        assert upstream.closed

    run(test)


def test_what_does_not_speak_in_frames_is_closed_as_it_is(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane, client, upstream = await tunnel(snapshot)
        client.feed(b"these are no frames")
        upstream.feed(b"nor are these")
        client.take()
        upstream.take()
        (one,) = plane.plane.tunnels
        one.go_away("drained")
        assert client.take() == upstream.take() == b""
        assert client.closed
        assert upstream.closed

    run(test)


CONFIGURATION = """
version: 1
upstreams: {{shop: {{endpoints: ["http://127.0.0.1:1"], connections: 2}}}}
default: shop
access_log: {{path: "{log}"}}
"""


def test_what_a_drain_breaks_off_is_not_logged_as_a_client_that_hung_up(tmp_path: Path) -> None:
    async def test() -> None:
        file, log = tmp_path / "gateway.yaml", tmp_path / "access.log"
        file.write_text(CONFIGURATION.format(log=log))
        plane = Plane(load(file).snapshot)
        clients = [plane.client() for _ in range(4)]
        for number, client in enumerate(clients[:3]):
            client.feed(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" % number)
            await plane.settle()
        begun, sent = plane.busy()
        begun.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await asyncio.wait_for(plane.plane.drain(0.01), 20)
        answers = [client.take() for client in clients]
        assert answers[0].endswith(b"abc")
        assert answers[1].startswith(b"HTTP/1.1 504 ")
        assert answers[2].startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answers[2]
        assert b"Retry-After" not in answers[1], "it may have been carried out"
        assert answers[3] == b""
        assert all(client.closed for client in clients)
        assert begun.aborted
        assert sent.aborted
        assert plane.plane.access_log is not None
        plane.plane.access_log.close()
        plane.plane.access_log = None
        lines = {line["path"]: line for line in map(json.loads, log.read_text().splitlines())}
        assert {path: line["status"] for path, line in lines.items()} == {"/0": 200, "/1": 504, "/2": 503}
        assert all("shut" in line["reason"] for line in lines.values())

    run(test)
