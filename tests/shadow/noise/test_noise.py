"""What legacy does to itself is noise, what only the two sides do is not, and few requests decide nothing."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc
from typing import Any

import pytest
import yaml

from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.difference import Difference, DifferenceKind, Risk
from strangler.comparison.response import Response
from strangler.comparison.rules import Rules, Thresholds
from strangler.config.compile.compare import DEFAULT_RULES, compile_rules
from strangler.config.schema.compare import CompareSection
from strangler.shadow.noise import noise as learning
from strangler.shadow.noise import value_forms
from strangler.shadow.noise.judgement import Judgement
from strangler.shadow.noise.noise import MOST_PLACES, Noise
from strangler.shadow.noise.operation import Operation
from strangler.shadow.noise.place import SURE
from strangler.shadow.noise.statistics import likelihood, wilson
from strangler.shadow.noise.suggestions import as_yaml, suggestions

PRODUCTS = "GET /api/catalog/products"


def compared(legacy: Any, extracted: Any, rules: Rules = DEFAULT_RULES) -> Comparison:
    one, other = (
        Response(200, ((b"content-type", b"application/json"),), json.dumps(document).encode())
        for document in (legacy, extracted)
    )
    return compare(one, other, rules)


CHANGED = compared({"now": 1, "price": 5}, {"now": 2, "price": 5}).differences
SAME = compared({}, {}).differences
NOW = "value $.now"


def learnt(differing: int, pairs: int, differing_twice: int, twice: int, thresholds: Thresholds | None = None) -> Noise:
    """Noise of so many pairs; requests on which legacy differs from itself are those on which the sides do."""
    noise = Noise(thresholds)
    for _ in range(differing):
        noise.compared(PRODUCTS, CHANGED)
    for _ in range(differing_twice):
        noise.asked_twice(PRODUCTS, CHANGED, CHANGED, CHANGED)
    counts = noise.operations.setdefault(PRODUCTS, Operation())
    counts.compared, counts.asked_twice = pairs, twice
    noise.compared(PRODUCTS, SAME)
    counts.compared -= 1
    return noise


@pytest.mark.parametrize(
    ("counts", "judgement"),
    [
        ((1000, 1000, 50, 50), Judgement.NOISE),
        ((500, 1000, 25, 50), Judgement.NOISE),
        ((20, 1000, 10, 500), Judgement.UNDECIDED),
        ((2000, 100_000, 1000, 50_000), Judgement.NOISE),
        ((1000, 1000, 0, 100), Judgement.DIFFERENCE),
        ((900, 1000, 10, 100), Judgement.DIFFERENCE),
        ((10, 1000, 0, 100), Judgement.UNDECIDED),
        ((10, 1000, 0, 5000), Judgement.DIFFERENCE),
        ((0, 1000, 50, 50), Judgement.NOISE),
    ],
)
def test_the_sides_differ_no_more_often_than_legacy_from_itself(
    counts: tuple[int, int, int, int], judgement: Judgement
) -> None:
    assert learnt(*counts).judgement(PRODUCTS, NOW) is judgement


@pytest.mark.parametrize("counts", [(49, 49, 50, 50), (1000, 1000, 49, 49), (3, 3, 3, 3), (0, 0, 0, 0)])
def test_few_pairs_decide_nothing(counts: tuple[int, int, int, int]) -> None:
    assert learnt(*counts).judgement(PRODUCTS, NOW) is Judgement.UNDECIDED


def test_how_many_pairs_are_few_and_how_far_is_apart_can_be_said() -> None:
    assert learnt(20, 20, 20, 20, Thresholds(pairs=10)).judgement(PRODUCTS, NOW) is Judgement.NOISE
    assert learnt(500, 1000, 200, 1000).judgement(PRODUCTS, NOW) is Judgement.DIFFERENCE
    assert learnt(500, 1000, 200, 1000, Thresholds(relative=60)).judgement(PRODUCTS, NOW) is Judgement.NOISE


def test_a_rate_of_next_to_nothing_is_no_difference_whatever_its_ratio() -> None:
    counts = (20, 1_000_000, 2, 1_000_000)
    assert learnt(*counts).judgement(PRODUCTS, NOW) is Judgement.NOISE
    assert learnt(*counts, Thresholds(absolute=0)).judgement(PRODUCTS, NOW) is Judgement.DIFFERENCE


def test_another_endpoint_is_another_matter() -> None:
    noise = learnt(1000, 1000, 50, 50)
    assert noise.judgement("GET /api/catalog/products/{id}", NOW) is Judgement.UNDECIDED
    assert noise.judgement(PRODUCTS, "value $.price") is Judgement.UNDECIDED


def test_a_difference_counts_once_a_pair_however_many_elements_have_it() -> None:
    found = compared([{"id": 1, "t": 1}, {"id": 2, "t": 1}], [{"id": 1, "t": 2}, {"id": 2, "t": 2}])
    assert len(found.differences) == 2
    noise = Noise()
    noise.compared(PRODUCTS, found.differences)
    assert noise.operations[PRODUCTS].places["value $[*].t"].differing == 1


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe (1998), and the interval's closed form at the ends.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (0, 0, 0, 1)],
)
def test_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    assert wilson(count, total) == pytest.approx((low, high), abs=5e-5)


def test_what_was_learnt_can_be_stored_and_holds_no_values() -> None:
    noise = Noise()
    noise.compared(PRODUCTS, compared({"name": "Ann"}, {"name": "Bea"}).differences)
    document = noise.document()
    assert b"Ann" not in document
    assert b"Bea" not in document
    again = Noise.read(document)
    assert again.operations == noise.operations
    again.compared(PRODUCTS, SAME)
    assert again.operations[PRODUCTS].compared == 2


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"version": 2}',
        b'{"version": 2, "operations": {"a": {"places": {"b": {}}}}}',
        b'{"version": 2, "operations": {"a": {"compared": "x", "asked_twice": 1, "extra": 0, "places": {}}}}',
    ],
)
def test_what_was_not_stored_by_this_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        Noise.read(document)


def test_a_document_of_another_version_is_dropped_and_learned_anew() -> None:
    older = b'{"GET /": {"compared": 500, "asked_twice": 500, "places": {"value $.a": {"kind": "value"}}}}'
    assert Noise.read(older).operations == {}
    assert Noise.read(b'{"version": 3, "operations": []}').operations == {}
    assert Noise.read(None).operations == {}


def test_an_operation_with_ever_new_differences_is_bounded() -> None:
    noise = Noise()
    for number in range(3 * MOST_PLACES):
        noise.compared(PRODUCTS, compared({f"key-{number}x": 1}, {}).differences)
    assert len(noise.operations[PRODUCTS].places) == MOST_PLACES
    # What legacy shows against itself takes the place of what it never showed.
    noise.asked_twice(PRODUCTS, CHANGED)
    assert NOW in noise.operations[PRODUCTS].places
    assert len(noise.operations[PRODUCTS].places) == MOST_PLACES


def test_what_is_learned_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many operations, many paths, long values of many lengths and wordings, numbers at all distances."""
    monkeypatch.setattr(learning, "MOST_BYTES", 2**18)
    source = random.Random(3)
    gc.collect()
    tracemalloc.start()
    began = tracemalloc.get_traced_memory()[0]
    noise = Noise()
    for number in range(500):
        path = f"{'long' * 60}{number % 200}"
        one, other = ({path: value_of_any_length(source), "n": source.random() * 10.0 ** (number % 60)} for _ in "ab")
        found = compared(one, other).differences
        noise.compared(f"GET /{number % 20}", found)
        noise.asked_twice(f"GET /{number % 20}", found, found, found)
    value_forms.forget()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - began
    tracemalloc.stop()
    assert taken < 1.5 * 2**18
    assert noise.left_out > 0
    assert len(noise.document()) < 2**18


def value_of_any_length(source: random.Random) -> str:
    words = ("".join(source.choices("abcdefgh -", k=source.randrange(2, 30))) for _ in range(source.randrange(1, 60)))
    return " ".join(words)


def test_undecided_differences_send_more_requests_twice_within_a_budget() -> None:
    noise = Noise(source=random.Random(5))
    asked = [noise.asks(PRODUCTS, 1, 50) for _ in range(2000)]
    assert 5 < sum(asked) < 50  # nothing differs yet
    for _ in range(20):
        noise.compared(PRODUCTS, CHANGED)
    asked = [noise.asks(PRODUCTS, 1, 50) for _ in range(400)]
    assert 150 < sum(asked) < 250
    asked = [noise.asks(PRODUCTS, 1, 50) for _ in range(20_000)]
    assert learning.EXTRA_REQUESTS - 250 < sum(asked) < learning.EXTRA_REQUESTS + 300
    assert not any(noise.asks(PRODUCTS, 0, 50) for _ in range(100))


def test_once_all_is_decided_no_more_are_asked_than_usual() -> None:
    noise = learnt(1000, 1000, 60, 60)
    assert noise.judgement(PRODUCTS, NOW) is Judgement.NOISE
    assert sum(noise.asks(PRODUCTS, 1, 50) for _ in range(1000)) < 60


def test_a_right_candidate_is_judged_wrong_at_most_once_in_a_thousand() -> None:
    """Looked at after every request, for a candidate that agrees just as often as is asked for at the least."""
    wrong = 0
    for seed in range(1000):
        source, hits, misses, worst = random.Random(seed), 0, 0, 0.0
        for _ in range(300):
            if source.random() < 0.25:
                hits += 1
            else:
                misses += 1
            worst = max(worst, likelihood(hits, misses, 0.25))
        wrong += worst >= SURE
    assert wrong <= 5


def test_a_new_candidate_is_judged_anew_by_what_legacy_showed() -> None:
    noise = learnt(1000, 1000, 100, 100)
    assert len(noise.sift(PRODUCTS, CHANGED).noise) == 1
    noise.forget_candidate()
    assert noise.sift(PRODUCTS, CHANGED).noise == []
    assert noise.operations[PRODUCTS].asked_twice == 100
    for _ in range(60):
        noise.compared(PRODUCTS, CHANGED)
    noise.asked_twice(PRODUCTS, CHANGED, CHANGED, CHANGED)
    assert len(noise.sift(PRODUCTS, CHANGED).noise) == 1


def test_learned_noise_counts_its_uses_and_what_it_would_have_hidden() -> None:
    noise = learnt(1000, 1000, 100, 100)
    constant = compared({"now": 1}, {"now": -1}).differences
    for _ in range(3):
        assert noise.sift(PRODUCTS, CHANGED).rest == []
    for _ in range(2):
        assert noise.sift(PRODUCTS, constant) == ([], list(constant))
    noise.sift(PRODUCTS, constant, again=True)
    (one,) = noise.learned()
    assert (one.operation, one.place, one.kind, one.judgement) == (PRODUCTS, "$.now", "value", "noise")
    assert (one.legacy, one.sides, one.used) == ((100, 100), (1000, 1000), 3)
    assert one.refused == {"a form that legacy never showed": 2}
    assert one.forms == ("integer",)
    assert Noise.read(noise.document()).learned() == noise.learned()


def product(random_source: random.Random, extracted: bool = False) -> Any:
    """A product as legacy sends it, with all sorts of noise; the extracted side rounds its price."""
    tags = ["wood", "black", "grand", "new"]
    random_source.shuffle(tags)
    return {
        "name": "Grand piano",
        "trace": f"{random_source.getrandbits(128):032x}",
        "now": f"2024-03-01T10:00:{random_source.uniform(0, 1.5):06.3f}Z",
        "tags": tags,
        "views": random_source.randrange(10_000),
        "price": 13 if extracted else 12.5,
    }


def learnt_products() -> Noise:
    noise, source = Noise(), random.Random(7)
    for _ in range(300):
        noise.compared(PRODUCTS, compared(product(source), product(source, extracted=True)).differences)
        itself = compared(product(source), product(source)).differences
        candidate = compared(product(source, extracted=True), product(source, extracted=True)).differences
        noise.asked_twice(PRODUCTS, itself, itself, candidate)
    return noise


def test_the_suggested_rules_fit_what_differs() -> None:
    rules = {rule["json"]: rule for rule in (suggestion.rule for suggestion in suggestions(learnt_products()))}
    assert rules == {
        "$.trace": {"name": "noise at $.trace", "json": "$.trace", "regex": "[0-9a-f]{32}"},
        "$.now": {"name": "noise at $.now", "json": "$.now", "time_tolerance": "1388ms"},
        "$.tags": {"name": "noise at $.tags", "json": "$.tags", "unordered": True},
        "$.views": {"name": "noise at $.views", "json": "$.views", "tolerance": "9259"},
    }


def test_the_suggested_rules_silence_the_noise_and_nothing_else() -> None:
    text = as_yaml(suggestions(learnt_products()))
    assert f"# {PRODUCTS}: legacy differs from itself in 300 of 300 (98.7% or more), the sides in 300 of 300" in text
    rules = compile_rules(CompareSection.model_validate(yaml.safe_load(text)["compare"]))
    source = random.Random(8)
    assert compared(product(source), product(source), rules).outcome is Outcome.IGNORED
    found = compared(product(source), product(source, extracted=True), rules)
    assert [difference.path for difference in found.differences] == ["$.price"]


def test_a_rule_that_would_hide_a_difference_elsewhere_says_so() -> None:
    noise = learnt(1000, 1000, 50, 50)
    for _ in range(100):
        noise.compared("GET /api/other", CHANGED)
        noise.asked_twice("GET /api/other", SAME, CHANGED, SAME)
    assert "# CAREFUL: at GET /api/other this is a difference: in 100 of 100" in as_yaml(suggestions(noise))


def test_places_of_all_kinds_can_be_suggested() -> None:
    def page(headers: list[tuple[bytes, bytes]], body: str) -> Response:
        return Response(200, ((b"content-type", b"text/html"), *headers), body.encode())

    one = page([(b"cache-control", b"max-age=1"), (b"set-cookie", b"a=1; Path=/a")], "<p class=a>x</p><i>y</i>")
    other = page([(b"cache-control", b"max-age=2"), (b"set-cookie", b"a=1; Path=/b")], "<p class=b>z</p>")
    noise = Noise()
    for _ in range(100):
        noise.compared("GET /", compare(one, other, DEFAULT_RULES).differences)
        found = compare(one, other, DEFAULT_RULES).differences
        noise.asked_twice("GET /", found, found, found)
    text = as_yaml(suggestions(noise))
    rules = compile_rules(CompareSection.model_validate(yaml.safe_load(text)["compare"]))
    found = compare(one, other, rules)
    assert (found.outcome, len(found.ignored)) == (Outcome.IGNORED, 5)


def test_without_noise_nothing_is_suggested() -> None:
    assert as_yaml(suggestions(learnt(1000, 1000, 0, 100))) == ""


def test_any_two_responses_can_be_learned_from_stored_and_suggested() -> None:
    source = random.Random(1)
    pieces = [
        *('"', "\\", "1970-01-01", "2026-99-99T99:99", "12e999", "-", "é", "\ud800", "{", "[", "null", "…", " ", "NaN"),
        *("Mon, 45 Foo 2020 99:99:99 GMT", "x" * 600, "1" * 400, "9" * 13, "1234567890", "\u0661" * 10, "0" * 8),
    ]
    places = ("$.a", "line", "body", "status", "header:x", "/html/p/text()", "cookie:a@expires")

    def value() -> str | None:
        return None if source.random() < 0.1 else "".join(source.choices(pieces, k=source.randrange(4)))

    noise = Noise()
    for _ in range(3000):
        kind, place = source.choice(list(DifferenceKind)), source.choice(places)
        found = [Difference("path", kind, value(), value(), Risk.HIGH, f"{kind} {place}", place) for _ in range(2)]
        noise.compared(PRODUCTS, found, 1.0)
        noise.sift(PRODUCTS, found)
        noise.asked_twice(PRODUCTS, found, found, found)
    again = Noise.read(noise.document())
    assert again.operations == noise.operations
    assert {one.place for one in again.learned()} == set(places)
    assert yaml.safe_load(as_yaml(suggestions(again))) == yaml.safe_load(as_yaml(suggestions(noise)))
