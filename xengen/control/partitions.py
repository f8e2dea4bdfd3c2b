"""Partition tables of disks: MBR with its logical partitions, and GPT. Reading them, and making an MBR.

Invariants
  - What a disk says is held against its size: an entry that cannot be is left out, a chain of them has an end.
  - Reading takes a function that returns sectors: of a file, of anything.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from uuid import UUID

SECTOR = 512
SIGNATURE = b"\x55\xaa"
TABLE = 446
ENTRY = Struct("<B3sB3sII")
ENTRIES = 4
EXTENDED = frozenset({0x05, 0x0F, 0x85})
PROTECTIVE = 0xEE
LOGICAL_FIRST = 5
MOST_LOGICAL = 64

GPT_SIGNATURE = b"EFI PART"
GPT_HEADER = Struct("<8sIIIIQQQQ16sQIII")
GPT_ENTRY = Struct("<16s16sQQQ72s")
MOST_GPT_ENTRIES = 1024
GPT_ENTRY_MOST = 4096

TYPES = {0x01: "FAT12", 0x04: "FAT16", 0x06: "FAT16", 0x0B: "FAT32", 0x0C: "FAT32", 0x0E: "FAT16", 0x07: "NTFS",
         0x82: "swap", 0x83: "Linux", 0x8E: "LVM", 0xEF: "EFI"}  # fmt: skip
GPT_TYPES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "data",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "swap",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
}

Read = Callable[[int, int], bytes]
"""Takes the first sector and how many; returns their bytes, fewer at the end of the disk."""


@dataclass(frozen=True)
class Partition:
    """A partition: its number, as operating systems count, first sector, number of sectors, and what it is for."""

    number: int
    start: int
    sectors: int
    kind: str
    name: str = ""


@dataclass(frozen=True)
class Table:
    """A partition table: scheme is "mbr", "gpt", or "" when there is none."""

    scheme: str
    partitions: tuple[Partition, ...] = ()


def read_table(read: Read, sectors: int) -> Table:
    """Return the partition table of a disk of so many sectors."""
    first = read(0, 1)
    if len(first) < SECTOR or first[510:512] != SIGNATURE:
        return Table("")
    entries = list(_entries(first))
    if any(kind == PROTECTIVE for kind, _, _ in entries):
        found = _gpt(read, sectors)
        if found is not None:
            return Table("gpt", found)
    return Table("mbr", tuple(_mbr(read, entries, sectors)))


def table_of_file(path: Path) -> Table:
    """Return the partition table of a disk image."""
    with path.open("rb") as file:

        def read(sector: int, count: int) -> bytes:
            file.seek(sector * SECTOR)
            return file.read(count * SECTOR)

        return read_table(read, path.stat().st_size // SECTOR)


def make_mbr(partitions: Sequence[tuple[int, int, int]]) -> bytes:
    """Return the first sector of a disk with up to four (type, first sector, sectors); addresses as LBA only."""
    if len(partitions) > ENTRIES:
        raise ValueError(f"an MBR has {ENTRIES} entries, not {len(partitions)}")
    nowhere = b"\xfe\xff\xff"  # the cylinders, heads and sectors of what is beyond them
    entries = b"".join(ENTRY.pack(0, nowhere, kind, nowhere, start, size) for kind, start, size in partitions)
    return (bytes(TABLE) + entries).ljust(510, b"\0") + SIGNATURE


def _entries(sector: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (type, first sector, sectors) of the four entries of a table."""
    for number in range(ENTRIES):
        _, _, kind, _, start, size = ENTRY.unpack_from(sector, TABLE + number * ENTRY.size)
        yield kind, start, size


def _mbr(read: Read, entries: Sequence[tuple[int, int, int]], sectors: int) -> Iterator[Partition]:
    extended = 0
    for number, (kind, start, size) in enumerate(entries, 1):
        if not kind or not size or not 0 < start < sectors or start + size > sectors:
            continue
        if kind in EXTENDED:
            extended = extended or start
            yield Partition(number, start, size, "extended")
        else:
            yield Partition(number, start, size, _kind(kind))
    yield from _logical(read, extended, sectors)


def _logical(read: Read, extended: int, sectors: int) -> Iterator[Partition]:
    """Yield the partitions within the extended one that begins at `extended`, 0: there is none."""
    table = extended
    for number in range(LOGICAL_FIRST, LOGICAL_FIRST + MOST_LOGICAL):
        if not 0 < table < sectors:
            return
        sector = read(table, 1)
        if sector[510:512] != SIGNATURE:
            return
        (kind, start, size), (link, following, _), *_ = _entries(sector)
        if kind and size and start and table + start + size <= sectors:
            yield Partition(number, table + start, size, _kind(kind))
        if link not in EXTENDED or not following:
            return
        table = extended + following


def _gpt(read: Read, sectors: int) -> tuple[Partition, ...] | None:
    """Return the partitions of the GPT, None when it is damaged."""
    header = read(1, 1)
    if len(header) < SECTOR or not header.startswith(GPT_SIGNATURE):
        return None
    _, _, size, checksum, _, _, _, _, _, _, place, count, entry_bytes, entries_checksum = GPT_HEADER.unpack_from(header)
    if not GPT_HEADER.size <= size <= SECTOR or not GPT_ENTRY.size <= entry_bytes <= GPT_ENTRY_MOST:
        return None
    if count > MOST_GPT_ENTRIES or not 2 <= place < sectors:
        return None
    if zlib.crc32(header[:16] + bytes(4) + header[20:size]) != checksum:
        return None
    entries = read(place, -(-count * entry_bytes // SECTOR))[: count * entry_bytes]
    if zlib.crc32(entries) != entries_checksum:
        return None
    found = []
    for number in range(count):
        kind, _, start, last, _, name = GPT_ENTRY.unpack_from(entries, number * entry_bytes)
        if any(kind) and 0 < start <= last < sectors:
            text = name.decode("utf-16-le", "replace").split("\0")[0]
            known = str(UUID(bytes_le=kind))
            found.append(Partition(number + 1, start, last - start + 1, GPT_TYPES.get(known, known), text))
    return tuple(found)


def _kind(number: int) -> str:
    return TYPES.get(number, f"type {number:02x}")
