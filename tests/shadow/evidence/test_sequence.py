"""What pairs prove while they come in: the numbers, and that looking often does not help a bad candidate."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.observe.sketch import Sketch
from strangler.shadow.evidence.sequence import sequential_bound, sequential_missing, sequential_verdict
from strangler.shadow.evidence.variety import HourlyUnits
from strangler.shadow.report.words import bound


@pytest.mark.parametrize(
    ("target", "pairs"), [(0.01, (332, 587, 842, 1098)), (0.001, (3327, 5885, 8443, 11001))], ids=["1 %", "0.1 %"]
)
def test_so_many_pairs_prove_a_target_with_so_many_wrong_ones(target: float, pairs: tuple[int, ...]) -> None:
    for wrong, needed in enumerate(pairs):
        assert sequential_missing(needed, wrong, target) == 0
        assert sequential_missing(needed - 1, wrong, target) == 1
        assert sequential_missing(wrong, wrong, target) == needed - wrong


@given(right=st.integers(0, 20_000), wrong=st.integers(0, 50), target=st.sampled_from([0.0005, 0.001, 0.01, 0.2]))
def test_a_target_is_proven_exactly_above_the_bound(right: int, wrong: int, target: float) -> None:
    verdict = sequential_verdict(right + wrong, wrong, target)
    assert verdict.proven is (verdict.missing == 0)
    if abs(verdict.bound - target) > 1e-9:
        assert verdict.proven is (verdict.bound < target)


@given(right=st.integers(1, 20_000), wrong=st.integers(0, 50))
def test_a_right_pair_never_raises_the_bound_a_wrong_one_never_lowers_it(right: int, wrong: int) -> None:
    here = sequential_bound(right + wrong, wrong)
    assert sequential_bound(right + wrong + 1, wrong) <= here <= sequential_bound(right + wrong + 1, wrong + 1)


def test_looks_after_every_pair_prove_a_bad_candidate_in_5_percent_at_most() -> None:
    chosen = random.Random(7)
    proven = 0
    for _ in range(400):
        wrong = 0
        for seen in range(1, 1500):
            wrong += chosen.random() < 0.01
            if sequential_missing(seen, wrong, 0.01) == 0:
                proven += 1
                break
    # 5 % are 20; this many more or fewer come by chance in one of ten thousand runs.
    assert proven <= 36


@pytest.mark.parametrize(("compared", "wrong"), [(-1, 0), (1, 2), (0, -1)])
def test_numbers_that_cannot_be_are_refused(compared: int, wrong: int) -> None:
    with pytest.raises(ValueError, match="can't be wrong"):
        sequential_bound(compared, wrong)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="a target rate is above 0 and below 1"):
        sequential_missing(1, 0, target)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.000901, "0.091 %"), (0.00099, "0.099 %"), (0.001, "0.1 %"), (0.0421, "4.3 %"), (0.1001, "11 %"), (0, "0 %")],
)
def test_a_bound_is_never_rounded_down(share: float, text: str) -> None:
    assert bound(share) == text


@pytest.mark.parametrize("distinct", [0, 1, 2, 10, 100, 1000, 50_000])
def test_distinct_values_are_counted_however_often_they_come(distinct: int) -> None:
    chosen = random.Random(distinct)
    digests = [chosen.getrandbits(64) for _ in range(distinct)]
    sketch = Sketch()
    for digest in digests * 3:
        sketch.add(digest)
    assert sketch.count() == pytest.approx(distinct, rel=0.1, abs=0.5)
    both = Sketch()
    both.merge(sketch.registers)
    both.merge(sketch.registers)
    assert both.count() == sketch.count()


def test_a_unit_counts_once_an_hour_and_once_more_where_it_is_wrong() -> None:
    units = HourlyUnits()
    assert [units.is_first(1, at, wrong) for at, wrong in ((10, False), (20, False), (30, True), (40, True))] == [
        True,
        False,
        True,
        False,
    ]
    assert units.is_first(1, 3600, False)
    assert not units.is_first(1, 3601, False)
