"""The judge as the control process sees it: started with the first shadow, told, replaced when it dies.

The socket that workers connect to is held here, in a folder that only this
user can enter, so that a judge that dies takes no connection attempt with it.
A judge that can't be started, or says nothing any more, is a reason in
`problems`, never one for the gateway not to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from strangler.config.load import Loaded
from strangler.control import messages
from strangler.control.system.isolated import python_module
from strangler.control.system.process_figures import Peak
from strangler.control.system.signals import signals_held
from strangler.model.snapshot import Snapshot
from strangler.pickle_stream import framed, read_message
from strangler.shadow.evidence.epoch_settings import epoch_settings

log = structlog.get_logger(part="judge")

BACKLOG = 256
RESTART = 1.0
START_DEADLINE = 15.0
"""Seconds for which the gateway is not ready while its first judge starts: callers don't need one."""
LONGEST_RESTART = 30.0
STOP_DEADLINE = 11.0
"""Seconds for the judge's own deadlines at its end, and one more."""
SILENT_AFTER = 60.0
"""A judge that reports nothing for so many seconds, instead of every two, is replaced."""
LATE = 15.0
SHARED_MEMORY = "/dev/shm"
"""Writable, as a rule, in a container whose root is not and that has no folder of temporary files."""
_FAILED = "failed to answer"
_COMPARED = ("match", "ignored", "mismatch", "unsteady", "lag")


class JudgeLink:
    """Keeps a judge running from the first snapshot on that shadows anything.

    `on_start` gets the socket's path, `on_judged` each of its reports. The
    socket is in the folder of temporary files, else in `folder`.
    """

    def __init__(
        self,
        on_start: Callable[[str], None],
        on_judged: Callable[[messages.Judged], None],
        folder: Path | None = None,
    ) -> None:
        self.restarts = 0
        self.judged = messages.Judged({}, {}, None, frozenset())
        self.pid: int | None = None
        self.ready = False
        self._began = 0.0
        self.store_errors = 0
        self.lost = 0
        self.lag = Peak()
        self._other_folder = folder
        self._heard = monotonic()
        self._start_error: str | None = None
        self._on_start = on_start
        self._on_judged = on_judged
        self._snapshot: Snapshot | None = None
        self._by: messages.JudgeBy | None = None
        self._folder: Path | None = None
        self._listening: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        # What judges that have died had found: counters never go back.
        self._before: dict[str, dict[tuple[str, str], int]] = {}

    def apply(self, loaded: Loaded) -> None:
        """Judge by what was `loaded`; start a judge if one is needed now."""
        snapshot = self._snapshot = loaded.snapshot
        model = loaded.model
        comparisons = {str(name): (model.compare, section.compare) for name, section in model.migrations.items()}
        settings = {name: epoch_settings(model, name) for name in comparisons}
        self._by = messages.JudgeBy(snapshot, comparisons, settings)
        if self._running is None:
            if all(migration.shadow is None for migration in snapshot.migrations.values()):
                return
            self._began = self._heard = monotonic()
            self._running = asyncio.create_task(self._keep_running())
        self._tell(self._by)

    async def stop(self) -> None:
        """Let the judge finish what the workers have sent, and remove the socket."""
        self._stopping = True
        if self._running is None:
            return
        self._tell(messages.Drain(STOP_DEADLINE))
        if self._writer is None:
            self._running.cancel()
        await asyncio.wait([self._running], timeout=STOP_DEADLINE)
        if not self._running.done():
            log.warning("judge did not stop in time")
            self._lose("the judge did not stop in time")
            self._running.cancel()
            await asyncio.wait([self._running], timeout=1.0)
        if self._listening is not None:
            self._listening.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def problems(self) -> list[str]:
        """What is wrong with judging and with keeping what it finds; nothing where nobody judges."""
        if self._running is None:
            return []
        found = []
        silent = monotonic() - self._heard
        if self._start_error is not None:
            found.append(f"the judge does not run: {self._start_error}")
        elif silent > LATE:
            found.append(f"the judge has not reported for {silent:.0f} s")
        if self.judged.store_error is not None:
            found.append(f"evidence can't be stored: {self.judged.store_error}")
        return found

    def _lose(self, why: str) -> None:
        """What the judge had not written is gone with it."""
        unwritten = self.judged.writing.unwritten
        self.store_errors += self.judged.writing.errors
        self.lost += self.judged.writing.lost + unwritten
        if unwritten:
            log.error("evidence is lost", pairs=unwritten, why=why, error=self.judged.store_error)

    def outcomes(self) -> dict[str, dict[tuple[str, str], int]]:
        """By migration, how often each outcome came with which reason or rule, since the control process began."""
        # A series that begins with its first event has no rate at that moment.
        begun = {name: {(word, ""): 0 for word in (*_COMPARED, _FAILED)} for name in self.shadowed()}
        return _sum(_sum(begun, self._before), self.judged.outcomes)

    def shadowed(self) -> list[str]:
        """The migrations that are shadowed."""
        migrations = self._snapshot.migrations if self._snapshot is not None else {}
        return [name for name, migration in migrations.items() if migration.shadow is not None]

    def as_json(self) -> dict[str, Any]:
        """What the judge found since the control process began, by migration."""
        if self._running is None:
            return {}
        shown = {}
        outcomes = self.outcomes()
        for name in self.shadowed():
            counts = outcomes.get(name, {})
            shown[name] = {
                **{word: sum(n for (outcome, _), n in counts.items() if outcome == word) for word in _COMPARED},
                "failed": {reason: n for (outcome, reason), n in counts.items() if outcome == _FAILED and reason},
                "not_compared": {reason: n for (outcome, reason), n in counts.items() if outcome == "not compared"},
                "problem": self.judged.problems.get(name)
                or ("no request has come yet" if not any(counts.values()) else None),
                "store_error": self.judged.store_error,
            }
        writing = self.judged.writing
        return {
            "judge": self.pid,
            "ready": self.ready,
            "judge_restarts": self.restarts,
            "store": {
                "error": self.judged.store_error,
                "errors": self.store_errors + writing.errors,
                "unwritten_pairs": writing.unwritten,
                "oldest_unwritten_seconds": round(writing.oldest, 1),
                "lost_pairs": self.lost + writing.lost,
            },
            "migrations": shown,
        }

    def why_not_ready(self) -> str | None:
        """Why requests of shadowed migrations would be left out, or None; a judge that is late is not waited for."""
        if self._running is None or self.ready or self.restarts or monotonic() - self._began > START_DEADLINE:
            return None
        return "the judge of shadowed requests is being started"

    def _tell(self, message: object) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(framed(message))

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stopping:
            began = monotonic()
            try:
                self._open()
                reason = f"exit code {await self._run()}"
            except OSError as error:
                # No process, no descriptor or no place for a socket is left: that passes.
                reason = f"it could not be run: {error}"
            self.pid = None
            self.ready = False
            if self._stopping:
                return
            self.restarts += 1
            self._start_error = reason
            self._lose("the judge ended")
            self._before = self.outcomes()
            self.judged = messages.Judged({}, self.judged.problems, self.judged.store_error, self.judged.favoured)
            log.error("judge ended, starting another", reason=reason)
            failures = 0 if monotonic() - began > LONGEST_RESTART else failures + 1
            await asyncio.sleep(min(RESTART * 2 ** min(failures - 1, 16), LONGEST_RESTART) if failures else RESTART)

    def _open(self) -> None:
        """Have the socket for workers. Raises OSError where there is no place for it."""
        if self._listening is not None:
            return
        self._folder = _private_folder(self._other_folder)
        path = str(self._folder / "judge")
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(path)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._listening = listening
        self._on_start(path)

    async def _run(self) -> int:
        assert self._listening is not None
        ours, theirs = socket.socketpair()
        try:
            with signals_held():
                process = await asyncio.create_subprocess_exec(
                    *python_module("strangler.control.judge.main"),
                    str(self._listening.fileno()),
                    str(theirs.fileno()),
                    pass_fds=(self._listening.fileno(), theirs.fileno()),
                )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = process.pid
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            assert self._by is not None
            self._tell(self._by)
            self._heard = monotonic()
            while (message := await self._next_message(reader, process)) is not None:
                if isinstance(message, messages.Judged):
                    self._report(message)
            return await process.wait()
        finally:
            self._writer.close()
            self._writer = None
            if process.returncode is None:
                process.kill()

    async def _next_message(self, reader: asyncio.StreamReader, process: asyncio.subprocess.Process) -> object:
        try:
            async with asyncio.timeout(SILENT_AFTER):
                return await read_message(reader)
        except TimeoutError:
            log.error("judge is silent, killed", pid=process.pid, seconds=SILENT_AFTER)
            process.kill()
            return None

    def _report(self, judged: messages.Judged) -> None:
        for name, problem in judged.problems.items():
            if name not in self.judged.problems:
                log.warning("the shadow of a migration compares nothing", migration=name, problem=problem)
        self.judged = judged
        self.lag.add(judged.loop_lag)
        self.ready = True
        self._heard = monotonic()
        self._start_error = None
        self._on_judged(judged)


def _private_folder(other: Path | None) -> Path:
    """A new folder that only this user can enter. Raises OSError where there is no place for one."""
    try:
        return Path(tempfile.mkdtemp(prefix="strangler-"))
    except OSError as error:
        # The root is read-only, and there is no /tmp.
        for place in (other, Path(SHARED_MEMORY)):
            if place is not None and os.access(place, os.W_OK):
                with contextlib.suppress(OSError):
                    return Path(tempfile.mkdtemp(prefix="strangler-", dir=place))
        raise OSError(error.errno, f"no folder for the judge's socket: {error.strerror}; set TMPDIR") from error


def _sum(
    first: dict[str, dict[tuple[str, str], int]], second: dict[str, dict[tuple[str, str], int]]
) -> dict[str, dict[tuple[str, str], int]]:
    total = {name: dict(counts) for name, counts in first.items()}
    for name, counts in second.items():
        known = total.setdefault(name, {})
        for key, count in counts.items():
            known[key] = known.get(key, 0) + count
    return total
