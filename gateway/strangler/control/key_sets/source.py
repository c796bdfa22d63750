"""Where a provider's key set comes from, and how it is kept current: a file, a URL, or OpenID discovery.

The last valid set stays while the issuer is down; a set without any usable key
is a failure. A token with an unknown `kid` may cause a fetch, but at most one in
`refetch_floor` seconds, so that made-up key ids can't flood the issuer.
Redirects are not followed: the configuration decides where keys come from.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import httpx
import structlog

from strangler.auth.keys import KeySetError, parse_key_set, why_unusable
from strangler.model.addresses import is_loopback, is_trustworthy
from strangler.model.auth import Provider

log = structlog.get_logger(part="keys")

FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
LARGEST_DOCUMENT = 1_048_576
JITTER = 0.1


class FetchError(Exception):
    """A document can't be fetched or used; the message says why."""


class KeySetSource:
    """Keeps the key set of one provider current.

    `on_change` is called when the key set has changed, and when a fetch failed
    and there is none yet: keys of an earlier source must be forgotten then.
    `document` is the newest valid key set as a JWKS document, None before the
    first. `skipped` names the keys in it that are not used, and why.
    `last_error` is why the newest fetch failed, None where it succeeded.
    """

    def __init__(self, provider: Provider, on_change: Callable[[KeySetSource], None]) -> None:
        self.provider = provider
        self.document: bytes | None = None
        self.skipped: tuple[str, ...] = ()
        self.fetched_at: str | None = None
        self.last_error: str | None = None
        self._on_change = on_change
        self._fetching = asyncio.Lock()
        self._refetch_allowed = 0.0

    @property
    def refetch_after(self) -> float:
        """Seconds until a fetch for an unknown `kid` is allowed again."""
        return max(0.0, self._refetch_allowed - monotonic())

    def take_over(self, earlier: KeySetSource) -> None:
        """Start with the key set of `earlier`, if it comes from the same place."""
        ours, theirs = self.provider, earlier.provider
        if (ours.jwks_file, ours.jwks_url, ours.discovery_url) == (
            theirs.jwks_file,
            theirs.jwks_url,
            theirs.discovery_url,
        ):
            self.document, self.skipped, self.fetched_at = earlier.document, earlier.skipped, earlier.fetched_at
            self._refetch_allowed = earlier._refetch_allowed

    async def run(self) -> None:
        """Fetch now and every `refresh` seconds; after a failure sooner, with pauses that double."""
        wait = FIRST_RETRY
        while True:
            if await self.fetch():
                wait = FIRST_RETRY
                pause = self.provider.refresh
            else:
                pause = min(wait, self.provider.refresh)
                wait = min(wait * 2, LONGEST_RETRY)
            await asyncio.sleep(pause * random.uniform(1 - JITTER, 1))

    async def refetch(self) -> None:
        """Fetch because a token names an unknown key; do nothing within `refetch_floor` seconds of the last time."""
        async with self._fetching:
            if self.refetch_after == 0.0:
                self._refetch_allowed = monotonic() + self.provider.refetch_floor
                await self._fetch()

    async def fetch(self) -> bool:
        """Fetch the key set; whether it is valid."""
        async with self._fetching:
            return await self._fetch()

    async def _fetch(self) -> bool:
        try:
            document = await self._document()
            keys = parse_key_set(document)
            unusable = why_unusable(keys, self.provider.algorithms)
            if unusable is not None:
                raise FetchError(unusable)
        except (FetchError, KeySetError, OSError) as error:
            self.last_error = str(error)
            log.error(
                "key set can't be fetched", provider=self.provider.name, error=self.last_error, kept=bool(self.document)
            )
            if self.document is None:
                self._on_change(self)
            return False
        self.last_error = None
        self.fetched_at = datetime.now(UTC).isoformat(timespec="seconds")
        if document != self.document:
            self.document = document
            self.skipped = keys.skipped
            log.info(
                "key set fetched", provider=self.provider.name, keys=len(keys.all_keys), skipped=list(keys.skipped)
            )
            self._on_change(self)
        return True

    async def _document(self) -> bytes:
        provider = self.provider
        if provider.jwks_file is not None:
            try:
                async with asyncio.timeout(provider.timeout):
                    return await asyncio.to_thread(Path(provider.jwks_file).read_bytes)
            except TimeoutError:
                raise FetchError(f"{provider.jwks_file} could not be read in {provider.timeout:g} s") from None
        url = provider.jwks_url
        if url is None:
            assert provider.discovery_url is not None
            url = await self._discovered(provider.discovery_url)
        return await self._get(url)

    async def _discovered(self, url: str) -> str:
        """The key set's URL in the issuer's discovery document (OpenID Connect Discovery 1.0 section 4.3)."""
        try:
            described = json.loads(await self._get(url))
            issuer, jwks_uri = described["issuer"], described["jwks_uri"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FetchError(f"{url} is not a discovery document: {error!r}") from error
        if issuer != self.provider.issuer:
            raise FetchError(f"{url} describes another issuer than {self.provider.issuer}")
        if not isinstance(jwks_uri, str) or not (
            jwks_uri.isascii() and jwks_uri.isprintable() and is_trustworthy(jwks_uri)
        ):
            raise FetchError(f"{url} names a key set that is not served over https")
        return jwks_uri

    async def _get(self, url: str) -> bytes:
        """The body at `url`; the whole exchange takes at most `timeout` seconds."""
        # HTTPS_PROXY and SSL_CERT_FILE of the environment apply, but not to this machine itself.
        environment = not is_loopback(urlsplit(url).hostname or "")
        try:
            async with (
                asyncio.timeout(self.provider.timeout),
                httpx.AsyncClient(timeout=self.provider.timeout, trust_env=environment) as client,
                client.stream("GET", url, headers={"Accept": "application/json"}) as response,
            ):
                if response.status_code != 200:
                    raise FetchError(f"{url} responded with {response.status_code}")
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_DOCUMENT:
                        raise FetchError(f"{url} is larger than {LARGEST_DOCUMENT} bytes")
                return bytes(body)
        except TimeoutError:
            raise FetchError(f"{url} did not respond in {self.provider.timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise FetchError(f"{url} can't be fetched: {type(error).__name__} {error}") from error
