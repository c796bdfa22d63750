"""The monolith and the service as processes, and what each answers to one and the same request.

The same file is in the tests of every service that was taken out of the monolith.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MONOLITH = Path(__file__).resolve().parents[3] / "legacy_monolith"
DEADLINE = 30  # seconds

# Each server's own affair (RFC 9110, sections 6.6.1, 7.6.1 and 10.2.4).
OF_THE_SERVER = frozenset({"date", "server", "connection"})

LISTENING = re.compile(r"(?:Listening at:|running on) http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and the status that it should get. `{name}` in a header stands for the text of that name."""

    status: int
    method: str
    target: str
    headers: tuple[str, ...] = ()
    body: bytes = b""
    version: str = "1.1"

    def __str__(self) -> str:
        text = " ".join((self.method, self.target, *self.headers, ascii(self.body)[2:-1]))
        return ascii(text if len(text) <= 90 else f"{text[:90]}...")[1:-1]

    def message(self, texts: Mapping[str, str], connection: str = "close") -> bytes:
        """The bytes to send. A body gets a Content-Length, unless it is in chunks already."""
        lines = [f"{self.method} {self.target} HTTP/{self.version}", "Host: localhost"]
        lines += [re.sub(r"\{(\w+)\}", lambda name: texts[name[1]], line) for line in self.headers]
        lines.append(f"Connection: {connection}")
        if self.body and not any(line.startswith("Transfer-Encoding:") for line in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """What is compared of an answer. Of the headers' order only that of lines with one name counts."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def read(cls, message: bytes) -> Answer:
        """The answer in all that a server sent until it closed; interim ones (1xx) before it don't count."""
        while True:
            head, separator, body = message.partition(b"\r\n\r\n")
            assert separator, f"no whole answer: {message!r}"
            first, *lines = head.decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status >= 200:
                break
            message = body
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        compared = [field for field in fields if field[0] not in OF_THE_SERVER]
        return cls(status, tuple(sorted(compared, key=lambda field: field[0])), body)


def answers(received: bytes) -> list[Answer]:
    """One after another; none may have a status line in its body."""
    return [Answer.read(message) for message in re.split(rb"(?=HTTP/1\.1 \d{3} )", received)[1:]]


def converse(port: int, sent: bytes) -> bytes:
    """All that the server sends until it closes."""
    received = bytearray()
    # It may answer and close before it has read a body that it does not want.
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection,
        contextlib.suppress(BrokenPipeError, ConnectionResetError),
    ):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs, and where it listens."""

    port: int
    process: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Sides:
    """Where both servers listen, and the texts that the headers of a case may name."""

    monolith: int
    service: int
    texts: Mapping[str, str] = field(default_factory=dict)

    def ask(self, case: Case) -> tuple[Answer, Answer]:
        """The monolith's answer, and the service's."""
        message = case.message(self.texts)
        return Answer.read(converse(self.monolith, message)), Answer.read(converse(self.service, message))


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command to its end; its output is part of the failure, if it fails."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE,
    )
    assert ended.returncode == 0, ended.stdout.decode()


@contextlib.contextmanager
def serving(command: list[str], folder: Path, environment: Mapping[str, str], log: Path) -> Iterator[Served]:
    """A server as a process, from when its log says that it listens; at the end it has to stop cleanly."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while not (found := LISTENING.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield Served(int(found[1]), process)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(DEADLINE)
    assert status == 0, log.read_text()


def seed_monolith(database: Path, environment: Mapping[str, str]) -> None:
    """Make the monolith's database, with the sample shop in it."""
    for command in ("migrate", "seed"):
        run(
            [sys.executable, "manage.py", command, "-v0"],
            MONOLITH,
            monolith_environment(database, environment),
        )


def serving_monolith(
    database: Path, environment: Mapping[str, str], log: Path
) -> contextlib.AbstractContextManager[Served]:
    """The monolith as a process, on any free port."""
    command = [sys.executable, "-m", "gunicorn", "shop.wsgi"]
    return serving(command, MONOLITH, monolith_environment(database, environment), log)


def monolith_environment(database: Path, environment: Mapping[str, str]) -> dict[str, str]:
    return {"SHOP_DEVELOPMENT": "1", "DATABASE_PATH": str(database), "BIND": "127.0.0.1:0", **environment}
