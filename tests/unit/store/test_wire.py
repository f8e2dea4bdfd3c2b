"""The store's messages in a stream, and the ring that carries the stream."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xengen.store.page import RING_BYTES, StorePage
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


# The page.


class Guest:
    """The domain's side of its page."""

    def __init__(self, start: int = 0) -> None:
        self.bytes = bytearray(4096)
        self.page = StorePage(memoryview(self.bytes))
        for offset in (0x800, 0x804, 0x808, 0x80C):
            self.put(offset, start)

    def word(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.bytes, offset)[0])

    def put(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self.bytes, offset, value & 0xFFFFFFFF)

    def write(self, data: bytes) -> None:
        producer = self.word(0x804)
        for index, byte in enumerate(data):
            self.bytes[(producer + index) % RING_BYTES] = byte
        self.put(0x804, producer + len(data))

    def read(self) -> bytes:
        consumer, producer = self.word(0x808), self.word(0x80C)
        size = (producer - consumer) & 0xFFFFFFFF
        self.put(0x808, producer)
        return bytes(self.bytes[0x400 + (consumer + index) % RING_BYTES] for index in range(size))


@pytest.mark.parametrize("start", [0, 1000, 0xFFFFFF00], ids=["at the start", "around the end", "around 32 bits"])
def test_bytes_go_through_the_ring_both_ways(start: int) -> None:
    guest = Guest(start)
    data = bytes(range(256)) * 2
    guest.write(data)
    assert guest.page.receive() == data
    assert guest.page.receive() == b""
    assert guest.page.send(data) == len(data)
    assert guest.read() == data


def test_no_more_is_sent_than_there_is_room_for() -> None:
    guest = Guest()
    assert guest.page.send(b"a" * 1500) == RING_BYTES
    assert guest.page.send(b"b") == 0
    assert guest.read() == b"a" * RING_BYTES
    assert guest.page.send(b"b") == 1


@pytest.mark.parametrize("difference", [RING_BYTES + 1, -1, 1 << 31])
def test_impossible_counters_end_the_conversation(difference: int) -> None:
    guest = Guest()
    guest.put(0x804, difference)
    with pytest.raises(BadStream, match="cannot hold"):
        guest.page.receive()
    guest.put(0x808, -difference)
    with pytest.raises(BadStream, match="cannot hold"):
        guest.page.send(b"x")
