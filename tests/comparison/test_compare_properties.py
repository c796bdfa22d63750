"""What holds for any two responses, whatever is in them."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strangler.comparison.compare import Outcome, compare
from strangler.comparison.difference import DifferenceKind
from strangler.comparison.response import Response
from strangler.config.compile.compare import DEFAULT_RULES, compile_rules
from strangler.config.schema.compare import CompareSection
from strangler.shadow.judging.equal_bytes import Sameness
from strangler.shadow.pair import SideResponse

unhurried = settings(deadline=None, max_examples=200)

RULES = compile_rules(
    CompareSection.model_validate(
        {
            "rules": [
                {"name": "ignored", "json": "$..ignored", "ignore": "all"},
                {"name": "sets", "json": "$..tags", "unordered": True},
                {"name": "near", "json": "$..price", "tolerance": "1%"},
                {"name": "nulls", "json": "$..*", "null_equals_missing": True},
                {"name": "any", "html": "p", "ignore": "value"},
            ]
        }
    )
)

keys = st.sampled_from(["id", "name", "price", "tags", "ignored", "a", "b-c", ""]) | st.text(max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)
TAGS = (
    "<p>|</p>|<ul>|<li>|</ul>|<b>|</b>|<div id=a class='x y'>|</div>|<pre>|<table>|<tr><td>|text| |\n|&amp;|<!-- c -->"
    "|<script>|</script>|<input name=q>|<svg>"
)
markup = st.lists(st.sampled_from(TAGS.split("|")), max_size=25).map("".join)
media_types = st.sampled_from(
    [b"application/json", b"text/html", b"text/plain; charset=nonsense", b"image/png", b"", b"application/xhtml+xml"]
)
codings = st.sampled_from([b"", b"gzip", b"br", b"deflate", b"zstd", b"gzip, br"])
bodies = (
    st.binary(max_size=60)
    | documents.map(lambda document: json.dumps(document).encode())
    | markup.map(str.encode)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
header_names = st.sampled_from([b"Set-Cookie", b"Cache-Control", b"Location", b"Content-Security-Policy", b"X"])
headers = st.lists(st.tuples(header_names, st.binary(max_size=20)), max_size=4)
responses = st.builds(
    lambda status, kind, coding, rest, body: Response(
        status, ((b"Content-Type", kind), (b"Content-Encoding", coding), *rest), body
    ),
    st.sampled_from([200, 201, 204, 302, 304, 404, 500, 99, 0]),
    media_types,
    codings,
    headers,
    bodies,
)


def json_answer(document: Any) -> Response:
    return Response(200, ((b"content-type", b"application/json"),), json.dumps(document).encode())


def page(text: str) -> Response:
    return Response(200, ((b"content-type", b"text/html; charset=utf-8"),), text.encode())


@unhurried
@given(responses, responses)
def test_whatever_two_upstreams_send_is_compared(legacy: Response, extracted: Response) -> None:
    for rules in (DEFAULT_RULES, RULES):
        found = compare(legacy, extracted, rules)
        assert (found.outcome is Outcome.MISMATCH) is bool(found.differences)
        for difference in (*found.differences, *(ignored for ignored, _ in found.ignored)):
            for text in (difference.path, difference.legacy, difference.extracted, difference.signature):
                assert text is None or text.encode("utf-8") is not None


@unhurried
@given(responses)
def test_an_answer_never_differs_from_itself(response: Response) -> None:
    assert compare(response, response, RULES).outcome is Outcome.MATCH


lines = st.lists(
    st.tuples(
        st.sampled_from([b"content-type", b"Content-Encoding", b"SET-COOKIE", b"location", b"Date", b"X-Location"]),
        st.sampled_from([b"a", b" a", b"a \t", b"A", b"gzip", b"identity", b"k=v; Path=/", b""]),
    ),
    max_size=4,
).map(lambda fields: b"".join(b"%b:%b\r\n" % field for field in fields))
sides = st.builds(
    SideResponse,
    st.just("http://127.0.0.1:1"),
    st.sampled_from([200, 404]),
    lines,
    st.sampled_from([b"", b"{}", b"a"]),
    st.just(0.01),
)


@unhurried
@given(sides, sides)
def test_responses_equal_at_a_glance_match_when_compared(legacy: SideResponse, extracted: SideResponse) -> None:
    for rules in (DEFAULT_RULES, RULES):
        found = Sameness(rules).of(legacy, extracted)
        if found is not None:
            assert found == compare(legacy.response, extracted.response, rules)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        (b"Date: now\r\n", True),
        (b"X-Content-Type: a\r\n", True),
        (b"Content-Type: a\r\n", False),
        (b"set-cookie: a=b\r\n", False),
        (b"content-encoding: gzip\r\n", False),
    ],
)
def test_only_headers_that_matter_make_answers_differ_at_a_glance(line: bytes, same: bool) -> None:
    one = SideResponse("http://127.0.0.1:1", 200, b"Content-Length: 2\r\n", b"{}", 0.01)
    other = one._replace(head=line + one.head)
    assert (Sameness(DEFAULT_RULES).of(one, other) is not None) is same


@unhurried
@given(documents)
def test_a_document_never_differs_from_another_way_to_write_it(document: Any) -> None:
    one = json_answer(document)
    other = Response(
        200,
        one.headers,
        json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"),
    )
    assume(b"\xed" not in other.body)  # half of a surrogate pair can only be sent escaped
    assert compare(one, other, DEFAULT_RULES).outcome is Outcome.MATCH


def counted(found: Any) -> Counter[str]:
    other_way = {DifferenceKind.MISSING: "alone", DifferenceKind.EXTRA: "alone"}
    return Counter(str(other_way.get(difference.kind, difference.kind)) for difference in found.differences)


@unhurried
@given(documents, documents)
def test_either_side_may_come_first(one: Any, other: Any) -> None:
    there = compare(json_answer(one), json_answer(other), DEFAULT_RULES)
    back = compare(json_answer(other), json_answer(one), DEFAULT_RULES)
    assert counted(there) == counted(back)


@unhurried
@given(markup, markup)
def test_either_page_may_come_first(one: str, other: str) -> None:
    there = compare(page(one), page(other), DEFAULT_RULES)
    back = compare(page(other), page(one), DEFAULT_RULES)
    assert counted(there) == counted(back)


def leaves(value: Any, path: str = "$") -> list[tuple[str, list[Any]]]:
    """Each leaf of a document: its path, and the steps to it."""
    if isinstance(value, dict):
        found = [
            (f"{path}.{key}{rest}", [key, *steps]) for key, child in value.items() for rest, steps in leaves(child, "")
        ]
    elif isinstance(value, list):
        found = [
            (f"{path}[{i}]{rest}", [i, *steps]) for i, child in enumerate(value) for rest, steps in leaves(child, "")
        ]
    else:
        return [(path, [])]
    return found


simple_documents = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=25,
)


@unhurried
@given(simple_documents, st.data())
def test_one_changed_leaf_is_one_difference_at_its_path(document: Any, data: st.DataObject) -> None:
    every = leaves(document)
    assume(every)
    path, steps = data.draw(st.sampled_from(every))
    changed: Any = {"": copy.deepcopy(document)}
    holder, key = changed, ""
    for step in steps:
        holder, key = holder[key], step
    holder[key] = "changed"
    found = compare(json_answer(document), json_answer(changed[""]), DEFAULT_RULES)
    assert [
        (difference.path, difference.kind in (DifferenceKind.VALUE, DifferenceKind.TYPE))
        for difference in found.differences
    ] == [(path, True)]


@unhurried
@given(st.lists(simple_documents, max_size=12), st.data())
def test_one_inserted_element_is_one_difference_where_it_is(elements: list[Any], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(elements)))
    longer = [*elements[:place], {"new": True}, *elements[place:]]
    found = compare(json_answer(elements), json_answer(longer), DEFAULT_RULES)
    assert [(difference.kind, difference.path) for difference in found.differences] == [
        (DifferenceKind.EXTRA, f"$[{place}]")
    ]
    back = compare(json_answer(longer), json_answer(elements), DEFAULT_RULES)
    assert [(difference.kind, difference.path) for difference in back.differences] == [
        (DifferenceKind.MISSING, f"$[{place}]")
    ]


@unhurried
@given(st.lists(simple_documents, min_size=2, max_size=12, unique_by=json.dumps), st.randoms(use_true_random=False))
def test_elements_in_another_order_are_one_difference(elements: list[Any], random: Any) -> None:
    other = elements.copy()
    random.shuffle(other)
    assume(other != elements)
    found = compare(json_answer(elements), json_answer(other), DEFAULT_RULES)
    assert [(difference.kind, difference.path) for difference in found.differences] == [(DifferenceKind.ORDER, "$")]


@unhurried
@given(st.integers(1, 100_000), st.sampled_from(["[", '{"a":']))
def test_however_deep_a_document_is_it_is_compared(depth: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    one, other = (
        Response(200, ((b"content-type", b"application/json"),), (opening * depth + inside + closing * depth).encode())
        for inside in "12"
    )
    assert [difference.kind for difference in compare(one, other, RULES).differences] == [DifferenceKind.VALUE]


@unhurried
@given(st.integers(1, 100_000))
def test_however_deep_a_page_is_it_is_compared(depth: int) -> None:
    one, other = (page("<div>" * depth + inside) for inside in "12")
    assert [difference.kind for difference in compare(one, other, RULES).differences] == [DifferenceKind.VALUE]
