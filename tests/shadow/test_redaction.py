"""What never reaches a disk, and what does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.snapshot import Redact
from gateway.shadow.comparison import compare
from gateway.shadow.document import documented
from gateway.shadow.pair import Answered, Pair
from gateway.shadow.redaction import REDACTED, Redaction
from gateway.shadow.rules import DEFAULT_RULES

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
    sides = [Answered("http://127.0.0.1:1", 200, head, body, 0.1) for body in bodies]
    request = b"GET /items?email=SECRET HTTP/1.1\r\nAuthorization: Bearer SECRET\r\nCookie: a=SECRET\r\n\r\n"
    pair = Pair("items", "items/one", "GET /items", 0.0, "legacy", request, *sides)
    comparison = compare(sides[0].answer, sides[1].answer, DEFAULT_RULES)
    stored = json.dumps(documented(pair, comparison, True, REDACTION))
    assert "SECRET" not in stored


def test_without_values_there_are_digests_that_tell_the_sides_apart() -> None:
    one = Answered("http://127.0.0.1:1", 200, b"Content-Type: application/json\r\n", b'{"a":"legacy"}', 0.1)
    other = replace_body(one, b'{"a":"extracted"}')
    pair = Pair(
        "items", "items/one", "GET /items", 0.0, "legacy", b"GET /items?q=query HTTP/1.1\r\nA: b\r\n\r\n", one, other
    )
    stored = documented(pair, compare(one.answer, other.answer, DEFAULT_RULES), False, REDACTION)
    (difference,) = stored["differences"]
    assert difference["path"] == "$.a"
    assert difference["legacy"] != difference["extracted"]
    assert difference["legacy"].startswith("digest ")
    assert stored["request"] == {"method": "GET", "target": "/items"}
    assert not any(value in json.dumps(stored) for value in ('"legacy"}', "query", '{"a"'))


def replace_body(answered: Answered, body: bytes) -> Answered:
    return answered._replace(body=body)
