"""A real Redis on a free port, without persistence, that a test may stop, pause and start again."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType

import redis

from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

PROGRAM = shutil.which("redis-server")


class RedisServer:
    """Runs from entering to leaving, with `options` of the command line besides."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen([PROGRAM, *options, *self.options], stdout=subprocess.DEVNULL)
        wait_for(self._answers, "Redis to answer")

    def stop(self) -> None:
        """Kill it; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def pause(self) -> None:
        """Have it hold its connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | int | bytes) -> object:
        """What Redis answers to a command."""
        with redis.Redis.from_url(self.url) as client:
            found: object = client.execute_command(*words)
            return found

    def keys(self) -> list[bytes]:
        """All keys."""
        with redis.Redis.from_url(self.url) as client:
            found: list[bytes] = list(client.scan_iter())
            return found

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
