"""A PostgreSQL server of the tests' own, on a free port, where the programs are installed (Debian: `postgresql`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.free_ports import free_ports

USER = "postgres"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, None where they are not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


@contextmanager
def postgresql_server() -> Iterator[str]:
    """The URL of an empty database; the server ends with the context. Programs that must not be root are not."""
    binaries = programs()
    assert binaries is not None
    user = USER if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        data, (port,) = Path(folder) / "data", free_ports(1)

        def run(*command: str | Path) -> None:
            done = subprocess.run(
                command, user=user, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            assert done.returncode == 0, done.stdout.decode()

        run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "shop", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(binaries / "pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql://shop@127.0.0.1:{port}/postgres"
        finally:
            run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
