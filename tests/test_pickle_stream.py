"""Messages between processes arrive whole and in order, however the stream cuts them."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.pickle_stream import complete_messages, framed, read_message

MESSAGES = st.lists(st.one_of(st.binary(max_size=300), st.text(), st.integers()), max_size=8)


@given(MESSAGES, st.integers(1, 50))
def test_messages_survive_any_cut_of_the_stream(messages: list[Any], size: int) -> None:
    stream = b"".join(map(framed, messages))
    buffer = bytearray()
    received = [
        message for at in range(0, len(stream), size) for message in complete_messages(buffer, stream[at : at + size])
    ]
    assert received == messages
    assert buffer == b""


def test_an_incomplete_message_stays_in_the_buffer() -> None:
    buffer = bytearray()
    assert list(complete_messages(buffer, framed("one") + framed("two")[:-1])) == ["one"]
    assert buffer == framed("two")[:-1]


def test_a_message_that_cannot_be_decoded_leaves_the_next_readable() -> None:
    async def main() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"\0\0\0\1?" + framed("next"))
        reader.feed_eof()
        with pytest.raises(pickle.UnpicklingError):
            await read_message(reader)
        assert await read_message(reader) == "next"
        assert await read_message(reader) is None

    asyncio.run(main())
