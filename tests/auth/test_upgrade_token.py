"""Taking tokens out of a query and out of Sec-WebSocket-Protocol, and leaving all else as it was."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.auth.upgrade_token import take_from_query, take_from_subprotocols
from strangler.config.values.callers import parse_token_place
from strangler.model.auth import TokenPlace

NAME = b"Sec-WebSocket-Protocol"
BEARER = TokenPlace("subprotocol", "bearer")
PAIR = TokenPlace("subprotocol-pair", "bearer")
KUBERNETES = b"base64url.bearer.authorization.k8s.io."


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
def test_a_token_is_removed_from_the_query_and_the_rest_kept(query: str) -> None:
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
    taken, kept = take_from_subprotocols([other, *((NAME.lower(), value) for value in values)], BEARER)
    assert taken == found
    assert kept == [other, *((NAME.lower(), value) for value in left)]


@pytest.mark.parametrize(
    ("values", "found", "left"),
    [
        ([b"bearer, a.b.c"], ["a.b.c"], [b"bearer"]),
        ([b"chat,bearer,a.b.c,superchat"], ["a.b.c"], [b"chat, bearer, superchat"]),
        ([b"bearer", b"a.b.c"], ["a.b.c"], [b"bearer"]),
        ([b"bearer, , a.b.c"], ["a.b.c"], [b"bearer"]),
        ([b"bearer, bearer"], ["bearer"], [b"bearer"]),
        ([b"bearer, a, bearer, b"], ["a", "b"], [b"bearer, bearer"]),
        ([b"chat, bearer"], [], [b"chat, bearer"]),
        ([b"chat"], [], [b"chat"]),
        ([b"my-bearer, a.b.c"], [], [b"my-bearer, a.b.c"]),
        ([b"bearer.a.b.c"], [], [b"bearer.a.b.c"]),
    ],
)
def test_the_entry_after_the_name_is_taken_and_the_name_stays(
    values: list[bytes], found: list[str], left: list[bytes]
) -> None:
    other = (b"Origin", b"https://bearer.example")
    fields = [(NAME, value) for value in values]
    taken, kept = take_from_subprotocols([fields[0], other, *fields[1:]], PAIR)
    assert taken == found
    assert sorted(kept) == sorted([other, *((NAME, value) for value in left)])


@pytest.mark.parametrize("token", [b"a.b.c", b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln", b"a.b.cc", b"a.b.ccc"])
def test_the_form_of_kubernetes_is_decoded(token: bytes) -> None:
    place = parse_token_place("kubernetes")
    encoded = base64.urlsafe_b64encode(token)
    for entry in (encoded, encoded.rstrip(b"=")):
        fields = [(NAME, b"v4.channel.k8s.io, " + KUBERNETES + entry)]
        assert take_from_subprotocols(fields, place) == ([token.decode()], [(NAME, b"v4.channel.k8s.io")])


@pytest.mark.parametrize("entry", [b"", b"a", b"a!bc", b"%41", b"a.b.c"])
def test_invalid_base64url_is_an_empty_token_and_not_forwarded(entry: bytes) -> None:
    fields = [(NAME, b"chat, " + KUBERNETES + entry)]
    assert take_from_subprotocols(fields, parse_token_place("kubernetes")) == ([""], [(NAME, b"chat")])


@pytest.mark.parametrize("text", ["subprotocol-pair:", "kubernetes:x", "Kubernetes", "subprotocol-pair:a b"])
def test_another_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="subprotocol-pair:NAME or kubernetes"):
        parse_token_place(text)
