"""What systemd hears, on a socket of the test's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.control.system.notify import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def heard(manager: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_it_hears_ready_reloading_and_stopping(manager: socket.socket) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.getsockname()})
    service.ready()
    assert heard(manager)["READY"] == "1"
    service.reloading()
    reloading = heard(manager)
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    service.stopping()
    assert heard(manager)["STOPPING"] == "1"


def test_a_name_in_the_abstract_namespace_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(b"\0strangler-test-" + str(os.getpid()).encode())
        listening.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": f"@strangler-test-{os.getpid()}"}).alive()
        assert heard(listening) == {"WATCHDOG": "1"}


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
    ],
)
def test_a_watchdog_hears_twice_as_often_as_it_must(
    manager: socket.socket, environment: dict[str, str], interval: float | None
) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.getsockname(), **environment})
    assert service.watchdog_interval == interval


def test_without_a_manager_nothing_happens() -> None:
    service = ServiceManager({"WATCHDOG_USEC": "3000000"})
    assert service.watchdog_interval is None
    service.ready()


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    service.ready()
    service.stopping()
