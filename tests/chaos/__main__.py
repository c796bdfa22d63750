"""`python -m tests.chaos [--scale S] [--write FILE] [SCENARIO…]`: play scenarios and print what came of each.

Ends with 1 if a promise was broken. `--write` puts the figures into a page,
between its two marks.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Machine
from benchmarks.processes import NotRunnable
from tests.chaos import peers
from tests.chaos.scenarios import SCENARIOS, broken_promises, run
from tests.chaos.stage import Outcome

BEGIN, END = "<!-- figures of make chaos -->", "<!-- end of figures -->"
COMPARED = ("endpoint-killed", "reloads")
_HEADS = "| | sent | right | by fallback | failed reads | failed writes | wrong | duplicated | lost | p99 ms |"


def _row(title: str, outcome: Outcome) -> str:
    return (
        f"| {title} | {outcome.sent} | {outcome.right} | {outcome.fallback} | {outcome.failed_reads} "
        f"| {outcome.failed_writes} | {outcome.wrong} | {outcome.duplicated} | {outcome.lost} | {outcome.p99_ms:.0f} |"
    )


def _table(rows: list[str]) -> list[str]:
    return [_HEADS, "|---" + "|---:" * 9 + "|", *rows]


def _write(page: Path, own: list[str], others: list[str], scale: float) -> None:
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    machine = Machine.this()
    lines = [
        BEGIN,
        f"Of {datetime.date.today()}, {machine.cores} cores, {machine.cpu}, scale {scale:g}:",
        "",
        *_table(own),
    ]
    if others:
        lines += ["", "The same load on the peers, where they can play the scenario:", "", *_table(others)]
    page.write_text("\n".join([before.rstrip(), "", *lines, END]) + after)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all if none")
    parser.add_argument("--scale", type=float, default=1.0, help="shorten what lasts and what is repeated (0 to 1)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures into this page")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}")
    chosen = arguments.scenarios or list(SCENARIOS)
    broken = False
    own, others = [], []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="strangler-chaos-") as folder:
            try:
                outcome = run(name, Path(folder), arguments.scale)
            except NotRunnable as error:
                print(f"{name}: not runnable: {error}", flush=True)
                continue
        print(outcome, flush=True)
        own.append(_row(SCENARIOS[name].title, outcome))
        for promise in broken_promises(outcome):
            broken = True
            print(f"  BROKEN: {promise}", flush=True)
    for name in COMPARED if not arguments.scenarios else ():
        for kind in (peers.HAProxy, peers.Envoy):
            try:
                outcome = peers.play(kind, name, arguments.scale)
            except NotRunnable as error:
                print(f"{kind.name}: not runnable: {error}", flush=True)
                continue
            print(f"{kind.name}, {outcome}", flush=True)
            others.append(_row(f"{kind.name}: {SCENARIOS[name].title}", outcome))
    if arguments.write is not None:
        _write(arguments.write, own, others, arguments.scale)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
