"""`strangler status`: a gateway that runs, one that runs on an outdated configuration, and none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Strangler
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer
from tests.e2e.waiting import wait_for


def configuration(upstream: RecordingUpstream) -> dict[str, Any]:
    provider = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"]}
    return {
        "auth": {
            "providers": {
                "shop": {**provider, "jwks": "jwks.json"},
                "away": {**provider, "jwks": f"{upstream.url}/no-jwks"},
            }
        },
        "upstreams": {"shop": {"endpoints": [upstream.url], "health": {"path": "/healthz", "interval": "100ms"}}},
        "migrations": {
            "catalog": {
                "from": "shop",
                "to": "shop",
                "stage": "canary",
                "canary": {"percent": 12.5, "sticky": "ip"},
                "routes": [{"match": {"path": "/catalog/**"}}],
            }
        },
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("shop") as running:
        running.on("/no-jwks")(lambda call: call.answer(status=b"404 Not Found"))
        yield running


@pytest.fixture
def gateway(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[GatewayProcess]:
    Issuer().write_key_set(tmp_path)
    config = configuration(upstream)
    config["upstreams"]["other"] = config["upstreams"]["shop"]
    config["migrations"]["catalog"]["to"] = "other"
    with GatewayProcess(tmp_path, config, workers=2) as running:
        yield running


def test_status_shows_a_running_gateway(strangler_process: Strangler, gateway: GatewayProcess) -> None:
    wait_for(lambda: all(check["last"] for check in gateway.status()["health"]), "the first health checks")
    said = strangler_process("status", f"http://127.0.0.1:{gateway.admin_port}")
    assert said.code == 0
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "ready"
    assert lines[1].startswith(f"configuration {gateway.path}, version {gateway.version()}, loaded at ")
    assert lines[2] == "2 workers, 0 replaced"
    assert any(line.startswith("provider shop: keys fetched at ") for line in lines)
    assert any(line.startswith("provider away: no keys: its routes respond 503 (") for line in lines)
    assert any(line.startswith("endpoint http://127.0.0.1:") and " of shop: up (" in line for line in lines)
    assert "migration catalog: canary at 12.5 %, shop → other" in lines


def test_json_is_the_admin_apis_document(strangler: Strangler, gateway: GatewayProcess) -> None:
    said = strangler("status", f"http://127.0.0.1:{gateway.admin_port}/", "--json")
    assert said.code == 0
    assert said.json["configuration"] == gateway.status()["configuration"]
    assert [worker["pid"] for worker in said.json["workers"]] == gateway.worker_pids()


def test_an_outdated_configuration_exits_with_1(strangler: Strangler, gateway: GatewayProcess) -> None:
    good = gateway.path.read_text()
    gateway.path.write_text(good + "defualt: shop\n")
    wait_for(lambda: not gateway.status()["configuration"]["valid"], "the problem at /status")
    said = strangler("status", f"http://127.0.0.1:{gateway.admin_port}")
    assert said.code == 1
    assert said.out.startswith("ready\n")
    assert f"  invalid since then, not in use: {gateway.path}:" in said.out
    assert "did you mean 'default'?" in said.out


def test_status_reports_that_no_gateway_responds(strangler_process: Strangler, tmp_path: Path) -> None:
    said = strangler_process("status", "http://127.0.0.1:1")
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("strangler: no gateway responds at http://127.0.0.1:1/status: ")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:x", "http://a\nb"])
def test_status_reports_an_invalid_url(strangler: Strangler, url: str) -> None:
    said = strangler("status", url)
    assert said.code == 1
    assert said.err.startswith("strangler: no gateway responds at ")


def test_status_reports_a_server_that_is_not_a_gateway(strangler: Strangler, upstream: RecordingUpstream) -> None:
    upstream.on("/list/status")(lambda call: call.answer(b"[]"))
    upstream.on("/html/status")(lambda call: call.answer(b"<html>"))
    upstream.on("/broken/status")(lambda call: call.answer(status=b"500 Internal Server Error"))
    for path, sentence in (
        ("", "is not the admin API of a gateway"),
        ("/list", "is not the admin API of a gateway"),
        ("/html", "no gateway responds at"),
        ("/broken", "no gateway responds at"),
    ):
        said = strangler("status", upstream.url + path)
        assert said.code == 1
        assert sentence in said.err
        assert len(said.err.splitlines()) == 1
