"""What the demo's terminal shows of the gateway's logs, as it happens, and what `status` says of an endpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from strangler.cli.demo.log_lines import event_lines, request_line
from strangler.cli.demo.processes import show_log
from strangler.cli.status import health_text
from strangler.model.upstream import HealthCheck
from strangler.resilience.health import EndpointHealth

REQUEST = {
    "status": 200,
    "method": "GET",
    "path": "/x",
    "side": "extracted",
    "upstream": "users",
    "subject": "user-1",
    "ms": 3.1,
}
RELOADED = {"part": "control", "reason": "a file changed", "version": "b63b", "event": "configuration reloaded"}
INVALID = {
    "part": "control",
    "reason": "a file changed",
    "problems": ["gateway.yaml:3:5: unknown key 'percnt'", "gateway.yaml:9:1: the key 'from' is missing"],
    "event": "configuration is invalid, keeping the running one",
}


def event(fields: dict[str, Any], level: str) -> dict[str, Any]:
    return {**fields, "level": level, "time": "2026-11-26T11:04:39.506480Z"}


def test_the_terminal_shows_requests_reloads_and_errors_as_they_happen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    said = [event(RELOADED, "info"), event(INVALID, "error"), event({"event": "worker started"}, "info")]
    with os.fdopen(writing, "wb") as file:
        file.write(b"".join(json.dumps(one).encode() + b"\n" for one in said) + b"no JSON\n")
    with os.fdopen(reading, "rb") as lines:
        show_log(lines, tmp_path / "log", event_lines)
    assert capsys.readouterr().out.splitlines() == [
        "--- configuration reloaded (reason a file changed, version b63b)",
        "--- error: configuration is invalid, keeping the running one (reason a file changed)",
        "      gateway.yaml:3:5: unknown key 'percnt'",
        "      gateway.yaml:9:1: the key 'from' is missing",
    ]
    assert (tmp_path / "log").read_text().splitlines()[-1] == "no JSON"
    assert len((tmp_path / "log").read_text().splitlines()) == 4


def test_a_request_is_a_line() -> None:
    assert request_line(REQUEST).split() == ["200", "GET", "/x", "users", "(extracted)", "user-1", "3.1", "ms"]


def test_an_endpoint_whose_last_checks_failed_is_shown_so() -> None:
    health = EndpointHealth()
    check = HealthCheck(path="/", unhealthy_after=3, healthy_after=2)

    def said() -> str:
        return health_text(
            {"up": health.up, "last": health.last, "last_good": health.well, "in_a_row": health.in_a_row}
        )

    assert said() == "assumed up (not checked yet)"
    health.note(True, "status 200", check)
    assert said() == "up (status 200)"
    health.note(False, "ConnectError: Connection refused", check)
    assert said() == "up, but the last check failed (ConnectError: Connection refused)"
    health.note(False, "ConnectError: Connection refused", check)
    assert said() == "up, but the last 2 checks failed (ConnectError: Connection refused)"
    health.note(False, "ConnectError: Connection refused", check)
    assert said() == "down (ConnectError: Connection refused)"
    health.note(True, "status 200", check)
    assert said() == "down, but the last check went well (status 200)"
