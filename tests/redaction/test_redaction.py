"""What never reaches a disk, and what does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.comparison.compare import compare
from strangler.config.compile.compare import DEFAULT_RULES, compile_rules
from strangler.config.schema.compare import CompareSection
from strangler.model.shadow import Redact
from strangler.redaction.redaction import REDACTED, Redaction
from strangler.shadow.evidence.document import documented
from strangler.shadow.pair import Pair, SideResponse
from strangler.shadow.report.words import redaction_note

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"
REDACTION = Redaction(Redact(frozenset({"email"})))


def test_fields_are_replaced_at_every_depth_and_in_any_case() -> None:
    value = {"Email": "a", "list": [{"email": {"deep": "b"}}], "password": "c", "kept": 1}
    assert REDACTION.value(value) == {
        "Email": REDACTED,
        "list": [{"email": REDACTED}],
        "password": REDACTED,
        "kept": 1,
    }


def test_text_that_was_cut_in_the_middle_of_a_field_hides_it_too() -> None:
    for text in ('{"id": 1, "email": "someone@exam…', '{"email": {"home": "secret', '{"email":  ["secret", "mo'):
        shown = REDACTION.text(text)
        assert "secret" not in shown
        assert "someone" not in shown


def test_tokens_are_found_wherever_they_stand() -> None:
    for text in (TOKEN, f"x {TOKEN} y", f'{{"note": "see {TOKEN}"}}', f"Bearer {TOKEN}", "bearer abcdef0123456789"):
        shown = REDACTION.text(text)
        assert TOKEN not in shown
        assert "abcdef0123456789" not in shown
    assert (
        REDACTION.target(f"/a/{TOKEN}?x={TOKEN}&email=a%40b&q=1") == f"/a/{REDACTED}?x={REDACTED}&email={REDACTED}&q=1"
    )


def test_a_token_that_stands_alone_in_a_query_is_found() -> None:
    assert REDACTION.target(f"/a?{TOKEN}&b={TOKEN}") == f"/a?{REDACTED}&b={REDACTED}"


def test_what_only_begins_like_tokens_stays_and_is_read_in_one_go() -> None:
    # Looked at again from each beginning in it, this would take hours.
    text = "eyJ" * 300_000
    assert REDACTION.text(text) == text
    assert REDACTION.text(f"{text}.") == REDACTED
    assert REDACTION.text("bearer eyJ../a") == f"bearer {REDACTED}"


@pytest.mark.parametrize("depth", [200, 300, 600, 1000, 5000])
def test_json_that_is_nested_deep_shows_no_secret(depth: int) -> None:
    body = b"[" * depth + b'{"password":"hunter2"}' + b"]" * depth
    shown = REDACTION.body("application/json", body)
    assert shown is not None
    assert "hunter2" not in shown
    assert REDACTED in shown


def test_a_cookies_name_and_attributes_stay_its_value_does_not() -> None:
    headers = ((b"Set-Cookie", b"session=secret; Path=/; HttpOnly"), (b"Cookie", b"session=secret"), (b"X-A", b"b"))
    assert REDACTION.headers(headers) == [
        ["Set-Cookie", f"session={REDACTED}; Path=/; HttpOnly"],
        ["Cookie", REDACTED],
        ["X-A", "b"],
    ]


def test_forms_are_redacted_by_name() -> None:
    body = REDACTION.body("application/x-www-form-urlencoded; charset=utf-8", b"email=a%40b&e%6dail=c&kept=d")
    assert body == f"email={REDACTED}&e%6dail={REDACTED}&kept=d"


def test_the_value_at_a_redacted_path_is_not_shown() -> None:
    assert REDACTION.at("$.users[0].email", '"a@b"') == REDACTED
    assert REDACTION.at("cookie:session", "secret") == REDACTED
    assert REDACTION.at("header:set-cookie", "session=secret") == REDACTED
    assert REDACTION.at("$.users[0].name", '"Alice"') == '"Alice"'
    assert REDACTION.at("$.users[0].name", None) is None


_NAMES = st.sampled_from(["id", "name", "email", "token", "nested", "list"])
_DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.just("SECRET"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


def _without_plain(value: Any, secret: bool = False) -> Any:
    """The document with SECRET only below fields that are to be hidden."""
    if isinstance(value, dict):
        return {name: _without_plain(inner, secret or name in ("email", "token")) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_plain(inner, secret) for inner in value]
    return value if secret or value != "SECRET" else "shown"


@given(_DOCUMENTS, _DOCUMENTS)
def test_no_document_shows_what_is_to_be_hidden(legacy: Any, extracted: Any) -> None:
    bodies = [json.dumps(_without_plain(document)).encode() for document in (legacy, extracted)]
    head = b"Content-Type: application/json\r\n"
    sides = [SideResponse("http://127.0.0.1:1", 200, head, body, 0.1) for body in bodies]
    request = b"GET /items?email=SECRET HTTP/1.1\r\nAuthorization: Bearer SECRET\r\nCookie: a=SECRET\r\n\r\n"
    pair = Pair("items", "items/one", "GET /items", 0.0, "legacy", 0, request, "", *sides)
    comparison = compare(sides[0].response, sides[1].response, DEFAULT_RULES)
    stored = json.dumps(documented(pair, comparison, True, REDACTION))
    assert "SECRET" not in stored


def test_without_values_there_are_digests_that_tell_the_sides_apart() -> None:
    one = SideResponse("http://127.0.0.1:1", 200, b"Content-Type: application/json\r\n", b'{"a":"legacy"}', 0.1)
    other = replace_body(one, b'{"a":"extracted"}')
    request = b"GET /items?q=query HTTP/1.1\r\nA: b\r\n\r\n"
    pair = Pair("items", "items/one", "GET /items", 0.0, "legacy", 0, request, "", one, other)
    stored = documented(pair, compare(one.response, other.response, DEFAULT_RULES), False, REDACTION)
    (difference,) = stored["differences"]
    assert difference["path"] == "$.a"
    assert difference["legacy"] != difference["extracted"]
    assert difference["legacy"].startswith("digest ")
    assert stored["request"] == {"method": "GET", "target": "/items"}
    assert not any(value in json.dumps(stored) for value in ('"legacy"}', "query", '{"a"'))


def replace_body(answered: SideResponse, body: bytes) -> SideResponse:
    return answered._replace(body=body)


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("name", ["email", "tokens", "card_number"])
def test_keys_below_a_redacted_field_stand_in_no_path_or_signature(name: str, values: bool) -> None:
    bodies = [
        json.dumps({"a": {name: {"S3cret": {"S3cret": [{"S3cret": number}]}}, "kept": number}}).encode()
        for number in (1, 2)
    ]
    head = b"Content-Type: application/json\r\n"
    one, other = (SideResponse("http://127.0.0.1:1", 200, head, body, 0.1) for body in bodies)
    comparison = compare(one.response, other.response, replace(DEFAULT_RULES, redaction=REDACTION))
    hidden, kept = comparison.differences
    assert hidden.path == f'$.a.{name}["{REDACTED}"]["{REDACTED}"][0]["{REDACTED}"]'
    assert (hidden.place, hidden.signature) == (f"$.a.{name}[*][*][*][*]", f"value $.a.{name}[*][*][*][*]")
    assert (kept.path, kept.signature) == ("$.a.kept", "value $.a.kept")
    pair = Pair("items", "items/one", "GET /items", 0.0, "legacy", 0, b"GET /items HTTP/1.1\r\n\r\n", "", one, other)
    # Rules that know of no configured names leave it to what is written.
    for found in (comparison, compare(one.response, other.response, DEFAULT_RULES)):
        document = documented(pair, found, values, REDACTION)
        assert "S3cret" not in json.dumps(document["differences"])


def test_the_names_that_a_migration_redacts_hold_in_its_comparison() -> None:
    rules = compile_rules(redact=Redact(frozenset({"phone"})))
    assert rules.redaction.found_at('$.phone["0123"]', '$.phone["0123"]') == (f'$.phone["{REDACTED}"]', "$.phone[*]")
    assert DEFAULT_RULES.redaction.found_at('$.phone["0123"]', "$.phone[*]")[0] == '$.phone["0123"]'


INSIDE = [
    ("application/json", '{"password": "a"}', '{"password": "b"}', True),
    ("application/json", '{"pin": 1}', '{"pin": 2}', True),
    ("application/json", f'{{"a": "x {TOKEN}"}}', f'{{"a": "x {TOKEN}2"}}', True),
    ("application/json", '{"a": "/cb?token=a&b=1"}', '{"a": "/cb?token=b&b=1"}', True),
    ("application/json", '{"a": 4111111111111111}', '{"a": 4000056655665556}', True),
    ("application/json", f'{{"a": "x {TOKEN}"}}', f'{{"a": "y {TOKEN}2"}}', False),
    ("application/json", '{"a": "/cb?token=a&b=1"}', '{"a": "/cb?token=b&b=2"}', False),
    ("application/json", '{"a": "password=a; total=1"}', '{"a": "password=a; total=2"}', False),
    ("application/json", '{"a": "b"}', '{"a": "c"}', False),
    ("application/json", f'{{"a": "{"x" * 600}{TOKEN}"}}', f'{{"a": "{"x" * 600}y{TOKEN}"}}', False),
    ("text/html", f"<p>{TOKEN}</p>", f"<p>{TOKEN}2</p>", True),
    ("text/html", "<p data-token='a'>x</p>", "<p data-token='b'>x</p>", True),
    ("text/html", "<input name=q value=a>", "<input name=q value=b>", False),
    ("text/plain", f"a {TOKEN}", f"a {TOKEN}2", True),
    ("text/plain", f"a {TOKEN}", f"b {TOKEN}", False),
]


@pytest.mark.parametrize(("content_type", "legacy", "extracted", "inside"), INSIDE)
def test_values_that_differ_only_inside_redaction_are_marked_and_pass_a_rule(
    content_type: str, legacy: str, extracted: str, inside: bool
) -> None:
    head = f"Content-Type: {content_type}\r\n".encode()
    one, other = (SideResponse("http://127.0.0.1:1", 200, head, body.encode(), 0.1) for body in (legacy, extracted))
    pair = Pair("items", "items/one", "GET /items", 0.0, "legacy", 0, b"GET /items HTTP/1.1\r\n\r\n", "", one, other)
    plain = compare(one.response, other.response, DEFAULT_RULES)
    for values in (True, False):
        (difference,) = documented(pair, plain, values, REDACTION)["differences"]
        assert difference["inside_redaction"] is inside
        assert ("only redacted parts differ" in redaction_note(difference)) is inside
    rule = {"name": "own tokens", "body": True, "ignore": "redacted"}
    found = compare(one.response, other.response, compile_rules(CompareSection.model_validate({"rules": [rule]})))
    assert [name for _, name in found.ignored] == ["own tokens"] * inside
    assert len(found.differences) == (not inside)


def test_values_that_may_differ_beyond_what_is_shown_are_marked_as_not_kept() -> None:
    difference = {"legacy": REDACTED, "extracted": REDACTED, "inside_redaction": False}
    assert redaction_note(difference) == " (the differing part is not stored)"
    assert redaction_note({"legacy": "a", "extracted": None}) == ""
