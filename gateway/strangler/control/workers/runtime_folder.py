"""The runtime folder of an address: where a control process that starts meets the workers of the one before it.

It connects to each of them, receives the descriptors that all workers share,
and speaks with the worker over that connection from then on (handover.py). The
folder's lock is held by one control process at a time; the kernel gives it up
when that process is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from strangler.control.workers.handover import GREETING, SHARED, peer_of, socket_path
from strangler.model.listener import Listener

log = structlog.get_logger(part="control")

ANSWER_DEADLINE = 2.0
LOCK_DEADLINE = 1.0
_LONGEST_PATH = 100


@dataclass(frozen=True, slots=True)
class FormerWorker:
    """A worker that lost its control process; `link` leads to it."""

    pid: int
    link: socket.socket


class AddressOccupied(OSError):
    """Another control process serves this address."""


class RuntimeFolder:
    """The folder of one address, claimed for this control process.

    Raises AddressOccupied where another control process has it, other OSErrors
    where there can be no such folder.
    """

    def __init__(self, root: Path, address: Listener) -> None:
        _make_private(root)
        self.path = root / f"{address.host}-{address.port}"
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            raise OSError(errno.ENAMETOOLONG, "the path is too long for Unix sockets", str(self.path))
        _make_private(self.path)
        self._lock = self._claim(address)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _claim(self, address: Listener) -> int:
        # A process that has just been killed may take a moment to be gone.
        deadline = time.monotonic() + LOCK_DEADLINE
        while True:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), os.stat(self.path / "lock")):
                    return lock
            except FileNotFoundError:
                # Its holder has just released it.
                pass
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(lock, 20, 0).decode("ascii", "replace")
                    os.close(lock)
                    reason = f"another gateway, process {holder}, serves {address}"
                    raise AddressOccupied(errno.EADDRINUSE, reason) from None
                time.sleep(0.05)
            os.close(lock)

    def release(self) -> None:
        """Give the folder up, and remove it unless something is left in it."""
        (self.path / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
        os.close(self._lock)

    def take_over(self) -> tuple[tuple[int, ...], list[FormerWorker]]:
        """The shared descriptors, () where no worker is left, and the workers that are."""
        shared: tuple[int, ...] = ()
        workers = []
        for path in sorted(self.path.glob("*.sock")):
            try:
                worker, descriptors = _meet(path)
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                continue
            except OSError as error:
                log.warning("a worker of an earlier start does not answer", path=str(path), error=str(error))
                continue
            workers.append(worker)
            if shared:
                for descriptor in descriptors:
                    os.close(descriptor)
            else:
                shared = descriptors
        return shared, workers

    def forget(self, pid: int) -> None:
        """Remove what a worker that is gone may have left."""
        socket_path(self.path, pid).unlink(missing_ok=True)


def runtime_root(environment: Mapping[str, str]) -> Path:
    """Where runtime folders go: systemd's RuntimeDirectory, the user's, or one in the folder of temporary files."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    users = environment.get("XDG_RUNTIME_DIR")
    if users:
        return Path(users) / "strangler"
    return Path(tempfile.gettempdir()) / f"strangler-{os.geteuid()}"


def _make_private(folder: Path) -> None:
    """Make `folder` unless it is there; raises PermissionError where others could enter it or put another in place."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "is not a folder of this user", str(folder))
    if found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write to the folder", str(folder))


def _meet(path: Path) -> tuple[FormerWorker, tuple[int, ...]]:
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(ANSWER_DEADLINE)
        link.connect(str(path))
        pid, user = peer_of(link)
        if user != os.geteuid():
            raise PermissionError(errno.EPERM, f"belongs to user {user}", str(path))
        greeting, descriptors, _, _ = socket.recv_fds(link, len(GREETING), SHARED)
        if greeting != GREETING or len(descriptors) != SHARED:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ConnectionError(errno.EPROTO, "does not hand over what is expected", str(path))
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return FormerWorker(pid, link), tuple(descriptors)
