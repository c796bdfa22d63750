"""Requests that are recognised by their bytes, and responses that are not parsed, are changed as all others are."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from tests.proxy.in_process import Plane, run

CONFIGURATION = """
version: 1
upstreams:
  legacy: {endpoints: "http://127.0.0.1:1", connections: 1}
default: legacy
trusted_proxies: [192.0.2.7]
routes:
  - name: shop
    match: {path: "/shop/**"}
    upstream: legacy
    rewrite: {strip_prefix: /shop}
    headers: {request: {remove: X-Debug}, response: {set: {Server: shop}}}
    cors: {origins: https://app.example}
access_log: {enabled: false}
"""
FIELDS = (
    b" HTTP/1.1\r\nHost: shop.example\r\nX-Debug: 1\r\nOrigin: https://app.example\r\n"
    b"X-Forwarded-For: 203.0.113.9\r\nX-Request-Id: a\r\n"
    b"traceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01\r\n\r\n"
)
RESPONSE = b"HTTP/1.1 302 Found\r\nServer: x\r\nLocation: /login\r\nDate: now\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIGURATION)
    return load(file).snapshot


@pytest.mark.parametrize("request_pieces", [1, 2], ids=["known head", "parsed head"])
@pytest.mark.parametrize("response_pieces", [1, 2], ids=["short response", "parsed response"])
def test_both_ways_of_reading_change_the_same(snapshot: Snapshot, request_pieces: int, response_pieces: int) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        for target in (b"/shop/a", b"/shop/b?c=d", b"/other", b"/shop/e", b"/other"):
            request = b"GET " + target + FIELDS
            half = len(request) // request_pieces
            for start in range(0, len(request), half):
                client.feed(request[start : start + half])
            await plane.settle()
            [upstream] = plane.busy()
            sent = upstream.take()
            shop = target.startswith(b"/shop")
            line, _, fields = sent.partition(b"\r\n")
            assert line == b"GET " + target.removeprefix(b"/shop") + b" HTTP/1.1"
            assert (b"X-Debug" in fields) is not shop
            assert (b"\r\nX-Forwarded-Prefix: /shop\r\n" in fields) is shop
            assert b"\r\nX-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n" in fields
            half = -(-len(RESPONSE) // response_pieces)
            for start in range(0, len(RESPONSE), half):
                upstream.feed(RESPONSE[start : start + half])
            answer = client.take()
            assert (b"\r\nLocation: /shop/login\r\n" in answer) is shop
            assert (b"\r\nServer: shop\r\n" in answer) is shop
            assert (b"\r\nAccess-Control-Allow-Origin: https://app.example\r\n" in answer) is shop
            assert answer.endswith(b"\r\n\r\nok")
            await plane.settle()

    run(test)


ENDPOINT_HOST = """
version: 1
upstreams:
  legacy: {endpoints: "http://legacy.example:81", host: endpoint}
default: legacy
routes:
  - name: all
    match: {path: "/**"}
    upstream: legacy
    headers: {request: {set: {X_Internal: real}, remove: [X_Gone, X-Left.Out]}}
access_log: {enabled: false}
"""


@pytest.mark.parametrize(
    ("location", "outer"),
    [
        (b"http://legacy.example:81/a/", b"/a/"),
        (b"http://legacy.example:81//evil.example/a/", b"//shop.example//evil.example/a/"),
        (b"http://legacy.example:81/\\evil.example/a/", b"//shop.example/\\evil.example/a/"),
        (b"http://elsewhere.example//a/", b"http://elsewhere.example//a/"),
    ],
)
def test_a_path_of_the_upstream_never_becomes_the_name_of_a_host(tmp_path: Path, location: bytes, outer: bytes) -> None:
    async def test() -> None:
        file = tmp_path / "gateway.yaml"
        file.write_text(ENDPOINT_HOST)
        plane = Plane(load(file).snapshot)
        client = plane.client()
        client.feed(b"GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        await plane.settle()
        plane.busy()[0].feed(b"HTTP/1.1 301 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
        assert b"\r\nLocation: " + outer + b"\r\n" in client.take()

    run(test)


def test_fields_that_are_set_or_removed_are_so_in_every_spelling(tmp_path: Path) -> None:
    async def test() -> None:
        file = tmp_path / "gateway.yaml"
        file.write_text(ENDPOINT_HOST)
        plane = Plane(load(file).snapshot)
        client = plane.client()
        client.feed(
            b"GET /a HTTP/1.1\r\nHost: shop.example\r\nX_Internal: fake\r\nX-Internal: fake\r\nx.internal: fake\r\n"
            b"X_Gone: fake\r\nX-Gone: fake\r\nX-Left_Out: fake\r\nX-Kept: yes\r\n\r\n"
        )
        await plane.settle()
        sent = plane.busy()[0].take()
        assert b"fake" not in sent
        assert b"\r\nX_Internal: real\r\n" in sent
        assert b"\r\nX-Kept: yes\r\n" in sent

    run(test)
