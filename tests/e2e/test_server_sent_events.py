"""Streams of events: each arrives when it is sent, and the head before the first one."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, request
from tests.e2e.recording_upstream import Call, RecordingUpstream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"


def stream(upstream: RecordingUpstream, *, chunked: bool) -> queue.Queue[bytes | None]:
    """At `/events`, send what is put into the queue that is returned, each by itself, until None is."""
    events: queue.Queue[bytes | None] = queue.Queue()

    @upstream.on("/events")
    def script(call: Call) -> None:
        call.send(HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Connection: close\r\n\r\n"))
        while (event := events.get(timeout=60)) is not None:
            call.send(b"%x\r\n%b\r\n" % (len(event), event) if chunked else event)
        if chunked:
            call.send(b"0\r\n\r\n")
        else:
            call.hang_up()

    return events


def follow(client: Client, events: queue.Queue[bytes | None]) -> None:
    """Each event is sent only after the one before was received, so one that is held back is never received."""
    client.send(request("/events", "Accept: text/event-stream"))
    head = client.head()
    assert head.status == 200
    assert head.values(b"Content-Type") == [b"text/event-stream"]
    assert head.values(b"Transfer-Encoding") == [b"chunked"]
    for number in range(50):
        event = b"id: %d\ndata: %b\n\n" % (number, b"x" * number)
        events.put(event)
        assert client.reader.until(b"\r\n") == b"%x" % len(event)
        assert client.reader.exactly(len(event) + 2) == event + b"\r\n"
    events.put(None)
    assert client.reader.exactly(5) == b"0\r\n\r\n"


@pytest.mark.parametrize("chunked", [True, False])
def test_events_arrive_one_by_one(start: Start, upstream: RecordingUpstream, chunked: bool) -> None:
    events = stream(upstream, chunked=chunked)
    gateway = start({"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"})
    with gateway.client() as client:
        follow(client, events)
        assert client.request("/next").status == 200


def test_events_arrive_one_by_one_over_tls(start: Start, upstream: RecordingUpstream, tmp_path: Path) -> None:
    authority = Authority()
    authority.write(tmp_path, "shop", "shop.example")
    events = stream(upstream, chunked=True)
    gateway: GatewayProcess = start(
        {
            "tls": {"certificate": "shop.crt", "key": "shop.key"},
            "upstreams": {"legacy": {"endpoints": [upstream.url]}},
            "default": "legacy",
        }
    )
    with gateway.client(context=authority.client()) as client:
        follow(client, events)
