"""Disk images that tests make on the host, with the host's own tools: a partition table, and a file system in it.

Invariants
  - Nothing needs a privilege: the file system is made inside the image (mtools).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from xengen.control.partitions import make_mbr

SECTOR = 512
FAT16 = 0x0E
LINUX = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
GPT_ENTRIES = 128
START = 2048
"""The first sector of the partition: 1 MiB."""


def fat_disk(path: Path, files: Mapping[str, bytes], *, megabytes: int = 48, partition: int = 32) -> Path:
    """Make a disk of `megabytes` MiB with one FAT partition of `partition` MiB that has these files in it."""
    if shutil.which("mformat") is None:
        pytest.skip("mtools is not installed")
    sectors = partition << 11
    with path.open("wb") as file:
        file.truncate(megabytes << 20)
        file.write(make_mbr([(FAT16, START, sectors)]))
    place = f"{path}@@{START * SECTOR}"
    subprocess.run(["mformat", "-i", place, "-T", str(sectors), "-h", "16", "-s", "63", "::"], check=True)
    for name, contents in files.items():
        subprocess.run(["mcopy", "-i", place, "-", f"::{name}"], input=contents, check=True)
    return path


def gpt(
    entries: Sequence[tuple[int, int, str]], sectors: int, *, spoil: int | None = None
) -> list[tuple[int, bytes]]:
    """Return the pieces (first sector, bytes) of a disk of so many sectors with a GPT (UEFI 2.10, 5.3).

    entries: first sector, last sector, name. spoil: the byte of the header that is wrong.
    """
    table = b"".join(
        struct.pack("<16s16sQQQ72s", LINUX.bytes_le, bytes([number] * 16), first, last, 0, name.encode("utf-16-le"))
        for number, (first, last, name) in enumerate(entries, 1)
    ).ljust(GPT_ENTRIES * 128, b"\0")
    fields = (b"EFI PART", 0x10000, 92, 0, 0, 1, sectors - 1, 34, sectors - 34, bytes(16), 2, GPT_ENTRIES, 128)
    header = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", *fields, zlib.crc32(table)))
    header[16:20] = zlib.crc32(header).to_bytes(4, "little")
    if spoil is not None:
        header[spoil] ^= 1
    return [(0, make_mbr([(0xEE, 1, sectors - 1)])), (1, bytes(header)), (2, table)]
