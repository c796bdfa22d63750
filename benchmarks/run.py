"""`python -m benchmarks.run`: measure this gateway beside nginx, HAProxy and Envoy.

Ends with 0 when there is a table (whatever it says), 2 when nothing could be
measured at all, 130 on Ctrl-C. Whatever was started is ended in every case.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType

from benchmarks import peers, report
from benchmarks.load import Wrk
from benchmarks.measure import Machine
from benchmarks.origin import start_origin
from benchmarks.peers.contender import Contender
from benchmarks.peers.gateway import how_it_runs
from benchmarks.processes import NotRunnable
from benchmarks.shadow import ShadowOutcome, shadow
from benchmarks.stream import StreamOutcome, stream
from benchmarks.throughput import Bench, Entry, Outcome, Row, compete
from benchmarks.traffic import TRAFFIC
from benchmarks.workload import Certificate, Credentials

ROUTE_COUNTS = (10, 100, 1000)
HERE = Path(__file__).parent


def _entries(contenders: Sequence[Contender]) -> list[Entry]:
    return [Entry(each.name, each) for each in contenders]


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("bare", "bare", _entries(peers.BARE)),
        *(
            Row(name, "full", _entries([*peers.FULL, *([peers.ENVOY_UNCACHED] if name == "same" else [])]), traffic)
            for name, traffic in TRAFFIC.items()
        ),
        Row("p99", "full", _entries(peers.AUTHENTICATING), TRAFFIC["users"], paced_by=peers.HAPROXY.name),
        Row(
            "workers",
            "full",
            [Entry("one worker", peers.GATEWAY), Entry("two workers", peers.TWO_WORKERS)],
            TRAFFIC["users"],
        ),
        Row("routes", "full", [Entry(f"{count} routes", peers.GATEWAY, count) for count in ROUTE_COUNTS]),
        Row(
            "failures",
            "full",
            [Entry("nothing configured", peers.GATEWAY), Entry("all of it configured", peers.CAREFUL)],
            TRAFFIC["users"],
        ),
    )
}
"""What is measured by load at full speed, by the name that --rows takes."""
NAMES = (*ROWS, "shadow", "stream")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="rounds of each row (default 5, short 1)")
    parser.add_argument("--seconds", type=int, help="seconds of each measurement (default 3, short 1)")
    parser.add_argument(
        "--short", action="store_true", help="a quick look: one round, small bodies, and no file is written"
    )
    parser.add_argument("--rows", default="", help=f"only these, separated by commas: {', '.join(NAMES)}")
    parser.add_argument("--only", action="append", metavar="NAME", help="only names that contain NAME")
    parser.add_argument(
        "--output", type=Path, help="folder for RESULTS.md and results.json (default: beside this module)"
    )
    arguments = parser.parse_args(argv)
    if any(value is not None and value < 1 for value in (arguments.rounds, arguments.seconds)):
        parser.error("--rounds and --seconds need 1 or more")
    arguments.rows = [name for name in arguments.rows.split(",") if name]
    if unknown := [name for name in arguments.rows if name not in NAMES]:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(NAMES)}")
    arguments.partial = bool(arguments.short or arguments.rows or arguments.only)
    return arguments


def _say(line: str) -> None:
    print(line, flush=True)


def _versions(contenders: Sequence[Contender], wrk: Wrk) -> dict[str, str]:
    known = {"wrk": wrk.version()}
    for contender in contenders:
        try:
            known[contender.name] = contender.version()
        except NotRunnable as error:
            known[contender.name] = f"(missing: {error})"
    return known


def _run(arguments: argparse.Namespace, stack: ExitStack) -> report.Results:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strangler-bench-")))
    rounds = arguments.rounds or (1 if arguments.short else 5)
    seconds = arguments.seconds or (1 if arguments.short else 3)
    wanted = arguments.rows or NAMES
    machine = Machine.this()
    wrk = Wrk(directory)
    origin = start_origin(stack, directory / "origin")
    certificate = Certificate.create(directory / "tls")
    bench = Bench(directory, origin, Credentials.create(), certificate, wrk, machine.cores, _say)

    def chosen(contenders: Sequence[Contender]) -> list[Contender]:
        names = [name.lower() for name in arguments.only or [""]]
        return [each for each in contenders if any(name in each.name.lower() for name in names)]

    rows: dict[str, list[Outcome]] = {}
    for name, row in ROWS.items():
        taking_part = chosen([entry.contender for entry in row.entries])
        entries = [entry for entry in row.entries if entry.contender in taking_part]
        if name in wanted and entries:
            rows[name] = compete(bench, replace(row, entries=entries), rounds, seconds)
    shadows: list[ShadowOutcome] | None = None
    if "shadow" in wanted and chosen([peers.GATEWAY]):
        shadows = shadow(bench, peers.SHADOW, rounds)
    streams: list[StreamOutcome] | None = None
    if "stream" in wanted:
        streams = stream(bench, chosen(peers.STREAM), 256 if arguments.short else 1024)
    notes = HERE / "NOTES.md"
    return report.Results(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine,
        versions=_versions(peers.BARE, wrk),
        gateway=how_it_runs(),
        rounds=rounds,
        seconds=seconds,
        rows=rows,
        streams=streams,
        shadows=shadows,
        notes=notes.read_text() if notes.is_file() else "",
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Both unwind, so that the children are ended; an impatient second Ctrl-C must not cut that short.
    # (A handler that does nothing rather than SIG_IGN: Python complains where a signal is under way.)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    arguments = _arguments(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            results = _run(arguments, stack)
    except KeyboardInterrupt:
        print("interrupted: everything that was started has been ended", file=sys.stderr)
        return 130
    except NotRunnable as error:
        print(f"can't measure: {error}", file=sys.stderr)
        return 2
    print("\n" + report.markdown(results))
    if arguments.partial and arguments.output is None:
        print("Part of the whole benchmark: RESULTS.md was left as it is (--output writes one elsewhere).")
    else:
        target = arguments.output or HERE
        report.write(results, target)
        print(f"Wrote {target / 'RESULTS.md'} and results.json in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
