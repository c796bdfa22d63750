"""The running configuration: loaded at the start, reloaded on request and when its files change.

An invalid configuration is an error at the start. Later the running one stays,
and `problems` says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from strangler.config.load import ConfigurationError, Loaded, load
from strangler.control import messages
from strangler.control.system.watch import POLL, Watch, digests
from strangler.model.snapshot import Snapshot
from strangler.pickle_stream import framed

log = structlog.get_logger(part="control")


class RunningConfiguration:
    """The configuration of the file `path`.

    `on_change` gets each configuration that takes the place of another, with
    the message that has workers serve by it. `fixed` names the addresses that
    the command line gives, whatever the file says. Raises ConfigurationError.
    """

    def __init__(self, path: Path, on_change: Callable[[Loaded, bytes], None], fixed: Collection[str] = ()) -> None:
        self.path = path
        self.loaded = load(path)
        self.loaded_at = datetime.now(UTC)
        self.problems: list[str] = []
        self.files = Watch()
        self._seen: Mapping[str, str] = digests(self.loaded.watched)
        self._on_change = on_change
        self._fixed = fixed
        self._reloading = asyncio.Lock()

    @property
    def snapshot(self) -> Snapshot:
        """The running snapshot."""
        return self.loaded.snapshot

    async def reload(self, reason: str) -> None:
        """Load the files again and serve by them; an invalid configuration leaves the running one in place."""
        async with self._reloading:
            was_invalid = bool(self.problems)
            loaded = await self._load(reason)
            if loaded is None:
                return
            before = self.snapshot
            if loaded.snapshot.version == before.version:
                if was_invalid:
                    log.info("configuration is valid again, and the same as the running one", version=before.version)
                return
            for name in ("listen", "admin"):
                if name not in self._fixed and getattr(loaded.snapshot, name) != getattr(before, name):
                    log.warning("a changed address takes effect at the next start", setting=name)
            message = await asyncio.to_thread(framed, messages.Apply(loaded.snapshot))
            self.loaded = loaded
            self.loaded_at = datetime.now(UTC)
            self._on_change(loaded, message)
            log.info("configuration reloaded", reason=reason, version=self.snapshot.version)

    async def _load(self, reason: str) -> Loaded | None:
        """What the files say now; None, and `problems` why, where that can't be used."""
        try:
            loaded = await self.files.read(lambda: load(self.path))
        except ConfigurationError as error:
            self.problems = [str(problem) for problem in error.problems]
            log.error("configuration is invalid, keeping the running one", reason=reason, problems=self.problems)
            return None
        except Exception as error:
            # The next change of the files must still be seen.
            self.problems = [str(error)]
            unexpected = None if isinstance(error, OSError) else error
            log.error(
                "configuration can't be read, keeping the running one",
                reason=reason,
                error=repr(error),
                exc_info=unexpected,
            )
            return None
        self.problems = []
        return loaded

    async def watch(self, on_files: Callable[[Collection[str]], Awaitable[None]]) -> None:
        """Reload whenever a watched file changes; `on_files` first gets the paths of those that changed."""
        while True:
            try:
                before, self._seen = self._seen, await self.files.changed(self.loaded.watched, self._seen)
                paths = before.keys() | self._seen.keys()
                await on_files({path for path in paths if before.get(path) != self._seen.get(path)})
                await self.reload("a file changed")
            except Exception as error:
                # The next change of the files must still be seen.
                self.files.failed(error)
                log.error("a change of the files could not be applied", exc_info=error)
                await asyncio.sleep(POLL)

    def as_json(self) -> dict[str, Any]:
        """Which configuration runs, and what is wrong with the newest."""
        return {
            "path": str(self.path),
            "version": self.snapshot.version,
            "loaded_at": self.loaded_at.isoformat(timespec="seconds"),
            "valid": not self.problems,
            "problems": self.problems,
            "warnings": [str(warning) for warning in self.loaded.warnings],
        }
