"""The keys that tokens are checked with, kept fresh.

Keys are fetched when the service starts, every second until there are some, again when they are `refresh`
old, and at once when a token names a key that is not known, but never sooner than `floor` after the last
attempt: a flood of made-up key ids causes no flood of fetches. While fetching fails, the last good keys stay.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.to_thread
import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from order_history_service.key_set import KeySetError, read_key_set

# A key set has a few keys of half a kilobyte each.
MAX_DOCUMENT = 256 * 1024

# How long to wait for another attempt while there are no keys at all, in seconds.
RETRY = 1.0

Fetch = Callable[[], Awaitable[bytes]]

log = structlog.get_logger(__name__)


class NoKeys(Exception):
    """No key was ever fetched, so no token can be told from a forgery."""


class FetchError(Exception):
    """The document could not be had; the message says why."""


class Keys:
    """The newest good key set of one source. For one event loop."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        refresh: float,
        floor: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._refresh = refresh
        self._floor = floor
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._attempts = 0
        self._last_attempt = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def ready(self) -> bool:
        return bool(self._keys)

    async def find(self, kid: str | None) -> RSAPublicKey | None:
        """The key of that id, None if there is none even now; without an id the only key there is.

        Raises `NoKeys` if no keys could be had yet.
        """
        key = self._known(kid)
        if key is None:
            await self._fetch_again()
            key = self._known(kid)
        if not self._keys:
            raise NoKeys
        return key

    async def keep_fresh(self) -> None:
        """Fetch now and whenever the keys have aged; runs until it is cancelled."""
        while True:
            await self._fetch_again(even_if_recent=True)
            await asyncio.sleep(self._refresh if self.ready else min(self._refresh, RETRY))

    def _known(self, kid: str | None) -> RSAPublicKey | None:
        if kid is not None:
            return self._keys.get(kid)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    async def _fetch_again(self, *, even_if_recent: bool = False) -> None:
        attempts = self._attempts
        async with self._lock:
            if self._attempts != attempts:
                return  # Somebody else's attempt ended after we began to wait: its outcome is ours.
            if not even_if_recent and self._clock() - self._last_attempt < self._floor:
                return
            try:
                keys = read_key_set(await self._fetch())
            except (FetchError, KeySetError) as error:
                log.warning("keys not fetched", reason=str(error), kept=len(self._keys))
            else:
                if keys.keys() != self._keys.keys():
                    log.info("keys fetched", kids=sorted(keys))
                self._keys = keys
            finally:
                self._attempts += 1
                self._last_attempt = self._clock()


def key_source(location: str, timeout: float) -> Fetch:
    """How to get the document at a path or an http(s) URL. `timeout`, in seconds, is for the whole fetch."""
    if "://" not in location:
        return lambda: _read_file(location)
    return lambda: _fetch_url(location, timeout)


async def _read_file(path: str) -> bytes:
    def read() -> bytes:
        with Path(path).open("rb") as file:
            return file.read(MAX_DOCUMENT + 1)

    try:
        document = await anyio.to_thread.run_sync(read)
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror}") from error
    _check_size(document)
    return document


async def _fetch_url(url: str, timeout: float) -> bytes:
    # Fetches are minutes apart: a connection kept open would only be stale by then.
    try:
        async with (
            asyncio.timeout(timeout),
            httpx.AsyncClient(timeout=timeout, headers={"Accept": "application/json"}) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != 200:
                raise FetchError(f"{url}: status {response.status_code}")
            document = bytearray()
            async for chunk in response.aiter_bytes():
                document += chunk
                _check_size(document)
            return bytes(document)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise FetchError(f"{url}: {type(error).__name__} {error}".rstrip()) from error


def _check_size(document: bytes | bytearray) -> None:
    if len(document) > MAX_DOCUMENT:
        raise FetchError(f"the key set is larger than {MAX_DOCUMENT} bytes")
