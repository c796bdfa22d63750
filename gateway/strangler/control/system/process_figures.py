"""The kernel's figures of each process of the gateway (proc(5)), and how long its event loop was blocked."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

LAG_WINDOW = 60.0

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LABELS = ("process",)


class Peak:
    """The largest value of the last LAG_WINDOW seconds, so that a scrape every fifteen seconds misses none."""

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque()

    def add(self, value: float) -> None:
        """Add a value."""
        values = self._values
        while values and values[-1][1] <= value:
            values.pop()
        values.append((monotonic(), value))

    def value(self) -> float:
        """The largest value, 0 where there is none."""
        values = self._values
        while values and values[0][0] < monotonic() - LAG_WINDOW:
            values.popleft()
        return values[0][1] if values else 0.0


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Processor time in seconds, memory in bytes, open files and their limit."""

    cpu: float
    memory: int
    files: int | None
    most_files: float | None


def figures_of(pid: int) -> ProcessFigures | None:
    """The figures of a process, None where it has ended or the system has no /proc."""
    folder = Path(f"/proc/{pid}")
    try:
        # The program's name, in parentheses, may contain any character.
        fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return ProcessFigures(
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        memory=pages * _PAGE,
        files=_open_files(folder),
        most_files=_most_files(folder),
    )


def _open_files(folder: Path) -> int | None:
    try:
        return len(os.listdir(folder / "fd"))
    except OSError:
        return None


def _most_files(folder: Path) -> float | None:
    try:
        lines = (folder / "limits").read_text().splitlines()
    except OSError:
        return None
    soft = next((line.split()[3] for line in lines if line.startswith("Max open files")), "")
    return float("inf") if soft == "unlimited" else float(soft) if soft.isdigit() else None


def process_families(pids: Mapping[str, int], lags: Mapping[str, float]) -> Iterator[Metric]:
    """The metrics of the processes with these names and numbers, and the longest lag of each event loop."""
    cpu = CounterMetricFamily(
        "strangler_process_cpu_seconds",
        "Processor time used, user and system, since the process started.",
        labels=_LABELS,
    )
    memory = GaugeMetricFamily("strangler_process_resident_memory_bytes", "Resident memory.", labels=_LABELS)
    files = GaugeMetricFamily("strangler_process_open_fds", "Open file descriptors.", labels=_LABELS)
    most = GaugeMetricFamily("strangler_process_max_fds", "The soft limit on file descriptors.", labels=_LABELS)
    lag = GaugeMetricFamily(
        "strangler_event_loop_lag_seconds", "Longest time for which the event loop was blocked, in the last minute.",
        labels=_LABELS,
    )  # fmt: skip
    for name, pid in pids.items():
        figures = figures_of(pid)
        if figures is None:
            continue
        cpu.add_metric((name,), figures.cpu)
        memory.add_metric((name,), figures.memory)
        if figures.files is not None:
            files.add_metric((name,), figures.files)
        if figures.most_files is not None:
            most.add_metric((name,), figures.most_files)
    for name, seconds in lags.items():
        lag.add_metric((name,), seconds)
    yield from (cpu, memory, files, most, lag)
