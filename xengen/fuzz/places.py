"""Names for frames and entries that mean the same on every machine: what operations are written with.

Invariants
  - All are plain values whose repr can be pasted; which frame one means is found when the operation is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """The frame that spare page `index` of a domain's agent had in the beginning."""

    domain: int
    index: int


@dataclass(frozen=True)
class Extra:
    """A frame that a domain was given by memory_op; of those `index` counts round. Spare page 0 when there is none."""

    domain: int
    index: int


@dataclass(frozen=True)
class Own:
    """A frame that a domain lives on, by name: see OWN."""

    domain: int
    name: str


OWN = ("l3", "l2", "pool_l1", "code_l1", "shared_info", "start_info", "p2m", "code", "mailbox", "grant_table")


@dataclass(frozen=True)
class Nobodys:
    """A frame that is no domain's, by name: see NOBODYS. `index` picks one of several."""

    name: str
    index: int = 0


NOBODYS = ("free", "hypervisor", "tables", "records", "vga", "bios", "apic", "device", "beyond", "highest", "last")

Place = Pool | Extra | Own | Nobodys


@dataclass(frozen=True)
class Entry:
    """A page-table entry that leads to a frame."""

    place: Place
    flags: int


@dataclass(frozen=True)
class Raw:
    """An entry or a descriptor as it is."""

    value: int


Value = Entry | Raw
