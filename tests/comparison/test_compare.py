"""What a comparison says beside the differences themselves: risks, signatures, evidence, what has expired."""

from __future__ import annotations

import gzip
import json
from datetime import date
from typing import Any

import pytest

from strangler.comparison import alignment
from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.difference import MOST_TEXT, Risk
from strangler.comparison.findings import MOST_LISTED
from strangler.comparison.json import bodies as json_bodies
from strangler.comparison.response import Response
from strangler.comparison.rules import Rules
from strangler.config.compile.compare import DEFAULT_RULES, compile_rules
from strangler.config.schema.compare import CompareSection
from tests.counted_calls import counted_calls


def rules(*sections: dict[str, Any]) -> Rules:
    return compile_rules(*(CompareSection.model_validate(section) for section in sections))


def response(document: Any, status: int = 200) -> Response:
    return Response(status, ((b"Content-Type", b"application/json"),), json.dumps(document).encode())


def compared(legacy: Any, extracted: Any, how: Rules = DEFAULT_RULES, **other: Any) -> Comparison:
    return compare(response(legacy), response(extracted), how, **other)


@pytest.mark.parametrize(
    ("legacy", "extracted", "signature"),
    [
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}], "value $[*].a"),
        ({"p": {"17": 1}}, {"p": {"17": 2}}, "value $.p[*]"),
        ({"p": {"2024-03-01": 1}}, {"p": {"2024-03-01": 2}}, "value $.p[*]"),
        ({"0b7c3c4e-6a53-4c0e-9d57-2f2d0c9b1a11": 1}, {"0b7c3c4e-6a53-4c0e-9d57-2f2d0c9b1a11": 2}, "value $[*]"),
        ({"x-y": {"z": 1}}, {"x-y": {"z": 2}}, 'value $["x-y"].z'),
        ({"by_name": {"user-17": 1}}, {"by_name": {"user-17": 2}}, "value $.by_name[*]"),
        ({"p": {"order_10023": {"x": 1}}}, {"p": {"order_10023": {"x": 2}}}, "value $.p[*].x"),
        ({"p": {"SKU00017": 1}}, {"p": {"SKU00017": 2}}, "value $.p[*]"),
        ({"p": {"ann@shop.example": 1}}, {"p": {"ann@shop.example": 2}}, "value $.p[*]"),
        ({"p": {"01ARZ3NDEKTSV4RRFFQ69G5FAV": 1}}, {"p": {"01ARZ3NDEKTSV4RRFFQ69G5FAV": 2}}, "value $.p[*]"),
        ({"p": {"address_1": 1}}, {"p": {"address_1": 2}}, "value $.p.address_1"),
        ({"p": {"sha256": 1}}, {"p": {"sha256": 2}}, "value $.p.sha256"),
        ({"a": 1}, {"a": "1"}, "type $.a number to string"),
        ([1, 2, 3], [3, 1, 2], "order $"),
    ],
)
def test_a_signature_holds_no_indexes_and_no_values(legacy: Any, extracted: Any, signature: str) -> None:
    (difference,) = compared(legacy, extracted).differences
    assert difference.signature == signature


def test_statuses_are_told_apart_by_their_signatures() -> None:
    (difference,) = compare(response({}), response({}, status=500), DEFAULT_RULES).differences
    assert (difference.signature, difference.place) == ("value status 200 to 500", "status")
    assert (difference.legacy, difference.extracted, difference.risk) == ("200", "500", Risk.HIGH)


def test_values_are_shown_as_they_were_sent() -> None:
    one, other = (
        Response(200, ((b"content-type", b"application/json"),), body) for body in (b'{"a": 12.50}', b'{"a": 1e1}')
    )
    (difference,) = compare(one, other, DEFAULT_RULES).differences
    assert (difference.legacy, difference.extracted) == ("12.50", "1e1")


def test_a_long_value_is_cut() -> None:
    (difference,) = compared({"a": "x" * 10_000}, {"a": list(range(10_000))}).differences
    assert difference.legacy is not None
    assert difference.extracted is not None
    assert len(difference.legacy) == len(difference.extracted) == MOST_TEXT + 1


def test_the_value_of_a_cookie_is_not_shown() -> None:
    legacy = Response(200, ((b"Set-Cookie", b"sessionid=secret; Path=/"),), b"")
    (difference,) = compare(legacy, Response(200, (), b""), DEFAULT_RULES).differences
    assert (difference.legacy, difference.extracted) == ("is set", None)


def test_differences_beyond_a_thousand_are_counted() -> None:
    found = compared(list(range(3000)), list(range(10_000, 13_000)))
    assert (len(found.differences), found.left_out) == (MOST_LISTED, 3000 - MOST_LISTED)


def test_risks_can_be_said_for_all_migrations_and_for_one() -> None:
    how = rules({"risks": {"extra": "high", "value": "low"}}, {"risks": {"extra": "medium", "status": "low"}})
    found = {item.kind: item.risk for item in compared({"a": 1}, {"a": 2, "b": 1}, how).differences}
    assert found == {"value": "low", "extra": "medium"}
    (difference,) = compare(response({}), response({}, status=201), how).differences
    assert difference.risk is Risk.LOW


def test_a_migration_says_what_it_wants_otherwise_and_adds_its_rules() -> None:
    ignore_a = {"name": "a", "json": "$.a", "ignore": "all"}
    ignore_b = {"name": "b", "json": "$.b", "ignore": "all"}
    how = rules(
        {"status": "class", "headers": ["ETag"], "rules": [ignore_a], "noise": {"pairs": 10}},
        {"headers": ["location"], "rules": [ignore_b], "noise": {"relative": 5}},
    )
    assert (how.status, how.headers, how.noise.pairs, how.noise.relative) == ("class", (b"location",), 10, 5)
    assert compared({"a": 1, "b": 1}, {"a": 2, "b": 2}, how).outcome is Outcome.IGNORED


def test_an_accepted_difference_counts_after_its_last_day_and_says_so() -> None:
    how = rules({"rules": [{"name": "VAT", "json": "$.vat", "ignore": "value", "expires": "2026-06-30", "owner": "b"}]})
    before = compared({"vat": 1}, {"vat": 2}, how, today=date(2026, 6, 30))
    assert (before.outcome, [name for _, name in before.ignored], before.expired) == (Outcome.IGNORED, ["VAT"], ())
    after = compared({"vat": 1}, {"vat": 2}, how, today=date(2026, 7, 1))
    assert (after.outcome, after.ignored) == (Outcome.MISMATCH, ())
    assert [(difference.path, name) for difference, name in after.expired] == [("$.vat", "VAT")]
    assert [difference.path for difference in after.differences] == ["$.vat"]


def test_a_list_without_order_has_one_again_after_the_last_day() -> None:
    how = rules({"rules": [{"name": "tags", "json": "$", "unordered": True, "expires": "2026-06-30"}]})
    after = compared([1, 2, 3], [3, 1, 2], how, today=date(2026, 7, 1))
    assert [(difference.kind, name) for difference, name in after.expired] == [("order", "tags")]


def test_a_rule_that_still_counts_goes_before_one_that_has_expired() -> None:
    old = {"name": "old", "json": "$.a", "ignore": "all", "expires": "2020-01-01"}
    how = rules({"rules": [old, {"name": "new", "json": "$.a", "ignore": "all"}]})
    found = compared({"a": 1}, {"a": 2}, how)
    assert ([name for _, name in found.ignored], found.expired) == (["new"], ())


@pytest.mark.parametrize(
    ("legacy", "extracted", "outcome", "evidence"),
    [
        (200, 200, Outcome.MATCH, True),
        (304, 304, Outcome.MATCH, True),
        (404, 404, Outcome.MATCH, False),
        (503, 503, Outcome.MATCH, False),
        (200, 404, Outcome.MISMATCH, True),
        (404, 410, Outcome.MISMATCH, True),
    ],
)
def test_two_equal_errors_are_no_evidence(legacy: int, extracted: int, outcome: Outcome, evidence: bool) -> None:
    found = compare(response({}, legacy), response({}, extracted), DEFAULT_RULES)
    assert (found.outcome, found.evidence) == (outcome, evidence)


def test_a_body_that_grows_too_large_is_not_compared() -> None:
    bomb = Response(200, ((b"Content-Encoding", b"gzip"),), gzip.compress(bytes(20_000_000)))
    found = compare(bomb, response({}), DEFAULT_RULES)
    assert (found.outcome, found.reason, found.evidence) == (Outcome.NOT_COMPARED, "too big", False)
    assert compare(bomb, bomb, DEFAULT_RULES).outcome is Outcome.MATCH


def test_rules_hold_on_whichever_side_a_value_is() -> None:
    how = rules({"rules": [{"name": "drafts", "json": "$[?@.draft == true]", "ignore": "all"}]})
    found = compared([{"id": 1}], [{"id": 1}, {"id": 2, "draft": True}], how)
    assert [(difference.path, name) for difference, name in found.ignored] == [("$[1]", "drafts")]


def test_lists_of_thousands_cost_no_comparison_of_each_with_each() -> None:
    one = [{"name": f"product {number}", "price": number} for number in range(5000)]
    other = [{"name": f"product {number}", "price": -number} for number in range(5000, 0, -1)]
    assert compared(one, other).outcome is Outcome.MISMATCH


def test_comparing_paragraphs_takes_calls_in_proportion_to_their_number() -> None:
    def page(text: str, paragraphs: int) -> Response:
        body = "".join(f"<p>{text}{number}" for number in range(paragraphs))
        return Response(200, ((b"Content-Type", b"text/html"),), f"<hr>{body}".encode())

    calls = []
    for paragraphs in (500, 1000):
        with counted_calls() as so_far:
            found = compare(page("a", paragraphs), page("b", paragraphs), DEFAULT_RULES)
        calls.append(so_far())
        assert [found.differences[number].path for number in (0, 499)] == [
            "/html/body/p[1]/text()",
            "/html/body/p[500]/text()",
        ]
    assert calls[1] < 2.2 * calls[0]


def test_many_stretches_that_differ_are_compared_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def lists(value: str) -> list[list[str]]:
        return [["first", *(f"{value}{row}/{place}" for place in range(9)), "last"] for row in range(8)]

    calls = []
    for bound in (200, 1000):
        effort = alignment.Effort(bound)
        monkeypatch.setattr(json_bodies, "Effort", lambda effort=effort: effort)
        with counted_calls() as so_far:
            found = compared(lists("a"), lists("b"))
        calls.append(so_far())
        assert [difference.path for difference in found.differences] == [
            f"$[{row}][{place}]" for row in range(8) for place in range(1, 10)
        ]
        assert 0 <= effort.left < bound
    assert calls[0] < calls[1] - 300


def test_sets_in_sets_are_tried_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def sets(value: str) -> list[list[str]]:
        return [[f"{value}{row}/{place}" for place in range(10)] for row in range(10)]

    unordered = {"rules": [{"name": "sets", "json": "$..*", "unordered": True}]}
    calls = []
    for bound in (0, 5000, 200_000):
        monkeypatch.setattr(json_bodies, "MOST_TRIED", bound)
        with counted_calls() as so_far:
            assert compared([sets("a")], [sets("b")], rules(unordered)).outcome is Outcome.MISMATCH
        calls.append(so_far())
    # A value that is tried takes fewer than a hundred calls.
    assert calls[0] < calls[1] < calls[0] + 5000 * 100
    assert calls[2] > 2 * calls[1]


@pytest.mark.parametrize("tolerance", ["0%", "1%", "1"])
@pytest.mark.parametrize(
    ("legacy", "extracted"),
    [
        ("1e1000000", "2e1000000"),
        ("1e999999999999", "1"),
        ("9e999999999999999999", "-9e999999999999999999"),
        ("1e-1500000000000000000", "2e1500000"),
    ],
)
def test_numbers_beyond_all_measure_are_never_near(legacy: str, extracted: str, tolerance: str) -> None:
    how = rules({"rules": [{"name": "near", "json": "$.n", "tolerance": tolerance}]})
    fields = ((b"Content-Type", b"application/json"),)
    responses = [Response(200, fields, f'{{"n": {number}}}'.encode()) for number in (legacy, extracted)]
    assert compare(responses[0], responses[1], how).outcome is Outcome.MISMATCH


def test_a_share_of_the_smallest_numbers_is_none_of_them() -> None:
    how = rules({"rules": [{"name": "near", "json": "$.n", "tolerance": "1%"}]})
    fields = ((b"Content-Type", b"application/json"),)
    responses = [
        Response(200, fields, f'{{"n": {number}}}'.encode())
        for number in ("1e-2000000", "2e-2000000", "1.001e-2000000")
    ]
    assert compare(responses[0], responses[1], how).outcome is Outcome.MISMATCH
    assert compare(responses[0], responses[2], how).outcome is Outcome.IGNORED


@pytest.mark.parametrize(
    ("status", "name", "legacy", "extracted", "same"),
    [
        (401, "WWW-Authenticate", 'Bearer realm="shop"', 'bearer realm="shop"', True),
        (401, "WWW-Authenticate", 'Bearer realm="shop"', 'Bearer realm="other"', False),
        (401, "WWW-Authenticate", 'Bearer realm="shop"', 'Basic realm="shop"', False),
        (401, "WWW-Authenticate", 'Bearer realm="shop"', "", False),
        (401, "WWW-Authenticate", 'Digest realm="a, b", nonce="1"', 'Digest realm="a, b", nonce="2"', True),
        (405, "Allow", "GET, HEAD", "HEAD,GET", True),
        (405, "Allow", "GET, HEAD", "GET", False),
        (404, "WWW-Authenticate", "Bearer", "Basic", True),
    ],
)
def test_what_a_refusal_asks_for_is_compared(status: int, name: str, legacy: str, extracted: str, same: bool) -> None:
    def refusal(value: str) -> Response:
        return Response(status, ((name.encode(), value.encode()),) if value else (), b"no")

    found = compare(refusal(legacy), refusal(extracted), DEFAULT_RULES)
    assert (found.outcome is Outcome.MATCH) is same
