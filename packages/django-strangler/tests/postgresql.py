"""A PostgreSQL server of the tests' own, started before Django reads its settings, where the programs are installed.

In CI, a machine that lacks PostgreSQL says so in CI_LACKS; without that, a missing server fails the run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

URL_VARIABLE = "DJANGO_STRANGLER_POSTGRESQL_PORT"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    first = shutil.which("initdb") or (str(found[0]) if found else None)
    return Path(first).parent if first else None


def _start(binaries: Path) -> None:
    folder = tempfile.mkdtemp(prefix="postgresql-")
    user = "postgres" if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str | Path) -> None:
        done = subprocess.run(command, user=user, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError(done.stdout.decode())

    def stop() -> None:
        run(binaries / "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)

    run(binaries / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "shop", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(binaries / "pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
    atexit.register(stop)
    os.environ[URL_VARIABLE] = str(port)


if URL_VARIABLE not in os.environ:
    _binaries = _programs()
    if _binaries is not None:
        _start(_binaries)
    elif "CI_LACKS" in os.environ and "PostgreSQL" not in os.environ["CI_LACKS"]:
        raise RuntimeError("PostgreSQL is missing, and CI_LACKS does not say so")
