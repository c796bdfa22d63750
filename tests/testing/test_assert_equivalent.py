"""`assert_equivalent`: what passes, and what a person reads where it does not."""

from __future__ import annotations

import gzip
import sys
from typing import Any

import httpx
import pytest

from strangler.comparison.response import Response
from strangler.config.compile.compare import compile_rules
from strangler.config.schema.compare import CompareSection, RuleSection
from strangler.testing import assert_equivalent

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

JSON = ((b"Content-Type", b"application/json"),)


def failure(legacy: Any, extracted: Any, **options: Any) -> list[str]:
    with pytest.raises(AssertionError) as raised:
        assert_equivalent(legacy, extracted, **options)
    return str(raised.value).splitlines()


def test_answers_that_mean_the_same() -> None:
    assert_equivalent(Response(200, JSON, b'{"a":1,"b":[]}'), Response(200, JSON, b'{ "b": [], "a": 1 }'))


def test_responses_of_httpx_whatever_their_coding() -> None:
    packed = httpx.Response(
        200,
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
        content=gzip.compress(b'{"a": 1}'),
    )
    assert_equivalent(packed, httpx.Response(200, json={"a": 1}))
    assert_equivalent(Response(200, JSON, b'{"a":1}'), packed)


def test_a_response_in_zstd_is_decoded_whether_or_not_httpx_has_done_so() -> None:
    body = b'{"a": 1, "b": 2}'
    coded = httpx.Response(
        200, headers={"Content-Type": "application/json", "Content-Encoding": "zstd"}, content=zstd.compress(body)
    )
    assert_equivalent(coded, httpx.Response(200, json={"b": 2, "a": 1}))


def test_a_content_encoding_that_is_none_is_a_difference() -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "UTF-8"}
    lines = failure(httpx.Response(200, headers=headers, content=b"{}"), httpx.Response(200, json={}))
    assert "  missing at header:content-encoding  (risk high)" in lines


def test_a_failure_names_the_difference_and_shows_the_bodies() -> None:
    legacy = httpx.Response(200, json={"id": 1, "price": "12.50", "tags": ["a"], "café": "é"})
    extracted = httpx.Response(200, json={"id": 1, "price": "12.5", "café": "é"})
    lines = failure(legacy, extracted)
    assert lines[0] == "the extracted response is not equivalent to the legacy one"
    assert "  legacy     200, application/json, 50 bytes" in lines
    place = lines.index("  missing at $.tags  (risk high)")
    assert lines[place + 1 : place + 3] == ['    legacy     ["a"]', "    extracted  nothing"]
    place = lines.index("  value at $.price  (risk medium)")
    assert lines[place + 1 : place + 3] == ['    legacy     "12.50"', '    extracted  "12.5"']
    assert lines[lines.index("  --- legacy body") :] == [
        "  --- legacy body",
        "  +++ extracted body",
        "  @@ -2,7 +2,4 @@",
        '     "café": "é",',
        '     "id": 1,',
        '  -  "price": "12.50",',
        '  -  "tags": [',
        '  -    "a"',
        "  -  ]",
        '  +  "price": "12.5"',
        "   }",
    ]


def test_another_status() -> None:
    lines = failure(httpx.Response(200, json={}), httpx.Response(404, json={"error": "x"}))
    assert "  value at status  (risk high)" in lines


def test_what_rules_let_pass_is_said_where_something_else_fails() -> None:
    rules = compile_rules(CompareSection(rules=[RuleSection(name="stock moves", json=["$.stock"], ignore=["value"])]))
    one, other = Response(200, JSON, b'{"stock":1}'), Response(200, JSON, b'{"stock":2}')
    assert_equivalent(one, other, rules)
    lines = failure(one, Response(200, JSON, b'{"stock":2,"x":1}'), rules=rules)
    assert "  ignored by the rule 'stock moves': value at $.stock" in lines


def test_long_bodies_are_cut() -> None:
    one, other = ({"items": [{"id": n, "x": n + more} for n in range(100)]} for more in (0, 1))
    lines = failure(httpx.Response(200, json=one), httpx.Response(200, json=other))
    assert lines[-1].startswith("  … and ")


def test_bytes_that_are_no_text_are_not_shown() -> None:
    png = ((b"Content-Type", b"image/png"),)
    lines = failure(Response(200, png, b"\xff\x00"), Response(200, png, b"\xff\x01"))
    assert not any(line.strip().startswith("---") for line in lines)


def test_an_answer_that_is_too_big_is_no_match() -> None:
    rules = compile_rules(CompareSection(decoded_body=10))
    lines = failure(Response(200, JSON, b"[" + b" " * 20 + b"]"), Response(200, JSON, b"[1]"), rules=rules)
    assert lines == ["the responses were not compared: too big"]


def test_the_traceback_ends_in_the_test() -> None:
    with pytest.raises(AssertionError) as raised:
        assert_equivalent(Response(200, (), b"a"), Response(200, (), b"b"))
    assert raised.traceback.filter(raised)[-1].path.name == "test_assert_equivalent.py"
