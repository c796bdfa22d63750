"""The report as one self-contained HTML file: no script, nothing fetched; everything from upstreams is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jinja2

from strangler.comparison.difference import OTHERS
from strangler.shadow.report.report import ShadowReport
from strangler.shadow.report.side_by_side import Line, side_by_side
from strangler.shadow.report.words import (
    bound,
    counted,
    duration,
    headline,
    measured,
    milliseconds,
    noise_words,
    percent,
    proof_text,
    redaction_note,
    rests_on,
)


def page(report: ShadowReport) -> str:
    """The HTML of `report`."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "duration": duration,
        "milliseconds": milliseconds,
        "percent": percent,
        "bound": bound,
        "noise_words": noise_words,
        "moment": _moment,
        "proof": proof_text,
        "redaction_note": redaction_note,
    }
    source = files("strangler.shadow.report").joinpath("report.html").read_text("utf-8")
    return environment.from_string(source).render(
        report=report,
        others=OTHERS,
        headline=headline(report),
        measured=measured(report),
        counted=counted(report),
        rests_on=rests_on(report),
        bodies={one.signature: bodies(one.example) for one in report.signatures},
    )


def bodies(example: dict[str, Any] | None) -> list[Line]:
    """The two bodies of an example beside each other; nothing where they are not stored."""
    if example is None or not example["values"]:
        return []
    legacy, extracted = (example[side].get("body") for side in ("legacy", "extracted"))
    return [] if legacy is None or extracted is None else side_by_side(legacy, extracted)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
