"""What a frame is to the model, and how the hypervisor says no.

Invariants
  - Plain data: the rules are in frames.py and model.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

IO_OWNER = -1  # stands for what is no RAM (DOMID_IO)
XEN_OWNER = -2  # and for the hypervisor's frames (DOMID_XEN)


class Kind(IntEnum):
    """What a frame is used as."""

    NONE = 0
    L1 = 1
    L2 = 2
    L3 = 3
    SEGMENTS = 4
    WRITABLE = 5
    TOP = 6
    """The L2 of slot 3, which has the hypervisor's entries."""


UPPER = (Kind.L2, Kind.L3, Kind.TOP)


class Refused(Exception):
    """The hypervisor must say no, by one of these error numbers (negative)."""

    def __init__(self, *codes: int) -> None:
        super().__init__(codes)
        self.codes = frozenset(codes)


@dataclass
class Frame:
    """A frame of a domain. references: without the allocation. balance: as a target of linear entries, less its own."""

    owner: int
    allocated: bool = True
    references: int = 0
    kind: Kind = Kind.NONE
    uses: int = 0
    pinned: bool = False
    whole: bool = True
    balance: int = 0


@dataclass(frozen=True)
class Hardware:
    """QEMU's machine, in frames: RAM for domains lies between 1 MB and `ram`; nobody gets `apic`.

    The first megabyte, with the firmware's data, video memory and ROMs, is for privileged domains to map, as devices
    are, and so are the firmware's tables at the end of RAM.
    """

    ram: int
    apic: int = 0xFEE00
    first: int = 0x100
    tables_at_end: int = 32

    def is_ram(self, mfn: int) -> bool:
        """Whether there is memory at `mfn` that domains may own."""
        return self.first <= mfn < self.ram - self.tables_at_end
