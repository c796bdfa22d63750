"""How a key set is fetched and kept: from a URL, a file, or by discovery (checklist 47 and 48)."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from strangler.auth.keys import parse_key_set
from strangler.control.key_sets import source as fetch
from strangler.control.key_sets.source import LARGEST_DOCUMENT, KeySetSource
from strangler.model.auth import Provider
from tests.auth.issuing import PROVIDER, Issuer

URL = "https://id.shop.example/keys"
DISCOVERY = "https://id.shop.example/.well-known/openid-configuration"
BY_URL = replace(PROVIDER, jwks_file=None, jwks_url=URL)
BY_DISCOVERY = replace(PROVIDER, jwks_file=None, discovery_url=DISCOVERY)


@pytest.fixture
def web() -> Iterator[respx.MockRouter]:
    """The web, of which nothing answers but what a test registers."""
    with respx.mock(assert_all_called=False) as router:
        yield router


class Kept:
    """A source, and the documents that it has handed on."""

    def __init__(self, provider: Provider = BY_URL) -> None:
        self.handed_on: list[bytes | None] = []
        self.source = KeySetSource(provider, lambda source: self.handed_on.append(source.document))

    def fetch(self) -> bool:
        """Fetch once; whether a good set came."""
        return asyncio.run(self.source.fetch())

    def failure(self) -> str:
        """What is said of a fetch that must fail."""
        assert self.fetch() is False
        assert self.source.last_error is not None
        return self.source.last_error


def document(issuer: Issuer, *names: str) -> bytes:
    """The key set document of the keys with these names."""
    return json.dumps({"keys": [issuer.keys[name].public_jwk() for name in names]}).encode()


NO_KEY = "it has no key that can verify RS256, PS256, ES256, ES384, EdDSA"


def in_time(work: Coroutine[Any, Any, Any]) -> None:
    """Run `work`, which must come to its end."""

    async def limited() -> None:
        async with asyncio.timeout(20):
            await work

    asyncio.run(limited())


class Endless(httpx.AsyncByteStream):
    """A body that comes a byte at a time and never ends."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.005)


# Where it comes from


def test_a_key_set_is_fetched_from_its_url(web: respx.MockRouter, issuer: Issuer) -> None:
    route = web.get(URL).respond(content=document(issuer, "es256"))
    kept = Kept()
    assert kept.fetch()
    assert kept.handed_on == [document(issuer, "es256")]
    assert kept.source.document == document(issuer, "es256")
    assert kept.source.last_error is None
    assert kept.source.fetched_at is not None
    assert route.calls.last.request.headers["Accept"] == "application/json"


def test_a_key_set_is_read_from_its_file(tmp_path: Path, issuer: Issuer) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(document(issuer, "es256"))
    kept = Kept(replace(PROVIDER, jwks_file=str(file)))
    assert kept.fetch()
    file.unlink()
    assert str(file) in kept.failure()
    assert kept.source.document == document(issuer, "es256")


def test_an_unchanged_key_set_is_not_published_again(web: respx.MockRouter, issuer: Issuer) -> None:
    web.get(URL).respond(content=document(issuer, "es256"))
    kept = Kept()
    assert kept.fetch()
    assert kept.fetch()
    assert len(kept.handed_on) == 1


def test_a_key_that_the_issuer_removes_is_removed(web: respx.MockRouter, issuer: Issuer) -> None:
    route = web.get(URL)
    route.side_effect = [httpx.Response(200, content=document(issuer, *names)) for names in (("es256", "ed"), ("ed",))]
    kept = Kept()
    assert kept.fetch()
    assert kept.fetch()
    assert kept.source.document is not None
    assert list(parse_key_set(kept.source.document).keys) == ["ed-1"]
    assert kept.handed_on[-1] == kept.source.document


def test_unusable_keys_are_listed_with_the_reason(web: respx.MockRouter, issuer: Issuer) -> None:
    entries = [issuer.keys["es256"].public_jwk(use="enc"), issuer.keys["ed"].public_jwk()]
    web.get(URL).respond(json={"keys": entries})
    kept = Kept()
    assert kept.fetch()
    assert kept.source.skipped == ("key es-256: it is not for signatures (use)",)


# Discovery


def test_discovery_fetches_from_the_url_in_the_document(web: respx.MockRouter, issuer: Issuer) -> None:
    elsewhere = "https://keys.shop.example/now"
    web.get(DISCOVERY).respond(json={"issuer": PROVIDER.issuer, "jwks_uri": elsewhere})
    web.get(elsewhere).respond(content=document(issuer, "rsa"))
    kept = Kept(BY_DISCOVERY)
    assert kept.fetch()
    assert kept.source.document == document(issuer, "rsa")


def test_discovery_follows_an_issuer_that_moves_its_keys(web: respx.MockRouter, issuer: Issuer) -> None:
    old, new = "https://keys.shop.example/1", "https://keys.shop.example/2"
    web.get(DISCOVERY).side_effect = [
        httpx.Response(200, json={"issuer": PROVIDER.issuer, "jwks_uri": url}) for url in (old, new)
    ]
    web.get(old).respond(content=document(issuer, "rsa"))
    web.get(new).respond(content=document(issuer, "ed"))
    kept = Kept(BY_DISCOVERY)
    assert kept.fetch()
    assert kept.fetch()
    assert kept.source.document == document(issuer, "ed")


@pytest.mark.parametrize("named", ["https://evil.example", PROVIDER.issuer + "/", PROVIDER.issuer.upper(), None, 1, ""])
def test_the_discovery_document_of_another_issuer_is_refused(
    web: respx.MockRouter, issuer: Issuer, named: object
) -> None:
    web.get(DISCOVERY).respond(json={"issuer": named, "jwks_uri": URL})
    keys = web.get(URL).respond(content=document(issuer, "rsa"))
    kept = Kept(BY_DISCOVERY)
    assert kept.failure() == f"{DISCOVERY} describes another issuer than {PROVIDER.issuer}"
    assert not keys.called
    assert kept.source.document is None


@pytest.mark.parametrize(
    "named",
    ["http://id.shop.example/keys", "file:///etc/passwd", "ftp://x/", "//x/keys", "/keys", "", "https://", None, 5, []],
)
def test_a_discovered_key_set_without_https_is_refused(web: respx.MockRouter, named: object) -> None:
    web.get(DISCOVERY).respond(json={"issuer": PROVIDER.issuer, "jwks_uri": named})
    assert Kept(BY_DISCOVERY).failure() == f"{DISCOVERY} names a key set that is not served over https"


@pytest.mark.parametrize(
    "named",
    ["https://id.shop.example:99999/", "https://[::1/", "https://a\n.b/", "https://x/\ud800", "https://xn--/"],
)
def test_a_discovered_key_set_with_an_invalid_url_is_refused(web: respx.MockRouter, named: str) -> None:
    web.get(DISCOVERY).respond(content=json.dumps({"issuer": PROVIDER.issuer, "jwks_uri": named}).encode())
    assert Kept(BY_DISCOVERY).failure()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"null", b"<html>", b"\xff\xfe", b'{"issuer": 1}', b"[" * 100_000]
)
def test_an_invalid_discovery_document_is_refused(web: respx.MockRouter, content: bytes) -> None:
    web.get(DISCOVERY).respond(content=content)
    assert f"{DISCOVERY} is not a discovery document" in Kept(BY_DISCOVERY).failure()


# What goes wrong


async def hangs(request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


TOO_LARGE = b" " * (LARGEST_DOCUMENT + 1)

FAILURES: dict[str, tuple[Any, str]] = {
    "refused": (httpx.ConnectError("refused"), f"{URL} can't be fetched: ConnectError refused"),
    "broken off": (httpx.RemoteProtocolError("gone"), f"{URL} can't be fetched: RemoteProtocolError gone"),
    "not found": (httpx.Response(404), f"{URL} responded with 404"),
    "failing": (httpx.Response(500, content=b'{"keys": []}'), f"{URL} responded with 500"),
    "no content": (httpx.Response(204), f"{URL} responded with 204"),
    "redirect": (httpx.Response(302, headers={"Location": "https://evil.example/keys"}), f"{URL} responded with 302"),
    "hangs": (hangs, f"{URL} did not respond in 0.05 s"),
    "trickles": (httpx.Response(200, stream=Endless()), f"{URL} did not respond in 0.05 s"),
    "too large": (httpx.Response(200, content=TOO_LARGE), f"{URL} is larger than 1048576 bytes"),
    "too large once unpacked": (
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(TOO_LARGE)),
        f"{URL} is larger than 1048576 bytes",
    ),
    "broken packing": (
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
        f"{URL} can't be fetched: DecodingError",
    ),
    "not JSON": (httpx.Response(200, content=b"<html>"), "the document is not a JSON Web Key Set"),
    "cut off": (httpx.Response(200, content=b'{"keys": ['), "the document is not a JSON Web Key Set"),
    "no list": (httpx.Response(200, content=b'{"keys": {}}'), "'keys' is not a list"),
    "empty": (
        httpx.Response(200, content=b'{"keys": []}'),
        f"{NO_KEY}: it is empty",
    ),
    "symmetric": (
        httpx.Response(200, json={"keys": [{"kty": "oct", "kid": "s", "k": "AAAA"}]}),
        f"{NO_KEY}: key s: its kty 'oct' is not one of RSA, EC, OKP",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_fetch_keeps_the_last_key_set_and_reports_the_error(
    web: respx.MockRouter, issuer: Issuer, failure: str
) -> None:
    answer, said = FAILURES[failure]
    good = document(issuer, "es256")
    evil = web.get("https://evil.example/keys").respond(content=document(issuer, "ed"))
    route = web.get(URL)
    kept = Kept(replace(BY_URL, timeout=0.05))
    route.respond(content=good)
    assert kept.fetch()
    fetched_at = kept.source.fetched_at
    route.mock(side_effect=answer if callable(answer) or isinstance(answer, Exception) else [answer])
    with capture_logs() as logs:
        assert said in kept.failure()
    assert not evil.called
    assert kept.source.document == good
    assert kept.handed_on == [good]
    assert kept.source.fetched_at == fetched_at
    [line] = logs
    assert line["event"] == "key set can't be fetched"
    assert line["provider"] == "shop"
    assert line["kept"] is True
    route.mock(side_effect=None, return_value=httpx.Response(200, content=good))
    assert kept.fetch()
    assert kept.source.last_error is None


def test_a_first_fetch_that_fails_publishes_that_there_are_no_keys(web: respx.MockRouter) -> None:
    web.get(URL).respond(503)
    kept = Kept()
    with capture_logs() as logs:
        assert kept.failure() == f"{URL} responded with 503"
    assert kept.source.document is None
    assert kept.handed_on == [None]
    assert logs[0]["kept"] is False


def test_a_source_takes_over_only_a_key_set_from_the_same_place(web: respx.MockRouter, issuer: Issuer) -> None:
    web.get(URL).respond(content=document(issuer, "es256"))
    earlier, same, moved = Kept(), Kept(replace(BY_URL, leeway=1.0)), Kept(replace(BY_URL, jwks_url=URL + "2"))
    assert earlier.fetch()
    for later in (same, moved):
        later.source.take_over(earlier.source)
    assert same.source.document == document(issuer, "es256")
    assert same.source.fetched_at == earlier.source.fetched_at
    assert moved.source.document is None


def test_a_key_id_with_a_lone_surrogate_is_harmless(web: respx.MockRouter, issuer: Issuer) -> None:
    """A lone surrogate is JSON (RFC 8259 section 8.2), but no text that a log can hold."""
    entries = [{"kty": "RSA", "kid": "\ud800", "use": "enc"}, {"kty": "EC", "kid": "c", "crv": "\ud800"}]
    web.get(URL).respond(content=json.dumps({"keys": [*entries, issuer.keys["ed"].public_jwk()]}).encode())
    kept = Kept()
    assert kept.fetch()
    assert len(kept.source.skipped) == 2
    for reason in kept.source.skipped:
        reason.encode("utf-8")


# How often


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock of the source, in seconds."""
    now = [1000.0]
    monkeypatch.setattr(fetch, "monotonic", lambda: now[0])
    return now


def test_many_unknown_keys_cause_one_fetch(web: respx.MockRouter, issuer: Issuer) -> None:
    route = web.get(URL).respond(content=document(issuer, "es256"))
    source = Kept().source

    async def flood() -> None:
        await asyncio.gather(*(source.refetch() for _ in range(50)))

    in_time(flood())
    assert route.call_count == 1


def test_fetches_for_unknown_keys_keep_the_refetch_floor(
    web: respx.MockRouter, issuer: Issuer, clock: list[float]
) -> None:
    route = web.get(URL).respond(content=document(issuer, "es256"))
    source = Kept(replace(BY_URL, refetch_floor=10.0)).source
    assert source.refetch_after == 0.0

    async def refetches() -> None:
        for _ in range(100):
            await source.refetch()
            clock[0] += 0.5

    in_time(refetches())
    assert route.call_count == 5
    assert source.refetch_after == 0.0
    in_time(source.refetch())
    clock[0] += 4.0
    assert source.refetch_after == 6.0


def test_a_failed_fetch_counts_for_the_refetch_floor(web: respx.MockRouter, clock: list[float]) -> None:
    route = web.get(URL).respond(500)
    source = Kept().source

    async def twice() -> None:
        await source.refetch()
        await source.refetch()

    in_time(twice())
    assert route.call_count == 1
    assert source.refetch_after == BY_URL.refetch_floor


def test_a_key_set_is_fetched_at_once_and_then_periodically(web: respx.MockRouter, issuer: Issuer) -> None:
    enough = asyncio.Event()
    route = web.get(URL)

    def answer(request: httpx.Request) -> httpx.Response:
        if route.call_count >= 3:
            enough.set()
        return httpx.Response(200, content=document(issuer, "es256"))

    route.side_effect = answer

    async def run() -> None:
        running = asyncio.create_task(Kept(replace(BY_URL, refresh=0.01)).source.run())
        await enough.wait()
        running.cancel()

    in_time(run())


def test_pauses_are_the_refresh_and_double_after_failures(
    web: respx.MockRouter, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = httpx.Response(200, content=document(issuer, "es256")), httpx.Response(500)
    web.get(URL).side_effect = [good, *[bad] * 8, good, bad]
    pauses: list[float] = []

    class Over(Exception):
        pass

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 11:
            raise Over

    monkeypatch.setattr("strangler.control.key_sets.source.asyncio.sleep", pause)
    with pytest.raises(Over):
        asyncio.run(Kept(replace(BY_URL, refresh=600.0)).source.run())
    longest = [600, 1, 2, 4, 8, 16, 32, 60, 60, 600, 1]
    for seconds, limit in zip(pauses, longest, strict=True):
        assert 0.9 * limit <= seconds <= limit


def test_a_refresh_shorter_than_the_pause_after_a_failure_wins(
    web: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.get(URL).respond(500)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("strangler.control.key_sets.source.asyncio.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(Kept(replace(BY_URL, refresh=3.0)).source.run())
    assert max(pauses) <= 3.0
