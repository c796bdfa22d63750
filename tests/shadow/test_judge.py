"""What a pair comes to: asked again, racy, noise, and each counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.shadow import judge as judging
from gateway.shadow.asking import NotAnswered, Secure
from gateway.shadow.judge import Judge
from gateway.shadow.pair import Answered, NotCompared, Reason
from tests.shadow.pairs import answered, pair, snapshot

LEGACY, EXTRACTED = "http://127.0.0.1:1", "http://127.0.0.1:2"


class Sides:
    """Both sides, which answer what they are told to when they are asked again."""

    def __init__(self, legacy: object = None, extracted: object = None) -> None:
        self.answers = {LEGACY: legacy, EXTRACTED: extracted}
        self.asked: list[tuple[str, bytes]] = []

    async def ask(self, endpoint: str, request: bytes, timeout: float, most: int, secure: Secure | None) -> Answered:
        self.asked.append((endpoint, request))
        answer = self.answers[endpoint]
        if isinstance(answer, Iterator):
            answer = next(answer)
        if isinstance(answer, Exception):
            raise answer
        return answered(answer, endpoint=endpoint)


def judged(folder: Path, sides: Sides, work: Callable[[Judge], None], **shadow: object) -> Judge:
    """A judge after it did `work` and asked all that it wanted to ask."""

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        judge.apply(snapshot(folder, **shadow), {})
        work(judge)
        await judge.settle()
        return judge

    return asyncio.run(main())


def outcomes(judge: Judge) -> dict[tuple[str, str], int]:
    return judge.tallies["items"].outcomes


def test_what_agrees_matches_and_nobody_is_asked_again(tmp_path: Path) -> None:
    sides = Sides()
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1}, {"a": 1})))
    assert outcomes(judge) == {("match", ""): 1}
    assert sides.asked == []


def test_a_mismatch_counts_when_both_differ_again(tmp_path: Path) -> None:
    sides = Sides({"a": 1, "b": 5}, {"a": 1, "b": 6})
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1, "b": 5}, {"a": 2, "b": 6})))
    assert outcomes(judge) == {("mismatch", ""): 1}
    assert {endpoint for endpoint, _ in sides.asked} == {LEGACY, EXTRACTED}
    assert {request for _, request in sides.asked} == {pair(1, 1).request}
    # What differed the first time alone was chance.
    assert [key[4] for key in judge.flush().signatures] == ["$.b"]


def test_what_agrees_when_asked_again_is_racy(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides({"a": 2}, {"a": 2}), lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("not compared", "racy"): 1}
    assert judge.flush().signatures == {}


def test_what_cannot_be_asked_again_is_no_mismatch(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides({"a": 1}, NotAnswered("gone")), lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("not compared", "not confirmed"): 1}


def test_what_may_change_something_is_not_sent_again(tmp_path: Path) -> None:
    sides = Sides()
    request = b"POST /items/1 HTTP/1.1\r\nHost: h\r\n\r\n"
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1}, {"a": 2}, request=request)))
    assert outcomes(judge) == {("mismatch", ""): 1}
    assert sides.asked == []


def test_too_many_mismatches_at_once_are_overload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "WAITING", 3)

    def work(judge: Judge) -> None:
        for _ in range(10):
            judge.judge(pair({"a": 1}, {"a": 2}))

    judge = judged(tmp_path, Sides({"a": 1}, {"a": 2}), work)
    assert outcomes(judge) == {("mismatch", ""): 3, ("not compared", "overload"): 7}


def test_equal_errors_match_and_are_no_evidence(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides(), lambda judge: judge.judge(pair({"e": 1}, {"e": 1}, status=500)))
    assert outcomes(judge) == {("match", ""): 1}
    assert [key[6] for key in judge.flush().outcomes] == [False]
    assert judge.favoured() == {"items/one", "items/all"}


def test_routes_are_favoured_until_they_have_enough_pairs(tmp_path: Path) -> None:
    def work(judge: Judge) -> None:
        for _ in range(judging.FAVOURED):
            judge.judge(pair({"a": 1}, {"a": 1}))

    assert judged(tmp_path, Sides(), work).favoured() == {"items/all"}


def test_what_legacy_differs_in_from_itself_is_let_pass_once_that_is_sure(tmp_path: Path) -> None:
    numbers = iter(range(10_000))
    sides = Sides(({"at": next(numbers)} for _ in iter(int, 1)), ({"at": next(numbers)} for _ in iter(int, 1)))

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        judge.apply(snapshot(tmp_path, noise_percent=100), {})
        for _ in range(200):
            judge.judge(pair({"at": next(numbers)}, {"at": next(numbers)}))
            await judge.settle()
        return judge

    judge = asyncio.run(main())
    found = outcomes(judge)
    assert found[("ignored", judging.LEARNED)] > 100
    assert sum(found.values()) == 200
    assert judge.flush().noise["items"]


def learned_with(tmp_path: Path, extracted: Callable[[], object], pairs: int = 200) -> tuple[Judge, list[int]]:
    """A judge after pairs in which legacy shows a counter; how many requests each pair had either side asked again."""
    numbers = iter(range(1, 1_000_000))
    sides = Sides(({"at": next(numbers)} for _ in iter(int, 1)), (extracted() for _ in iter(int, 1)))
    asked: list[int] = []

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        judge.apply(snapshot(tmp_path, noise_percent=1, noise_learning_percent=100), {})
        for _ in range(pairs):
            before = len(sides.asked)
            judge.judge(pair({"at": next(numbers)}, extracted()))
            await judge.settle()
            asked.append(len(sides.asked) - before)
        return judge

    return asyncio.run(main()), asked


def test_a_constant_in_a_field_that_legacy_varies_is_never_let_pass(tmp_path: Path) -> None:
    for constant in ({"at": -1}, {"at": 1}, {"at": ""}, {"at": None}, {}):
        judge, _ = learned_with(tmp_path, lambda constant=constant: constant)  # type: ignore[misc]
        assert ("ignored", judging.LEARNED) not in outcomes(judge)


def test_once_noise_is_learned_no_side_is_asked_again_for_it(tmp_path: Path) -> None:
    numbers = iter(range(3, 1_000_000))
    judge, asked = learned_with(tmp_path, lambda: {"at": next(numbers)}, pairs=300)
    assert 150 <= sum(asked[:60]) <= 4 * 60
    assert sum(asked[100:]) < 100
    assert outcomes(judge)[("ignored", judging.LEARNED)] > 200


def test_a_shadow_that_compares_nothing_says_so(tmp_path: Path) -> None:
    what = NotCompared("items", "items/one", "GET /items/{id}", Reason.OVERLOAD)
    judge = judged(tmp_path, Sides(), lambda judge: judge.count({what: 20}))
    assert judge.tallies["items"].problem() == "none of the last 20 requests was compared (overload 20)"
    judge = judged(tmp_path, Sides(), lambda judge: (judge.count({what: 20}), judge.judge(pair(1, 1)))[0])
    assert judge.tallies["items"].problem() is None


def test_counts_and_latencies_are_kept_by_endpoint(tmp_path: Path) -> None:
    lost = NotCompared("items", "items/one", "GET /items/{id}", Reason.TIMED_OUT)
    judge = judged(tmp_path, Sides(), lambda judge: (judge.judge(pair(1, 1)), judge.count({lost: 2}))[0])
    answers = {(side, status): count for (_, _, side, _, status, _), count in judge.flush().answers.items()}
    assert answers == {("legacy", 200): 1, ("extracted", 200): 1, ("extracted", 0): 2}
