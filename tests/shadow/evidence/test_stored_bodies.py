"""What is stored and shown of bodies that are compared: in whatever charset, with codings that are none."""

from __future__ import annotations

from typing import Any

import pytest

from strangler.comparison.compare import compare
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.redaction.redaction import Redaction
from strangler.shadow.evidence.document import documented
from strangler.shadow.judging.rejudging import rejudge
from strangler.shadow.pair import SideResponse
from tests.shadow.pairs import pair


def stored(legacy: bytes, extracted: bytes, kind: str, coding: str = "") -> dict[str, Any]:
    """The document of a pair of bodies; the legacy one has the coding."""
    heads = [f"Content-Type: {kind}\r\n", f"Content-Type: {kind}\r\n"]
    if coding:
        heads[0] += f"Content-Encoding: {coding}\r\n"
    sides = [
        SideResponse("http://127.0.0.1:1", 200, head.encode(), body, 0.0)
        for head, body in zip(heads, (legacy, extracted), strict=True)
    ]
    found = compare(sides[0].response, sides[1].response, DEFAULT_RULES)
    return documented(pair(1, 1)._replace(legacy=sides[0], extracted=sides[1]), found, True, Redaction())


@pytest.mark.parametrize(
    ("kind", "charset", "letters"),
    [
        ("text/plain", "iso-8859-1", (r"\udce9", r"\udce8")),
        ("text/plain; charset=utf-16", "utf-16", ("é", "è")),
        ("text/plain; charset=iso-8859-1", "iso-8859-1", ("é", "è")),
        ("text/plain", "utf-8", ("é", "è")),
    ],
)
def test_a_difference_of_letters_is_shown_in_whatever_charset(
    kind: str, charset: str, letters: tuple[str, str]
) -> None:
    document = stored("café".encode(charset), "cafè".encode(charset), kind)
    (difference,) = document["differences"]
    assert (difference["legacy"], difference["extracted"]) == (f"caf{letters[0]}", f"caf{letters[1]}")


def test_a_body_is_stored_only_if_its_bytes_can_be_had_again() -> None:
    assert stored("é".encode(), "è".encode(), "text/plain")["legacy"]["body"] == "é"
    assert stored("é".encode("latin-1"), "è".encode("latin-1"), "text/plain")["legacy"]["body"] is None
    assert stored("é".encode("utf-16"), "è".encode("utf-16"), "text/plain")["legacy"]["body"] is None


def test_secrets_of_a_body_with_a_coding_that_is_none_are_redacted() -> None:
    body = b'{"password": "swordfish", "n": 1}'
    document = stored(body, body.replace(b"1", b"2"), "application/json", "UTF-8")
    assert "swordfish" not in str(document)
    assert '"n": 1' in document["legacy"]["body"]
    assert [difference["path"] for difference in document["differences"]] == ["header:content-encoding", "$.n"]


def test_an_invalid_coding_is_still_a_difference_when_judged_again() -> None:
    document = stored(b'{"n": 1}', b'{"n": 1}', "application/json", "UTF-8")
    again = rejudge([{"id": 1, "outcome": "mismatch", **document}], DEFAULT_RULES)
    assert (again.hidden, again.found) == ({}, {})
