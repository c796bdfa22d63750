"""Requests without a pause, so that a test sees whether one is lost meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.raw_http import Client


class Load:
    """Requests, one after the other on each of a few connections, half of them kept alive until told to close."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.errors: list[BaseException] = []
        self.stop = threading.Event()

    def run(self, port: int, keep_alive: bool) -> None:
        """Ask until told to stop or something goes wrong."""
        try:
            while not self.stop.is_set():
                with Client(port) as client:
                    while True:
                        answer = client.request("/load")
                        self.statuses.append(answer.status)
                        if not keep_alive or answer.value(b"Connection") == b"close" or self.stop.is_set():
                            break
        except BaseException as error:  # it is judged by the test
            self.errors.append(error)


@contextmanager
def load(port: int) -> Iterator[Load]:
    """Ask 127.0.0.1:`port` all the time until the block ends."""
    running = Load()
    threads = [threading.Thread(target=running.run, args=(port, number % 2 == 0)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop.set()
        for thread in threads:
            thread.join(20)
