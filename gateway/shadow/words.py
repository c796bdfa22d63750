"""Numbers and values of a report as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.shadow.redaction import REDACTED
from gateway.shadow.report import Proof, Report

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def duration(seconds: float) -> str:
    """About how long: `5 h`, `12 min`, `40 s`."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, with the digits that matter."""
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"


def milliseconds(seconds: float | None) -> str:
    """A latency; a dash where there is none."""
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def proof_text(proof: Proof, target: float) -> str:
    """What is proven, or what is missing: `1,140 pairs to go, about 5 h at this rate`."""
    if not proof.compared:
        return "unproven: no pair yet"
    if proof.proven:
        return f"proven: fewer than {percent(target)} mismatch"
    if proof.missing is None:
        return f"too many mismatches for fewer than {percent(target)} to be shown"
    text = f"{proof.missing:,} pairs {'without another mismatch ' if proof.mismatched else ''}to go"
    return text if proof.seconds_to_go is None else f"{text}, about {duration(proof.seconds_to_go)} at this rate"


def headline(report: Report) -> str:
    """The verdict in a sentence, with its confidence."""
    proof = report.proof
    if not proof.compared:
        return "Nothing is proven: no pair has been compared."
    confidence = f"{report.confidence:.0%}".replace("%", " %")
    if proof.mismatched:
        return (
            f"{proof.mismatched:,} of {proof.compared:,} pairs differ: at {confidence} confidence, "
            f"up to {percent(proof.bound)} of answers."
        )
    return (
        f"No difference in {proof.compared:,} pairs: at {confidence} confidence, "
        f"fewer than {percent(proof.bound)} of answers differ."
    )


def redaction_note(difference: Mapping[str, Any]) -> str:
    """What to add to two values of a difference that are shown alike."""
    # Pairs that an earlier version has stored lack the key.
    if difference.get("inside_redaction", False):
        return " (only what is redacted differs)"
    legacy, extracted = difference["legacy"], difference["extracted"]
    return " (what differs is not kept)" if legacy == extracted and REDACTED in (legacy or "") else ""
