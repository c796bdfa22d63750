"""The control process and what it depends on: a log that is not read, a store that hangs, files, a place for sockets.

Requests are served all the same, the process can be asked and ended, and it
says what is wrong and what was lost.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.test_shadow import answering, configuration, found, wait_judge
from tests.e2e.waiting import wait_for
from tests.store.postgresql_server import postgresql_server, programs
from tests.store.test_deadlines import stopped_server

DEADLINE = 60.0


@pytest.fixture
def extracted() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("extracted") as recording:
        yield recording


class WithFullStandardError(GatewayProcess):
    """Its standard error is a pipe that is full, and that nobody reads before the end."""

    def start(self) -> None:
        out = self._outputs.enter_context((self.folder / "stdout").open("ab"))
        (self.folder / "stderr").touch()
        self.reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        command = [sys.executable, "-m", "strangler.cli", "run", str(self.path), "--workers", str(self._workers)]
        self._process = subprocess.Popen(command, stdout=out, stderr=writing, cwd=ROOT, env=self._environment)
        os.close(writing)


def test_an_unread_standard_error_stops_nothing(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"}
    with WithFullStandardError(tmp_path, config) as gateway:
        for number in range(20):
            gateway.reload({**config, "limits": {"connections": 100 + number}})
        assert gateway.admin("/livez").status_code == 200
        with gateway.client() as client:
            assert client.request("/x").status == 200
        wait_for(lambda: "standard error has been blocked" in gateway.admin("/readyz").text, "the reason in /readyz")
        assert gateway.admin("/readyz").status_code == 200
        assert gateway.admin("/readyz?strict=1").status_code == 503
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(DEADLINE) == 0
        os.close(gateway.reading)


@contextmanager
def silent_server() -> Iterator[str]:
    """The URL of a database at which connections are accepted, and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepted: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    accepted.append(listening.accept()[0])
            except OSError:
                return

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"postgresql://shop@127.0.0.1:{listening.getsockname()[1]}/shop"
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(10)
        for connection in accepted:
            connection.close()


def test_a_silent_store_keeps_no_pair_from_being_judged(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    with silent_server() as url:
        gateway = start({**configuration(upstream, extracted.url), "store": {"url": url}})
        wait_judge(gateway)
        wait_for(lambda: found(gateway)["store_error"], "a store error", DEADLINE)
        with gateway.client() as client:
            for _ in range(10):
                assert client.request("/items/1").status == 200
        wait_for(lambda: found(gateway)["match"] == 10, "the judge to judge all", DEADLINE)
        assert gateway.status()["ready"] is True
        (problem,) = gateway.status()["degraded"]
        assert problem.startswith("evidence can't be stored: ")
        assert gateway.admin("/readyz").text == f"ready\ndegraded: {problem}\n"
        wait_for(lambda: gateway.metric("strangler_store_unwritten_pairs") == 10, "the pairs to be counted", DEADLINE)
        assert gateway.metric("strangler_store_up") == 0
        assert gateway.metric("strangler_store_oldest_unwritten_seconds") > 0
        assert gateway.metric("strangler_store_errors_total") > 0
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(DEADLINE) == 0
    assert sum(event["pairs"] for event in gateway.events("evidence is lost")) == 10


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
def test_a_postgresql_that_hangs_for_a_while_costs_no_evidence(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    answering(upstream, extracted)
    with postgresql_server() as url:
        gateway = start({**configuration(upstream, extracted.url), "store": {"url": url}})
        wait_judge(gateway)
        assert gateway.metric("strangler_store_up") == 1
        with gateway.client() as client, stopped_server(url):
            for _ in range(10):
                client.request("/items/1")
            wait_for(lambda: found(gateway)["match"] == 10, "the judge to judge all", DEADLINE)
            wait_for(lambda: gateway.status()["degraded"], "it to be said", DEADLINE)
            for _ in range(10):
                client.request("/items/1")
            wait_for(lambda: found(gateway)["match"] == 20, "the judge to go on", DEADLINE)
        wait_for(lambda: not gateway.status()["degraded"], "the store to be used again", DEADLINE)
        wait_for(lambda: gateway.metric("strangler_store_unwritten_pairs") == 0, "all to be written", DEADLINE)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(DEADLINE) == 0
    assert gateway.events("evidence is lost") == []
    assert gateway.events("the store responds again")


def test_a_killed_control_process_leaves_no_traceback_of_the_judge(
    start: Start, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    gateway = start(configuration(upstream, extracted.url))
    wait_judge(gateway)
    judge = gateway.status()["shadow"]["judge"]
    workers = gateway.worker_pids()
    gateway.process.kill()
    gateway.expected_exit = gateway.process.wait(DEADLINE)
    wait_for(lambda: not Path(f"/proc/{judge}").exists(), "the judge to end", DEADLINE)
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    for pid in workers:
        wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the worker to end", DEADLINE)
    assert "Traceback" not in gateway.events_text()


class WithoutTemporaryFiles(GatewayProcess):
    """Sees a file system in which /tmp, /var/tmp and its own folder can't be written."""

    def start(self) -> None:
        out = self._outputs.enter_context((self.folder / "stdout").open("ab"))
        err = self._outputs.enter_context((self.folder / "stderr").open("ab"))
        places = "/tmp /var/tmp /usr/tmp /run"
        script = (
            f"for place in {places}; do [ -d $place ] || continue; "
            "mount --bind $place $place && mount -o remount,ro,bind $place || exit 77; done; "
            'cd /sys && exec "$0" -m strangler.cli run "$1"'
        )
        command = ["unshare", "--mount", "sh", "-c", script, sys.executable, str(self.path)]
        environment = {**self._environment, "PYTHONPATH": str(ROOT)}
        environment.pop("XDG_RUNTIME_DIR", None)
        self._process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0,
    reason="needs a mount namespace",
)
def test_a_read_only_root_without_tmp_still_judges_and_reloads(
    tmp_path: Path, upstream: RecordingUpstream, extracted: RecordingUpstream
) -> None:
    config = {**configuration(upstream, extracted.url), "store": {"url": "sqlite:////dev/shm/strangler-test.sqlite3"}}
    with WithoutTemporaryFiles(tmp_path, {**config, "migrations": {}}) as gateway:
        gateway.reload(config)
        wait_judge(gateway)
        gateway.reload({**config, "limits": {"connections": 100}})
        assert gateway.metric("strangler_watch_last_look_timestamp_seconds") > 0
