"""Two texts beside each other, line by line, with what differs marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_LINES = 400
CONTEXT = 3

Change = Literal["equal", "changed", "missing", "extra", "skipped"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of either text; `change` says what became of it, "skipped" stands for equal lines that are left out."""

    legacy: str
    extracted: str
    change: Change


def side_by_side(legacy: str, extracted: str) -> list[Line]:
    """The lines of both; equal ones further than CONTEXT from a change are left out. Bounded by MOST_LINES."""
    lines = list(_lines(legacy.splitlines(), extracted.splitlines()))
    shown = _near_changes(lines)
    return [*shown[:MOST_LINES], Line("…", "…", "skipped")] if len(shown) > MOST_LINES else shown


def _lines(legacy: list[str], extracted: list[str]) -> Iterator[Line]:
    for tag, a, b, c, d in SequenceMatcher(None, legacy, extracted, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from (Line(line, line, "equal") for line in legacy[a:b])
            continue
        for number in range(max(b - a, d - c)):
            left = legacy[a + number] if a + number < b else None
            right = extracted[c + number] if c + number < d else None
            if left is None or right is None:
                yield Line(left or "", right or "", "extra" if left is None else "missing")
            else:
                yield Line(left, right, "changed")


def _near_changes(lines: list[Line]) -> list[Line]:
    near = {
        neighbour
        for number, line in enumerate(lines)
        if line.change != "equal"
        for neighbour in range(number - CONTEXT, number + CONTEXT + 1)
    }
    shown: list[Line] = []
    for number, line in enumerate(lines):
        if number in near:
            shown.append(line)
        elif not shown or shown[-1].change != "skipped":
            shown.append(Line("…", "…", "skipped"))
    return shown
