"""HTTP Archives, as browsers write them."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from strangler.replay.har.reading import read_har
from strangler.replay.recorded import RecordedRequests, RecordingError


def entry(url: str = "https://shop.example/a", method: str = "GET", **request: Any) -> dict[str, Any]:
    return {"request": {"method": method, "url": url, "headers": [], **request}, "response": {}}


def headers(*fields: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields]


def archive(*entries: dict[str, Any]) -> bytes:
    return orjson.dumps({"log": {"version": "1.2", "creator": {"name": "Firefox"}, "entries": list(entries)}})


def read(*entries: dict[str, Any]) -> RecordedRequests:
    return read_har(archive(*entries), "shop.har")


def test_requests_in_their_order() -> None:
    recording = read(entry("https://shop.example/a/../b?x=%2F#top"), entry("https://shop.example/", "head"))
    assert [str(request) for request in recording.requests] == ["GET /a/../b?x=%2F", "HEAD /"]
    assert [request.source for request in recording.requests] == ["shop.har, entry 1", "shop.har, entry 2"]
    assert {request.host for request in recording.requests} == {"shop.example"}


def test_headers_of_the_connection_and_of_http2_are_left_out() -> None:
    fields = headers(
        (":authority", "shop.example"),
        (":method", "GET"),
        ("Host", "shop.example"),
        ("Connection", "keep-alive"),
        ("Content-Length", "0"),
        ("TE", "trailers"),
        ("accept", "application/json"),
        ("Cookie", "a=b"),
        ("cookie", "c=d"),
    )
    (request,) = read(entry(headers=fields)).requests
    assert request.headers == (("accept", "application/json"), ("Cookie", "a=b"), ("cookie", "c=d"))


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br, zstd, dcb", "gzip, deflate, br, zstd"),
        ("compress", "identity"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br;q=1.0, gzip;q=0.8"),
    ],
)
def test_only_codings_are_accepted_that_can_be_undone(accepted: str, sent: str) -> None:
    (request,) = read(entry(headers=headers(("Accept-Encoding", accepted)))).requests
    assert request.headers == (("Accept-Encoding", sent),)


def test_redacted_headers_are_not_sent_but_named() -> None:
    (request,) = read(entry(headers=headers(("Authorization", "[redacted]"), ("Accept", "*/*")))).requests
    assert request.headers == (("Accept", "*/*"),)
    assert request.redacted == ("Authorization",)


def test_bodies() -> None:
    json = [("Content-Type", "application/json")]
    recording = read(
        entry(method="POST", headers=headers(*json), postData={"mimeType": "application/json", "text": '{"é":1}'}),
        entry(method="POST", postData={"mimeType": "text/plain", "text": "x"}),
        entry(
            method="POST",
            postData={
                "mimeType": "application/octet-stream",
                "text": base64.b64encode(b"\xff\x00").decode(),
                "encoding": "base64",
            },
        ),
        entry(
            method="POST",
            postData={
                "mimeType": "application/x-www-form-urlencoded",
                "params": [{"name": "a", "value": "1 2"}, {"name": "b"}],
            },
        ),
    )
    assert [request.body for request in recording.requests] == ['{"é":1}'.encode(), b"x", b"\xff\x00", b"a=1+2&b="]
    assert recording.requests[0].headers == (("Content-Type", "application/json"),)
    assert recording.requests[1].headers == (("Content-Type", "text/plain"),)


def test_a_body_that_was_not_recorded_is_not_made_up() -> None:
    recording = read(
        entry(method="POST", headers=headers(("Content-Length", "12"))),
        entry(method="POST", postData={"mimeType": "multipart/form-data; boundary=x", "params": [{"name": "a"}]}),
        entry(method="POST", headers=headers(("Content-Length", "0"))),
    )
    assert len(recording.requests) == 1
    assert recording.skipped == {"body not recorded": 2}


def test_what_a_page_asked_others_for_is_left_out_and_counted() -> None:
    recording = read(
        entry("https://cdn.example/style.css"),
        entry("https://shop.example/a"),
        entry("https://shop.example/b"),
        entry("https://tracker.example/hit", "POST"),
        entry("wss://shop.example/live"),
        entry("data:image/png;base64,AAAA"),
    )
    assert [request.target for request in recording.requests] == ["/a", "/b"]
    assert recording.skipped == {"host cdn.example": 1, "host tracker.example": 1, "upgrade": 1, "scheme data": 1}


def test_methods_that_are_not_asked_for_are_counted() -> None:
    recording = read(entry(), entry(method="DELETE"), entry(method="DELETE"))
    recording.only_methods(frozenset({"GET"}))
    assert len(recording.requests) == 1
    assert recording.skipped == {"method DELETE": 2}


def test_a_byte_order_mark_is_no_error() -> None:
    assert len(read_har(b"\xef\xbb\xbf" + archive(entry()), "shop.har").requests) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html>", "shop.har: not JSON"),
        (b"[]", "shop.har: not an HTTP Archive: there is no list at log.entries"),
        (b'{"log":{}}', "there is no list at log.entries"),
        (b'{"log":{"entries":[{}]}}', "shop.har, entry 1: 'request' is missing"),
        (b'{"log":{"entries":[{"request":{"method":"GET"}}]}}', "shop.har, entry 1: 'url' is missing"),
        (b'{"log":{"entries":[1]}}', "shop.har, entry 1: "),
        (archive(entry(headers=headers(("a b", "c")))), "'a b' is no header field that can be sent"),
        (archive(entry(headers=headers(("a", "c\r\nd: e")))), "'a' is no header field that can be sent"),
        (archive(entry(postData={"text": "!", "encoding": "base64"})), "postData.text is not base64"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(RecordingError) as raised:
        read_har(data, "shop.har")
    assert said in str(raised.value)
