"""The store's messages in a stream."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xengen.store.wire import HEAD, PAYLOAD_BYTES, BadStream, Kind, Message, Parser

MESSAGES = st.lists(
    st.builds(
        Message, st.integers(0, 0xFFFFFFFF), st.binary(max_size=300), st.integers(0, 0xFFFFFFFF), st.integers(0, 99)
    ),
    max_size=6,
)


def test_a_message_has_a_head_of_four_words() -> None:
    data = Message(Kind.READ, b"name\0", request=3, transaction=4).encode()
    assert data == struct.pack("<4I", 2, 3, 4, 5) + b"name\0"


@given(MESSAGES, st.randoms())
def test_messages_come_out_of_a_stream_wherever_it_is_cut(messages: list[Message], choice: random.Random) -> None:
    data = b"".join(message.encode() for message in messages)
    parser = Parser()
    found: list[Message] = []
    while data:
        size = choice.randint(1, len(data))
        found += parser.feed(data[:size])
        data = data[size:]
    assert found == messages


def test_the_largest_message_is_taken_and_a_larger_one_ends_the_stream() -> None:
    assert len(list(Parser().feed(Message(Kind.WRITE, b"x" * PAYLOAD_BYTES).encode()))) == 1
    with pytest.raises(BadStream, match="4097 bytes"):
        list(Parser().feed(struct.pack("<4I", Kind.WRITE, 0, 0, PAYLOAD_BYTES + 1)))


def test_an_incomplete_message_is_none() -> None:
    assert list(Parser().feed(Message(Kind.READ, b"name\0").encode()[: HEAD + 2])) == []
