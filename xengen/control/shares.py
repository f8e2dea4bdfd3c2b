"""What a domain is given of a disk, as one writes it: [DEVICE=]DISK[:RANGE,...][:r|rw].

DISK is the name of a file that is a disk of the host (web.img), or a number. RANGE is START-END, START- (to the end),
START+SIZE, or pN: a partition. Places are sizes such as 64M, or sectors such as 2048s; a plain number is MiB.

Invariants
  - What is parsed here is whole sectors, in order; whether the disk has them only the host knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xengen.errors import UserError

SECTOR = 512
_UNITS = {"": 1 << 20, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "s": SECTOR}
_SIZE = r"\d+(?:s|[kmgt]?(?:i?b)?)"
_RANGE = re.compile(rf"(?P<start>{_SIZE})(?:-(?P<end>{_SIZE})?|\+(?P<size>{_SIZE}))|p(?P<partition>\d+)", re.I)
_NUMBER_AND_UNIT = re.compile(r"(\d+)([kmgts]?)(?:i?b)?", re.I)
_DEVICE = re.compile(r"(xvd[a-p]|sd[a-p]|hd[a-d]|\d+)=(.*)")
_RIGHTS = {"r": False, "ro": False, "rw": True, "w": True}
# The first number of each kind of disk, and the distance to the next one (ABI 11.5).
_KINDS = {"xvd": (202 << 8, 16), "sd": (8 << 8, 16), "hd": (3 << 8, 64)}
_SECOND_HD = 22 << 8


@dataclass(frozen=True)
class Range:
    """A stretch of a disk: `sectors` from `start` on, None: to its end. Or the partition of that number."""

    start: int = 0
    sectors: int | None = None
    partition: int | None = None


@dataclass(frozen=True)
class DiskShare:
    """What a domain sees as one disk: these ranges of a disk of the host, one behind the other.

    device: its name in the domain (xvda), "" for the next that is free.
    """

    disk: str
    ranges: tuple[Range, ...] = (Range(),)
    writable: bool = False
    device: str = ""


def parse_share(text: str) -> DiskShare:
    """Return what `text` means (see above); UserError."""
    named = _DEVICE.fullmatch(text)
    disk = named[2] if named is not None else text
    before, _, last = disk.rpartition(":")
    right = last if before and last in _RIGHTS else "r"
    disk = before if before and last in _RIGHTS else disk
    before, _, last = disk.rpartition(":")
    stretches = last if before and "/" not in last else ""
    disk = before if stretches else disk
    ranges = tuple(_range(one, text) for one in stretches.split(",")) if stretches else (Range(),)
    if not disk:
        raise UserError(f"--disk wants [DEVICE=]DISK[:START-END][:r|rw], not {text!r}")
    return DiskShare(disk, ranges, _RIGHTS[right], named[1] if named is not None else "")


def _range(text: str, whole: str) -> Range:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} in {whole!r} is no range: write START-END, START+SIZE, START- or pN, such as 0-64M")
    if match["partition"]:
        return Range(partition=int(match["partition"]))
    start = sectors(match["start"])
    if match["size"] or match["end"]:
        length = sectors(match["size"]) if match["size"] else sectors(match["end"]) - start
        if length <= 0:
            raise UserError(f"{text!r} in {whole!r} is empty: it ends where it begins, or before")
        return Range(start, length)
    return Range(start)


def sectors(text: str) -> int:
    """Return how many sectors a size such as 64M or 2048s is; UserError when it is none, or no whole number of them."""
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is no size: write one such as 64M, or 2048s for sectors")
    size = int(match[1]) * _UNITS[match[2].lower()]
    return size // SECTOR


def device_number(name: str) -> int:
    """Return the number of the virtual device that is called xvda, sda, hda and so on, or is a number; UserError."""
    if name.isascii() and name.isdigit():
        return int(name)
    for prefix, (first, distance) in _KINDS.items():
        letter = name.removeprefix(prefix)
        if name.startswith(prefix) and len(letter) == 1 and "a" <= letter <= "p":
            place = ord(letter) - ord("a")
            if prefix == "hd":
                if place > 3:
                    break
                return (_SECOND_HD if place >= 2 else first) + place % 2 * distance
            return first + place * distance
    raise UserError(f"{name!r} is no disk of a domain: use xvda to xvdp, sda to sdp, hda to hdd, or a number")


def device_name(place: int) -> str:
    """Return the name of a domain's disk number `place`, from 0."""
    return f"xvd{chr(ord('a') + place)}"
