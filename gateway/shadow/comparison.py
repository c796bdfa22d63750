"""Compare the two sides' answers to one request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.shadow.answer import Answer
from gateway.shadow.difference import Difference, Kind, Risk
from gateway.shadow.rules import Rules


class Outcome(StrEnum):
    """What became of a pair; exactly one of these."""

    MATCH = "match"
    IGNORED = "ignored"
    MISMATCH = "mismatch"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing two answers found.

    `differences` are those that matter, `ignored` those that a rule hides, each
    with the rule's name. `expired` are those among `differences` that a rule
    would hide had its time not run out. `evidence` is whether the pair says
    anything about equivalence: two equal errors match and say nothing. `reason`
    says why a pair was not compared.
    """

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    ignored: tuple[tuple[Difference, str], ...] = ()
    expired: tuple[tuple[Difference, str], ...] = ()
    evidence: bool = True
    reason: str | None = None


def compare(legacy: Answer, extracted: Answer, rules: Rules, today: date | None = None) -> Comparison:
    """Compare two answers to the same request.

    Never raises for what an upstream may have sent. `today` is the day on
    which rules expire, in UTC; the present one unless given.
    """
    if legacy.status != extracted.status:
        signature = f"value status {legacy.status} to {extracted.status}"
        found = Difference("status", Kind.VALUE, str(legacy.status), str(extracted.status), Risk.HIGH, signature)
        return Comparison(Outcome.MISMATCH, (found,))
    if legacy.body != extracted.body:
        found = Difference("body", Kind.VALUE, None, None, Risk.MEDIUM, "value body")
        return Comparison(Outcome.MISMATCH, (found,))
    return Comparison(Outcome.MATCH, evidence=legacy.status < 400)
