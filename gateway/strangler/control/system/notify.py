"""Reports the service's state to systemd (sd_notify(3)): datagrams to the socket that NOTIFY_SOCKET names.

Without NOTIFY_SOCKET nothing is sent. A service manager that can't be reached
is no reason to stop serving; that is logged once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger(part="control")


class ServiceManager:
    """The service manager, if there is one; `environment` is the process's own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._failed = False
        self.watchdog_interval = None if self._address is None else _watchdog_interval(environment)

    def ready(self) -> None:
        """Every worker serves by the newest configuration; also the end of `reloading`."""
        self._send("READY=1", "STATUS=Serving")

    def reloading(self) -> None:
        """A reload has started."""
        # The time distinguishes this reload's READY from an earlier one's.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The gateway drains."""
        self._send("STOPPING=1", "STATUS=Draining")

    def alive(self) -> None:
        """The watchdog's sign of life, due within twice `watchdog_interval` seconds."""
        self._send("WATCHDOG=1")

    async def keep_alive(self) -> None:
        """Send the watchdog's signs of life until cancelled, if the service manager wants any."""
        while self.watchdog_interval is not None:
            self.alive()
            await asyncio.sleep(self.watchdog_interval)

    def status(self, text: str) -> None:
        """The text that `systemctl status` shows."""
        self._send(f"STATUS={text}")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # The control process must not wait for a manager that does not read.
            sender.setblocking(False)
            try:
                sender.sendto("\n".join(lines).encode(), self._address)
            except OSError as error:
                if not self._failed:
                    log.warning("the service manager can't be reached", state=lines[0], error=str(error))
                self._failed = True


def _address(named: str) -> str | None:
    """The address of the socket: a path, or a name in Linux's abstract namespace behind `@`."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else None


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """The seconds between signs of life, half the allowed time (sd_watchdog_enabled(3)); None where none are wanted."""
    allowed = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", "")
    if not allowed.isdigit() or int(allowed) == 0 or (meant and meant != str(os.getpid())):
        return None
    return int(allowed) / 2_000_000
