"""What is shown of the judges: counters that never fall, losses, and the handle's `repr`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from strangler.control.judge.figures import JudgeFigures
from strangler.control.judge.handle import JudgeHandle
from strangler.control.messages import JudgeReport, StoreReport
from tests.shadow.pairs import snapshot


def test_counters_go_on_after_a_judge_is_replaced(tmp_path: Path) -> None:
    figures = JudgeFigures()
    figures.apply(snapshot(tmp_path))
    assert figures.outcomes()["items"][("match", "")] == 0
    figures.add(JudgeReport({"items": {("match", ""): 3}}, store=StoreReport(errors=2, lost=1)))
    figures.judge_ended()
    assert figures.outcomes()["items"][("match", "")] == 3
    figures.add(JudgeReport({"items": {("match", ""): 1}}, store=StoreReport(errors=1, lost=1)))
    assert figures.outcomes()["items"][("match", "")] == 4
    assert (figures.store().errors, figures.store().lost, figures.restarts) == (3, 2, 1)


def test_pairs_that_a_judge_had_not_written_are_lost_with_it() -> None:
    figures = JudgeFigures()
    figures.add(JudgeReport(favoured=frozenset({"one"}), store=StoreReport("disk full", 1, unwritten=7, oldest=3.0)))
    figures.judge_ended()
    assert figures.store() == StoreReport("disk full", errors=1, unwritten=0, oldest=0.0, lost=7)
    assert figures.report.favoured == {"one"}


def test_a_migration_without_requests_has_a_problem(tmp_path: Path) -> None:
    figures = JudgeFigures()
    figures.apply(snapshot(tmp_path))
    assert figures.migrations_as_json()["items"]["problem"] == "no request has come yet"
    figures.add(JudgeReport({"items": {("failed to answer", "timed out"): 2, ("not compared", "overload"): 1}}))
    shown = figures.migrations_as_json()["items"]
    assert (shown["problem"], shown["failed"], shown["not_compared"]) == (None, {"timed out": 2}, {"overload": 1})


def test_repr_of_a_judge_that_nothing_needs() -> None:
    async def main() -> None:
        handle = JudgeHandle(lambda path: None, lambda report: None)
        assert repr(handle) == "<judge, not needed>"
        assert (handle.as_json(), handle.problems(), handle.why_not_ready()) == ({}, [], None)

    asyncio.run(main())
