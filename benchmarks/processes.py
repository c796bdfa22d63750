"""Child processes: started in a session of their own, watched by pid, always ended by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.measure import tree

READY_WITHIN = 20.0
STOP_WITHIN = 10.0


class NotRunnable(Exception):
    """A contender is missing, can't do the job or did not start; the text says which."""


class Process:
    """A running program and its descendants; a context manager that ends all of them."""

    def __init__(self, name: str, command: Sequence[str | Path], directory: Path) -> None:
        """Start `command` in `directory`; its output is appended to output.log there."""
        self.name = name
        self.output = directory / "output.log"
        self._seen: set[int] = set()
        with self.output.open("ab") as output:
            # A session of its own: Ctrl-C reaches only the benchmark, which then ends its children in order.
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process that was started; its workers are among `pids()`."""
        return self._popen.pid

    def pids(self) -> list[int]:
        """The process and all its living descendants, the process itself first."""
        pids = tree(self._popen.pid)
        self._seen.update(pids)
        return pids

    def workers(self) -> list[int]:
        """Those that handle traffic: the descendants, or the process itself if it has none."""
        pids = self.pids()
        return pids[1:] or pids

    def wait_ready(self, url: str) -> None:
        """Return when `url` answers below 500; raises NotRunnable when it does not in time."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self._popen.poll() is not None:
                raise NotRunnable(f"ended with code {self._popen.returncode}: {self.last_words()}")
            try:
                # A benchmark's own certificate, on loopback.
                with urllib.request.urlopen(url, timeout=2, context=ssl._create_unverified_context()):
                    return
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise NotRunnable(f"not ready within {READY_WITHIN:.0f} s: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what it printed, for an error message."""
        text = self.output.read_bytes()[-2000:].decode(errors="replace").strip()
        return " | ".join(text.splitlines()[-3:]) or "(printed nothing)"

    def trim_logs(self) -> None:
        """Empty the log files, which grow by tens of megabytes a measurement; all writers append."""
        for path in self.output.parent.glob("*.log"):
            os.truncate(path, 0)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for whatever of it is still there; returns when nothing is."""
        with contextlib.suppress(ProcessLookupError):
            self.pids()
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOP_WITHIN)
        for pid in self._seen:
            if self._is_ours(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._popen.wait()

    def _is_ours(self, pid: int) -> bool:
        # The pid may have been given to a stranger since; the session can't have been.
        try:
            return os.getsid(pid) == self._popen.pid
        except ProcessLookupError:
            return False

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
