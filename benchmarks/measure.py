"""CPU time and memory of processes and of the machine, from /proc.

CPU is utime+stime of /proc/PID/stat. Linux scales these to the exact run time
of the task, so that a sum over seconds is good to about a clock tick (10 ms),
whatever the number of short runs in between.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(pid: int) -> list[int]:
    """`pid` and all its living descendants, `pid` first; empty when it has ended."""
    if not Path(f"/proc/{pid}").exists():
        return []
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """User and system time that each process has used so far; ended ones are left out."""
    used: dict[int, float] = {}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        # The command's name in parentheses may hold spaces: fields count from the last one.
        fields = text.rpartition(")")[2].split()
        used[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    return used


def rss_bytes(pids: Iterable[int]) -> int:
    """Resident memory of the processes together; pages that they share count once for each."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            continue
    return total


def machine_busy_seconds() -> float:
    """CPU time that anything on this machine has used so far, all cores together."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    # user nice system idle iowait irq softirq steal: idle and iowait are not use.
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICKS


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures were taken on."""

    cpu: str
    cores: int
    memory_mib: int
    kernel: str
    system: str
    python: str
    python_build: str

    @classmethod
    def this(cls) -> Machine:
        """The machine that this runs on."""
        cpu = platform.processor() or "unknown"
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
        try:
            system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
        except OSError:
            system = platform.system()
        return cls(
            cpu=cpu,
            cores=len(os.sched_getaffinity(0)),
            memory_mib=os.sysconf("SC_PHYS_PAGES") * _PAGE // 2**20,
            kernel=platform.release(),
            system=system,
            python=platform.python_version(),
            python_build=_python_build(),
        )


def _python_build() -> str:
    """How this Python was built, as its own configuration tells; a plain build costs about a tenth.

    Debian's configuration is that of its shared library, the program's is not installed: its rules build with both.
    """
    if sys.base_prefix == "/usr" and Path("/etc/debian_version").exists():
        return "by Debian, with PGO and LTO"
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    profiled = "--enable-optimizations" in options
    linked = "--with-lto" in options
    return f"{'with' if profiled else 'without'} PGO, {'with' if linked else 'without'} LTO"
