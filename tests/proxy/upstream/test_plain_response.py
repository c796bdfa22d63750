"""A plain response head is not parsed; it must mean what the parser takes it for."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strangler.model.snapshot import Snapshot
from strangler.proxy.upstream.connection import UpstreamConnection
from strangler.proxy.upstream.plain_response import plain_response
from tests.e2e.raw_http import parse_head
from tests.proxy.client.heads import cut
from tests.proxy.in_process import Plane, run

STATUS_LINES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 404 Not  Found\t!",
    b"HTTP/1.1 500 ",
    b"HTTP/1.1 599",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 205 Reset Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 101 Switching Protocols",
    b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 103 Early Hints",
    b"HTTP/1.1 199 x",
    b"HTTP/1.1 600 x",
    b"HTTP/1.1 099 x",
    b"HTTP/1.1 20 x",
    b"HTTP/1.1 2000 x",
    b"HTTP/1.1 200 caf\xe9",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.0 200 OK",
    b"HTTP/2.0 200 OK",
    b"http/1.1 200 OK",
]
FIELDS = [
    b"Content-Type: text/plain",
    b"Set-Cookie: a=1",
    b"Set-Cookie: b=2",
    b"Server:x",
    b"X:  padded \t",
    b"X:",
    b"X: ",
    b"X: a\tb",
    b"X: \xe9",
    b"X: a\0b",
    b"X: a\x7fb",
    b"X : a",
    b" folded",
    b"\tfolded",
    b"X",
    b": x",
    b"X(Y): z",
    b"Content-Length: 3",
    b"content-length: 3",
    b"Content-Length: 03",
    b"Content-Length: +3",
    b"Content-Length: 3, 3",
    b"Content-Length:3 ",
    b"Content-Length: 4",
    b"Content-Length: 0",
    b"Content-Length: 3000000000",
    b"Content_Length: 9",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Connection: keep-alive",
    b"Connection: Keep-Alive",
    b"Connection: close",
    b"Connection: X",
    b"Connection: keep-alive, X",
    b"Connection: keep-alive, close",
    b"Connection: upgrade",
    b"Proxy-Connection: close",
    b"Proxy-Connection: keep-alive",
    b"Keep-Alive: timeout=5",
    b'ETag: "a"',
    b"Cache-Control: no-cache",
    b"TE: x",
    b"Trailer: X",
    b"Upgrade: h2c",
    b"X-Request-Id: theirs",
    b"Proxy-Authenticate: x",
    b"Via: 1.1 another",
    b"Date: Sun, 06 Nov 1994 08:49:37 GMT",
]
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"]


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Something like a response: often right, often wrong in one place."""
    status = draw(st.sampled_from(STATUS_LINES))
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=4))
    if draw(st.booleans()):
        fields.insert(draw(st.integers(0, len(fields))), b"Content-Length: 3")
    end = draw(st.sampled_from(ENDS))
    body = draw(st.sampled_from([b"abc", b"abc", b"abc", b"", b"ab", b"abcd", b"3\r\nabc\r\n0\r\n\r\n"]))
    data = end.join([status, *fields]) + end + end + body
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(data) - 1))
        byte = draw(st.sampled_from([b"", b"\r", b"\n", b"\0", b" ", b":", b"\xff", b"\r\n"]))
        data = data[:place] + byte + data[place + draw(st.integers(0, 1)) :]
    return data


_DRAWN = re.compile(rb'(?<=-Request-Id: )[0-9a-f]{32}|(?<=Date: ).*GMT|(?<="request_id":")[0-9a-f]{32}')


async def outcome(
    snapshot: Snapshot, reads: list[bytes], *, then_close: bool, method: bytes = b"GET", parsed: bool = False
) -> tuple[object, ...]:
    """What a client gets where the upstream's answer comes in these reads, and whether the connections go on."""
    plane = Plane(snapshot)
    plane.plane.takes_plain = not parsed
    client = plane.client()
    client.feed(b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % method)
    await plane.settle()
    (upstream,) = plane.busy()
    for data in reads:
        upstream.feed(data)
    if then_close:
        upstream.close()
    await plane.settle()
    # Where a response is known to be malformed depends on the reads; that it is, does not.
    got = re.sub(rb"is malformed: [^\"]*", b"is malformed", _DRAWN.sub(b"?", client.take()))
    head, _, body = got.partition(b"\r\n\r\n")
    kept = [connection for connection in plane.loop.connections if not connection.transport.is_closing()]
    idle = [connection for connection in kept if connection.exchange is None]
    fields = parse_head(head) if head else None
    if b"is malformed" in body:
        fields = (b"malformed", [])
        body = b""
    return fields, body, len(kept), len(idle), client.closed


METHODS = st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"DELETE"])


@settings(max_examples=1000, deadline=None)
@given(responses(), st.booleans(), METHODS)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", False, b"GET")
def test_a_response_means_the_same_in_one_read_as_in_two(
    snapshot: Snapshot, data: bytes, close: bool, method: bytes
) -> None:
    async def test() -> None:
        one_read = await outcome(snapshot, [data], then_close=close, method=method)
        two_reads = await outcome(snapshot, [data[:1], data[1:]], then_close=close, method=method)
        assert one_read == two_reads

    run(test)


@settings(max_examples=700, deadline=None)
@given(cut(responses()), st.booleans(), METHODS)
@example([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"abc"], False, b"GET")
@example([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", b"bcd"], False, b"GET")
@example([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"], True, b"GET")
def test_a_response_means_the_same_with_and_without_the_parser(
    snapshot: Snapshot, reads: list[bytes], close: bool, method: bytes
) -> None:
    async def test() -> None:
        fast = await outcome(snapshot, reads, then_close=close, method=method)
        parsed = await outcome(snapshot, reads, then_close=close, method=method, parsed=True)
        assert fast == parsed

    run(test)


@given(st.binary(max_size=60), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"]))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_mean_the_same_in_one_read_as_in_two(snapshot: Snapshot, data: bytes, begin: bytes) -> None:
    async def test() -> None:
        whole = begin + data
        if whole:
            one_read = await outcome(snapshot, [whole], then_close=True)
            two_reads = await outcome(snapshot, [whole[:1], whole[1:]], then_close=True)
            assert one_read == two_reads

    run(test)


@given(responses())
@settings(max_examples=1000, deadline=None)
def test_a_plain_head_has_exactly_one_reading(data: bytes) -> None:
    """Checked against the grammar (RFC 9112) in the plainest way, without the parser."""
    head, separator, _ = data.partition(b"\r\n\r\n")
    found = plain_response(data, len(head), False) if separator else None
    if found is None:
        return
    lines = found.fields.split(b"\r\n")
    assert lines.pop() == b""
    first, fields = parse_head(head)
    status = int(first.split(b" ")[1])
    assert found.status == status
    assert 200 <= status < 600
    assert found.line.rstrip() == first.rstrip()
    assert found.line.startswith(b"HTTP/1.1 %d " % status)
    assert found.line.endswith(b"\r\n")
    names = [name.lower() for name, _ in fields]
    lengths = [int(line[16:]) for line in lines if line.lower().startswith(b"content-length: ")]
    assert len(lengths) == names.count(b"content-length")
    if status in (204, 304):
        assert found.length == 0
    else:
        assert lengths == [found.length]
    assert b"transfer-encoding" not in names
    assert found.dated == (b"date" in names)
    sent_on = {line.partition(b":")[0].lower() for line in lines}
    dropped = {b"connection", b"keep-alive", b"trailer", b"upgrade", b"x-request-id", b"te", b"proxy-connection"}
    assert sent_on.isdisjoint(dropped)


@pytest.mark.parametrize("parsed", [False, True])
@pytest.mark.parametrize("behind", [b"H", b"HTTP", b"HTTP/1.1 200 OK\r\nX:"])
@pytest.mark.parametrize("place", [1, 40])
def test_a_connection_with_the_beginning_of_another_response_is_not_used_again(
    snapshot: Snapshot, behind: bytes, place: int, parsed: bool
) -> None:
    """What comes next would be taken for the rest of it, and be another client's."""

    async def test() -> None:
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" + behind
        _, body, kept, _, _ = await outcome(snapshot, [data[:place], data[place:]], then_close=False, parsed=parsed)
        assert (body, kept) == (b"abc", 0)

    run(test)


USUAL = {
    "whole": (b"GET", [b"HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"]),
    "in two": (b"GET", [b"HTTP/1.1 200 OK\r\nETag: y\r\nContent-Length: 3\r\n\r\nab", b"c"]),
    "not modified": (b"GET", [b"HTTP/1.1 304 Not Modified\r\nETag: y\r\n\r\n"]),
    "without content": (b"DELETE", [b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"]),
    "to HEAD": (b"HEAD", [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"]),
}


@pytest.mark.parametrize(("method", "reads"), USUAL.values(), ids=USUAL.keys())
def test_usual_responses_are_not_parsed(
    snapshot: Snapshot, method: bytes, reads: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UpstreamConnection, "_new_parser", None)

    async def test() -> None:
        _, _, kept, idle, closed = await outcome(snapshot, reads, then_close=False, method=method)
        assert (kept, idle, closed) == (1, 1, False)

    run(test)
