"""Signed messages between the two sides."""

import pytest

from django_strangler.signatures import ASK, ROUTE, NotSigned, Stamp, read_stamp, signature, signer, stamp

SECRET, OTHER = "one secret " * 4, "another secret " * 3


def test_a_stamp_is_read_by_every_secret_that_is_valid() -> None:
    value = stamp(SECRET, ASK, ("part",), 1000, "a-nonce-of-the-test")
    assert read_stamp(value, (OTHER, SECRET), ASK, ("part",), 1030) == Stamp(1000, "a-nonce-of-the-test", SECRET)


@pytest.mark.parametrize(
    ("secret", "purpose", "parts", "now"),
    [(OTHER, ASK, ("part",), 1000), (SECRET, ROUTE, ("part",), 1000), (SECRET, ASK, ("p", "art"), 1000),
     (SECRET, ASK, ("part",), 1061), (SECRET, ASK, ("part",), 939)],
)  # fmt: skip
def test_a_stamp_of_another_secret_purpose_message_or_time_is_refused(
    secret: str, purpose: str, parts: tuple[str, ...], now: float
) -> None:
    with pytest.raises(NotSigned):
        read_stamp(stamp(SECRET, ASK, ("part",), 1000), (secret,), purpose, parts, now)


@pytest.mark.parametrize(
    "value",
    ["", "1", "v1.1000.nonce.x", "v2" + stamp(SECRET, ASK, (), 1000)[2:], "é" * 60],
    ids=["empty", "old", "short", "version", "letters"],
)
def test_a_malformed_stamp_is_refused(value: str) -> None:
    with pytest.raises(NotSigned, match="malformed"):
        read_stamp(value, (SECRET,), ASK, (), 1000)


def test_parts_that_join_to_the_same_text_have_different_signatures() -> None:
    assert not signer(signature(SECRET, ROUTE, ("ab", "c")), (SECRET,), ROUTE, ("a", "bc"))
    assert not signer(signature(SECRET, ROUTE, ("1:a",)), (SECRET,), ROUTE, ("", "a"))
