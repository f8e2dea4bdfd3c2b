"""Rings of bytes in a page that a domain shares: its console and its way to the store (ABI 11.1, 11.2).

Invariants
  - The domain can write anything at any moment: each of its counters is read once per look, and held against ours.
  - What we produce is written before the counter that announces it, and a counter is read before what it covers.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure
from dataclasses import dataclass

from xengen.abi.rings import XenconsInterface, XenstoreDomainInterface
from xengen.control.reach import SharedPage
from xengen.errors import XengenError

_WORD = 1 << 32


class BadRing(XengenError):
    """A domain's counters are impossible: more bytes than the ring has."""


@dataclass(frozen=True)
class ByteRing:
    """A ring of `size` bytes (a power of two) at `offset` of `page`; producer and consumer are offsets of counters."""

    page: SharedPage
    offset: int
    size: int
    producer: int
    consumer: int

    def take(self) -> bytes:
        """Consume all that is there; BadRing."""
        consumer = self._counter(self.consumer)
        filled = self._filled(consumer, self._counter(self.producer))
        first = consumer % self.size
        straight = min(filled, self.size - first)
        data = bytes(self.page[self.offset + first : self.offset + first + straight])
        data += bytes(self.page[self.offset : self.offset + filled - straight])
        if filled:
            self._set(self.consumer, consumer + filled)
        return data

    def put(self, data: bytes | bytearray) -> int:
        """Produce as much of `data` as there is room for; return how many bytes that is; BadRing."""
        producer = self._counter(self.producer)
        count = min(len(data), self.size - self._filled(self._counter(self.consumer), producer))
        if not count:
            return 0
        first = producer % self.size
        straight = min(count, self.size - first)
        self.page[self.offset + first : self.offset + first + straight] = bytes(data[:straight])
        self.page[self.offset : self.offset + count - straight] = bytes(data[straight:count])
        self._set(self.producer, producer + count)
        return count

    def _filled(self, consumer: int, producer: int) -> int:
        filled = (producer - consumer) % _WORD
        if filled > self.size:
            raise BadRing(f"a ring of {self.size} bytes cannot hold {filled}")
        return filled

    def _counter(self, offset: int) -> int:
        return int.from_bytes(self.page[offset : offset + 4], "little")

    def _set(self, offset: int, value: int) -> None:
        self.page[offset : offset + 4] = (value % _WORD).to_bytes(4, "little")


def _ring(
    page: SharedPage, structure: type[LittleEndianStructure], data: str, producer: str, consumer: str
) -> ByteRing:
    field = getattr(structure, data)
    counters = (getattr(structure, producer).offset, getattr(structure, consumer).offset)
    return ByteRing(page, field.offset, field.size, *counters)


@dataclass(frozen=True)
class Channel:
    """What comes from the domain, and what goes to it."""

    received: ByteRing
    sent: ByteRing


def console_channel(page: SharedPage) -> Channel:
    """Return the channel of a console page (4096 bytes, live)."""
    return Channel(
        _ring(page, XenconsInterface, "out", "out_prod", "out_cons"),
        _ring(page, XenconsInterface, "in_", "in_prod", "in_cons"),
    )


def store_channel(page: SharedPage) -> Channel:
    """Return the channel of a store page (4096 bytes, live)."""
    return Channel(
        _ring(page, XenstoreDomainInterface, "req", "req_prod", "req_cons"),
        _ring(page, XenstoreDomainInterface, "rsp", "rsp_prod", "rsp_cons"),
    )
