"""The control process is killed and another one comes: workers serve on, and no request is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.load import load
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as running:
        yield running


def configuration(upstream: RecordingUpstream, **more: Any) -> dict[str, Any]:
    return {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy", **more}


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@contextlib.contextmanager
def ended_at_last(pids: list[int]) -> Iterator[None]:
    """Workers that have no control process any more end with the test."""
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def kill_control_process(gateway: GatewayProcess) -> None:
    gateway.process.kill()
    gateway.process.wait(60)


def test_a_killed_and_restarted_control_process_loses_no_request(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream), workers=2) as gateway:
        former = gateway.worker_pids()
        with ended_at_last(former), load(gateway.port) as asked:
            wait_for(lambda: len(asked.statuses) > 20, "requests before")
            kill_control_process(gateway)
            alone = len(asked.statuses)
            wait_for(lambda: len(asked.statuses) > alone + 50, "requests without a control process")
            gateway.start()
            gateway.wait_ready()
            wait_for(lambda: not any(map(is_alive, former)), "the former workers to leave")
            after = len(asked.statuses)
            wait_for(lambda: len(asked.statuses) > after + 50, "requests to the new workers")
        assert not asked.errors
        assert set(asked.statuses) == {200}
        assert not set(former) & set(gateway.worker_pids())
        assert len(gateway.events("took over a worker of an earlier start")) == 2


def test_counts_made_without_a_control_process_reach_the_next_one(tmp_path: Path, upstream: RecordingUpstream) -> None:
    route = {"name": "alone", "match": {"path": "/alone"}, "upstream": "legacy"}
    config = configuration(upstream, routes=[route])
    with GatewayProcess(tmp_path, config) as gateway, ended_at_last(gateway.worker_pids()):
        kill_control_process(gateway)
        with gateway.client() as client:
            for _ in range(3):
                assert client.request("/alone").status == 200
        gateway.start()
        gateway.wait_ready()
        wait_for(lambda: gateway.metric("strangler_requests_total", route="alone") == 3, "the figures")


def test_former_workers_serve_while_new_ones_cannot_start(tmp_path: Path, upstream: RecordingUpstream) -> None:
    log = tmp_path / "logs" / "access.log"
    log.parent.mkdir()
    with GatewayProcess(tmp_path, configuration(upstream, access_log={"path": str(log)})) as gateway:
        former = gateway.worker_pids()
        with ended_at_last(former):
            kill_control_process(gateway)
            log.unlink()
            log.parent.rmdir()
            gateway.start()
            wait_for(lambda: gateway.events("worker ended, starting another"), "the new worker to fail")
            with gateway.client() as client:
                assert client.request("/still").status == 200
            assert all(map(is_alive, former))
            log.parent.mkdir()
            gateway.wait_ready()
            wait_for(lambda: not any(map(is_alive, former)), "the former workers to leave")


def test_a_changed_configuration_applies_after_a_takeover(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway, ended_at_last(gateway.worker_pids()):
        kill_control_process(gateway)
        gateway.write({"upstreams": {"legacy": {"endpoints": [upstream.url]}}})
        with gateway.client() as client:
            assert client.request("/still-the-old-one").status == 200
        gateway.start()
        gateway.wait_ready()

        def is_new() -> bool:
            with gateway.client() as client:
                return client.request("/no-default-any-more").status == 404

        wait_for(is_new, "the new configuration")


def test_a_worker_without_a_control_process_drains_on_sigterm(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        (worker,) = gateway.worker_pids()
        with ended_at_last([worker]):
            kill_control_process(gateway)
            os.kill(worker, signal.SIGTERM)
            wait_for(lambda: not is_alive(worker), "the worker to end")
            gateway.start()
            gateway.wait_ready()
            assert not gateway.events("took over a worker of an earlier start")


def test_a_second_gateway_on_the_same_address_is_refused(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        workers = gateway.worker_pids()
        done = subprocess.run(
            [sys.executable, "-m", "strangler.cli", "run", str(gateway.path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 1
        assert f"another gateway, process {gateway.process.pid}, serves 127.0.0.1:{gateway.port}" in done.stderr
        assert gateway.worker_pids() == workers


def test_a_gateway_without_a_runtime_folder_serves_and_warns(tmp_path: Path, upstream: RecordingUpstream) -> None:
    nowhere = {"RUNTIME_DIRECTORY": str(tmp_path / "not" / "there")}
    with GatewayProcess(tmp_path, configuration(upstream), environment=nowhere) as gateway:
        assert gateway.events("no runtime folder, so workers can't be taken over at the next start")
        with gateway.client() as client:
            assert client.request("/served").status == 200
