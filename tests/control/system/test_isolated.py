"""What stands in the current directory is not imported, and a start without workers fails loudly."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from strangler.control.admin import connection as admin_connection
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

DEADLINE = 60.0


def configuration(folder: Path) -> tuple[Path, int]:
    port, admin = free_ports(2)
    file = folder / "strangler.yaml"
    file.write_text(
        f"version: 1\nlisten: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\naccess_log: {{enabled: false}}\n"
        'store: {url: "sqlite:///store.sqlite3"}\n'
        'upstreams: {legacy: {endpoints: "http://127.0.0.1:1"}}\ndefault: legacy\n'
    )
    return file, admin


def test_a_project_with_a_folder_gateway_and_a_types_module_starts(tmp_path: Path) -> None:
    file, admin = configuration(tmp_path)
    for shadowing in ("gateway/__init__.py", "types.py", "orjson.py", "uvloop/__init__.py"):
        (tmp_path / shadowing).parent.mkdir(exist_ok=True)
        (tmp_path / shadowing).write_text("raise SystemExit('the project was imported')\n")
    script = Path(sys.executable).with_name("strangler")
    with (tmp_path / "events").open("wb") as events:
        process = subprocess.Popen(
            [str(script), "run", str(file)], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=events
        )
    try:
        wait_for(lambda: is_ready(process, admin), "the gateway to be ready", DEADLINE)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(DEADLINE)
    assert code == 0
    assert "the project was imported" not in (tmp_path / "events").read_text()


def is_ready(process: subprocess.Popen[bytes], admin: int) -> bool:
    assert process.poll() is None
    try:
        return httpx.get(f"http://127.0.0.1:{admin}/readyz", trust_env=False, verify=False).status_code == 200
    except httpx.TransportError:
        return False


def test_a_start_whose_workers_can_not_come_up_fails_and_says_so(tmp_path: Path) -> None:
    """The workers import what a broken installation has; the control process does not."""
    file, _ = configuration(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'strangler.control.workers.main' in sys.orig_argv:\n"
        "    raise SystemExit('the worker can not come up')\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "strangler.cli", "run", str(file)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "broken")},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 1
    assert "no worker can be started" in done.stderr
    assert "strangler: can't start: no worker comes up; the lines above say why" in done.stderr


def test_an_unfinished_head_on_the_admin_port_ends_by_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_connection, "HEAD_DEADLINE", 0.3)

    def closed(port: int, *parts: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as sending:
            received = b""
            for number, part in enumerate(parts):
                if number:
                    # The response to the part before, without which the next would be read together with that.
                    received += sending.recv(65_536)
                sending.sendall(part)
            while data := sending.recv(65_536):
                received += data
            return received

    async def main() -> None:
        config = uvicorn.Config(
            Starlette(), http=admin_connection.AdminConnection, lifespan="off", log_config=None, timeout_keep_alive=60
        )
        server = uvicorn.Server(config)
        monkeypatch.setattr(server, "capture_signals", nullcontext)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(closed, port) == b""
            assert await asyncio.to_thread(closed, port, b"GET /status HTTP/1.1\r\nHost: localhost\r\nX: ") == b""
            whole = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
            answered = await asyncio.to_thread(closed, port, whole, b"GET /again HTTP/1.1\r\n")
            assert answered.count(b"HTTP/1.1 404") == 1
            server.should_exit = True
            await serving

    asyncio.run(main())
