"""One change of a random document is never missed; another way to write it is never reported."""

from __future__ import annotations

import copy
import gzip
import json
import re
import sys
import zlib
from random import Random
from typing import Any

import brotli
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strangler.comparison.compare import Outcome, compare
from strangler.comparison.response import Response
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.shadow.judging.equal_bytes import Sameness
from strangler.shadow.pair import SideResponse
from tests.comparison import pages

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

unhurried = settings(deadline=None, max_examples=60)
randoms = st.randoms(use_true_random=False)

CODINGS = {
    b"": bytes,
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": lambda body: brotli.compress(body, quality=1),
    b"zstd": zstd.compress,
    b"UTF-8": bytes,
}
CHARSETS = ["utf-8", "iso-8859-1", "utf-16", "shift_jis", "koi8-r"]
LETTERS = {
    "utf-8": "abcäéЖピ€ \n\f\u2028",
    "iso-8859-1": "abcäéèß \n\f",
    "utf-16": "abcäéЖピ€😀 \n",
    "shift_jis": "abcピアカル、 \n",
    "koi8-r": "abcЖдёЁ \n",
}


def sent(kind: str, body: bytes, coding: bytes = b"") -> Response:
    coded = CODINGS[coding](body) if coding in (b"gzip", b"deflate", b"br", b"zstd") else body
    fields = [(b"Content-Type", kind.encode())]
    return Response(200, tuple([*fields, (b"Content-Encoding", coding)] if coding else fields), coded)


def outcome(legacy: Response, extracted: Response) -> Outcome:
    """That of comparing, which finding them the same at a glance must not contradict."""
    found = compare(legacy, extracted, DEFAULT_RULES).outcome
    raw = [
        SideResponse("", one.status, b"".join(b"%b: %b\r\n" % field for field in one.headers), one.body, 0.0)
        for one in (legacy, extracted)
    ]
    glance = Sameness(DEFAULT_RULES).of(*raw)
    assert glance is None or glance.outcome is found
    return found


keys = st.sampled_from(["id", "name", "items", "user-17"]) | st.text("abc", max_size=2)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


def changed_document(document: Any, random: Random) -> Any:
    """`document` with one value changed, gone or new."""
    whole = [copy.deepcopy(document)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    for holder, key in places:
        value = holder[key]
        if isinstance(value, dict):
            places += [(value, inner) for inner in value]
        elif isinstance(value, list):
            places += [(value, index) for index in range(len(value))]
    holder, key = random.choice(places)
    value = holder[key]
    choice = random.randrange(3)
    if holder is not whole and choice == 0:
        del holder[key]
    elif isinstance(value, list) and choice == 1:
        value.insert(random.randint(0, len(value)), {"new": 1})
    elif isinstance(value, dict) and choice == 1:
        value["new"] = None
    elif isinstance(value, bool) or value is None:
        holder[key] = random.choice([one for one in (True, False, None, 0, "") if one is not value])
    elif isinstance(value, int):
        holder[key] = random.choice([value + 1, -value - 1, str(value)])
    elif isinstance(value, str):
        holder[key] = value + random.choice(" aé\0\u0301")
    else:
        holder[key] = {"other": value}
    return whole[0]


@unhurried
@given(documents, randoms)
def test_one_change_of_a_json_document_is_never_missed(document: Any, random: Random) -> None:
    other = changed_document(document, random)
    bodies = [json.dumps(one).encode() for one in (document, other)]
    assume(bodies[0] != bodies[1])
    assert outcome(*(sent("application/json", body) for body in bodies)) is Outcome.MISMATCH


@unhurried
@given(st.lists(documents, min_size=1, max_size=5), randoms)
def test_one_change_of_json_lines_is_never_missed(lines: list[Any], random: Random) -> None:
    number = random.randrange(len(lines))
    other = [*lines[:number], changed_document(lines[number], random), *lines[number + 1 :]]
    bodies = ["\n".join(map(json.dumps, one)).encode() for one in (lines, other)]
    assume(bodies[0] != bodies[1])
    assert outcome(*(sent("application/x-ndjson", body) for body in bodies)) is Outcome.MISMATCH


@unhurried
@given(documents, randoms)
def test_another_way_to_write_json_is_never_reported(document: Any, random: Random) -> None:
    ascii_only = random.random() < 0.5
    text = json.dumps(document, indent=random.choice((None, 1)), ensure_ascii=ascii_only, sort_keys=True)
    assume(re.search("[\ud800-\udfff]", text) is None)
    charset = random.choice(("utf-8", "utf-8-sig", "utf-16-le", "utf-16"))
    body = text.encode(charset)
    assume(len(body) > 3 or charset.startswith("utf-8"))  # one letter of UTF-16 is two of UTF-8
    coding = random.choice(list(CODINGS)[:-1])
    extracted = sent("application/json", body, coding)
    assert outcome(sent("application/json", json.dumps(document).encode()), extracted) is Outcome.MATCH


@unhurried
@given(st.one_of(pages.pages, pages.fragments), randoms)
def test_one_change_of_a_page_or_fragment_is_never_missed(page: pages.Node, random: Random) -> None:
    bodies = [pages.written(one).encode() for one in (page, pages.changed(page, random))]
    assume(bodies[0] != bodies[1])
    assert outcome(*(sent("text/html; charset=utf-8", body) for body in bodies)) is Outcome.MISMATCH


@unhurried
@given(st.one_of(pages.pages, pages.fragments), randoms)
def test_another_way_to_write_a_page_or_fragment_is_never_reported(page: pages.Node, random: Random) -> None:
    extracted = sent(
        "text/html; charset=utf-8", pages.written(page, random).encode(), random.choice(list(CODINGS)[:-1])
    )
    assert outcome(sent("text/html; charset=utf-8", pages.written(page).encode()), extracted) is Outcome.MATCH


def lines_of(text: str) -> list[str]:
    lines = re.split("\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


@pytest.mark.parametrize("charset", CHARSETS)
@unhurried
@given(st.data(), randoms)
def test_one_change_of_a_text_is_never_missed(charset: str, data: st.DataObject, random: Random) -> None:
    letters = st.sampled_from(LETTERS[charset])
    text = data.draw(st.text(letters, min_size=1, max_size=30))
    place = random.randrange(len(text))
    other = text[:place] + data.draw(letters) + text[place + random.randrange(2) :]
    assume(lines_of(text) != lines_of(other))
    declared = random.choice((charset, None)) if charset != "utf-16" else charset
    kind = random.choice(("text/plain", "text/csv", "application/xml", "text/css"))
    kind = f"{kind}; charset={declared}" if declared else kind
    assert outcome(*(sent(kind, one.encode(charset)) for one in (text, other))) is Outcome.MISMATCH


@unhurried
@given(st.binary(min_size=1, max_size=30), st.integers(0, 255), randoms, st.sampled_from([*CHARSETS, "nonsense", None]))
def test_one_byte_of_a_text_in_whatever_charset_is_never_missed(
    body: bytes, byte: int, random: Random, charset: str | None
) -> None:
    place = random.randrange(len(body))
    other = body[:place] + bytes([byte]) + body[place + 1 :]
    kind = f"text/plain; charset={charset}" if charset else "text/plain"
    assume(not any(one.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) for one in (body, other)))
    texts = (
        [one.decode(charset or "utf-8", "backslashreplace") for one in (body, other)] if charset in CHARSETS else None
    )
    assume(lines_of(body.decode("latin-1")) != lines_of(other.decode("latin-1")))
    assume(texts is None or lines_of(texts[0]) != lines_of(texts[1]))
    assert outcome(sent(kind, body), sent(kind, other)) is Outcome.MISMATCH


@pytest.mark.parametrize("charset", CHARSETS)
@unhurried
@given(st.data(), randoms)
def test_another_way_to_write_a_text_is_never_reported(charset: str, data: st.DataObject, random: Random) -> None:
    text = data.draw(st.text(st.sampled_from(LETTERS[charset]), min_size=1, max_size=30))
    assume(text.strip("\n"))
    other = text.removesuffix("\n").replace("\n", random.choice(("\r\n", "\r", "\n"))) + random.choice(("", "\n"))
    assume(lines_of(text) == lines_of(other))
    kind = f"text/plain; charset={charset}"
    extracted = sent(kind.upper(), other.encode(charset), random.choice(list(CODINGS)[:-1]))
    assert outcome(sent(kind, text.encode(charset)), extracted) is Outcome.MATCH


@unhurried
@given(documents, randoms)
def test_a_word_that_is_no_coding_is_one_difference_of_a_header(document: Any, random: Random) -> None:
    body = json.dumps(document).encode()
    found = compare(sent("application/json", body), sent("application/json", body, b"UTF-8"), DEFAULT_RULES)
    assert [difference.signature for difference in found.differences] == ["extra header:content-encoding"]
    other = json.dumps(changed_document(document, random)).encode()
    assume(body != other)
    assert outcome(sent("application/json", body, b"UTF-8"), sent("application/json", other, b"UTF-8")) is (
        Outcome.MISMATCH
    )


ATTRIBUTES = {
    "Path": ["/", "/api"],
    "Domain": ["shop.example", "www.shop.example"],
    "Max-Age": ["60", "3600"],
    "Secure": [""],
    "HttpOnly": [""],
    "SameSite": ["Lax", "Strict", "None"],
}
cookie_attributes = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in ATTRIBUTES.items()}
)


def cookies(said: dict[str, dict[str, str]]) -> Response:
    fields = [
        "; ".join([f"{name}=1", *(f"{attribute}={value}" for attribute, value in attributes.items())])
        for name, attributes in said.items()
    ]
    return Response(200, tuple((b"Set-Cookie", field.encode()) for field in fields), b"")


def rewritten(said: dict[str, dict[str, str]], random: Random) -> dict[str, dict[str, str]]:
    """The same cookies as a browser reads them."""
    found = {}
    for name in random.sample(list(said), len(said)):
        attributes = {}
        for attribute in random.sample(list(said[name]), len(said[name])):
            value = said[name][attribute]
            if attribute == "Domain":
                value = random.choice(("", ".")) + random.choice((value, value.upper()))
            elif attribute == "Max-Age":
                value = random.choice(("", "00")) + value
            elif attribute == "SameSite":
                value = random.choice((value, value.lower()))
            elif not value:
                value = random.choice(("", "true", "1"))
            attributes[random.choice((attribute, attribute.upper(), f" {attribute.lower()} "))] = value
        found[name] = {**attributes, **random.choice(({}, {"Comment": "x"}))}
    return found


@unhurried
@given(st.dictionaries(st.sampled_from("abc"), cookie_attributes, min_size=1, max_size=3), randoms)
def test_cookies_are_equal_whatever_their_spelling_and_differ_by_meaning(
    said: dict[str, dict[str, str]], random: Random
) -> None:
    assert outcome(cookies(said), cookies(rewritten(said, random))) is Outcome.MATCH
    other = copy.deepcopy(said)
    attributes = other[random.choice(list(other))]
    name = random.choice(list(ATTRIBUTES))
    values = [value for value in ATTRIBUTES[name] if attributes.get(name) != value]
    if name in attributes and (not values or random.random() < 0.5):
        del attributes[name]
    else:
        attributes[name] = random.choice(values)
    assert outcome(cookies(said), cookies(rewritten(other, random))) is Outcome.MISMATCH
