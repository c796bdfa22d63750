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

COMMAND = [sys.executable, "-m", "users_service"]


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
        connection.execute(
            "CREATE TABLE accounts_user (id, username, full_name, email, is_staff, is_active, date_joined)"
        )
        connection.execute("INSERT INTO accounts_user VALUES (1, 'alice', 'Alice', '', 0, 1, '2025-11-01 09:00:00')")
    return {"JWKS": "jwks.json", "PORT": "0", "MONOLITH_DATABASE_URL": "shop.sqlite3"}


@pytest.fixture
def served(tmp_path: Path, environment: dict[str, str]) -> Iterator[Served]:
    run([*COMMAND, "fill"], tmp_path, environment)
    with serving([*COMMAND, "serve"], tmp_path, environment, tmp_path / "log") as served:
        yield served


def test_all_wrong_settings_are_named(tmp_path: Path) -> None:
    wrong = {
        "JWKS": "ftp://x",
        "PORT": "99999",
        "DATABASE_THREADS": "0",
        "JWKS_TIMEOUT_SECONDS": "nan",
        "LOG_LEVEL": "x",
    }
    outcome = ended([*COMMAND, "serve"], tmp_path, **wrong)
    assert outcome.returncode == 2
    assert [line.partition(":")[0] for line in outcome.stderr.splitlines()] == list(wrong)
    outcome = ended([*COMMAND, "serve"], tmp_path)
    assert (outcome.returncode, outcome.stderr.partition(":")[0]) == (2, "JWKS")
    outcome = ended([*COMMAND, "fill"], tmp_path)
    assert (outcome.returncode, outcome.stderr.partition(":")[0]) == (2, "MONOLITH_DATABASE_URL")


def test_what_can_not_be_done_is_said_in_a_line(tmp_path: Path, environment: dict[str, str]) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite3")) as connection:
        connection.execute("CREATE TABLE other (id)")
    outcome = ended([*COMMAND, "fill"], tmp_path, MONOLITH_DATABASE_URL="other.sqlite3")
    assert (outcome.returncode, outcome.stderr) == (1, "fill: no such table: accounts_user\n")
    outcome = ended([*COMMAND, "migrate"], tmp_path, DATABASE_URL="mysql://user:secret@host/x")
    assert outcome.returncode == 1
    assert "secret" not in outcome.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = ended([*COMMAND, "serve"], tmp_path, **environment | {"PORT": port})
    assert outcome.returncode == 1
    assert "address already in use" in outcome.stdout


def test_it_is_ready_once_it_has_a_schema_and_keys(tmp_path: Path, environment: dict[str, str], issuer: Any) -> None:
    (tmp_path / "jwks.json").unlink()
    authorization = f"Authorization: Bearer {issuer.token()}"
    with serving([*COMMAND, "serve"], tmp_path, environment, tmp_path / "log") as served:
        assert ask(served, "/healthz").status == 200
        assert json.loads(ask(served, "/readyz").body) == {
            "status": "unavailable",
            "checks": {"database": "not migrated", "keys": "none fetched yet"},
        }
        unavailable = ask(served, "/api/users/me", authorization)
        assert (unavailable.status, dict(unavailable.headers)["retry-after"]) == (503, "5")
        run([*COMMAND, "fill"], tmp_path, environment)
        (tmp_path / "jwks.json").write_bytes(issuer.document())
        wait_for(lambda: ask(served, "/readyz").status == 200)
        assert ask(served, "/api/users/me", authorization).status == 200


def test_a_request_is_a_line_with_its_context(served: Served, tmp_path: Path, issuer: Any) -> None:
    token = issuer.token()
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = (f"Authorization: Bearer {token}", "X-Request-Id: abc", f"traceparent: 00-{trace}-{parent}-01")
    assert ask(served, "/api/users/me?x=1", *headers).status == 200
    assert ask(served, "/healthz").status == 200
    wait_for(lambda: any(line["event"] == "request" for line in lines(tmp_path / "log")))
    (line,) = [line for line in lines(tmp_path / "log") if line["event"] == "request"]
    expected = {
        "service": "users", "level": "info", "method": "GET", "path": "/api/users/me", "query": "x=1", "status": 200,
        "request_id": "abc", "trace_id": trace, "parent_id": parent, "subject": "user-1", "client": "127.0.0.1",
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert token not in (tmp_path / "log").read_text()


def test_a_failure_is_logged_without_the_token(served: Served, tmp_path: Path, issuer: Any) -> None:
    token = issuer.token()
    with contextlib.closing(sqlite3.connect(tmp_path / "var/users.sqlite3")) as connection, connection:
        connection.execute("DROP TABLE users")
    failed = ask(served, "/api/users/me", f"Authorization: Bearer {token}", "X-Request-Id: abc")
    assert (failed.status, json.loads(failed.body)["error"]["code"]) == (500, "internal_error")
    (line,) = [line for line in lines(tmp_path / "log") if line["event"] == "request failed"]
    assert (line["request_id"], line["exception"][0]["exc_type"]) == ("abc", "OperationalError")
    assert token not in (tmp_path / "log").read_text()


def test_told_to_stop_it_finishes_what_has_begun(served: Served, issuer: Any) -> None:
    body = b'{"full_name":"Alice Adler"}'
    case = Case(
        200,
        "PATCH",
        "/api/users/me",
        (f"Authorization: Bearer {issuer.token()}", "Content-Type: application/json", "Expect: 100-continue"),
        body,
    )
    idle = socket.create_connection(("127.0.0.1", served.port), timeout=DEADLINE)
    with idle, socket.create_connection(("127.0.0.1", served.port), timeout=DEADLINE) as connection:
        connection.sendall(case.message({}).removesuffix(body))
        # Once this is said the request is being served.
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        served.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", served.port), timeout=DEADLINE)
        connection.sendall(body)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert Answer.read(received).status == 200
    assert b'"full_name":"Alice Adler"' in received
    assert served.process.wait(DEADLINE) == 0
