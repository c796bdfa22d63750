"""Lines on a full disk and in a non-blocking pipe: whole, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from strangler.observe.line_writer import LineWriter

LINE = b'{"path":"/a/path/of/some/length","status":200}\n'


def test_line_writer_removes_a_partial_line_on_a_full_disk(tmp_path: Path) -> None:
    code = (
        "import os, resource, sys; from strangler.observe.line_writer import LineWriter\n"
        "line = sys.argv[2].encode()\n"
        "size = len(line) * 2 + 7\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
        "writer = LineWriter(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))\n"
        "dropped = [writer.write(line * 5), writer.write(line)]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "dropped.append(writer.write(line * 2))\n"
        "print(dropped)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log"), LINE.decode()], stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == b"[3, 1, 0]\n"
    assert (tmp_path / "log").read_bytes() == LINE * 4


def test_line_writer_starts_a_new_line_after_a_partial_one(tmp_path: Path) -> None:
    """What others wrote follows the part of a line, so it can't be removed."""
    log = tmp_path / "log"
    log.write_bytes(b"." * 30)
    code = (
        "import os, resource, sys; from strangler.observe.line_writer import LineWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))\n"
        "writer = LineWriter(os.open(sys.argv[1], os.O_WRONLY))\n"
        "dropped = [writer.write(b'first line\\n' * 2)]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "dropped.append(writer.write(b'next\\n'))\n"
        "print(dropped)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(log)], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"[2, 0]\n"
    assert log.read_bytes() == b"first line\nnext\n" + b"." * 14


def test_line_writer_waits_for_a_non_blocking_pipe() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    writer = LineWriter(writing)
    found = bytearray()

    def read() -> None:
        while part := os.read(reading, 4096):
            found.extend(part)

    many = LINE * 5_000
    reader = threading.Timer(0.2, read)
    reader.start()
    assert writer.write(many) == 0
    os.close(writing)
    reader.join(10)
    os.close(reading)
    assert found == many
