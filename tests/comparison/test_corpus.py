"""Every labelled pair gets the verdict that a person gave it: nothing is missed, nothing is made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from strangler.comparison.compare import Outcome
from tests.comparison.labelled import Pair, pairs

PAIRS = list(pairs())


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_pair_gets_the_verdict_that_a_person_gave_it(pair: Pair) -> None:
    found = pair.compared()
    assert pair.found(found) == pair.verdict.labels()
    assert {name for _, name in found.ignored} == pair.verdict.ignored
    assert (found.outcome, found.evidence, found.reason) == (
        pair.verdict.outcome,
        pair.verdict.evidence,
        pair.verdict.reason,
    )


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_an_answer_is_the_same_as_itself(pair: Pair) -> None:
    for response in (pair.legacy, pair.extracted):
        found = Pair(pair.name, response, response, pair.rules, pair.verdict).compared()
        assert found.outcome is Outcome.MATCH


def test_the_corpus_covers_every_subject() -> None:
    assert len(PAIRS) >= 450
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    outcomes = Counter(pair.verdict.outcome for pair in PAIRS)
    assert min(outcomes[outcome] for outcome in (Outcome.MATCH, Outcome.IGNORED, Outcome.MISMATCH)) >= 30


@pytest.mark.parametrize(
    ("subject", "least"),
    [
        ("charsets", 30),
        ("codings", 15),
        ("cookies", 20),
        ("cookies_as_read", 20),
        ("csrf", 30),
        ("fragments", 35),
        ("lines", 20),
        ("numbers", 25),
    ],
)
def test_the_corpus_has_right_and_wrong_candidates_of_each_subject(subject: str, least: int) -> None:
    found = Counter(pair.verdict.outcome for pair in PAIRS if pair.name.startswith(f"{subject}: "))
    assert found.total() >= least
    assert found[Outcome.MISMATCH] >= 4
    assert found[Outcome.MATCH] + found[Outcome.IGNORED] >= 4


def test_precision_and_recall_are_one(record_property: Callable[[str, object], None]) -> None:
    """Precision: of the differences that were reported, those that are ones. Recall: of those, the reported ones."""
    right = reported = wanted = verdicts = 0
    for pair in PAIRS:
        comparison = pair.compared()
        found, expected = Counter(pair.found(comparison)), Counter(pair.verdict.labels())
        right += (found & expected).total()
        reported += found.total()
        wanted += expected.total()
        verdicts += comparison.outcome is pair.verdict.outcome
    precision, recall = right / reported, right / wanted
    record_property(
        "corpus",
        f"shadow corpus: {len(PAIRS)} pairs, {wanted} differences, precision {precision:.3f}, recall {recall:.3f},"
        f" verdicts right {verdicts}/{len(PAIRS)}",
    )
    assert (precision, recall, verdicts) == (1.0, 1.0, len(PAIRS))
