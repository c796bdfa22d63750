"""A real NATS server with JetStream on a free port, that a test may kill and start again; what it confirmed is kept."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.extracted.shop import wait_until
from tests.free_ports import free_ports

PROGRAM = Path(sys.executable).with_name("nats-server")


class NatsServer:
    """Runs from entering to leaving."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        # Each message is on the disk before it is confirmed.
        configuration = self._folder / "nats.conf"
        store = self._folder / "jetstream"
        configuration.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{store}", sync_interval: always }}\n'
        )
        self._process = subprocess.Popen([PROGRAM, "-c", configuration], stderr=subprocess.DEVNULL)
        wait_until(self._accepts, "NATS accepts connections")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
