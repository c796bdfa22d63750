"""A replay's report as a person reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway.replay.report import PERCENTILES, Counts, Report, SideReport, Signature

SHOWN = 20
"""Endpoints and signatures that are listed; `--json` has all."""


def lines(report: Report) -> Iterator[str]:
    """The lines of the report."""
    total = report.total
    yield (
        f"{total.compared} compared: {total.outcomes['match']} match, {total.outcomes['ignored']} ignored, "
        f"{total.mismatched} mismatch"
    )
    yield from _counted("not compared", total.not_compared)
    for reason, detail in report.unanswered.items():
        yield f"  {reason}: {detail}"
    yield from _counted("not asked", report.recording.skipped)
    for sentence in report.recording.unfilled:
        yield f"not filled: {sentence}"
    redacted = Counter(name for request in report.recording.requests for name in request.redacted)
    for name, count in redacted.most_common():
        yield f"{count} requests were recorded without the value of {name}: give one with -H '{name}: …'"
    yield from _counted("ignored by rule", report.ignored_by)
    yield from _signatures(report.sorted_signatures())
    yield from _endpoints(report)
    yield ""
    yield verdict(report)


def verdict(report: Report) -> str:
    """What the numbers show, in a sentence."""
    total = report.total
    if not total.evidence:
        return "proves nothing: no pair was compared of which a side did not answer with an error"
    bound = _percent(total.bound)
    if total.mismatched:
        rate = _percent(total.mismatched / total.evidence)
        return f"not equivalent: {total.mismatched} of {total.evidence} pairs differ ({rate}; below {bound} at 95 %)"
    unanswered = total.legacy.unanswered + total.extracted.unanswered
    if unanswered:
        return f"not equivalent: {unanswered} requests got no answer from a side"
    return (
        f"no mismatch in {total.evidence} pairs: of requests like these, fewer than {bound} differ, at 95 % confidence"
    )


def _counted(title: str, counts: Counter[str]) -> Iterator[str]:
    if counts:
        yield f"{counts.total()} {title}: {', '.join(f'{name} {count}' for name, count in counts.most_common())}"


def _signatures(signatures: list[Signature]) -> Iterator[str]:
    if not signatures:
        return
    yield ""
    yield "mismatches by signature"
    for signature in signatures[:SHOWN]:
        found = signature.example
        yield f"  {signature.count}x {found.signature}  (risk {found.risk})"
        yield f"      {signature.request}  ({signature.source})" if signature.source else f"      {signature.request}"
        yield f"      {found.path}: legacy {_value(found.legacy)}, extracted {_value(found.extracted)}"
        if signature.expired_rule is not None:
            yield f"      the rule {signature.expired_rule!r} let it pass until it expired"
    if len(signatures) > SHOWN:
        yield f"  and {len(signatures) - SHOWN} more (--json shows all)"


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _endpoints(report: Report) -> Iterator[str]:
    endpoints = report.sorted_endpoints()
    if not endpoints:
        return
    width = min(60, max(len(name) for name, _ in endpoints[:SHOWN]))
    latencies = "/".join(f"p{percent}" for percent in PERCENTILES)
    yield ""
    yield (
        f"{'endpoint':<{width}}  compared  mismatch  below (95 %)  {'legacy ' + latencies + ' ms':<24}  "
        f"{'extracted':<24}  errors"
    )
    for name, counts in endpoints[:SHOWN]:
        yield (
            f"{name:<{width}}  {counts.compared:>8}  {counts.mismatched:>8}  {_bound(counts):>12}  "
            f"{_latencies(counts.legacy):<24}  {_latencies(counts.extracted):<24}  "
            f"{counts.legacy.errors}/{counts.extracted.errors}"
        )
    if len(endpoints) > SHOWN:
        yield f"and {len(endpoints) - SHOWN} more (--json shows all)"


def _bound(counts: Counts) -> str:
    return _percent(counts.bound) if counts.evidence else "unproven"


def _percent(rate: float) -> str:
    percent = rate * 100
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"


def _latencies(side: SideReport) -> str:
    found = [side.percentile(percent) for percent in PERCENTILES]
    return " / ".join("-" if seconds is None else f"{seconds * 1000:.1f}" for seconds in found)
