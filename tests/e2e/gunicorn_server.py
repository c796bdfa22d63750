"""A real gunicorn with a small WSGI application that responds without reading a request's body."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

DEADLINE = 60.0
APPLICATION = """
def application(environ, start_response):
    body = environ["REQUEST_METHOD"].encode() + b" " + environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@contextmanager
def gunicorn(folder: Path, worker_class: str, *options: str) -> Iterator[str]:
    """The URL of a gunicorn with workers of `worker_class`, which is stopped at the end."""
    (folder / "unread.py").write_text(APPLICATION)
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "gunicorn", "--worker-class", worker_class, "--bind", f"127.0.0.1:{port}"]
    command += ["--chdir", str(folder), "--log-level", "error", *options, "unread:application"]
    process = subprocess.Popen(command, cwd=folder)

    def responds() -> bool:
        assert process.poll() is None, f"gunicorn ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return False
        return True

    try:
        wait_for(responds, "gunicorn to respond", DEADLINE)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(DEADLINE)
