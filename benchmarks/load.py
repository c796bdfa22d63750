"""Load by wrk: one thread, 64 connections, prepared requests in turn."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import NotRunnable

CONNECTIONS = 64
_MARK = "BENCH-RESULT "

# Requests are read once, before the load; `request` only picks the next. The
# summary is printed as JSON because wrk's own table rounds to two digits.
_SCRIPT = """
local prepared, next = {}, 0
function init(arguments)
  local pause = tonumber(arguments[2])
  if pause then
    -- Between half of it and one and a half, so that connections don't come in step; whole ones, right in the mean.
    function delay() return math.floor(pause * (0.5 + math.random()) + math.random()) end
  end
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local length = file:read(8)
    if not length then break end
    prepared[#prepared + 1] = file:read(tonumber(length))
  end
  file:close()
end
function request()
  next = next % #prepared + 1
  return prepared[next]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\nBENCH-RESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, '
      .. '"refused": %d, "broken": %d}\\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw. `refused` are responses of 400 and above, `broken` socket errors and timeouts.

    `own_cpu_seconds` is what wrk itself used, the reading of the requests included.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int
    own_cpu_seconds: float


class Wrk:
    """wrk with its script in `directory`; raises NotRunnable if it isn't installed."""

    def __init__(self, directory: Path) -> None:
        found = shutil.which("wrk")
        if found is None:
            raise NotRunnable("wrk is not installed: there is nothing to measure with")
        self._wrk = found
        self._script = directory / "load.lua"
        self._script.write_text(_SCRIPT)

    def version(self) -> str:
        """wrk's own version text."""
        said = subprocess.run([self._wrk, "--version"], capture_output=True, text=True, check=False)
        match = re.search(r"wrk (?:debian/)?(\S+)", said.stdout + said.stderr)
        return match.group(1) if match else "unknown"

    def run(self, url: str, prepared: Path, seconds: float, pause_ms: float | None = None) -> Load:
        """Send the `prepared` requests (see traffic) to `url` for `seconds` (whole ones: rounded, at least 1).

        Each connection waits about `pause_ms` before a request, or not at all.
        """
        lasting = f"-d{max(1, round(seconds))}s"
        command = [self._wrk, "-t1", f"-c{CONNECTIONS}", lasting, "-s", str(self._script), url, "--", str(prepared)]
        if pause_ms is not None:
            command.append(f"{pause_ms:.3f}")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = next((line for line in said.stdout.splitlines() if line.startswith(_MARK)), None)
        if said.returncode or line is None:
            raise NotRunnable(f"wrk failed: {(said.stderr or said.stdout).strip()[-300:]}")
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Load(**json.loads(line.removeprefix(_MARK)), own_cpu_seconds=used)
