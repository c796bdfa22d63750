"""Reload, replaced workers and the end: what happens to requests meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.load import load
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer
from tests.e2e.waiting import wait_for


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as running:
        yield running


def configuration(upstream: RecordingUpstream, **more: Any) -> dict[str, Any]:
    return {"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy", **more}


def a_route(name: str) -> dict[str, Any]:
    return {"name": name, "match": {"path": f"/{name}"}, "upstream": "legacy"}


def test_a_reload_under_load_fails_no_request(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream), workers=2) as gateway:
        with load(gateway.port) as asked:
            for number in range(5):
                before = len(asked.statuses)
                gateway.reload(configuration(upstream, routes=[a_route(f"new{number}")]))
                wait_for(lambda before=before: len(asked.statuses) > before + 20, "requests after the reload")
        assert not asked.errors
        assert set(asked.statuses) == {200}


def test_sighup_reloads(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        before = gateway.version()
        gateway.path.write_text(gateway.document(configuration(upstream, routes=[a_route("new")])))
        gateway.hang_up_signal()
        wait_for(lambda: gateway.version() != before, "the new configuration")


def test_an_invalid_file_leaves_the_running_one_and_is_reported(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        before = gateway.version()
        gateway.write(configuration(upstream, defualt="legacy"))
        wait_for(lambda: not gateway.status()["configuration"]["valid"], "the problem at /status")
        assert "did you mean 'default'?" in gateway.status()["configuration"]["problems"][0]
        assert gateway.events("configuration is invalid, keeping the running one")
        assert gateway.metric("strangler_configuration_valid") == 0
        assert gateway.version() == before
        with gateway.client() as client:
            assert client.request("/still").status == 200
        gateway.write(configuration(upstream))
        wait_for(lambda: gateway.status()["configuration"]["valid"], "the end of the problem")


def test_a_swapped_symbolic_link_reloads_as_in_a_config_map(tmp_path: Path, upstream: RecordingUpstream) -> None:
    path = tmp_path / "mounted" / "gateway.yaml"
    path.parent.mkdir()
    gateway = GatewayProcess(tmp_path, configuration(upstream), path=path)
    for number in (1, 2):
        (tmp_path / f"v{number}").mkdir()
        more = {"routes": [a_route("new")]} if number == 2 else {}
        (tmp_path / f"v{number}" / "gateway.yaml").write_text(gateway.document(configuration(upstream, **more)))
    data = path.parent / "..data"
    data.symlink_to(tmp_path / "v1")
    path.symlink_to("..data/gateway.yaml")
    with gateway:
        before = gateway.version()
        swapped = path.parent / "..new"
        swapped.symlink_to(tmp_path / "v2")
        swapped.rename(data)
        wait_for(lambda: gateway.version() != before, "the new configuration")


def test_a_file_that_changes_while_the_gateway_starts_is_noticed(tmp_path: Path, upstream: RecordingUpstream) -> None:
    provider = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks": f"{upstream.url}/jwks.json"}
    config = configuration(upstream, auth={"providers": {"shop": provider}})
    gateway = GatewayProcess(tmp_path, config)
    issuer = Issuer()

    @upstream.on("/jwks.json")
    def keys(call: Call) -> None:
        # The configuration has been read, and is not watched yet.
        gateway.write({**config, "routes": [a_route("late")]})
        call.answer(issuer.key_set())

    with gateway:
        wait_for(lambda: "late" in gateway.admin("/routes").text, "the changed configuration")


def test_a_killed_worker_is_replaced_and_the_port_never_closes(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream), workers=2) as gateway:
        victim, other = gateway.worker_pids()
        os.kill(victim, signal.SIGKILL)

        def replaced() -> bool:
            # Each connection is a new one: it must be accepted and answered at any time.
            with gateway.client() as client:
                assert client.request("/now").status == 200
            pids = gateway.worker_pids()
            return len(pids) == 2 and victim not in pids

        wait_for(replaced, "another worker")
        assert other in gateway.worker_pids()
        assert gateway.metric("strangler_worker_restarts_total") == 1
        gateway.wait_ready()


def test_sigterm_finishes_what_has_begun_and_accepts_no_more(tmp_path: Path, upstream: RecordingUpstream) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @upstream.on("/slow")
    def slow(call: Call) -> None:
        begun.set()
        assert go_on.wait(60)
        call.answer(b"finished")

    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        with gateway.client() as client, gateway.client() as idle:
            assert idle.request("/first").status == 200
            client.send(b"GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            assert begun.wait(60)
            gateway.process.send_signal(signal.SIGTERM)
            assert idle.is_closed()

            def refused() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", gateway.port)) != 0

            wait_for(refused, "the port to close")
            go_on.set()
            answer = client.response()
            assert answer.body == b"finished"
            assert answer.value(b"Connection") == b"close"
        assert gateway.process.wait(60) == 0


def test_a_taken_port_is_reported_at_the_start(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        done = subprocess.run(
            [sys.executable, "-m", "strangler.cli", "run", str(gateway.path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 1
    assert "can't start" in done.stderr


def test_metrics_count_every_request_over_all_workers(tmp_path: Path, upstream: RecordingUpstream) -> None:
    with GatewayProcess(tmp_path, configuration(upstream, routes=[a_route("counted")]), workers=2) as gateway:
        for _ in range(30):
            with gateway.client() as client:
                assert client.request("/counted").status == 200
        counted = {"route": "counted", "upstream": "legacy", "status": "200"}
        wait_for(lambda: gateway.metric("strangler_requests_total", **counted) == 30, "30 counted requests")
        assert gateway.metric("strangler_request_duration_seconds_count", **counted) == 30


def test_the_admin_api_is_not_for_pages_of_other_names(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A browser sends the name of the page's site, whatever address that name has."""
    with GatewayProcess(tmp_path, configuration(upstream)) as gateway:
        url = f"http://127.0.0.1:{gateway.admin_port}/status"
        for host, status in (("evil.example", 421), ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200)):
            assert httpx.get(url, headers={"Host": host}, trust_env=False).status_code == status, host
