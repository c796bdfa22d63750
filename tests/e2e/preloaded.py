"""Gateways and commands that are forked from an interpreter in which the program is loaded already.

To load the modules of the control process takes a second of a processor, which
is more than most tests take afterwards, and it is the same second every time.
So one process of each test process loads them once, and every gateway is a fork
of it: a process of its own, with its own environment, outputs and exit code,
which runs the same command line. So are other commands. What happens while the interpreter starts is
seen only in a gateway that is started afresh (`GatewayProcess(fresh=True)`).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[2]
LONGEST = 1 << 17
"""Bytes of a request, most of which is the environment."""
LOADED = ("strangler.cli.run", "strangler.cli.capture", "strangler.cli.compare", "strangler.cli.shadow.report")
PATIENCE = 60.0


class PreloadedProcess:
    """A forked process with the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, ended: int, arguments: Sequence[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended
        self._arguments = arguments

    def poll(self) -> int | None:
        """The exit code, or minus the signal's number, once it has ended."""
        return self._after(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, as long as `timeout` seconds."""
        code = self._after(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self._arguments), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _after(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], seconds)[0]:
            code = os.read(self._ended, 16)
            os.close(self._ended)
            assert code, "the loaded interpreter is gone, and the exit code with it"
            self.returncode = int(code)
        return self.returncode


class _Loader:
    """The loaded interpreter, seen from the tests."""

    def __init__(self) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(PATIENCE)
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.preloaded", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        theirs.close()
        atexit.register(self._end)

    def start(
        self, arguments: Sequence[str], stdout: IO[bytes], stderr: IO[bytes], environment: Mapping[str, str]
    ) -> PreloadedProcess:
        """`strangler` with these `arguments`."""
        request = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode()
        ended, tell = os.pipe()
        try:
            with self._asking:
                socket.send_fds(self._link, [request], [stdout.fileno(), stderr.fileno(), tell])
                pid = int(self._link.recv(16))
        finally:
            os.close(tell)
        return PreloadedProcess(pid, ended, arguments)

    def _end(self) -> None:
        self._link.close()
        self._process.wait(PATIENCE)


_loaders: list[_Loader] = []


def start_preloaded(
    arguments: Sequence[str], *, stdout: IO[bytes], stderr: IO[bytes], environment: Mapping[str, str]
) -> PreloadedProcess:
    """`strangler` with these `arguments`, forked from this test process's loaded interpreter."""
    if not _loaders:
        _loaders.append(_Loader())
    return _loaders[0].start(arguments, stdout, stderr, environment)


def run_preloaded(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run `strangler` with these `arguments` to its end; `environment` is added to that of the tests."""
    command = [*map(str, arguments)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start_preloaded(command, stdout=out, stderr=err, environment={**os.environ, **(environment or {})})
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read().decode(), err.read().decode())


def _serve(link: socket.socket) -> None:
    """Fork for each request on `link`, and report how each fork ends, until `link` is closed."""
    selector = selectors.DefaultSelector()
    selector.register(link, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is link:
                request, descriptors, _, _ = socket.recv_fds(link, LONGEST, 3)
                if not request:
                    return
                _start(link, selector, json.loads(request), *descriptors)
            else:
                pid, tell = key.data
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.write(tell, b"%d" % code)
                selector.unregister(key.fileobj)
                os.close(tell)
                os.close(key.fd)


def _start(
    link: socket.socket,
    selector: selectors.BaseSelector,
    request: Mapping[str, Any],
    out: int,
    err: int,
    tell: int,
) -> None:
    pid = os.fork()
    if pid == 0:
        link.close()
        selector.close()
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 1 + max(map(int, os.listdir("/proc/self/fd"))))
        _become(**request)
    os.close(out)
    os.close(err)
    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, tell))
    link.send(b"%d" % pid)


def _become(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Be `strangler` with these `arguments` and nothing but this `environment`."""
    code = 0
    try:
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        sys.argv = ["strangler", *arguments]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for module in LOADED:
        import_module(module)
    from strangler.cli.main import main

    # Objects that are not looked at by the collector stay shared with the forks.
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
