"""Workers that are replaced on SIGUSR2, that crash, that hang; log files that are renamed; a drain with a delay."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.load import load
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as running:
        yield running


def configuration(upstream: RecordingUpstream, **more: Any) -> dict[str, Any]:
    return {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy", **more}


def test_sigusr2_replaces_all_workers_under_load_without_loss(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream), workers=2) as gateway:
        before = gateway.worker_pids()
        with load(gateway.port) as asked:
            wait_for(lambda: len(asked.statuses) > 20, "requests before")
            gateway.process.send_signal(signal.SIGUSR2)
            wait_for(lambda: gateway.events("workers replaced"), "the new workers")
            wait_for(lambda: not gateway.status()["workers_leaving"], "the old ones to leave")
            after = len(asked.statuses)
            wait_for(lambda: len(asked.statuses) > after + 50, "requests after")
        assert not asked.errors
        assert set(asked.statuses) == {200}
        assert not set(before) & set(gateway.worker_pids())
        assert gateway.status()["worker_restarts"] == 0


def test_a_worker_that_cannot_start_is_retried_with_backoff(tmp_path: Path, upstream: RecordingUpstream) -> None:
    log = tmp_path / "logs" / "access.log"
    log.parent.mkdir()
    with GatewayProcess(tmp_path, configuration(upstream, access_log={"path": str(log)})) as gateway:
        log.unlink()
        log.parent.rmdir()
        (worker,) = gateway.worker_pids()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: len(gateway.events("worker ended, starting another")) >= 4, "four attempts", 90)
        ends = gateway.events("worker ended, starting another")[:4]
        assert ends[0]["reason"] == "signal SIGKILL"
        assert "FileNotFoundError" in ends[1]["reason"]
        # On a busy machine one may live for long enough to begin the row anew.
        rows = [end["ended_in_a_row"] for end in ends]
        assert [end["wait_seconds"] for end in ends] == pytest.approx(
            [0.1 * 2 ** (row - 1) if row else 0 for row in rows]
        )
        answer = wait_for(lambda: "in a row" in (now := gateway.admin("/readyz")).text and now, "the reason in /readyz")
        assert answer.status_code == 503
        assert "FileNotFoundError" in answer.text
        assert gateway.admin("/livez").status_code == 200
        waiting = wait_for(lambda: gateway.status()["workers_waiting"], "a worker that waits")
        assert "FileNotFoundError" in waiting[0]["last_end"]
        log.parent.mkdir()
        gateway.wait_ready()


def test_a_reload_that_workers_reject_leaves_the_old_configuration(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        (worker,) = gateway.worker_pids()
        gateway.write(configuration(upstream, access_log={"path": str(tmp_path / "missing" / "access.log")}))
        wait_for(lambda: "FileNotFoundError" in gateway.admin("/readyz").text, "the reason")
        with gateway.client() as client:
            assert client.request("/still").status == 200
        gateway.reload(configuration(upstream))
        assert gateway.worker_pids() == [worker]


def test_sighup_reopens_a_renamed_access_log(tmp_path: Path, upstream: RecordingUpstream) -> None:
    log, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    config = configuration(upstream, access_log={"path": str(log)})
    with GatewayProcess(tmp_path, config, workers=2) as gateway, gateway.client() as client:
        client.request("/before")
        wait_for(lambda: "/before" in log.read_text(), "the first line")
        log.rename(rotated)
        client.request("/meanwhile")
        wait_for(lambda: "/meanwhile" in rotated.read_text(), "a line in the renamed file")
        gateway.hang_up_signal()
        wait_for(log.exists, "the new file")

        def is_in_the_new_one() -> bool:
            client.request("/after")
            return "/after" in log.read_text()

        wait_for(is_in_the_new_one, "a line in the new file")


def test_a_drain_with_a_delay_still_accepts_and_sends_close(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = configuration(upstream, shutdown={"delay": "3s", "drain": "5s"})
    with GatewayProcess(tmp_path, config) as gateway, gateway.client() as before:
        assert before.request("/before").value(b"Connection") is None
        gateway.process.send_signal(signal.SIGTERM)
        wait_for(lambda: gateway.admin("/readyz").status_code == 503, "/readyz to say so")
        assert gateway.admin("/readyz").text == "draining\n"

        def is_told_to_close() -> bool:
            with gateway.client() as new:
                answer = new.request("/meanwhile")
                assert answer.status == 200
                return answer.value(b"Connection") == b"close"

        wait_for(is_told_to_close, "a new connection that is told to close")
        assert before.request("/last").value(b"Connection") == b"close"
        assert before.is_closed()
        assert gateway.process.wait(60) == 0


def test_a_request_in_flight_when_the_port_closes_gets_a_response(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway, gateway.client() as client:
        assert client.request("/first").status == 200
        gateway.process.send_signal(signal.SIGTERM)
        wait_for(lambda: gateway.events("draining"), "the drain")
        assert client.request("/second").status == 200


def test_a_service_manager_is_notified_of_the_state(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        # Paths of Unix sockets are short; a test's folder may not be.
        manager.bind(f"\0strangler-{os.getpid()}")
        heard: queue.Queue[list[str]] = queue.Queue()

        def listen() -> None:
            # At once, because the kernel holds ten messages and drops the rest.
            while message := manager.recv(4096).decode():
                heard.put(message.splitlines())

        def hear(what: str) -> None:
            while what not in heard.get(timeout=60):
                pass

        listening = threading.Thread(target=listen, daemon=True)
        listening.start()

        environment = {"NOTIFY_SOCKET": f"@strangler-{os.getpid()}", "WATCHDOG_USEC": "1000000"}
        with GatewayProcess(tmp_path, configuration(upstream), environment=environment) as gateway:
            hear("READY=1")
            hear("WATCHDOG=1")
            gateway.hang_up_signal()
            hear("RELOADING=1")
            hear("READY=1")
            gateway.process.send_signal(signal.SIGTERM)
            hear("STOPPING=1")
        manager.sendto(b"", manager.getsockname())
        listening.join(60)
