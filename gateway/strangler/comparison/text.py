"""Compare two texts line by line, and bytes by their digest.

The kind of line ends, and a missing last one, are ignored. Lines end only at CR,
LF and CRLF: form feeds and other separators of Unicode are part of a line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from strangler.comparison.alignment import AlignedElement, Effort, align, named_alone
from strangler.comparison.difference import DifferenceKind, shown
from strangler.comparison.findings import Findings, FoundDifference
from strangler.comparison.rules import Rule
from strangler.comparison.tolerances import ABSENT, Ignore

_LINE_END = re.compile(r"\r\n|\r|\n")


def compare_text(legacy: str, extracted: str, findings: Findings, passing: Sequence[Rule] = ()) -> None:
    """Add the differences of two texts to `findings`; the rules `passing` apply to all of them."""
    lines = lines_of(legacy), lines_of(extracted)
    alignment = align(
        [AlignedElement(line) for line in lines[0]],
        [AlignedElement(line) for line in lines[1]],
        Effort(),
        lambda is_legacy, index: lines[0 if is_legacy else 1][index],
    )

    def rules(*texts: str) -> list[Rule]:
        return [
            *passing,
            *(rule for pattern, rule in findings.rules.line_rules if any(pattern.search(text) for text in texts)),
        ]

    for i, j in alignment.pairs:
        one, other = lines[0][i], lines[1][j]
        if one != other:
            both = (shown(one), shown(other))
            difference = FoundDifference(f"line:{i + 1}", DifferenceKind.VALUE, (one, other), both, "line")
            findings.add(difference, rules(one, other))
    if alignment.moved:
        both = (shown(legacy), shown(extracted))
        findings.add(FoundDifference("body", DifferenceKind.ORDER, (legacy, extracted), both, "body"), passing)
    sides = {DifferenceKind.MISSING: lines[0], DifferenceKind.EXTRA: lines[1]}
    named, folded = named_alone(
        alignment,
        (len(lines[0]), len(lines[1])),
        lambda kind, index: any(isinstance(rule.treatment, Ignore) for rule in rules(sides[kind][index])),
    )
    for kind, index in named:
        line = sides[kind][index]
        values = (line, ABSENT) if kind is DifferenceKind.MISSING else (ABSENT, line)
        texts = (shown(line), None) if kind is DifferenceKind.MISSING else (None, shown(line))
        findings.add(FoundDifference(f"line:{index + 1}", kind, values, texts, "line"), rules(line))
    if folded:
        counts = (f"{len(lines[0])} lines", f"{len(lines[1])} lines")
        findings.add(FoundDifference("body", DifferenceKind.LENGTH, (legacy, extracted), counts, "body"), passing)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, without line ends."""
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


def compare_bytes(legacy: bytes, extracted: bytes, findings: Findings, passing: Sequence[Rule] = ()) -> None:
    """Add the difference of two bodies of unknown type."""
    if legacy != extracted:
        kind = DifferenceKind.VALUE if len(legacy) == len(extracted) else DifferenceKind.LENGTH
        texts = (described(legacy), described(extracted))
        findings.add(FoundDifference("body", kind, (legacy, extracted), texts, "body"), passing)


def described(body: bytes) -> str:
    """Return the length and digest of a body, as text."""
    return f"{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()[:16]}"
