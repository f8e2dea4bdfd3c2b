"""Disk images that tests make on the host, with the host's own tools: a partition table, and a file system in it.

Invariants
  - Nothing needs a privilege: the file system is made inside the image (mtools).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from xengen.control.partitions import make_mbr

SECTOR = 512
FAT16 = 0x0E
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
