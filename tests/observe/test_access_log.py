"""The access log on a full disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LINE = b'{"path":"/a/path/of/some/length","status":200}\n'


def test_access_log_on_a_full_disk_holds_only_whole_lines(tmp_path: Path) -> None:
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
