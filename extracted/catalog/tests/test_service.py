"""The service as a process of its own: how it starts, tells how it is, logs and stops."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .sides import DEADLINE, Answer, Case, Served, converse, run, serving

COMMAND = [sys.executable, "-m", "catalog_service"]


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
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a service that is not filled yet, but has a monolith to fill it from."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as connection, connection:
        connection.execute("CREATE TABLE catalog_category (id, slug, name)")
        connection.execute(
            "CREATE TABLE catalog_product (id, sku, name, description, category_id, price_cents, stock, created_at)"
        )
        connection.execute("INSERT INTO catalog_category VALUES (1, 'books', 'Books')")
        connection.execute(
            "INSERT INTO catalog_product VALUES (1, 'BOO-1', 'Atlas', '', 1, 1250, 17, '2026-01-05 08:00:00')"
        )
    return {"PORT": "0", "MONOLITH_DATABASE_URL": "shop.sqlite3"}


@pytest.fixture
def served(tmp_path: Path, environment: dict[str, str]) -> Iterator[Served]:
    run([*COMMAND, "fill"], tmp_path, environment)
    with serving([*COMMAND, "serve"], tmp_path, environment, tmp_path / "log") as served:
        yield served


def test_all_wrong_settings_are_named(tmp_path: Path) -> None:
    wrong = {"PORT": "-1", "DATABASE_THREADS": "many", "KEEP_ALIVE_SECONDS": "1.5", "LOG_LEVEL": "loud"}
    outcome = ended([*COMMAND, "serve"], tmp_path, **wrong)
    assert outcome.returncode == 2
    assert [line.partition(":")[0] for line in outcome.stderr.splitlines()] == list(wrong)
    outcome = ended([*COMMAND, "fill"], tmp_path)
    assert (outcome.returncode, outcome.stderr.partition(":")[0]) == (2, "MONOLITH_DATABASE_URL")


def test_what_can_not_be_done_is_said_in_a_line(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite3")) as connection:
        connection.execute("CREATE TABLE other (id)")
    outcome = ended([*COMMAND, "fill"], tmp_path, MONOLITH_DATABASE_URL="other.sqlite3")
    assert (outcome.returncode, outcome.stderr) == (1, "fill: no such table: catalog_category\n")
    outcome = ended([*COMMAND, "migrate"], tmp_path, DATABASE_URL="mysql://user:secret@host/x")
    assert outcome.returncode == 1
    assert "secret" not in outcome.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = ended([*COMMAND, "serve"], tmp_path, PORT=str(taken.getsockname()[1]))
    assert outcome.returncode == 1
    assert "address already in use" in outcome.stdout


def test_it_is_ready_once_it_has_a_schema(tmp_path: Path, environment: dict[str, str]) -> None:
    with serving([*COMMAND, "serve"], tmp_path, environment, tmp_path / "log") as served:
        assert ask(served, "/healthz").status == 200
        unready = ask(served, "/readyz")
        assert unready.status == 503
        assert json.loads(unready.body) == {"status": "unavailable", "checks": {"database": "not migrated"}}
        run([*COMMAND, "fill"], tmp_path, environment)
        assert ask(served, "/readyz").status == 200
        assert json.loads(ask(served, "/api/catalog/products/1").body)["name"] == "Atlas"


def test_a_request_is_a_line_with_its_context(served: Served, tmp_path: Path) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = ("X-Request-Id: abc", f"traceparent: 00-{trace}-{parent}-01")
    assert ask(served, "/api/catalog/products?page=0", *headers).status == 400
    assert ask(served, "/healthz").status == 200
    wait_for(lambda: any(line["event"] == "request" for line in lines(tmp_path / "log")))
    (line,) = [line for line in lines(tmp_path / "log") if line["event"] == "request"]
    expected = {
        "service": "catalog", "level": "info", "method": "GET", "path": "/api/catalog/products", "query": "page=0",
        "status": 400, "request_id": "abc", "trace_id": trace, "parent_id": parent, "client": "127.0.0.1",
    }  # fmt: skip
    assert expected.items() <= line.items()


def test_a_failure_is_logged_without_what_the_caller_sent(served: Served, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "var/catalog.sqlite3")) as connection, connection:
        connection.execute("DROP TABLE products")
    failed = ask(served, "/api/catalog/products/1", "Authorization: Bearer secret", "X-Request-Id: abc")
    assert (failed.status, json.loads(failed.body)["error"]["code"]) == (500, "internal_error")
    (line,) = [line for line in lines(tmp_path / "log") if line["event"] == "request failed"]
    assert (line["request_id"], line["exception"][0]["exc_type"]) == ("abc", "OperationalError")
    assert "secret" not in (tmp_path / "log").read_text()


def test_told_to_stop_it_closes_what_is_idle_and_ends(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=DEADLINE) as connection:
        connection.sendall(Case(200, "HEAD", "/healthz").message({}, "keep-alive"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        served.process.send_signal(signal.SIGTERM)
        assert connection.recv(1) == b""
    assert served.process.wait(DEADLINE) == 0
