"""Two responses that take too long to compare cost the judge its limit and no more."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.comparison.time_limit import TooCostly, install, limited
from strangler.shadow.judging import case as case_module
from strangler.shadow.judging.judge import Judge
from tests.shadow.pairs import pair, snapshot


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    before = signal.getsignal(signal.SIGVTALRM)
    install()
    yield
    signal.signal(signal.SIGVTALRM, before)


def spin() -> None:
    while True:
        pass


def test_what_takes_too_long_is_interrupted() -> None:
    with pytest.raises(TooCostly), limited(0.02):
        spin()


def test_what_ends_in_time_is_not() -> None:
    for _ in range(100):
        with limited(0.02):
            pass
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0.0


def test_an_exception_in_what_is_done_is_that_one() -> None:
    with pytest.raises(KeyError), limited(0.02):
        raise KeyError
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0.0


def test_a_pair_that_is_too_costly_counts_as_a_mismatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_module, "MOST_SECONDS", 0.02)
    compare = case_module.compare

    def costly(legacy: object, extracted: object, rules: object) -> object:
        monkeypatch.setattr(case_module, "compare", compare)
        spin()
        return None

    monkeypatch.setattr(case_module, "compare", costly)
    judge = Judge()
    judge.apply(snapshot(tmp_path), {})
    judge.judge(pair({"a": 1}, {"a": 1.0}))
    judge.judge(pair({"a": 1}, {"a": 1}))
    found = {key: count for key, count in judge.tallies["items"].outcomes.items() if count}
    assert found == {("mismatch", "too costly"): 1, ("match", ""): 1}
