"""A head that repeats on a connection is not parsed again, and clients and upstreams can't tell."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.auth.identity import Identity
from strangler.auth.keys import parse_key_set
from strangler.auth.verify import Verifier
from strangler.config.load import load
from strangler.model.listener import Limits
from strangler.model.snapshot import Snapshot
from strangler.proxy.client import states
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.client.request_reader import RequestReader
from tests.e2e.tokens import Issuer
from tests.proxy.in_process import Plane, Transport, run

ISSUER = Issuer()
KEYS = parse_key_set(ISSUER.key_set())
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

FIELDS = [
    b"Host: a",
    b"Host: b:80",
    b"Accept: */*",
    b"X-Tenant: 1",
    b"X-Tenant: 2",
    b"X-Auth-Subject: admin",
    b"X_Auth_Subject: admin",
    b"Cookie: a=b; c=d",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Connection: x-tenant",
    b"Connection: x-forwarded-for",
    b"X-Request-Id: mine",
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Upgrade: x",
    b"X: \xe9",
    b" folded",
    b"Authorization: Bearer " + ISSUER.token("user-1").encode(),
    b"Authorization: Bearer " + ISSUER.token("user-2").encode(),
    b"Authorization: Bearer x",
]
TARGETS = [
    b"/",
    b"/a?b=c",
    b"/a?",
    b"/a?b?c",
    b"//a/..//b",
    b"/%2e%2e/private/x",
    b"/private/x",
    b"/catalog/1",
    b"/a#b",
    b"/a b",
    b"/\xe9",
    b"/a|b",
    b"*",
    b"http://a/x",
    b"/" + b"x" * 59,
    b"/" + b"x" * 60,
    b"/a\tb",
    b'/"',
]
METHODS = [b"GET", b"GET", b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"POST", b"get", b"GETS", b"TRACE", b"CONNECT"]
VERSIONS = [b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"HTTP/1.1 "]

lines = st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(VERSIONS)).map(b" ".join)
plain_lines = st.tuples(
    st.sampled_from([b"GET", b"DELETE", b"OPTIONS"]), st.sampled_from(TARGETS[:8]), st.just(b"HTTP/1.1")
).map(b" ".join)
field_blocks = st.lists(st.sampled_from(FIELDS), max_size=4).map(
    lambda fields: b"\r\n".join([b"Host: a", *fields]) + b"\r\n\r\n"
)


@st.composite
def mutated(draw: st.DrawFn, block: st.SearchStrategy[bytes]) -> bytes:
    """One byte of a block removed, added or changed."""
    data = draw(block)
    place = draw(st.integers(0, len(data) - 1))
    byte = draw(st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"x", b"\r\n\r\n", b"\xff"]))
    return data[:place] + byte + data[place + draw(st.integers(0, 1)) :]


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """What a client sends, read by read: a few field blocks that repeat a lot, under all kinds of request lines."""
    blocks = draw(st.lists(field_blocks, min_size=1, max_size=2))
    known = st.sampled_from(blocks)
    block = st.one_of(known, known, known, mutated(known), known.map(lambda data: data + b"abc"))
    line = st.one_of(plain_lines, plain_lines, lines)
    one = st.tuples(line, block).map(b"\r\n".join)
    return draw(st.lists(st.one_of(one, one, one, mutated(one)), min_size=2, max_size=8))


_DRAWN = re.compile(
    rb"(?<=-request-id: )[0-9a-f]{32}|(?<=date: ).*GMT|(?<=traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}", re.IGNORECASE
)
_DRAWN_IN_BODY = re.compile(rb'(?<="request_id":")[0-9a-f]{32}')


def plain(data: bytes) -> bytes:
    """`data` without what is drawn for each request."""
    return _DRAWN_IN_BODY.sub(b"?", _DRAWN.sub(b"?", data))


Outcome = tuple[bytes, bytes, bool]
"""What the upstreams received, what the client received, and whether its connection goes on."""


async def send(plane: Plane, client: Transport, data: bytes) -> Outcome:
    """Send one read's worth and answer whatever reaches an upstream, until nothing more happens."""
    client.feed(data)
    upstream = b""
    while True:
        await plane.settle()
        waiting = plane.busy()
        if not waiting:
            break
        for transport in waiting:
            upstream += transport.take()
            if b"\r\n\r\n" in upstream:
                transport.feed(ANSWER)
    goes_on = not client.closed and not client.ended
    return plain(upstream), plain(client.take()), goes_on


def is_over(client: Transport, outcome: Outcome) -> bool:
    """Whether what is sent next would not be read as the start of a request."""
    return not outcome[2] or cast(ClientConnection, client.protocol).state != states.IDLE


@settings(max_examples=400, deadline=None)
@given(streams())
def test_a_used_connection_treats_requests_like_a_new_one(snapshot: Snapshot, stream: list[bytes]) -> None:
    async def test() -> None:
        used, fresh = Plane(snapshot, {"shop": KEYS}), Plane(snapshot, {"shop": KEYS})
        client = used.client()
        for data in stream:
            one = fresh.client()
            expected = await send(fresh, one, data)
            outcome = await send(used, client, data)
            assert outcome == expected
            one.close()
            if is_over(client, outcome):
                client.close()
                client = used.client()

    run(test)


DRAWN = """
version: 1
upstreams: {old: {endpoints: ["http://127.0.0.1:1"]}, new: {endpoints: ["http://127.0.0.1:2"]}}
migrations:
  catalog:
    from: old
    to: new
    stage: canary
    canary: {percent: 50, sticky: [%s]}
    routes: [{match: {path: /**}}]
access_log: {enabled: false}
"""
REQUEST = b"GET /%b HTTP/1.1\r\nHost: a\r\nX-Tenant: %b\r\n\r\n"


def test_a_known_head_is_not_parsed_again(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the comparison would compare the parser with itself."""
    parsed: list[bytes] = []
    read = RequestReader.read

    def recording(reader: RequestReader, data: bytes) -> bytes:
        parsed.append(data)
        return read(reader, data)

    monkeypatch.setattr(RequestReader, "read", recording)

    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        for number in range(5):
            assert b" 200 OK" in (await send(plane, client, REQUEST % (b"%d" % number, b"1")))[1]

    run(test)
    assert len(parsed) == 1


def test_a_caller_is_identified_once_for_known_fields(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes of another requirement or migration are decided anew, and so is an expired token."""
    verified: list[float] = []
    verify = Verifier.verify

    def recording(verifier: Verifier, credentials: bytes, now: float) -> Identity:
        verified.append(now)
        return verify(verifier, credentials, now)

    monkeypatch.setattr(Verifier, "verify", recording)

    async def test() -> None:
        plane = Plane(snapshot, {"shop": KEYS})
        client = plane.client()
        data = b"GET /%b HTTP/1.1\r\nHost: a\r\n" + ISSUER.bearer().encode() + b"\r\n\r\n"
        for _ in range(3):
            for path in (b"private/x", b"catalog/1", b"private/y", b"catalog/2"):
                assert b" 200 OK" in (await send(plane, client, data % path))[1]
        # The first request is parsed, the second is the first of known fields, each with two requirements.
        assert len(verified) == 3
        for module in ("exchange", "authentication"):
            monkeypatch.setattr(f"strangler.proxy.exchange.{module}.time", lambda: 9e9)
        assert b" 401 " in (await send(plane, client, data % b"private/x"))[1]

    run(test)


@pytest.mark.parametrize("sticky", ["visitor", "none"])
def test_a_random_split_is_drawn_again_for_known_fields(tmp_path: Path, sticky: str) -> None:
    (tmp_path / "gateway.yaml").write_text(DRAWN % sticky)
    drawing = load(tmp_path / "gateway.yaml").snapshot

    async def test() -> None:
        plane = Plane(drawing)
        client = plane.client()
        answers = [(await send(plane, client, REQUEST % (b"x", b"1")))[1] for _ in range(60)]
        # Sixty draws of one half fall on one side only once in 10^17 runs.
        assert {side for _, side, _, _ in plane.plane.report().requests} == {"legacy", "extracted"}
        if sticky == "visitor":
            assert len({answer.partition(b"Set-Cookie: ")[2][:60] for answer in answers}) == 60

    run(test)


def test_a_new_configuration_applies_to_known_heads(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        for _ in range(2):
            assert b" 200 OK" in (await send(plane, client, REQUEST % (b"x", b"1")))[1]
        plane.plane.apply(replace(snapshot, version="2", limits=Limits(header_count=1)))
        assert b" 431 " in (await send(plane, client, REQUEST % (b"x", b"1")))[1]

    run(test)


def test_a_new_key_set_applies_to_known_heads(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot, {"shop": KEYS})
        client = plane.client()
        data = b"GET /private/x HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % ISSUER.bearer().encode()
        for _ in range(2):
            assert b" 200 OK" in (await send(plane, client, data))[1]
        plane.plane.set_keys("shop", parse_key_set(Issuer().key_set()), 0.0)
        assert b" 401 " in (await send(plane, client, data))[1]

    run(test)


def test_two_requests_in_one_read_are_not_taken_for_a_known_one(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        one = REQUEST % (b"x", b"1")
        await send(plane, client, one)
        upstream, answers, goes_on = await send(plane, client, one + one)
        assert upstream.count(b"GET /x HTTP/1.1\r\n") == 2
        assert answers.count(b" 200 OK") == 2
        assert goes_on

    run(test)
