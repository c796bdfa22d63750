"""The visitor cookie: its attributes by scheme and settings, and the responses that must not carry it."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.listener import VisitorCookie
from strangler.proxy.exchange.visitor_cookie import made_private, may_be_shared, visitor_cookie
from tests.proxy.in_process import Plane, run

VISITOR = "0123456789abcdef0123456789abcdef"
CONFIGURATION = """
version: 1
upstreams: {legacy: {endpoints: ["http://127.0.0.1:1"]}, extracted: {endpoints: ["http://127.0.0.1:2"]}}
migrations:
  catalog:
    {from: legacy, to: extracted, stage: canary, canary: {percent: 50}, routes: [{match: {path: /**}}]}
access_log: {enabled: false}
trusted_proxies: [192.0.2.7]
"""


@pytest.mark.parametrize(
    ("settings", "secure", "attributes"),
    [
        (VisitorCookie(), False, "SameSite=Lax"),
        (VisitorCookie(), True, "SameSite=Lax; Secure"),
        (VisitorCookie("strict"), True, "SameSite=Strict; Secure"),
        (VisitorCookie("none"), True, "SameSite=None; Secure"),
        (VisitorCookie("none", True), True, "SameSite=None; Secure; Partitioned"),
        # Browsers would refuse None and Partitioned without Secure.
        (VisitorCookie("none", True), False, "SameSite=Lax"),
    ],
)
def test_attributes_follow_the_scheme_and_the_settings(settings: VisitorCookie, secure: bool, attributes: str) -> None:
    line = visitor_cookie(settings, VISITOR, secure=secure).decode()
    assert line == (f"Set-Cookie: strangler_visitor={VISITOR}; Path=/; Max-Age=31536000; HttpOnly; {attributes}\r\n")


@pytest.mark.parametrize(
    ("fields", "shared"),
    [
        ("", False),
        ("Content-Type: text/html\r\nETag: x\r\n", False),
        ("Cache-Control: public\r\n", True),
        ("cache-control: max-age=60\r\n", True),
        ("Cache-Control: s-maxage=60\r\n", True),
        ("Cache-Control: no-cache\r\n", True),
        ("Expires: Thu, 01 Dec 2033 16:00:00 GMT\r\n", True),
        ("Last-Modified: Thu, 01 Dec 2022 16:00:00 GMT\r\n", True),
        ("Cache-Control: private, max-age=60\r\n", False),
        ("Cache-Control: max-age=60\r\nCache-Control: PRIVATE\r\n", False),
        ("Cache-Control: no-store\r\nExpires: 0\r\n", False),
        ('Cache-Control: max-age=60, private="set-cookie"\r\n', True),
        ('Cache-Control: max-age=60, ext="a, no-store"\r\n', True),
        ("Cache-Control: private\r\nCDN-Cache-Control: max-age=60\r\n", True),
        ("Cache-Control: private\r\nSurrogate-Control: no-store\r\n", False),
    ],
)
def test_what_shared_caches_may_store(fields: str, shared: bool) -> None:
    assert may_be_shared("GET", fields.encode(), authorized=False) is shared
    assert may_be_shared("POST", fields.encode(), authorized=False) is False


def test_a_response_to_authorization_is_shared_only_where_it_says_so() -> None:
    assert not may_be_shared("GET", b"Cache-Control: max-age=60\r\n", authorized=True)
    assert may_be_shared("GET", b"Cache-Control: public, max-age=60\r\n", authorized=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A: b\r\nCache-Control: public, max-age=60, s-maxage=9\r\n", "A: b\r\nCache-Control: private, max-age=60\r\n"),
        ("Last-Modified: x\r\n", "Last-Modified: x\r\nCache-Control: private\r\n"),
        ("CDN-Cache-Control: max-age=60\r\nA: b\r\n", "A: b\r\nCache-Control: private\r\n"),
        ('Cache-Control: private="x, y", immutable\r\n', "Cache-Control: private, immutable\r\n"),
    ],
)
def test_a_response_that_is_made_private_keeps_all_else(before: str, after: str) -> None:
    assert made_private(before.encode()).decode() == after
    assert not may_be_shared("GET", made_private(before.encode()), authorized=False)


async def answered(tmp_path: Path, settings: str, fields: bytes, answer: bytes) -> bytes:
    """The head that a new visitor gets from a gateway with these `settings`, whose upstream answers with `answer`."""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIGURATION + settings)
    plane = Plane(load(file).snapshot)
    client = plane.client()
    client.feed(b"GET /page HTTP/1.1\r\nHost: shop.example\r\n%b\r\n" % fields)
    await plane.settle()
    (upstream,) = plane.busy()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok" % answer)
    return client.take()


def test_the_cookie_is_secure_behind_a_trusted_https_proxy(tmp_path: Path) -> None:
    async def test() -> None:
        proxied = b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https, https\r\n"
        settings = "visitor_cookie: {same_site: none, partitioned: true}\n"
        assert b"; SameSite=None; Secure; Partitioned\r\n" in await answered(tmp_path, settings, proxied, b"")
        assert b"; SameSite=Lax\r\n" in await answered(tmp_path, settings, b"", b"")

    run(test)


def test_a_response_that_shared_caches_may_store_carries_no_cookie(tmp_path: Path) -> None:
    async def test() -> None:
        head = await answered(tmp_path, "", b"", b"Cache-Control: public, max-age=60\r\n")
        assert b"Set-Cookie" not in head
        assert b"Cache-Control: public, max-age=60\r\n" in head
        assert b"Set-Cookie" in await answered(tmp_path, "", b"", b"Cache-Control: private\r\n")

    run(test)


def test_a_response_is_made_private_for_the_cookie_where_the_setting_says_so(tmp_path: Path) -> None:
    async def test() -> None:
        settings = "visitor_cookie: {shared_caches: private}\n"
        head = await answered(tmp_path, settings, b"", b"Cache-Control: public, max-age=60\r\n")
        assert b"Set-Cookie: strangler_visitor=" in head
        assert b"Cache-Control: private, max-age=60\r\n" in head

    run(test)
