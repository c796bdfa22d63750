"""The service as a process of its own: how it starts, tells how it is, and logs."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .sides import DEADLINE, Answer, Case, Served, converse, run, serving

COMMAND = [sys.executable, "-m", "inventory_service"]


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
def environment(tmp_path: Path, issuer: Any) -> dict[str, str]:
    """Of a service that is not filled yet, but has keys and a monolith to fill it from."""
    (tmp_path / "jwks.json").write_bytes(issuer.document())
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as connection, connection:
        connection.execute("CREATE TABLE catalog_product (id, stock)")
        connection.execute("INSERT INTO catalog_product VALUES (1, 17)")
        connection.execute("CREATE TABLE orders_order (id, status)")
        connection.execute("CREATE TABLE orders_orderitem (id, order_id, product_id, quantity)")
    return {"CALLERS": "orders=jwks.json", "PORT": "0", "MONOLITH_DATABASE_URL": "shop.sqlite3"}


@pytest.fixture
def served(tmp_path: Path, environment: dict[str, str]) -> Iterator[Served]:
    run([*COMMAND, "fill"], tmp_path, environment)
    with serving([*COMMAND, "serve"], tmp_path, environment, tmp_path / "log") as served:
        yield served


def test_all_wrong_settings_are_named(tmp_path: Path) -> None:
    wrong = {
        "CALLERS": "orders",
        "PORT": "99999",
        "DATABASE_THREADS": "0",
        "JWKS_TIMEOUT_SECONDS": "nan",
        "LOG_LEVEL": "x",
    }
    outcome = ended([*COMMAND, "serve"], tmp_path, **wrong)
    assert outcome.returncode == 2
    assert [line.partition(":")[0] for line in outcome.stderr.splitlines()] == list(wrong)


def test_it_is_ready_once_it_has_a_schema_and_keys(tmp_path: Path, environment: dict[str, str], issuer: Any) -> None:
    (tmp_path / "jwks.json").unlink()
    authorization = f"Authorization: Bearer {issuer.token()}"
    with serving([*COMMAND, "serve"], tmp_path, environment, tmp_path / "log") as served:
        assert ask(served, "/healthz").status == 200
        assert json.loads(ask(served, "/readyz").body) == {
            "status": "unavailable",
            "checks": {"database": "not migrated", "keys": "none fetched yet of orders"},
        }
        unavailable = ask(served, "/stock/1", authorization)
        assert (unavailable.status, dict(unavailable.headers)["retry-after"]) == (503, "5")
        run([*COMMAND, "fill"], tmp_path, environment)
        (tmp_path / "jwks.json").write_bytes(issuer.document())
        wait_for(lambda: ask(served, "/readyz").status == 200)
        assert ask(served, "/stock/1", authorization).status == 200


def test_a_request_is_a_line_with_its_context(served: Served, tmp_path: Path, issuer: Any) -> None:
    token = issuer.token()
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = (f"Authorization: Bearer {token}", "X-Request-Id: abc", f"traceparent: 00-{trace}-{parent}-01")
    assert ask(served, "/stock/1?x=1", *headers).status == 200
    assert ask(served, "/healthz").status == 200
    wait_for(lambda: any(line["event"] == "request" for line in lines(tmp_path / "log")))
    (line,) = [line for line in lines(tmp_path / "log") if line["event"] == "request"]
    expected = {
        "service": "inventory", "level": "info", "method": "GET", "path": "/stock/1", "query": "x=1", "status": 200,
        "request_id": "abc", "trace_id": trace, "parent_id": parent, "caller": "orders", "client": "127.0.0.1",
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert token not in (tmp_path / "log").read_text()
