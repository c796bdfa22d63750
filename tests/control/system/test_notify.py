"""What systemd receives, on a socket of the test's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from strangler.control.system.notify import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def received(manager: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_the_manager_receives_ready_reloading_and_stopping(manager: socket.socket) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.getsockname()})
    service.ready()
    assert received(manager)["READY"] == "1"
    service.reloading()
    reloading = received(manager)
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    service.stopping()
    assert received(manager)["STOPPING"] == "1"


def test_the_manager_is_reached_in_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(b"\0strangler-test-" + str(os.getpid()).encode())
        listening.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": f"@strangler-test-{os.getpid()}"}).alive()
        assert received(listening) == {"WATCHDOG": "1"}


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
def test_signs_of_life_come_twice_as_often_as_required(
    manager: socket.socket, environment: dict[str, str], interval: float | None
) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.getsockname(), **environment})
    assert service.watchdog_interval == interval


def test_nothing_is_sent_without_a_manager() -> None:
    service = ServiceManager({"WATCHDOG_USEC": "3000000"})
    assert service.watchdog_interval is None
    service.ready()


def test_a_manager_that_is_gone_is_logged_once(tmp_path: Path) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with capture_logs() as logged:
        service.ready()
        service.stopping()
    assert [entry["event"] for entry in logged] == ["the service manager can't be reached"]
