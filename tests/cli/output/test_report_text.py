"""A text report stays short whatever was found, and says what it leaves out."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from strangler.cli.output.report_text import print_report
from strangler.comparison.difference import OTHERS
from strangler.shadow.report.report import (
    Latency,
    OperationLatency,
    OperationProof,
    Proof,
    ShadowReport,
    SignatureReport,
)

MANY = 1000


def signature(number: int, name: str | None = None, value: str = "1") -> SignatureReport:
    place = f"$.results[*].field{number}"
    name = name or f"value {place}"
    example: dict[str, Any] = {
        "request": {"method": "GET", "target": f"/items/{number}"},
        "differences": [
            {"signature": name, "path": f"$.results[3].field{number}", "legacy": value, "extracted": "2"},
        ],
    }
    return SignatureReport(name, place, "value", "medium", 5, ("GET /items/{id}",), (number,), example)


def report(**changes: Any) -> ShadowReport:
    proof = Proof(100, 50, 0.6, None, None, False)
    latency = Latency(100, 0, 0.01, 0.02, 0.03)
    values: dict[str, Any] = {
        "migration": "items",
        "since": 0.0,
        "until": 1.0,
        "target": 0.001,
        "confidence": 0.95,
        "sampled": 100,
        "compared": 100,
        "matched": 50,
        "mismatched": 50,
        "proof": proof,
        "signatures": tuple(signature(number) for number in range(MANY)),
        "latencies": tuple(OperationLatency(f"GET /items/{number}", latency, latency) for number in range(MANY)),
        "operations": tuple(
            OperationProof(f"GET /items/{number}", f"route{number}", 1, 1, 1, 1, proof) for number in range(MANY)
        ),
        "unrequested": tuple(f"unrequested{number}" for number in range(MANY)),
        "blocking": tuple(f"GET /items/{number}: no pair yet" for number in range(MANY)),
        **changes,
    }
    return ShadowReport(**values)


@pytest.fixture
def printed() -> Callable[..., str]:
    def text(found: ShadowReport, everything: bool = False) -> str:
        file = io.StringIO()
        print_report(Console(file=file, width=1000, soft_wrap=True, highlight=False), found, everything)
        return file.getvalue()

    return text


def test_a_report_has_fewer_than_200_lines(printed: Callable[..., str]) -> None:
    text = printed(report())
    assert len(text.splitlines()) < 200
    for rest in ("980 more kinds of difference", "980 more routes", "990 more operations"):
        assert f"… and {rest}: --all prints them" in text


def test_a_value_of_many_lines_takes_one(printed: Callable[..., str]) -> None:
    found = report(signatures=tuple(signature(number, value="a\n" * 200) for number in range(MANY)))
    assert len(printed(found).splitlines()) < 200


def test_a_report_prints_everything_with_all(printed: Callable[..., str]) -> None:
    text = printed(report(), everything=True)
    assert "--all" not in text
    assert all(f"$.results[*].field{number}\n" in text.replace("  GET", "\n") for number in range(MANY))


def test_a_short_report_leaves_nothing_out(printed: Callable[..., str]) -> None:
    few = report().operations[:2]
    short = report(signatures=(signature(1),), latencies=(), operations=few, unrequested=(), blocking=("no",))
    assert printed(short) == printed(short, everything=True)


def test_the_label_of_a_signature_is_general_and_its_example_is_not(printed: Callable[..., str]) -> None:
    text = printed(report(signatures=(signature(7),)))
    assert "value at $.results[*].field7" in text
    assert "$.results[3].field7: legacy 1, extracted 2" in text


def test_differences_beyond_the_counted_kinds_are_named_as_such(printed: Callable[..., str]) -> None:
    text = printed(report(signatures=(signature(7, OTHERS),)))
    assert "5 x other differences: too many kinds to count one by one" in text
    assert "$.results[*].field7" not in text
