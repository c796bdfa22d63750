"""Taking tokens out of a query and out of Sec-WebSocket-Protocol, and leaving all else as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.upgrade_token import take_from_query, take_from_subprotocols

NAME = b"Sec-WebSocket-Protocol"


@pytest.mark.parametrize(
    ("query", "found", "left"),
    [
        ("", [], ""),
        ("a=1&b", [], "a=1&b"),
        ("token=abc", ["abc"], ""),
        ("a=%20&&token=abc&b;c", ["abc"], "a=%20&&b;c"),
        ("token=a&token=b&x", ["a", "b"], "x"),
        ("%74oken=a%2Eb", ["a.b"], ""),
        ("token", [""], ""),
        ("Token=a&tokens=b&my.token=c", [], "Token=a&tokens=b&my.token=c"),
    ],
)
def test_a_parameter_is_taken_however_it_is_encoded(query: str, found: list[str], left: str) -> None:
    assert take_from_query(query, "token") == (found, left)


@given(st.text("abt=&%;+ok en.", max_size=60))
def test_what_is_left_of_a_query_holds_no_token_and_is_otherwise_the_same(query: str) -> None:
    found, left = take_from_query(query, "t")
    assert take_from_query(left, "t") == ([], left)
    assert (left == query) or found


@pytest.mark.parametrize(
    ("values", "found", "left"),
    [
        ([b"chat"], [], [b"chat"]),
        ([b"chat, bearer.abc"], ["abc"], [b"chat"]),
        ([b"bearer.abc"], ["abc"], []),
        ([b" bearer.a.b.c ,chat,, superchat"], ["a.b.c"], [b"chat, superchat"]),
        ([b"bearer.a", b"chat", b"bearer.b"], ["a", "b"], [b"chat"]),
        ([b"chat,my-bearer.abc", b"Bearer.x"], [], [b"chat, my-bearer.abc", b"Bearer.x"]),
        ([b"bearer."], [""], []),
    ],
)
def test_an_entry_is_taken_and_the_others_stay(values: list[bytes], found: list[str], left: list[bytes]) -> None:
    other = (b"Origin", b"https://bearer.example")
    taken, kept = take_from_subprotocols([other, *((NAME.lower(), value) for value in values)], "bearer")
    assert taken == found
    assert kept == [other, *((NAME.lower(), value) for value in left)]
