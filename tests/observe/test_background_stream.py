"""The event log on a standard error that is not read, or closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from strangler.observe.background_stream import BackgroundStream
from tests.e2e.waiting import wait_for


def test_event_log_drops_and_counts_lines_without_a_reader() -> None:
    reading, writing = os.pipe()
    stream = BackgroundStream(writing, "{} dropped".format, waiting_bytes=100_000)
    for number in range(10_000):
        stream.write(f"event {number} {'x' * 90}\n")
    assert stream.dropped > 5_000
    dropped = stream.dropped
    found = bytearray()

    def read() -> None:
        while part := os.read(reading, 65536):
            found.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    stream.finish(10)
    wait_for(lambda: f"{dropped} dropped\n".encode() in found, "the line about dropped lines")
    os.close(writing)
    reader.join(10)
    os.close(reading)
    lines = found.decode().splitlines()
    assert lines[0].startswith("event 0 ")
    assert len(lines) == 10_000 - dropped + 1


def test_event_log_accepts_partial_lines_and_any_text(tmp_path: Path) -> None:
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
