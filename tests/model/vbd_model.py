"""What a VBD must answer to whatever stands in a slot of its ring: a function of the bytes and of what is granted.

Invariants
  - Nothing here comes from the hypervisor: the layout is the public one (ABI 11.5), the rules are those of docs/vbd.md.
  - A sector is known by its place on the disk.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

READ, WRITE, BARRIER, FLUSH = range(4)
OKAY, ERROR, UNSUPPORTED = 0, -1, -2
MOST_SEGMENTS = 11
PAGE_SECTORS = 8
RING = 32
WORD = 1 << 32


class Right(Enum):
    """What the entry of a page permits domain 0."""

    BOTH = "to read and write"
    READ_ONLY = "to read"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Extent:
    """Sectors of the disk, and whether they may be written."""

    start: int
    sectors: int
    writable: bool = True


@dataclass(frozen=True)
class Move:
    """One sector that a request moves: between `part` of the page that `ref` shows and `sector` of the disk."""

    ref: int
    part: int
    sector: int


@dataclass(frozen=True)
class Verdict:
    """The answer to a request, and what it moves if that is OKAY."""

    id: int
    operation: int
    status: int
    moves: tuple[Move, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether it writes to the disk."""
        return self.operation != READ


def verdict(slot: bytes, extents: Sequence[Extent], rights: Mapping[int, Right]) -> Verdict:
    """What must come of the 108 bytes of a slot."""
    operation, count, _, number, sector = struct.unpack_from("<BBHQQ", slot)
    if operation > FLUSH:
        return Verdict(number, operation, UNSUPPORTED)
    refused = Verdict(number, operation, ERROR)
    if count > MOST_SEGMENTS or (not count and operation <= WRITE):
        return refused
    segments = [struct.unpack_from("<IBB", slot, 20 + 8 * index) for index in range(count)]
    if any(first > last or last >= PAGE_SECTORS for _, first, last in segments):
        return refused
    parts = [(ref, part) for ref, first, last in segments for part in range(first, last + 1)]
    places = [(extent, extent.start + index) for extent in extents for index in range(extent.sectors)]
    if parts and sector + len(parts) > len(places):
        return refused
    wanted = places[sector : sector + len(parts)]
    if operation != READ and not all(extent.writable for extent, _ in wanted):
        return refused
    enough = (Right.BOTH,) if operation == READ else (Right.BOTH, Right.READ_ONLY)
    if any(rights.get(ref, Right.NOTHING) not in enough for ref, *_ in segments):
        return refused
    moves = tuple(Move(ref, part, place) for (ref, part), (_, place) in zip(parts, wanted, strict=True))
    return Verdict(number, operation, OKAY, moves)


def is_hostile(producer: int, consumed: int, answered: int) -> bool:
    """Whether a producer is one that no ring can have: beyond what there is room for, or behind what was taken."""
    return (producer - answered) % WORD > RING or (producer - consumed) % WORD > RING
