"""Rules of comparison: what is wrong with one is said at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import load

Write = Callable[..., Path]
Problems = Callable[..., list[str]]

BASE = """\
version: 1
upstreams:
  old: {endpoints: "http://127.0.0.1:1"}
  new: {endpoints: "http://127.0.0.1:2"}
migrations:
  m: {from: old, to: new, stage: shadow, routes: [{match: {path: /m}}], compare: {%s}}
"""


def rule(text: str) -> str:
    """A configuration with one rule, each key of it on a line of its own from line 9 on."""
    lines = "".join(f"      {line.strip()}\n" for line in text.split(";"))
    return (BASE % "") + "compare:\n  rules:\n    - name: a\n" + lines


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "json: $.a[; ignore: all",
            "10:13: compare.rules[0].json[0]: '$.a[' is not a JSONPath: unexpected end of query",
        ),
        ("json: a.b; ignore: all", "10:13: compare.rules[0].json[0]: a JSONPath starts with $ (did you mean '$.a.b'?)"),
        ("json: [$.a, $.b']; ignore: all", "10:19: compare.rules[0].json[1]: '$.b'' is not a JSONPath"),
        ("json: $.a; regex: '[a'", "11:14: compare.rules[0].regex: '[a' is not a regular expression: unterminated"),
        ("line: '('; ignore: all", "10:13: compare.rules[0].line[0]: '(' is not a regular expression: missing )"),
        ("html: 'p[['; ignore: all", "10:13: compare.rules[0].html[0]: 'p[[' is not a CSS selector; expected one such"),
        ("json: $.a; tolerance: -1", "11:18: compare.rules[0].tolerance: a tolerance can't be negative: -1"),
        ("json: $.a; tolerance: much", "11:18: compare.rules[0].tolerance: expected a number such as 0.01 or a perc"),
        (
            "json: $.a; ignore: values",
            "11:15: compare.rules[0].ignore[0]: the text 'values' is not one of all, missing",
        ),
        (
            "status: 400; ignore: all",
            "10:15: compare.rules[0].status[0]: expected the two sides' statuses, such as 400/4",
        ),
        ("status: 400/400; ignore: all", "10:15: compare.rules[0].status[0]: '400/400' names the same status twice"),
        ("cookie: a b; ignore: all", "10:15: compare.rules[0].cookie[0]: expected a cookie such as 'theme'"),
        (
            "json: $.a; ignore: all; expires: soon",
            "12:16: compare.rules[0].expires: expected a date such as 2027-03-31",
        ),
        (
            "json: $.a; ignore: all; expires: 2027-02-31",
            "12:16: compare.rules[0].expires: '2027-02-31' is not a date: day",
        ),
        (
            "ignore: all",
            "9:7: compare.rules[0]: does not say where it applies: set one of json, html, header, cookie, line, status",
        ),
        ("json: $.a", "9:7: compare.rules[0]: accepts nothing: set one of ignore, tolerance, time_tolerance, regex"),
        ("json: $.a; uuid: true; ignore: all", "9:7: compare.rules[0]: sets ignore and uuid: set one of ignore"),
        ("header: etag; unordered: true", "9:7: compare.rules[0]: 'unordered' can't be used with 'header'"),
        ("json: $.a; ignroe: all", "11:7: unknown key 'ignroe' in compare.rules[0] (did you mean 'ignore'?)"),
    ],
)
def test_an_invalid_rule_is_reported_at_its_place(write: Write, problems: Problems, text: str, problem: str) -> None:
    found = problems(write(rule(text)))
    assert any(said.startswith(f"gateway.yaml:{problem}") for said in found), found


def test_a_rule_of_a_migration_may_not_have_the_name_of_another(write: Write, problems: Problems) -> None:
    own = (
        "rules: [{name: a, json: $.a, ignore: all}, {name: b, json: $.b, ignore: all}, {name: b, json: $, uuid: true}]"
    )
    text = BASE % own + "compare: {rules: [{name: a, json: $.c, ignore: all}]}\n"
    assert problems(write(text)) == [
        "gateway.yaml:6:98: the rule 'a' is defined twice (first at gateway.yaml:7:26)",
        "gateway.yaml:6:168: the rule 'b' is defined twice (first at gateway.yaml:6:133)",
    ]


def warnings(file: Path) -> list[str]:
    return [str(warning).partition("gateway.yaml:")[2] for warning in load(file, {}).warnings]


def test_an_expired_rule_is_a_warning(write: Write) -> None:
    assert warnings(write(rule("json: $.a; ignore: all; expires: 2020-12-31; owner: billing"))) == [
        "12:16: the rule 'a' expired on 2020-12-31 and no longer accepts differences; ask billing"
    ]
    assert warnings(write(rule("json: $.a; ignore: all; expires: 2999-12-31"))) == []


def test_a_rule_for_a_header_that_is_not_compared_is_a_warning(write: Write) -> None:
    own = "rules: [{name: a, header: [Location, ETag], ignore: all}]"
    (warning,) = warnings(write(BASE % own))
    assert warning.endswith("the header ETag is not compared, so the rule 'a' has no effect (add it to 'headers')")
    assert warnings(write(BASE % ("headers: [location, etag], " + own))) == []
    assert warnings(write(BASE % own + "compare: {headers: [location, etag]}\n")) == []
