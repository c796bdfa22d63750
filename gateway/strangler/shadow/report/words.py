"""The words of a report: numbers, values and sentences for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from strangler.redaction.redaction import REDACTED
from strangler.shadow.noise.noise import Learned
from strangler.shadow.report.report import Proof, ShadowReport

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def duration(seconds: float) -> str:
    """Return an approximate duration: `5 h`, `12 min`, `40 s`."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent, with the significant digits."""
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"


def bound(share: float) -> str:
    """Return a bound from 0 to 1 in percent, rounded up: a smaller one would promise more than is proven."""
    hundredths = share * 100
    if hundredths >= 10:
        return f"{math.ceil(hundredths)} %"
    if hundredths <= 0:
        return "0 %"
    unit = 10.0 ** (math.floor(math.log10(hundredths)) - 1)
    # A whole number of units, except for the last bit of a double, is not rounded up.
    return f"{math.ceil(hundredths / unit - 1e-9) * unit:.2g} %"


def milliseconds(seconds: float | None) -> str:
    """Return a latency; a dash if there is none."""
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def proof_text(proof: Proof, target: float) -> str:
    """Return what is proven, or what is missing: `1,140 more correct pairs needed, about 5 h at this rate`."""
    if not proof.compared:
        return "no pair yet"
    if proof.proven:
        return f"proven: fewer than {percent(target)} are wrong"
    if proof.missing is None:
        return f"too many pairs are wrong to prove fewer than {percent(target)}"
    text = f"{_many(proof.missing, 'more correct pair')} needed"
    return text if proof.seconds_to_go is None else f"{text}, about {duration(proof.seconds_to_go)} at this rate"


def wrong_pairs(proof: Proof) -> str:
    """Return how many pairs count against the candidate."""
    return f"{proof.wrong:,} of {_many(proof.compared, 'pair')} {'is' if proof.wrong == 1 else 'are'} wrong"


def headline(report: ShadowReport) -> str:
    """Return the verdict in one sentence."""
    if report.proven:
        return f"Proven: fewer than {percent(report.target)} of the responses are wrong."
    return f"Not proven: {report.blocking[0]}."


def measured(report: ShadowReport) -> str:
    """Return what the pairs prove, with the confidence."""
    proof = report.proof
    if not proof.compared:
        return "There is no evidence yet."
    confidence = f"{report.confidence:.0%}".replace("%", " %")
    if proof.wrong:
        share = percent(proof.wrong / proof.compared)
        most = bound(proof.bound)
        return f"{wrong_pairs(proof)} ({share}): at {confidence} confidence, at most {most} of the responses."
    return (
        f"None of {_many(proof.compared, 'pair')} is wrong: at {confidence} confidence, "
        f"fewer than {bound(proof.bound)} of the responses are."
    )


def counted(report: ShadowReport) -> str:
    """Return the outcomes of the requests."""
    parts = (
        (report.matched, "matched"),
        (sum(report.ignored.values()), "ignored"),
        (report.mismatched, "mismatched"),
        (report.unsteady, "unsteady"),
        (report.lagged, "lagging"),
        (report.unanswered, "failed to answer"),
    )
    what = "sampled requests" if report.live else "requests"
    return (
        f"{report.compared:,} of {report.sampled:,} {what} compared ({percent(report.share_compared)}): "
        + ", ".join(f"{count:,} {word}" for count, word in parts)
        + (f"; {_many(report.equal_errors, 'pair')} of equal errors not counted" if report.equal_errors else "")
    )


def rests_on(report: ShadowReport) -> str:
    """Return what the proof is based on, with a warning if that is narrow."""
    callers, requests = _many(report.callers, "caller"), _many(report.requests, "distinct request")
    text = f"The evidence comes from about {callers}, {requests} and {_many(len(report.operations), 'operation')}"
    if report.repeated:
        text += f"; {_many(report.repeated, 'repeat')} within the hour not counted"
    narrow = " This is narrow evidence: it does not cover other callers and requests." if report.is_narrow else ""
    return f"{text}.{narrow}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def noise_words(one: Learned) -> str:
    """Return what was learned at a place: `noise: UUID`, or why it isn't noise."""
    if one.why is not None:
        return f"{one.judgement}: {one.why}"
    forms = ", ".join(one.forms)
    apart = "".join(f", up to {most:.4g}{' s' if unit == 's' else ''} apart" for unit, most in one.distances.items())
    return f"{one.judgement}: {forms}{apart}"


def held_back(one: Learned, why: str, count: int) -> str:
    """Return the differences that the rates alone would have hidden at a place."""
    return f"{one.place} in {_many(count, 'pair')}: not allowed, {why}"


def redaction_note(difference: Mapping[str, Any]) -> str:
    """Return a note for a difference whose two values are shown alike."""
    # Pairs stored by an earlier version lack the key.
    if difference.get("inside_redaction", False):
        return " (only redacted parts differ)"
    legacy, extracted = difference["legacy"], difference["extracted"]
    return " (the differing part is not stored)" if legacy == extracted and REDACTED in (legacy or "") else ""
