"""Files in the current directory are not imported, and a start without workers fails with a message."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx

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


def test_the_gateway_starts_where_modules_are_shadowed_by_files(tmp_path: Path) -> None:
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


def test_a_start_fails_when_no_worker_comes_up(tmp_path: Path) -> None:
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
