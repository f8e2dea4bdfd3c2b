"""Page walks over plain memory, the way the processor does them: PAE, and two-level tables with large pages.

Invariants
  - Works on anything that has `u32` and `u64` by physical address; needs no machine.
  - A walk is data: each entry that was read, at which address, and where it ended. Not mapped is no error.
  - Source of the formats: Intel SDM volume 3A, chapter 4 (32-bit paging, PAE paging).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

CR0_PG = 1 << 31
CR4_PSE = 1 << 4
CR4_PAE = 1 << 5

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
LARGE = 1 << 7
NO_EXECUTE = 1 << 63
PAE_ADDRESS = 0x000F_FFFF_FFFF_F000


class Words(Protocol):
    """What a walk reads from."""

    def u32(self, address: int) -> int:
        """Return the 32-bit word at physical `address`."""

    def u64(self, address: int) -> int:
        """Return the 64-bit word at physical `address`."""


@dataclass(frozen=True)
class Entry:
    """One table entry of a walk: its level (3, 2 or 1), its physical address and its value."""

    level: int
    address: int
    value: int

    @property
    def present(self) -> bool:
        """Whether the processor goes on from here."""
        return bool(self.value & PRESENT)


@dataclass(frozen=True)
class Walk:
    """What a virtual address leads to. `physical` is None when some entry is not present (the last of `entries`)."""

    virtual: int
    entries: tuple[Entry, ...]
    physical: int | None
    page_size: int
    writable: bool
    user: bool
    no_execute: bool

    def __str__(self) -> str:
        steps = "".join(f" L{entry.level}[{entry.address:#x}]={entry.value:#x}" for entry in self.entries)
        if self.physical is None:
            return f"{self.virtual:08x} is not mapped:{steps}"
        rights = ("w" if self.writable else "r") + ("u" if self.user else "s") + ("-" if self.no_execute else "x")
        return f"{self.virtual:08x} -> {self.physical:#x} {rights} ({self.page_size >> 10} KiB page):{steps}"


def walk(memory: Words, virtual: int, cr3: int, *, pae: bool, pse: bool = True) -> Walk:
    """Return where `virtual` leads with the page tables at `cr3`."""
    return _walk_pae(memory, virtual, cr3) if pae else _walk_two_level(memory, virtual, cr3, pse)


def _walk_pae(memory: Words, virtual: int, cr3: int) -> Walk:
    top = (cr3 & 0xFFFFFFE0) + 8 * (virtual >> 30)
    l3 = Entry(3, top, memory.u64(top))
    if not l3.present:
        return _unmapped(virtual, l3)
    where = (l3.value & PAE_ADDRESS) + 8 * ((virtual >> 21) & 511)
    l2 = Entry(2, where, memory.u64(where))
    if not l2.present:
        return _unmapped(virtual, l3, l2)
    if l2.value & LARGE:
        base = l2.value & PAE_ADDRESS & ~0x1FFFFF
        return _mapped(virtual, (l3, l2), base, 1 << 21)
    where = (l2.value & PAE_ADDRESS) + 8 * ((virtual >> 12) & 511)
    l1 = Entry(1, where, memory.u64(where))
    if not l1.present:
        return _unmapped(virtual, l3, l2, l1)
    return _mapped(virtual, (l3, l2, l1), l1.value & PAE_ADDRESS, 1 << 12)


def _walk_two_level(memory: Words, virtual: int, cr3: int, pse: bool) -> Walk:
    where = (cr3 & 0xFFFFF000) + 4 * (virtual >> 22)
    l2 = Entry(2, where, memory.u32(where))
    if not l2.present:
        return _unmapped(virtual, l2)
    if pse and l2.value & LARGE:
        base = (l2.value & 0xFFC00000) | ((l2.value >> 13) & 0xFF) << 32
        return _mapped(virtual, (l2,), base, 1 << 22)
    where = (l2.value & 0xFFFFF000) + 4 * ((virtual >> 12) & 1023)
    l1 = Entry(1, where, memory.u32(where))
    if not l1.present:
        return _unmapped(virtual, l2, l1)
    return _mapped(virtual, (l2, l1), l1.value & 0xFFFFF000, 1 << 12)


def _unmapped(virtual: int, *entries: Entry) -> Walk:
    return Walk(virtual, entries, None, 0, False, False, False)


def _mapped(virtual: int, entries: tuple[Entry, ...], base: int, page_size: int) -> Walk:
    # A PAE L3 entry has no rights of its own: what it lacks are reserved bits.
    rights = [entry.value for entry in entries if entry.level < 3]
    return Walk(
        virtual,
        entries,
        base | (virtual & (page_size - 1)),
        page_size,
        writable=all(value & WRITABLE for value in rights),
        user=all(value & USER for value in rights),
        no_execute=any(value & NO_EXECUTE for value in rights),
    )
