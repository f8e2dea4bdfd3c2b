"""Disks of a machine, as data: raw files of the host, the devices that show them, and errors to inject.

Invariants
  - A disk is a raw file of whole sectors; QEMU locks it, so two machines never write to one.
  - An error of a disk reaches whoever asked for the sector: QEMU never stops the machine for one.
  - Nothing here starts or opens anything; `check` alone looks at the files.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xengen.errors import UserError

SECTOR = 512
MODELS = ("virtio", "ide")
# Bus and unit of IDE disks in order. The last place is the CD's, if the machine has one.
IDE_PLACES = (("ide.0", 0), ("ide.0", 1), ("ide.1", 1), ("ide.1", 0))
CD_INDEX = 2  # ide.1, unit 0
OPERATIONS = ("read", "write", "flush")


@dataclass(frozen=True)
class Fault:
    """An error that QEMU injects (blkdebug): of read, write or flush requests, those that touch `sector`, or all.

    once: only of the first one. number: the host's errno.
    """

    operation: str
    sector: int | None = None
    once: bool = False
    number: int = errno.EIO

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"an injected error is of one of {', '.join(OPERATIONS)}, not of {self.operation!r}")


@dataclass(frozen=True)
class DiskSpec:
    """A disk: a raw file, and what the machine sees it as: "virtio" (virtio-blk on PCI) or "ide" (the PIIX's)."""

    path: Path
    model: str = "virtio"
    read_only: bool = False
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"a disk is one of {', '.join(MODELS)}, not {self.model!r}")

    def check(self) -> None:
        """Raise UserError when the file cannot be a disk."""
        path = self.path
        if self.read_only and self.model == "ide":
            raise UserError(f"{path} cannot be a read-only IDE disk, for there is none: make it virtio")
        if not path.exists():
            raise UserError(f"no such disk image: {path} (xengen disk create {path} SIZE makes one)")
        if not path.is_file():
            raise UserError(f"{path} is no disk image: not a file")
        size = path.stat().st_size
        if size == 0 or size % SECTOR:
            raise UserError(f"{path} is no disk image: its size, {size} bytes, is not a multiple of {SECTOR}")
        if not os.access(path, os.R_OK if self.read_only else os.R_OK | os.W_OK):
            wanted = "read" if self.read_only else "read and written"
            raise UserError(f"{path} cannot be {wanted}: mend its permissions")


def check(disks: Sequence[DiskSpec], *, with_cd: bool) -> None:
    """Raise UserError when a disk cannot be, a file is named twice, or there are more IDE disks than places."""
    seen: set[Path] = set()
    for disk in disks:
        disk.check()
        place = disk.path.resolve()
        if place in seen:
            raise UserError(f"{disk.path} is named as a disk twice: a file can be one disk only")
        seen.add(place)
    places = len(IDE_PLACES) - with_cd
    if sum(disk.model == "ide" for disk in disks) > places:
        raise UserError(f"a machine has places for {places} IDE disks{' beside its CD' if with_cd else ''}: use virtio")


def serial(number: int) -> str:
    """Return the serial number of a machine's disk `number`, from 0: by it the hypervisor calls the disk."""
    return f"disk{number}"


def words(disks: Sequence[DiskSpec], names: dict[Path, str]) -> Iterator[str]:
    """Yield QEMU's options for the disks; `names` replaces a path by the name that QEMU opens."""
    places = iter(IDE_PLACES)
    for number, disk in enumerate(disks):
        node = serial(number)
        yield from ("-blockdev", json.dumps(_block_device(disk, node, names.get(disk.path, str(disk.path)))))
        errors = "werror=report,rerror=report"
        if disk.model == "ide":
            bus, unit = next(places)
            yield from ("-device", f"ide-hd,drive={node},bus={bus},unit={unit},serial={node},{errors}")
        else:
            yield from ("-device", f"virtio-blk-pci,drive={node},serial={node},{errors}")


def _block_device(disk: DiskSpec, node: str, name: str) -> dict[str, object]:
    file: dict[str, object] = {"driver": "file", "filename": name}
    if disk.faults:
        file = {"driver": "blkdebug", "image": file, "inject-error": [_injection(fault) for fault in disk.faults]}
    return {"driver": "raw", "node-name": node, "read-only": disk.read_only, "file": file}


def _injection(fault: Fault) -> dict[str, object]:
    found: dict[str, object] = {"event": "none", "iotype": fault.operation, "errno": fault.number, "once": fault.once}
    if fault.sector is not None:
        found["sector"] = fault.sector
    return found
