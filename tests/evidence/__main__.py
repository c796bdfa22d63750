"""`python -m tests.evidence`: every candidate, with enough requests to prove 0.1 %; writes a table of the docs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests.e2e.gateway_process import ROOT
from tests.evidence.candidates import CANDIDATES
from tests.evidence.stage import Found, explained, judge, table

AT_ONCE = 6
"""Candidates that share a gateway: with more of them the machine is what is measured."""

BEGIN, END = "<!-- evidence figures -->", "<!-- end of evidence figures -->"


def main() -> int:
    """0 where no wrong candidate is proven, every right one is, and each is named rightly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--target", type=float, default=0.1, help="in percent")
    parser.add_argument("--write", type=Path, help="the page whose table is replaced")
    parser.add_argument("names", nargs="*", default=list(CANDIDATES))
    options = parser.parse_args()
    found: list[Found] = []
    names = list(options.names)
    while names:
        some, names = names[:AT_ONCE], names[AT_ONCE:]
        with tempfile.TemporaryDirectory() as folder:
            found += judge(Path(folder), some, options.requests, options.target / 100)
        for one in found[-len(some) :]:
            print(one.row(), flush=True)
    if options.write is not None:
        write(options.write, found, options.requests, options.target)
    failed = [one for one in found if one.report.proven is not one.candidate.right or not one.is_named_rightly]
    for one in failed:
        print(explained(one), file=sys.stderr)
    return 1 if failed else 0


def write(page: Path, found: list[Found], requests: int, target: float) -> None:
    """Put the table into `page`, between its two marks."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    said = f"{requests:,} requests to each candidate, measured against {target:g} %, on {date.today():%Y-%m-%d}:\n\n"
    page.write_text(f"{before}{BEGIN}\n{said}{table(found)}{END}{after}")
    print(f"{page.relative_to(ROOT) if page.is_absolute() else page} written", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
