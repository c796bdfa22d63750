"""The runtime folder of an address: where a control process finds the workers of an earlier one.

It connects to each worker, receives the descriptors that all workers share, and
keeps the connection as its link to the worker (handover.py). One control
process at a time holds the folder's lock; the kernel releases it when that
process ends.
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

from strangler.control.workers.handover import GREETING, SharedDescriptors, peer_of, socket_path
from strangler.model.listener import ListenAddress

log = structlog.get_logger(part="control")

HANDOVER_DEADLINE = 2.0
LOCK_DEADLINE = 1.0
_LONGEST_PATH = 100


@dataclass(frozen=True, slots=True)
class FormerWorker:
    """A worker that lost its control process; `link` is the connection to it."""

    pid: int
    link: socket.socket


class AddressOccupied(OSError):
    """Another control process holds this address."""


class RuntimeFolder:
    """The folder of one address, claimed for this control process.

    Raises AddressOccupied where another control process holds it, and another
    OSError where the folder can't be made.
    """

    def __init__(self, root: Path, address: ListenAddress) -> None:
        _make_private(root)
        self.path = root / f"{address.host}-{address.port}"
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            raise OSError(errno.ENAMETOOLONG, "the path is too long for Unix sockets", str(self.path))
        _make_private(self.path)
        self._lock = self._claim(address)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _claim(self, address: ListenAddress) -> int:
        # A process that was just killed may take a moment to end.
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
        """Release the lock, and remove the folder if it is empty."""
        (self.path / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
        os.close(self._lock)

    def take_over(self) -> tuple[SharedDescriptors | None, list[FormerWorker]]:
        """The workers that are left, and the descriptors that they share, None where no worker is left."""
        shared: SharedDescriptors | None = None
        workers = []
        for path in sorted(self.path.glob("*.sock")):
            try:
                worker, descriptors = _connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                continue
            except OSError as error:
                log.warning("a worker of an earlier start does not respond", path=str(path), error=str(error))
                continue
            workers.append(worker)
            if shared is not None:
                for descriptor in descriptors:
                    os.close(descriptor)
            else:
                shared = descriptors
        return shared, workers

    def forget(self, pid: int) -> None:
        """Remove the socket that an ended worker may have left."""
        socket_path(self.path, pid).unlink(missing_ok=True)


def runtime_root(environment: Mapping[str, str]) -> Path:
    """The parent of runtime folders: systemd's RuntimeDirectory, the user's, or one among the temporary files."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    users = environment.get("XDG_RUNTIME_DIR")
    if users:
        return Path(users) / "strangler"
    return Path(tempfile.gettempdir()) / f"strangler-{os.geteuid()}"


def _make_private(folder: Path) -> None:
    """Make `folder` unless it exists; raises PermissionError where another user owns it or may write to it."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "is not a folder of this user", str(folder))
    if status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write to the folder", str(folder))


def _connect(path: Path) -> tuple[FormerWorker, SharedDescriptors]:
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(HANDOVER_DEADLINE)
        link.connect(str(path))
        pid, user = peer_of(link)
        if user != os.geteuid():
            raise PermissionError(errno.EPERM, f"belongs to user {user}", str(path))
        greeting, descriptors, _, _ = socket.recv_fds(link, len(GREETING), len(SharedDescriptors._fields))
        if greeting != GREETING or len(descriptors) != len(SharedDescriptors._fields):
            for descriptor in descriptors:
                os.close(descriptor)
            raise ConnectionError(errno.EPROTO, "unexpected handover", str(path))
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return FormerWorker(pid, link), SharedDescriptors._make(descriptors)
