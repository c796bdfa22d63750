"""CPU per request of the data plane's Python code alone, with client and upstream in memory.

    .venv/bin/python -m benchmarks.in_memory [LOAD ...] [--beside CHECKOUT] [--rounds 15]

No socket, no kernel, no other process. Each version runs in a process of its own
and takes its rounds in turn with the other, load by load, so that what else the
machine does reaches both: the ratio of neighbouring rounds repeats within a few
percent where the microseconds do not. Use `make bench` for figures to publish.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.in_memory_rounds import LOADS

HERE = Path(__file__).resolve().parent.parent


class Version:
    """The data plane of one checkout, in a process that plays rounds when it is asked to."""

    def __init__(self, checkout: Path) -> None:
        python = checkout / ".venv" / "bin" / "python"
        self._process = subprocess.Popen(
            [python if python.exists() else sys.executable, "-P", HERE / "benchmarks" / "in_memory_rounds.py"],
            env={**os.environ, "PYTHONPATH": f"{checkout / 'gateway'}:{checkout}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self, load: str) -> float:
        """CPU microseconds a request in one round of `load`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{load}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the data plane with client and upstream in memory.")
    parser.add_argument("loads", nargs="*", default=list(LOADS), metavar="LOAD", help=", ".join(LOADS))
    parser.add_argument("--beside", type=Path, help="another checkout, whose rounds alternate with those of this one")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    unknown = set(arguments.loads) - set(LOADS)
    if unknown:
        parser.error(f"no load is named {', '.join(sorted(unknown))}; there are {', '.join(LOADS)}")
    versions = [Version(HERE)]
    if arguments.beside is not None:
        versions.append(Version(arguments.beside.resolve()))
    for load in arguments.loads:
        rounds = [[version.round(load) for version in versions] for _ in range(arguments.rounds)]
        figures = [median(column) for column in zip(*rounds, strict=True)]
        text = f"{load:6} {figures[0]:7.2f} µs a request"
        if len(figures) > 1:
            ratio = median(one / other for one, other in rounds)
            text += f"   beside {figures[1]:7.2f}: {ratio:.3f} x"
        print(text, flush=True)
    for version in versions:
        version.close()


if __name__ == "__main__":
    main()
