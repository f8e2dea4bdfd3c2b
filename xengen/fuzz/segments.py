"""Which descriptors a guest may have (ABI 6.12, with the end of guest segments where this hypervisor has it).

Invariants
  - A plain reading of the ABI's table, written without a look at the hypervisor's code or the checker's.
"""

from __future__ import annotations

from xengen.agent.names import GDT_GUEST_ENTRIES, HV_PRIVATE_START, KERNEL_CS

PRESENT = 1 << 47
SEGMENT = 1 << 44
CODE = 1 << 43
DOWN = 1 << 42
PAGES = 1 << 55
CALL_GATE = 0xC
PAGE = 4096
FOUR_GB = 1 << 32


def checked(given: int) -> int | None:
    """Return what may be stored for a descriptor: itself, or with DPL and limit corrected; None when it is bad."""
    if not given & PRESENT:
        return given
    if not given >> 45 & 3:
        given |= 1 << 45
    return _segment(given) if given & SEGMENT else _gate(given)


def _gate(given: int) -> int | None:
    if given >> 40 & 0xF != CALL_GATE or given >> 37 & 7:
        return None
    selector = given >> 16 & 0xFFFF
    if not selector & 3:
        selector |= 1
    allowed = selector & 4 or selector < 8 * GDT_GUEST_ENTRIES or selector == KERNEL_CS
    return given & ~(0xFFFF << 16) | selector << 16 if allowed else None


def _segment(given: int) -> int | None:
    base = given >> 16 & 0xFFFFFF | given >> 56 << 24
    size = ((given & 0xFFFF | given >> 32 & 0xF0000) + 1) * (PAGE if given & PAGES else 1)
    if base > HV_PRIVATE_START - PAGE - 1:
        return None
    if given & DOWN and not given & CODE:
        if base + size >= FOUR_GB:
            return given
        field = (FOUR_GB - (base & -PAGE)) // PAGE - 1
        fits = base >= PAGE
    else:
        if base + size <= HV_PRIVATE_START:
            return given
        field = (HV_PRIVATE_START - base) // PAGE - 1
        fits = True
    if not fits or not given & PAGES:
        return None
    return given & ~(0xF << 48 | 0xFFFF) | field & 0xFFFF | field >> 16 << 48
