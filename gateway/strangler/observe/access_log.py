"""The access log: one JSON object a line, written in batches.

The event loop itself writes to a regular file, which costs a copy into the page
cache. Anything else, such as a pipe, may block, so a thread writes: a slow
reader blocks the thread, never a request; when too many bytes wait, lines are
dropped and counted. A line is written whole or not at all, even on a full disk
(line_writer.py).

`proxy.exchange.completion` puts the line of a request together (its attempts:
`proxy.exchange.attempts`); the line of a refused one is `refused_line`.

Neither queries nor tokens are logged: some clients put a JSON Web Token into
the path.
"""

from __future__ import annotations

import os
import queue
import re
import threading
from dataclasses import dataclass
from functools import lru_cache

from orjson import dumps

from strangler.auth.identity import Identity
from strangler.observe.line_writer import LineWriter

# Small batches stay in the processor's cache; large ones rarely wake the thread, which contends for the interpreter.
FILE_BATCH_LINES = 64
THREAD_BATCH_LINES = 512
WAITING_BATCHES = 64
WAITING_BYTES = 16_777_216
"""Maximum bytes that wait for the writing thread; clients decide how long their lines are."""


# A JSON Web Token (RFC 7519), whose dots may be escaped; its first part is JSON in base64url, hence the prefix.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}+(?:(?:\.|%2[eE])[A-Za-z0-9_-]*+){1,4}|eyJ[A-Za-z0-9_-]*+")


def without_tokens(path: str) -> str:
    """`path` without JSON Web Tokens. Cheaper: check first whether `eyJ` is in it, as most paths have none."""
    return _TOKEN.sub(_replacement, path)


def _replacement(match: re.Match[str]) -> str:
    return "[redacted]" if "." in match[0] or "%" in match[0] else match[0]


@lru_cache(4096)
def quoted(text: str) -> str:
    """`text` as JSON, cached: for names from the configuration, and addresses."""
    return dumps(text).decode()


def caller_text(client: str, host: str, side: str, upstream: str, identity: Identity | None) -> str:
    """The part of a line that is about the caller and its upstream; `host` is a valid Host, or empty."""
    subject = '""' if identity is None else dumps(identity.subject).decode()
    # What a Host consists of needs no escapes, and neither does the name of a side.
    return (
        f',"client":{quoted(client)},"host":"{host}","side":"{side}","upstream":{quoted(upstream)},"subject":{subject}'
    )


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """What is logged of a request that was refused before routing; unknown fields are empty."""

    time: str
    request_id: bytes
    method: str
    path: str
    status: int
    seconds: float
    client: str
    host: str

    def line(self) -> str:
        """Return the line of the access log."""
        entry = {
            "time": self.time,
            "request_id": self.request_id.decode(),
            "method": self.method,
            "path": without_tokens(self.path) if "eyJ" in self.path else self.path,
            "status": self.status,
            "route": "",
            "endpoint": "",
            "bytes": 0,
            "ms": round(self.seconds * 1000, 3),
        }
        return dumps(entry)[:-1].decode() + caller_text(self.client, self.host, "", "", None) + "}\n"


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class AccessLogWriter:
    """Appends to `path`, or writes to standard output where it is None."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._overflowed = 0
        self._unwritten = 0
        # Total bytes handed over and written; each is counted by one of the two threads.
        self._put = 0
        self._taken = 0
        self._lines: list[str] = []
        self._writer = LineWriter(1 if path is None else _open(path))
        self._batches: queue.Queue[bytes | None] = queue.Queue(WAITING_BATCHES)
        self._writing: threading.Thread | None = None
        self._batch_lines = FILE_BATCH_LINES
        if not self._writer.is_file:
            self._batch_lines = THREAD_BATCH_LINES
            self._writing = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
            self._writing.start()

    @property
    def dropped(self) -> int:
        """How many lines could not be written so far; each of the two threads counts those that it dropped."""
        return self._overflowed + self._unwritten

    def write(self, line: str) -> None:
        """Add one line, newline included, for the next flush."""
        lines = self._lines
        lines.append(line)
        if len(lines) >= self._batch_lines:
            self.flush()

    def flush(self) -> None:
        """Write the lines that were added, or hand them to the writing thread."""
        lines = self._lines
        if not lines:
            return
        self._lines = []
        batch = "".join(lines).encode()
        if self._writing is None:
            self._write(batch)
            return
        if self._put + len(batch) - self._taken > WAITING_BYTES:
            self._overflowed += len(lines)
            return
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            self._overflowed += len(lines)
        else:
            self._put += len(batch)

    def reopen(self) -> None:
        """Continue in the file that is at the path now, if the log is a file; on OSError the old file stays in use."""
        if self.path is None or self._writing is not None:
            return
        self.flush()
        opened = _open(self.path)
        os.close(self._writer.descriptor)
        self._writer = LineWriter(opened)

    def close(self) -> None:
        """Write the lines that were added; waits for the thread at most a second."""
        self.flush()
        if self._writing is not None:
            try:
                self._batches.put(None, timeout=1)
            except queue.Full:
                return
            self._writing.join(1)
        if self.path is not None:
            os.close(self._writer.descriptor)

    def _write_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._write(batch)
            self._taken += len(batch)

    def _write(self, batch: bytes) -> None:
        self._unwritten += self._writer.write(batch)
