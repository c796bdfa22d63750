"""Standard error that is not read, and lines that meet a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from strangler.observe.background_stream import BackgroundStream
from strangler.observe.line_writer import LineWriter
from tests.e2e.waiting import wait_for

LINE = b'{"path":"/a/path/of/some/length","status":200}\n'


def test_event_log_never_waits_for_a_reader_and_counts_what_it_drops() -> None:
    reading, writing = os.pipe()
    stream = BackgroundStream(writing, "{} dropped".format, waiting_bytes=100_000)
    for number in range(10_000):
        stream.write(f"event {number} {'x' * 90}\n")
    assert stream.dropped > 5_000
    said = stream.dropped
    found = bytearray()

    def read() -> None:
        while part := os.read(reading, 65536):
            found.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    stream.finish(10)
    wait_for(lambda: f"{said} dropped\n".encode() in found, "the line about dropped lines")
    os.close(writing)
    reader.join(10)
    os.close(reading)
    lines = found.decode().splitlines()
    assert lines[0].startswith("event 0 ")
    assert len(lines) == 10_000 - said + 1


def test_event_log_takes_lines_in_parts_and_any_text(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        stream = BackgroundStream(file.fileno())
        print("one", 2, "\udcff", file=stream)
        stream.write("without an end")
        stream.finish(10)
    assert (tmp_path / "log").read_bytes() == b"one 2 \\udcff\nwithout an end\n"


def test_event_log_on_a_closed_descriptor_drops_everything() -> None:
    code = (
        "import sys; from strangler.observe.logs import configure_logs; stream = configure_logs()\n"
        "import structlog; structlog.get_logger().info('an event')\n"
        "stream.finish(10); print(stream.dropped)"
    )
    done = subprocess.run(["/bin/sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"1\n")


def test_line_writer_takes_back_what_a_full_disk_cut(tmp_path: Path) -> None:
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


def test_line_writer_begins_a_new_line_behind_a_torn_one_it_cannot_take_back(tmp_path: Path) -> None:
    """Another process has written behind the part of a line."""
    log = tmp_path / "log"
    code = (
        "import os, resource, sys; from strangler.observe.line_writer import LineWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))\n"
        "writer = LineWriter(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))\n"
        "writer._take_back = lambda size: False\n"
        "dropped = [writer.write(b'first line\\n' * 2)]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "dropped.append(writer.write(b'next\\n'))\n"
        "print(dropped)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(log)], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"[2, 0]\n"
    assert log.read_bytes() == b"first line\nnext\n"


def test_line_writer_waits_for_a_pipe_that_another_process_made_non_blocking() -> None:
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


def test_access_log_on_a_full_disk_holds_whole_lines_alone(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from strangler.observe.access_log import AccessLogWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "log = AccessLogWriter(sys.argv[1])\n"
        "for _ in range(200): log.write(sys.argv[2])\n"
        "log.flush()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "for _ in range(3): log.write(sys.argv[2])\n"
        "log.close(); print(log.dropped)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log"), LINE.decode()], stdout=subprocess.PIPE, check=True
    )
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    assert set(lines) == {LINE}
    assert int(done.stdout) == 203 - len(lines)
    assert json.loads(lines[-1])["status"] == 200
