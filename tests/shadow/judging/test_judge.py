"""What a pair comes to: each has one outcome, and what is left out is left out before it is known how it turned out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strangler.comparison import findings
from strangler.config.compile.compare import compile_rules
from strangler.config.schema.compare import CompareSection
from strangler.shadow.judging import judge as judging
from strangler.shadow.judging.case import LEARNED
from strangler.shadow.judging.judge import Judge
from strangler.shadow.judging.ledger import AGAINST
from strangler.shadow.judging.resend import ResendFailed, Secure
from strangler.shadow.pair import NotCompared, Reason, SideResponse
from tests.shadow.pairs import answered, different_pairs, missing, pair, request_for, snapshot

LEGACY, EXTRACTED = "http://127.0.0.1:1", "http://127.0.0.1:2"

Work = Callable[[Judge], object]


class Sides:
    """Both sides, which respond as they are told to when they are asked again."""

    def __init__(self, legacy: object = None, extracted: object = None) -> None:
        self.responses = {LEGACY: legacy, EXTRACTED: extracted}
        self.asked: list[tuple[str, bytes]] = []

    async def ask(
        self, endpoint: str, request: bytes, timeout: float, most: int, secure: Secure | None
    ) -> SideResponse:
        self.asked.append((endpoint, request))
        response = self.responses[endpoint]
        if isinstance(response, Iterator):
            response = next(response)
        if isinstance(response, Exception):
            raise response
        return response if isinstance(response, SideResponse) else answered(response, endpoint=endpoint)


GONE = ResendFailed("gone", Reason.UNREACHABLE)


def judged(folder: Path, sides: Sides, *work: Work, rules: dict[str, object] | None = None, **shadow: object) -> Judge:
    """A judge after it did each piece of `work`, and asked all that it wanted to ask, in turn."""

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        compared = {} if rules is None else {"items": compile_rules(CompareSection.model_validate(rules))}
        judge.apply(snapshot(folder, **shadow), compared)
        for piece in work:
            piece(judge)
            await judge.settle()
        return judge

    return asyncio.run(main())


def outcomes(judge: Judge) -> dict[tuple[str, str], int]:
    """How often each outcome came, with its reason."""
    return {key: count for key, count in judge.tallies["items"].outcomes.items() if count}


def evidence(judge: Judge) -> dict[str, int]:
    """How many pairs of each outcome the proof rests on."""
    found: dict[str, int] = {}
    for key, count in judge.flush().outcomes.items():
        if key.evidence:
            found[key.outcome] = found.get(key.outcome, 0) + count
    return found


def test_equal_responses_match_and_nothing_is_asked_again(tmp_path: Path) -> None:
    sides = Sides()
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1}, {"a": 1})))
    assert outcomes(judge) == {("match", ""): 1}
    assert sides.asked == []


def test_a_difference_that_shows_again_is_a_mismatch(tmp_path: Path) -> None:
    sides = Sides({"a": 1, "b": 5}, {"a": 1, "b": 6})
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1, "b": 5}, {"a": 2, "b": 6})))
    assert outcomes(judge) == {("mismatch", ""): 1}
    assert {endpoint for endpoint, _ in sides.asked} == {LEGACY, EXTRACTED}
    assert {request for _, request in sides.asked} == {pair(1, 1).request}
    assert [key.path for key in judge.flush().signatures] == ["$.b"]


def test_a_difference_that_does_not_show_again_is_unsteady(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides({"a": 1}, {"a": 1}), lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("unsteady", ""): 1}
    evidence_of = judge.flush()
    assert [(key.path, key.kind) for key in evidence_of.signatures] == [("$.a", "value, unsteady")]
    assert [key.evidence for key in evidence_of.outcomes] == [True]


def test_a_write_that_the_candidate_saw_first_is_racy(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides({"a": 2}, {"a": 2}), lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("not compared", "racy"): 1}
    assert judge.flush().signatures == {}


def test_a_place_in_which_legacy_differs_from_itself_is_racy(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides({"a": 3}, {"a": 4}), lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("not compared", "racy"): 1}


def test_a_difference_beside_what_legacy_changes_counts(tmp_path: Path) -> None:
    first = pair({"a": 1, "b": 1}, {"a": 2, "b": 9})
    judge = judged(tmp_path, Sides({"a": 3, "b": 1}, {"a": 3, "b": 1}), lambda judge: judge.judge(first))
    assert outcomes(judge) == {("unsteady", ""): 1}


@pytest.mark.parametrize("sides", [Sides({"a": 1}, GONE), Sides(GONE, {"a": 1}), Sides(GONE, GONE)])
def test_a_difference_that_cannot_be_asked_about_again_stands(tmp_path: Path, sides: Sides) -> None:
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("mismatch", "not confirmed"): 1}
    assert evidence(judge) == {"mismatch": 1}


def test_legacy_is_asked_three_times_before_it_is_given_up(tmp_path: Path) -> None:
    sides = Sides(iter([GONE, GONE, {"a": 1}]), {"a": 1})
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1}, {"a": 2})))
    assert outcomes(judge) == {("unsteady", ""): 1}


def test_a_candidate_that_says_what_legacy_said_before_lags(tmp_path: Path) -> None:
    judge = judged(
        tmp_path,
        Sides({"a": 2}, {"a": 2}),
        lambda judge: judge.judge(pair({"a": 1}, {"a": 1}, at=1000.0)),
        lambda judge: judge.judge(pair({"a": 2}, {"a": 1}, at=1000.4)),
    )
    assert outcomes(judge) == {("match", ""): 1, ("lag", "up to 1 s"): 1}
    assert [key.kind for key in judge.flush().signatures] == ["value, lag"]


def test_a_value_that_is_late_is_no_noise_where_legacy_varies_it(tmp_path: Path) -> None:
    numbers = iter(range(1, 1_000_000))
    sides = Sides(({"at": next(numbers)} for _ in iter(int, 1)), ({"at": next(numbers)} for _ in iter(int, 1)))

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        judge.apply(snapshot(tmp_path, noise_percent=1, noise_learning_percent=100), {})
        late = 0
        for number in range(300):
            value = next(numbers)
            # The last hundred responses are those of the request before.
            extracted = late if number > 200 else next(numbers)
            judge.judge(pair({"at": value}, {"at": extracted}, at=time.time() + number))
            late = value
            await judge.settle()
        return judge

    found = outcomes(asyncio.run(main()))
    assert found[("ignored", LEARNED)] > 100
    assert sum(count for (outcome, _), count in found.items() if outcome == "lag") >= 95


def test_a_lag_rule_lets_a_candidate_pass_that_catches_up(tmp_path: Path) -> None:
    rules = {"rules": [{"name": "replica", "lag": "2s"}]}
    behind = (
        lambda judge: judge.judge(pair({"a": 1}, {"a": 1}, at=1000.0)),
        lambda judge: judge.judge(pair({"a": 2}, {"a": 1}, at=1000.4)),
    )
    judge = judged(tmp_path, Sides({"a": 2}, {"a": 2}), *behind, rules=rules)
    assert outcomes(judge) == {("match", ""): 1, ("ignored", "replica"): 1}
    judge = judged(tmp_path, Sides({"a": 2}, {"a": 1}), *behind, rules=rules)
    assert outcomes(judge) == {("match", ""): 1, ("lag", "up to 1 s"): 1}


@pytest.mark.parametrize(
    "reason", [Reason.TIMED_OUT, Reason.BROKE_OFF, Reason.UNREACHABLE, Reason.MALFORMED, Reason.TOO_BIG]
)
def test_a_candidate_without_a_response_has_failed_to_answer(tmp_path: Path, reason: str) -> None:
    judge = judged(tmp_path, Sides(), lambda judge: judge.judge(pair({"a": 1}, missing(reason))))
    assert outcomes(judge) == {("failed to answer", reason): 1}
    flushed = judge.flush()
    assert [(key.risk, key.evidence) for key in flushed.outcomes] == [("high", True)]
    assert [(key.path, key.kind) for key in flushed.signatures] == [("response", reason)]


def test_legacy_without_a_response_excuses_the_candidate(tmp_path: Path) -> None:
    too_big = missing(Reason.TOO_BIG, LEGACY)
    judge = judged(tmp_path, Sides(), lambda judge: judge.judge(pair(too_big, missing(Reason.TOO_BIG))))
    assert outcomes(judge) == {("not compared", "too big"): 1}


def test_a_worker_counts_failures_of_the_candidate_whichever_side_served(tmp_path: Path) -> None:
    def what(served: str, reason: str) -> NotCompared:
        return NotCompared("items", "items/one", "GET /items/{id}", served, reason)  # type: ignore[arg-type]

    counts = {
        what("legacy", Reason.UNREACHABLE): 1,
        what("extracted", Reason.UNREACHABLE): 2,
        what("legacy", Reason.UNANSWERED): 3,
        what("extracted", Reason.UNANSWERED): 4,
    }
    judge = judged(tmp_path, Sides(), lambda judge: judge.count(counts))
    assert outcomes(judge) == {
        ("failed to answer", Reason.UNREACHABLE): 1,
        ("not compared", Reason.UNREACHABLE): 2,
        ("not compared", Reason.UNANSWERED): 3,
        ("failed to answer", Reason.UNANSWERED): 4,
    }


@pytest.mark.parametrize("status", [206, 304, 412])
def test_a_partial_response_has_both_sides_asked_for_the_whole_one(tmp_path: Path, status: int) -> None:
    partial = pair(answered("", status), {"a": 2})
    judge = judged(tmp_path, Sides({"a": 1}, {"a": 1}), lambda judge: judge.judge(partial))
    assert outcomes(judge) == {("match", ""): 1}
    judge = judged(tmp_path, Sides({"a": 1}, {"a": 2}), lambda judge: judge.judge(partial))
    assert outcomes(judge) == {("mismatch", ""): 1}
    judge = judged(tmp_path, Sides(GONE, {"a": 1}), lambda judge: judge.judge(partial))
    assert outcomes(judge) == {("not compared", "conditional"): 1}
    judge = judged(tmp_path, Sides({"a": 1}, GONE), lambda judge: judge.judge(partial))
    assert outcomes(judge) == {("failed to answer", Reason.UNREACHABLE): 1}


def test_not_modified_on_both_sides_is_no_evidence(tmp_path: Path) -> None:
    same = pair(answered("", 304), answered("", 304, endpoint=EXTRACTED))
    judge = judged(tmp_path, Sides(), lambda judge: judge.judge(same), conditions="keep")
    assert outcomes(judge) == {("match", "equal error"): 1}
    assert evidence(judge) == {}


def test_equal_errors_match_and_are_no_evidence(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides(), lambda judge: judge.judge(pair({"e": 1}, {"e": 1}, status=500)))
    assert outcomes(judge) == {("match", "equal error"): 1}
    assert evidence(judge) == {}
    assert judge.favoured() == {"items/one", "items/all"}


def test_equal_refusals_are_evidence_of_access_alone(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides(), lambda judge: judge.judge(pair({"e": 1}, {"e": 1}, status=401)))
    (key,) = judge.flush().outcomes
    assert (key.outcome, key.risk, key.evidence) == ("match", "authentication", True)


def test_a_refusal_on_one_side_counts_as_a_question_of_access(tmp_path: Path) -> None:
    refused = answered({"e": 1}, 403, endpoint=EXTRACTED)
    judge = judged(tmp_path, Sides({"a": 1}, refused), lambda judge: judge.judge(pair({"a": 1}, refused)))
    (key,) = judge.flush().outcomes
    assert (key.outcome, key.risk, key.evidence) == ("mismatch", "authentication", True)


def test_one_caller_who_asks_for_the_same_is_evidence_once_an_hour(tmp_path: Path) -> None:
    def work(judge: Judge) -> None:
        for number in range(100):
            judge.judge(pair({"a": 1}, {"a": 1}, at=3600.0 + number))
        judge.judge(pair({"a": 1}, {"a": 1}, at=7200.0))
        judge.judge(pair({"a": 1}, {"a": 1}, at=7200.0, caller=2))

    judge = judged(tmp_path, Sides(), work)
    assert outcomes(judge) == {("match", ""): 102}
    assert evidence(judge) == {"match": 3}


def test_what_is_wrong_later_in_the_hour_is_evidence_all_the_same(tmp_path: Path) -> None:
    judge = judged(
        tmp_path,
        Sides({"a": 1}, {"a": 2}),
        lambda judge: judge.judge(pair({"a": 1}, {"a": 1}, at=3600.0)),
        lambda judge: judge.judge(pair({"a": 1}, {"a": 2}, at=3601.0)),
        lambda judge: judge.judge(pair({"a": 1}, {"a": 2}, at=3602.0)),
    )
    assert evidence(judge) == {"match": 1, "mismatch": 1}


def test_pairs_that_come_while_too_many_wait_are_left_out_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "WAITING", 3)

    def work(judge: Judge) -> None:
        for one in different_pairs(5, {"a": 1}, {"a": 2}):
            judge.judge(one)
        for one in different_pairs(5, {"a": 1}, {"a": 1}):
            judge.judge(one)

    judge = judged(tmp_path, Sides({"a": 1}, {"a": 2}), work)
    assert outcomes(judge) == {("mismatch", ""): 3, ("not compared", "overload"): 7}


def test_what_may_change_something_is_not_sent_again(tmp_path: Path) -> None:
    sides = Sides()
    request = b"POST /items/1 HTTP/1.1\r\nHost: h\r\n\r\n"
    judge = judged(tmp_path, sides, lambda judge: judge.judge(pair({"a": 1}, {"a": 2}, request=request)))
    assert outcomes(judge) == {("mismatch", ""): 1}
    assert sides.asked == []


def test_a_pair_that_cannot_be_judged_counts_against_the_candidate(tmp_path: Path) -> None:
    judge = judged(tmp_path, Sides(), lambda judge: judge.failed(pair({"a": 1}, {"a": 1})))
    assert outcomes(judge) == {("mismatch", "not judged"): 1}
    assert evidence(judge) == {"mismatch": 1}


def test_routes_are_favoured_until_they_have_enough_evidence(tmp_path: Path) -> None:
    def work(judge: Judge) -> None:
        for one in different_pairs(judging.FAVOURED, {"a": 1}, {"a": 1}):
            judge.judge(one)

    assert judged(tmp_path, Sides(), work).favoured() == {"items/all"}


def test_another_version_of_a_side_begins_an_epoch(tmp_path: Path) -> None:
    def version(number: int) -> SideResponse:
        return answered({"a": 1}, endpoint=EXTRACTED)._replace(
            head=b"Content-Type: application/json\r\nx-version: %d\r\n" % number
        )

    def work(judge: Judge) -> None:
        for number in (1, 1, 2, 1):
            judge.judge(pair({"a": 1}, version(number)))

    judge = judged(tmp_path, Sides(), work, version={"header": "X-Version"})
    flushed = judge.flush()
    by_epoch: dict[str, int] = {}
    for key, count in flushed.outcomes.items():
        by_epoch[key.epoch] = by_epoch.get(key.epoch, 0) + count
    assert sorted(by_epoch.values()) == [1, 3]


def test_an_error_page_without_a_version_belongs_to_the_known_version(tmp_path: Path) -> None:
    told = answered({"a": 1}, endpoint=EXTRACTED)._replace(head=b"Content-Type: application/json\r\nx-version: 1\r\n")
    error = answered({"e": 1}, 500, endpoint=EXTRACTED)
    judge = judged(
        tmp_path,
        Sides({"a": 1}, error),
        lambda judge: judge.judge(pair({"a": 1}, told)),
        lambda judge: judge.judge(pair({"a": 1}, error)),
        version={"header": "X-Version"},
    )
    assert len({key.epoch for key in judge.flush().outcomes}) == 1


def test_a_pair_of_another_configuration_says_nothing(tmp_path: Path) -> None:
    other = pair({"a": 1}, {"a": 2})._replace(version="another")
    judge = judged(tmp_path, Sides({"a": 1}, {"a": 2}), lambda judge: judge.judge(other))
    assert outcomes(judge) == {("not compared", "configuration changed"): 1}


def test_a_partial_response_of_the_candidate_alone_is_its_fault(tmp_path: Path) -> None:
    wrong = pair({"a": 1}, answered("", 304, endpoint=EXTRACTED))
    judge = judged(tmp_path, Sides({"a": 1}, {"a": 1}), lambda judge: judge.judge(wrong))
    assert outcomes(judge) == {("unsteady", ""): 1}


def test_a_difference_is_not_lost_where_asking_again_fails_or_is_cut_off(tmp_path: Path) -> None:
    class Hanging(Sides):
        async def ask(self, *arguments: object) -> SideResponse:  # type: ignore[override]
            if len(self.asked) == 0:
                self.asked.append(("", b""))
                raise RuntimeError("a defect")
            await asyncio.Event().wait()
            raise AssertionError

    async def main() -> Judge:
        judge = Judge(ask_again=Hanging().ask)
        judge.apply(snapshot(tmp_path), {})
        for one in different_pairs(2, {"a": 1}, {"a": 2}):
            judge.judge(one)
        try:
            await asyncio.wait_for(judge.settle(), 1)
        except TimeoutError:
            await asyncio.sleep(0)
        return judge

    assert outcomes(asyncio.run(main())) == {("mismatch", "not confirmed"): 2}


def test_a_lag_rule_does_not_let_pass_what_was_replaced_long_ago(tmp_path: Path) -> None:
    rules = {"rules": [{"name": "replica", "lag": "2s"}]}
    judge = judged(
        tmp_path,
        Sides({"a": 2}, {"a": 2}),
        lambda judge: judge.judge(pair({"a": 1}, {"a": 1}, at=1000.0)),
        lambda judge: judge.judge(pair({"a": 2}, {"a": 2}, at=1010.0)),
        lambda judge: judge.judge(pair({"a": 2}, {"a": 1}, at=1020.0)),
        rules=rules,
    )
    assert outcomes(judge) == {("match", ""): 2, ("lag", "up to 1 min"): 1}


def test_differences_beyond_those_that_are_listed_are_no_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_LISTED", 20)

    def rows(value: int, total: int) -> dict[str, object]:
        return {"rows": [{"id": number, "at": value} for number in range(22)], "total": total}

    numbers = iter(range(1, 1_000_000))
    sides = Sides((rows(next(numbers), 5) for _ in iter(int, 1)), (rows(next(numbers), 5) for _ in iter(int, 1)))

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        judge.apply(snapshot(tmp_path, noise_percent=1, noise_learning_percent=100), {})
        for number in range(70):
            request = request_for(f"/items/{number}")
            judge.judge(pair(rows(next(numbers), 5), rows(next(numbers), -1), request=request, caller=number))
            await judge.settle()
        return judge

    assert ("ignored", LEARNED) not in outcomes(asyncio.run(main()))


def test_another_configuration_begins_an_epoch_and_the_same_goes_on(tmp_path: Path) -> None:
    judge = Judge()
    epochs = []
    for settings in ("one", "one", "two", "one"):
        judge.apply(snapshot(tmp_path), {}, {"items": settings})
        epochs.append(judge.epochs()["items"])
    assert epochs[0] == epochs[1] == epochs[3] != epochs[2]


@pytest.mark.parametrize("outcome", sorted(AGAINST))
def test_what_counts_against_the_candidate_is_shown_from_the_start(tmp_path: Path, outcome: str) -> None:
    judge = judged(tmp_path, Sides(), lambda judge: None)
    assert judge.tallies["items"].outcomes[(outcome, "")] == 0


def learned_with(tmp_path: Path, extracted: Callable[[], object], pairs: int = 200) -> tuple[Judge, list[int]]:
    """A judge after pairs in which legacy shows a counter; how many requests each pair had the sides asked again."""
    numbers = iter(range(1, 1_000_000))
    sides = Sides(({"at": next(numbers)} for _ in iter(int, 1)), (extracted() for _ in iter(int, 1)))
    asked: list[int] = []

    async def main() -> Judge:
        judge = Judge(ask_again=sides.ask)
        judge.apply(snapshot(tmp_path, noise_percent=1, noise_learning_percent=100), {})
        for number in range(pairs):
            before = len(sides.asked)
            request = request_for(f"/items/{number}")
            judge.judge(pair({"at": next(numbers)}, extracted(), request=request, caller=number))
            await judge.settle()
            asked.append(len(sides.asked) - before)
        return judge

    return asyncio.run(main()), asked


def test_a_constant_in_a_field_that_legacy_varies_is_never_let_pass(tmp_path: Path) -> None:
    for constant in ({"at": -1}, {"at": 1}, {"at": ""}, {"at": None}, {}):
        judge, _ = learned_with(tmp_path, lambda constant=constant: constant)  # type: ignore[misc]
        assert ("ignored", LEARNED) not in outcomes(judge)


def test_a_value_that_legacy_never_shows_counts_once_its_values_are_known(tmp_path: Path) -> None:
    numbers = iter(range(3, 1_000_000))
    judge, _ = learned_with(tmp_path, lambda: {"at": "" if (number := next(numbers)) % 7 == 0 else number}, pairs=400)
    found = outcomes(judge)
    against = found.get(("mismatch", ""), 0) + found.get(("unsteady", ""), 0)
    assert found[("ignored", LEARNED)] > 200
    assert against >= 15


def test_once_noise_is_learned_no_side_is_asked_again_for_it(tmp_path: Path) -> None:
    numbers = iter(range(3, 1_000_000))
    judge, asked = learned_with(tmp_path, lambda: {"at": next(numbers)}, pairs=300)
    assert 150 <= sum(asked[:60]) <= 4 * 60
    assert sum(asked[100:]) < 100
    assert outcomes(judge)[("ignored", LEARNED)] > 200


def test_a_shadow_that_compares_nothing_says_so(tmp_path: Path) -> None:
    what = NotCompared("items", "items/one", "GET /items/{id}", "legacy", Reason.OVERLOAD)
    judge = judged(tmp_path, Sides(), lambda judge: judge.count({what: 20}))
    assert judge.tallies["items"].problem() == "none of the last 20 requests was compared (overload 20)"
    judge = judged(tmp_path, Sides(), lambda judge: (judge.count({what: 20}), judge.judge(pair(1, 1))))
    assert judge.tallies["items"].problem() is None


def test_counts_and_latencies_are_kept_by_operation(tmp_path: Path) -> None:
    lost = NotCompared("items", "items/one", "GET /items/{id}", "legacy", Reason.UNREACHABLE)
    judge = judged(tmp_path, Sides(), lambda judge: (judge.judge(pair(1, 1)), judge.count({lost: 2})))
    found = {(key.side, key.status): count for key, count in judge.flush().responses.items()}
    assert found == {("legacy", 200): 1, ("extracted", 200): 1, ("extracted", 0): 2}


def test_a_signature_has_a_general_path_and_one_place_for_all_ids_of_a_map(tmp_path: Path) -> None:
    def documents(value: str) -> list[object]:
        return [
            {"results": [{"title": "a"}] * number + [{"title": value}], "by_name": {f"user-{number}": value}}
            for number in range(3)
        ]

    legacy, extracted = documents("b"), documents("c")
    sides = Sides(iter(legacy), iter(extracted))

    def work(judge: Judge) -> None:
        for one, other in zip(legacy, extracted, strict=True):
            judge.judge(pair(one, other))

    signatures = judged(tmp_path, sides, work).flush().signatures
    counted = {(key.signature, key.path): count for key, count in signatures.items()}
    assert counted == {
        ("value $.results[*].title", "$.results[*].title"): 3,
        ("value $.by_name[*]", "$.by_name[*]"): 3,
    }
