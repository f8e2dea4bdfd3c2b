"""The shared page through which a domain talks to the store (ABI 11.2), as seen by the store.

Invariants
  - The domain can write anything at any moment: each of its counters is read once per look, and held against ours.
  - We write what we produce, then the counter; and read the counter, then what it covers.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.abi.rings import XenstoreDomainInterface
from xengen.store.wire import BadStream

RING_BYTES = 1024
_WORD = 1 << 32


@dataclass(frozen=True)
class StorePage:
    """A domain's store page over 4096 bytes of live memory. Methods raise BadStream when a counter is impossible."""

    page: memoryview

    @property
    def _fields(self) -> XenstoreDomainInterface:
        return XenstoreDomainInterface.from_buffer(self.page)

    def receive(self) -> bytes:
        """Take what the domain has written; empty when there is nothing."""
        fields = self._fields
        consumer, producer = fields.req_cons, fields.req_prod
        size = _filled(producer, consumer)
        data = _slots(self.page, XenstoreDomainInterface.req.offset, consumer, size)
        fields.req_cons = (consumer + size) % _WORD
        return data

    def send(self, data: bytes | bytearray) -> int:
        """Give the domain as much of `data` as there is room for; return how many bytes that is."""
        fields = self._fields
        consumer, producer = fields.rsp_cons, fields.rsp_prod
        size = min(len(data), RING_BYTES - _filled(producer, consumer))
        offset = XenstoreDomainInterface.rsp.offset
        for index in range(size):
            self.page[offset + (producer + index) % RING_BYTES] = data[index]
        fields.rsp_prod = (producer + size) % _WORD
        return size


def _filled(producer: int, consumer: int) -> int:
    size = (producer - consumer) % _WORD
    if size > RING_BYTES:
        raise BadStream(f"a ring of {RING_BYTES} bytes cannot hold {size}")
    return size


def _slots(page: memoryview, offset: int, start: int, size: int) -> bytes:
    first = start % RING_BYTES
    ring = bytes(page[offset : offset + RING_BYTES])
    return (ring + ring)[first : first + size]
