"""Kill the orders service again and again, and look each time whether an order is stuck, or stock or money is wrong.

    python -m tests.extracted.saga_chaos --kills 200 --write docs/saga.md

The table goes between the marks in the file.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from tests.extracted.invariants import unfinished, violations
from tests.extracted.shop import PRODUCTS, ROOT, STOCK, Shop

SHORT_LEASES = {"SAGA_LEASE_SECONDS": "0.05", "SAGA_PAUSE_SECONDS": "0.02"}
"""So that the process that takes over need not wait; a lease only spares requests."""

BEGIN, END = "<!-- figures of make saga-chaos -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Kill:
    """Where the process was killed, and what was wrong once another had taken over."""

    module: str
    line: int
    stuck: int
    problems: list[str]


def kill_repeatedly(shop: Shop, kills: int) -> Iterator[Kill]:
    """Needs a shop whose orders service does not run."""
    before = dict.fromkeys(PRODUCTS, STOCK)
    command = [sys.executable, "-m", "tests.extracted.crashing", str(kills)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | shop.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            killed = json.loads(line)
            yield Kill(killed["file"], killed["line"], unfinished(shop), violations(shop, before))
            print(file=process.stdin, flush=True)
    assert process.returncode == 0


def table(kills: list[Kill], states: dict[str, int]) -> str:
    """The figures as Markdown."""
    modules = Counter(kill.module for kill in kills)
    lines = {module: len({kill.line for kill in kills if kill.module == module}) for module in modules}
    rows = [
        f"| `{module}.py` | {count} | {lines[module]} | {sum(kill.stuck for kill in kills if kill.module == module)} | "
        f"{sum(len(kill.problems) for kill in kills if kill.module == module)} |"
        for module, count in sorted(modules.items())
    ]
    return "\n".join(
        [
            "| killed in | kills | different lines | orders stuck | stock or money wrong |",
            "|---|---|---|---|---|",
            *rows,
            f"| **all** | {len(kills)} | {sum(lines.values())} | {sum(kill.stuck for kill in kills)} | "
            f"{sum(len(kill.problems) for kill in kills)} |",
            "",
            f"Of the {sum(states.values())} orders of these runs, {states.get('completed', 0)} were completed, "
            f"{states.get('cancelled', 0)} cancelled, and {states.get('awaiting_payment', 0)} wait for their customer, "
            "whose request died with the process.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, Shop(Path(folder), variables=SHORT_LEASES) as shop:
        kills = []
        for kill in kill_repeatedly(shop, chosen.kills):
            kills.append(kill)
            print(f"{kill.module}.py:{kill.line}: {kill.stuck} stuck, {kill.problems or 'nothing wrong'}", flush=True)
        states = dict(shop.rows("orders", "SELECT state, COUNT(*) FROM sagas GROUP BY state"))
    figures = table(kills, states)
    print(figures)
    if chosen.write is not None:
        text = chosen.write.read_text()
        between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
        chosen.write.write_text(between.sub(lambda _: f"{BEGIN}\n\n{figures}\n\n{END}", text))
    return 1 if any(kill.stuck or kill.problems for kill in kills) else 0


if __name__ == "__main__":
    sys.exit(main())
