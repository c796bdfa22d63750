"""Signals that come early, logs that are rotated, workers that hang, and what Prometheus is told of all processes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from tests.e2e.conftest import Start, provider
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

DEADLINE = 60.0


def caught(pid: int) -> int:
    """The signals that a process has handlers for, as bits."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)


def test_signals_before_the_gateway_is_ready_do_not_end_it(tmp_path: Path, upstream: RecordingUpstream) -> None:
    config = {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"}
    gateway = GatewayProcess(tmp_path, config, fresh=True)
    gateway.write(config)
    gateway.start()
    try:
        hang_up = 1 << (signal.SIGHUP - 1)
        # From the first lines of the command on; before, the interpreter itself starts.
        wait_for(lambda: caught(gateway.process.pid) & hang_up, "the first handlers", DEADLINE)
        while not gateway.events("ready"):
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                gateway.process.send_signal(number)
            assert gateway.process.poll() is None, gateway.events_text()
            time.sleep(0.01)
        gateway.wait_ready()
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(DEADLINE) == 0
        assert "Traceback" not in gateway.events_text()
    finally:
        if gateway.process.poll() is None:
            gateway.kill()
        gateway.close_outputs()


def test_sigusr1_opens_the_access_log_again_and_reloads_nothing(
    start: Start, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    config = {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"}
    file = tmp_path / "access.log"
    gateway = start({**config, "access_log": {"path": str(file)}})
    assert ask(gateway.port, "/before").status == 200
    wait_for(lambda: "/before" in file.read_text(), "the line", DEADLINE)
    file.rename(gateway.folder / "access.log.1")
    gateway.process.send_signal(signal.SIGUSR1)
    wait_for(file.exists, "the new file", DEADLINE)
    assert ask(gateway.port, "/after").status == 200
    wait_for(lambda: "/after" in file.read_text(), "the line", DEADLINE)
    assert [json.loads(line)["path"] for line in file.read_text().splitlines()] == ["/after"]
    assert [event["reason"] for event in gateway.events("reopening the access log")] == ["SIGUSR1"]
    assert gateway.events("configuration reloaded") == []


def test_a_worker_that_hangs_for_longer_than_the_setting_is_replaced(start: Start, upstream: RecordingUpstream) -> None:
    config = {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"}
    gateway = start({**config, "workers": {"hang": "3s"}})
    (before,) = gateway.worker_pids()
    os.kill(before, signal.SIGSTOP)
    wait_for(lambda: gateway.events("worker is silent, killed"), "the worker to be killed", DEADLINE)
    wait_for(lambda: gateway.worker_pids() not in ([], [before]), "another one", DEADLINE)
    gateway.wait_ready()
    (event,) = gateway.events("worker ended, starting another")
    assert event["reason"] == "signal SIGKILL: it was silent for 3 s"
    assert ask(gateway.port, "/x").status == 200


def test_metrics_tell_of_processes_key_sets_and_the_build(
    start: Start, upstream: RecordingUpstream, nobody: str
) -> None:
    gateway = start(
        {
            "upstreams": {"legacy": {"endpoints": [upstream.url]}},
            "default": "legacy",
            "auth": {"providers": {"shop": provider("jwks.json"), "away": provider(f"{nobody}/jwks.json")}},
        },
        workers=2,
    )
    wait_for(lambda: gateway.metric("strangler_key_set_error", provider="away") == 1, "the error", DEADLINE)
    for process in ("control", "worker-0", "worker-1"):
        assert gateway.metric("strangler_process_cpu_seconds_total", process=process) > 0
        assert gateway.metric("strangler_process_resident_memory_bytes", process=process) > 1_000_000
        files = gateway.metric("strangler_process_open_fds", process=process)
        assert 3 < files < gateway.metric("strangler_process_max_fds", process=process)
    names = {name for name, labels in gateway.metrics() if ("process", "worker-0") in labels}
    assert "strangler_event_loop_lag_seconds" in names
    assert gateway.metric("strangler_build_info", version=gateway.status()["version"]) == 1
    assert gateway.metric("strangler_key_set_available", provider="shop") == 1
    assert gateway.metric("strangler_key_set_available", provider="away") == 0
    assert gateway.metric("strangler_key_set_error", provider="shop") == 0
    assert 0 <= gateway.metric("strangler_key_set_age_seconds", provider="shop") < DEADLINE
    assert not [name for name, labels in gateway.metrics() if "age" in name and ("provider", "away") in labels]
    assert gateway.metric("strangler_watch_last_look_timestamp_seconds") > 0
    assert gateway.metric("strangler_degraded") == 0


def test_statuses_that_are_not_registered_are_counted_by_their_class(start: Start, upstream: RecordingUpstream) -> None:
    @upstream.on("/odd")
    def odd(call: Call) -> None:
        status = dict(call.fields).get(b"X-Status")
        assert status is not None
        call.answer(b"", status=status + b" Odd")

    gateway = start({"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"})
    with gateway.client() as client:
        for status in range(500, 600):
            assert client.request("/odd", f"X-Status: {status}").status == status
    assert gateway.metric("strangler_requests_total", status="503") == 1
    assert gateway.metric("strangler_requests_total", status="5xx") == 100 - 11
    statuses = {value for name, labels in gateway.metrics() for label, value in labels if label == "status"}
    # 200 is there from the start, at 0.
    assert statuses <= {"200", "5xx", *map(str, range(500, 512))}
