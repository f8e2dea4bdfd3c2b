"""Disks and network interfaces that the hypervisor's drivers have found, as they are in memory.

Invariants
  - Views are copies: what is returned does not change under the caller.
  - A list without end, or a pointer to nothing, is a BadStructure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ctypes import Structure
from dataclasses import dataclass
from typing import TypeVar

from xengen.abi.devices import Disk as DiskRecord
from xengen.abi.devices import Nic as NicRecord
from xengen.abi.symbols import assembler_symbols
from xengen.inspect.views import BadStructure, Hypervisor

_VALUES = assembler_symbols()
NIC_BUFFERS = _VALUES["NIC_BUFFERS"]
NIC_LINK_UP = _VALUES["NIC_LINK_UP"]
DISK_READ_ONLY = _VALUES["DISK_READ_ONLY"]
MOST_DEVICES = 256

RecordT = TypeVar("RecordT", bound=Structure)


@dataclass(frozen=True)
class Disk:
    """A disk: where its DISK is, and a copy of it."""

    address: int
    record: DiskRecord

    @property
    def name(self) -> str:
        """What its driver calls it."""
        return _text(bytes(self.record.name))

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written to it."""
        return bool(self.record.flags & DISK_READ_ONLY)


@dataclass(frozen=True)
class Nic:
    """A network interface: where its NIC is, a copy of it, and the machine frames that it receives into."""

    address: int
    record: NicRecord
    buffers: tuple[int, ...]

    @property
    def name(self) -> str:
        """What its driver calls it."""
        return _text(bytes(self.record.name))

    @property
    def mac(self) -> str:
        """Its address, as in 52:54:00:12:34:56."""
        return bytes(self.record.mac).hex(":")

    @property
    def has_link(self) -> bool:
        """Whether its cable leads somewhere."""
        return bool(self.record.flags & NIC_LINK_UP)


def disks(hypervisor: Hypervisor) -> tuple[Disk, ...]:
    """Return the disks, in order of their numbers."""
    return tuple(Disk(address, record) for address, record in _chained(hypervisor, "disk_list", DiskRecord))


def nics(hypervisor: Hypervisor) -> tuple[Nic, ...]:
    """Return the network interfaces, in order of their numbers."""
    return tuple(
        Nic(address, record, struct.unpack(f"<{NIC_BUFFERS}I", hypervisor.read(record.buffers, 4 * NIC_BUFFERS)))
        for address, record in _chained(hypervisor, "nic_list", NicRecord)
    )


def _chained(hypervisor: Hypervisor, name: str, kind: type[RecordT]) -> Iterator[tuple[int, RecordT]]:
    address = hypervisor.word(name)
    for _ in range(MOST_DEVICES):
        if not address:
            return
        record = hypervisor.structure(kind, address)
        yield address, record
        address = int(record.next)
    raise BadStructure(f"{name} has no end")


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("ascii", "replace")
