"""The service as a process of its own: how it starts, tells how it is, and logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .sides import DEADLINE, Answer, Case, Served, converse, serving

COMMAND = [sys.executable, "-m", "orders_service"]


def ended(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    return subprocess.run(
        command, cwd=folder, env=kept | environment, capture_output=True, text=True, timeout=DEADLINE, check=False
    )


def ask(served: Served, target: str, *headers: str) -> Answer:
    return Answer.read(converse(served.port, Case(200, "GET", target, headers).message({})))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(log: Path) -> list[dict[str, Any]]:
    """What was logged: every line is one JSON object."""
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def served(tmp_path: Path, variables: dict[str, str]) -> Iterator[Served]:
    with serving([*COMMAND, "serve"], tmp_path, variables, tmp_path / "log") as served:
        yield served


def test_all_wrong_settings_are_named(tmp_path: Path) -> None:
    wrong = {
        "JWKS": "ftp://x",
        "INVENTORY_URL": " ",
        "PAYMENTS_URL": "ftp://x",
        "CATALOG_URL": "",
        "PORT": "99999",
        "SIGNING_KEYS": ",",
        "SAGA_LEASE_SECONDS": "0",
    }
    outcome = ended([*COMMAND, "serve"], tmp_path, **wrong)
    assert outcome.returncode == 2
    assert {line.partition(":")[0] for line in outcome.stderr.splitlines()} == set(wrong)


def test_it_is_ready_with_a_schema_and_keys_whether_or_not_others_are(served: Served, issuer: Any) -> None:
    wait_for(lambda: ask(served, "/readyz").status == 200)
    assert json.loads(ask(served, "/readyz").body)["checks"] == {"database": "ok", "keys": "ok"}
    order = b'{"items":[{"product_id":1,"quantity":1}]}'
    headers = (f"Authorization: Bearer {issuer.token()}", "Content-Type: application/json")
    refused = Answer.read(converse(served.port, Case(503, "POST", "/api/orders", headers, order).message({})))
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (503, "unavailable")


def test_a_request_is_a_line_with_its_context(served: Served, tmp_path: Path, issuer: Any) -> None:
    token = issuer.token()
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = (f"Authorization: Bearer {token}", "X-Request-Id: abc", f"traceparent: 00-{trace}-{parent}-01")
    assert ask(served, "/api/orders/1?x=1", *headers).status == 404
    assert ask(served, "/healthz").status == 200
    wait_for(lambda: any(line["event"] == "request" for line in lines(tmp_path / "log")))
    (line,) = [line for line in lines(tmp_path / "log") if line["event"] == "request"]
    expected = {
        "service": "orders", "level": "info", "method": "GET", "path": "/api/orders/1", "query": "x=1", "status": 404,
        "request_id": "abc", "trace_id": trace, "parent_id": parent, "subject": "user-1", "client": "127.0.0.1",
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert token not in (tmp_path / "log").read_text()
