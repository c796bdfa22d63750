"""The Unix socket at which the judge takes pairs from workers, in a folder that only this user can enter.

The control process holds it, so that a judge that dies takes no connection
attempt with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

BACKLOG = 256
SHARED_MEMORY = Path("/dev/shm")
"""Usually writable in a container whose root is read-only and that has no folder of temporary files."""


class WorkersSocket:
    """Lies in the folder of temporary files, else in `folder`, else in shared memory. Raises OSError."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = _private_folder(folder)
        self.path = str(self._folder / "judge")
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(self.path)
            self._socket.listen(BACKLOG)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor, which the judge inherits."""
        return self._socket.fileno()

    def close(self) -> None:
        """Accept no more, and remove the folder."""
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _private_folder(other: Path | None) -> Path:
    """A new folder that only this user can enter. Raises OSError where there is no place for one."""
    try:
        return Path(tempfile.mkdtemp(prefix="strangler-"))
    except OSError as error:
        # The root is read-only, and there is no /tmp.
        for place in (other, SHARED_MEMORY):
            if place is not None and os.access(place, os.W_OK):
                with contextlib.suppress(OSError):
                    return Path(tempfile.mkdtemp(prefix="strangler-", dir=place))
        raise OSError(error.errno, f"no folder for the judge's socket: {error.strerror}; set TMPDIR") from error
