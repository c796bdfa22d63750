"""The key sets of all providers of the running configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from strangler.control.key_sets.source import KeySetSource
from strangler.control.messages import Keys
from strangler.model.auth import Provider
from strangler.observe.background_tasks import BackgroundTasks

log = structlog.get_logger(part="keys")

UNKNOWN_PROVIDER_PAUSE = 60.0
"""Seconds for which a worker need not ask again about a provider that the configuration no longer has."""


@dataclass(frozen=True, slots=True)
class _Running:
    source: KeySetSource
    fetching: asyncio.Task[None]


class ProviderKeys:
    """Runs a source for each provider that has its keys elsewhere; `on_keys` gets what workers verify with."""

    def __init__(self, on_keys: Callable[[Keys], None]) -> None:
        self._on_keys = on_keys
        self._running: dict[str, _Running] = {}
        self._tasks = BackgroundTasks(log)

    def apply(self, providers: Mapping[str, Provider]) -> None:
        """Fetch the keys of `providers`; a provider that has not changed keeps its source."""
        wanted = {
            name: provider
            for name, provider in providers.items()
            if provider.secret is None and provider.session is None
        }
        earlier: dict[str, KeySetSource] = {}
        for name, running in list(self._running.items()):
            if wanted.get(name) != running.source.provider:
                running.fetching.cancel()
                del self._running[name]
                earlier[name] = running.source
        for name, provider in wanted.items():
            if name not in self._running:
                self._running[name] = self._start(provider, earlier.get(name))

    def _start(self, provider: Provider, earlier: KeySetSource | None) -> _Running:
        source = KeySetSource(provider, self._publish)
        if earlier is not None:
            source.take_over(earlier)
        return _Running(source, self._tasks.start(source.run(), f"keys of {provider.name}"))

    @property
    def sources(self) -> dict[str, KeySetSource]:
        """The sources by their provider's name."""
        return {name: running.source for name, running in self._running.items()}

    @property
    def complete(self) -> bool:
        """Whether every provider has keys."""
        return all(running.source.document is not None for running in self._running.values())

    def refetch(self, provider: str) -> None:
        """Fetch the keys of `provider` because a token names an unknown one, at most once in its `refetch_floor`."""
        running = self._running.get(provider)
        if running is None:
            self._on_keys(Keys(provider, None, UNKNOWN_PROVIDER_PAUSE))
        else:
            self._tasks.start(self._refetch(running.source), f"refetch of the keys of {provider}")

    async def _refetch(self, source: KeySetSource) -> None:
        await source.refetch()
        self._publish(source)

    async def fetch_from(self, files: Collection[str]) -> None:
        """Read the key sets of the providers whose key set is one of `files`."""
        for source in self.sources.values():
            if source.provider.jwks_file in files:
                await source.fetch()

    def stop(self) -> None:
        """Fetch no more."""
        for running in self._running.values():
            running.fetching.cancel()

    def as_json(self) -> dict[str, Any]:
        """The state of each key set, by provider."""
        return {
            name: {
                "keys": source.document is not None,
                "fetched_at": source.fetched_at,
                "last_error": source.last_error,
                "skipped": list(source.skipped),
            }
            for name, source in self.sources.items()
        }

    def _publish(self, source: KeySetSource) -> None:
        running = self._running.get(source.provider.name)
        if running is None or running.source is not source:
            # The fetch ended after its source was replaced.
            return
        self._on_keys(Keys(source.provider.name, source.document, source.refetch_after))
