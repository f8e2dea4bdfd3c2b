"""The model's address spaces: domains, their base pointers, and what an address leads to.

Invariants
  - Contents of tables are contents.py's: a walk sees what the calls of the step under way have changed so far.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from xengen.agent.names import HV_START, PTE_P, PTE_RW, PTE_US
from xengen.fuzz.contents import Contents
from xengen.fuzz.frame import Hardware
from xengen.fuzz.frames import LOW_FRAME, Frames

ALIAS_START, ALIAS_END = 0xF5800000, 0xF6800000
M2P_END = 0xFC400000


class Owners(NamedTuple):
    """Whose frames a call maps, and whose tables it writes."""

    frames: int
    tables: int


class Translation(NamedTuple):
    """What an address leads to: a frame, None for the hypervisor's part; and the rights."""

    mfn: int | None
    writable: bool
    user: bool


@dataclass
class Domain:
    """A domain. base: its L3. ldt: the LDT's pages that are in use, by number. first_reserved: where its part ends."""

    id: int
    base: int
    shared_info: int
    most_pages: int
    virt_start: int = ALIAS_START
    gdt: list[int] = field(default_factory=list)
    gdt_entries: int = 0
    ldt_base: int = 0
    ldt_entries: int = 0
    ldt: dict[int, int] = field(default_factory=dict)
    assists: int = 0
    alive: bool = True


class AddressSpaces:
    """The domains, their frames and page tables."""

    def __init__(self, contents: Contents, hardware: Hardware) -> None:
        self.contents = contents
        self.frames = Frames(contents, hardware, self._guest_entries)
        self.domains: dict[int, Domain] = {}

    def walk(self, caller: int, va: int) -> Translation | None:
        """Return what ring 1 finds at an address; None where nothing is mapped. Not for the private part."""
        if ALIAS_START <= va < ALIAS_END or HV_START <= va < M2P_END:
            return Translation(None, False, False)
        domain = self.domains[caller]
        table = self.table_of(domain, va)
        if va >= domain.virt_start or table is None:
            return None
        upper, lower = self._l2_entry(domain, va), self.contents.page(table)[va >> 12 & 511]
        if not lower & PTE_P:
            return None
        both = upper & lower
        return Translation((lower & LOW_FRAME) >> 12, bool(both & PTE_RW), bool(both & PTE_US))

    def table_of(self, domain: Domain, va: int) -> int | None:
        """Return the table that an entry for `va` would be in, whatever it is; None when there is none."""
        entry = self._l2_entry(domain, va)
        return (entry & LOW_FRAME) >> 12 if entry & PTE_P else None

    def leads_to(self, mfn: int, base: int, slot: int, index: int) -> bool:
        """Whether an entry of the L2 in a slot of the L3 `base` leads to a frame."""
        entry = self.contents.page(base)[slot]
        table = (entry & LOW_FRAME) >> 12
        if not entry & PTE_P or table not in self.frames:
            return False
        lower = self.contents.page(table)[index]
        return bool(lower & PTE_P) and (lower & LOW_FRAME) >> 12 == mfn

    def _guest_entries(self, owner: int) -> int:
        return self.domains[owner].virt_start >> 21 & 511

    def _l2_entry(self, domain: Domain, va: int) -> int:
        upper = self.contents.page(domain.base)[va >> 30]
        return self.contents.page((upper & LOW_FRAME) >> 12)[va >> 21 & 511] if upper & PTE_P else 0
