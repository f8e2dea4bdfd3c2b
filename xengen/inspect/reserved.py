"""Rules about what the hypervisor puts into a guest's address space: its entries in L2s of slot 3, and base pointers.

Invariants
  - The hypervisor's entries of an L2 of slot 3 are those of idle_l2, but for two: the domain's window, and the linear
    tables, which show the L2s of the L3 above and nothing when there is none.
  - What the processor walks is VCPU_l3: the guest's L3 with frame and present bit only.
  - A partial L2 is in nobody's use, and its hypervisor's entries are not written yet.
  - Accessed and dirty bits are the processor's: they are left out of every comparison. (QEMU's TCG sets the accessed
    bit in the four entries of VCPU_l3, too; real processors do not.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xengen.abi.hypervisor import Vcpu
from xengen.inspect import layout
from xengen.inspect.survey import NOBODY, Survey
from xengen.inspect.views import BadStructure, Domain, Entries, Numbers
from xengen.inspect.violation import Rule, Step, Violation
from xengen.inspect.walk import SLOTS

OURS = layout.PTE_P | layout.PTE_RW
IGNORED = layout.PTE_A | layout.PTE_D


def reserved_slots(survey: Survey) -> Iterator[Violation]:
    """The hypervisor's entries of every L2 of slot 3 are exactly what they should be; those of idle_l2, too."""
    hypervisor = survey.hypervisor
    idle = hypervisor.table("idle_l2", SLOTS)[-(layout.ENTRIES - layout.HV_L2_FIRST) :]
    region = hypervisor.mfn(hypervisor.symbol("hv_l1")) + np.arange(layout.REGION_TABLES, dtype=np.uint64)
    for index in np.flatnonzero(_plain(idle) != (region << np.uint64(layout.PAGE_SHIFT) | np.uint64(OURS))):
        detail = f"idle_l2 entry {layout.HV_L2_FIRST + index} is {int(idle[index]):#x}, which is not hv_l1"
        yield Violation(Rule.RESERVED_SLOT, detail)
    tables = np.setdiff1d(survey.tables.l2_reserved, survey.tables.partial)
    found = survey.pages[tables, layout.HV_L2_FIRST :]
    expected = np.tile(idle, (len(tables), 1))
    expected[:, layout.WINDOW_L2 - layout.HV_L2_FIRST] = _windows(survey, tables)
    first = layout.LINEAR_L2 - layout.HV_L2_FIRST
    expected[:, first : first + SLOTS] = _linear(survey, tables)
    for row, column in np.argwhere(_plain(found) != _plain(expected)):
        mfn = int(tables[row])
        detail = f"the entry is {int(found[row, column]):#x}, not {int(expected[row, column]):#x}"
        path = survey.path(2, mfn, layout.HV_L2_FIRST + int(column))
        yield Violation(Rule.RESERVED_SLOT, detail, mfn, survey.domain_of(mfn), path)


def alias_slots(survey: Survey) -> Iterator[Violation]:
    """A guest without the region's start as virt_start has the M2P table at M2P_ALIAS, and nothing up to the region."""
    hypervisor = survey.hypervisor
    expected = np.zeros(layout.HV_L2_FIRST - layout.ALIAS_L2_FIRST, dtype=np.uint64)
    table = hypervisor.physical(hypervisor.symbol("hv_l1"))
    invalid = hypervisor.physical(hypervisor.symbol("invalid_m2p_l1"))
    real = layout.M2P_BYTES // layout.SUPERPAGE_SIZE
    for index in range(layout.M2P_ALIAS_BYTES // layout.SUPERPAGE_SIZE):
        expected[index] = (table + index * layout.PAGE_SIZE if index < real else invalid) | layout.PTE_P
    for mfn in np.setdiff1d(survey.tables.l2_reserved, survey.tables.partial):
        owner = int(survey.owners[mfn])
        if owner == NOBODY or survey.domains[owner].first_reserved != layout.ALIAS_L2_FIRST:
            continue
        found = survey.pages[mfn, layout.ALIAS_L2_FIRST : layout.HV_L2_FIRST]
        for column in np.flatnonzero(_plain(found) != expected):
            detail = f"the entry is {int(found[column]):#x}, not {int(expected[column]):#x}"
            path = survey.path(2, int(mfn), layout.ALIAS_L2_FIRST + int(column))
            yield Violation(Rule.ALIAS_SLOT, detail, int(mfn), survey.domains[owner].id, path)


def base_pointers(survey: Survey) -> Iterator[Violation]:
    """A vcpu's base pointer is an L3 of its domain, and what the processor gets is exactly that."""
    for domain in survey.domains:
        if domain.vcpu is None or domain.is_dying or domain.is_unbuilt:
            continue
        for detail, slot in _base_pointer_faults(survey, domain):
            table = int(domain.vcpu.record.guest_table)
            path = (Step(3, table, slot),) if slot is not None else ()
            yield Violation(Rule.BASE_POINTER, detail, table, domain.id, path)


def structures(survey: Survey) -> Iterator[Violation]:
    """The records of a domain point at each other, and its shared_info is where it is said to be."""
    hypervisor = survey.hypervisor
    starts = (layout.HV_START, layout.M2P_ALIAS)
    previous = -1
    for domain in survey.domains:
        record = domain.record
        if domain.id <= previous:
            yield Violation(Rule.STRUCTURE, f"it follows domain {previous} in the list of domains", domain=domain.id)
        previous = domain.id
        if domain.vcpu is not None and domain.vcpu.record.domain != domain.address:
            detail = f"its vcpu is that of the domain at {int(domain.vcpu.record.domain):#x}"
            yield Violation(Rule.STRUCTURE, detail, domain=domain.id)
        if record.virt_start not in starts:
            yield Violation(Rule.STRUCTURE, f"its virt_start is {int(record.virt_start):#x}", domain=domain.id)
        shared = hypervisor.mfn(record.shared_info) if record.shared_info else record.shared_info_mfn
        if shared != record.shared_info_mfn:
            detail = f"its shared_info is in frame {shared:#x}, not where the domain is told"
            yield Violation(Rule.STRUCTURE, detail, int(record.shared_info_mfn), domain.id)


def _base_pointer_faults(survey: Survey, domain: Domain) -> Iterator[tuple[str, int | None]]:
    """Yield what is wrong in words, and the slot of the L3 that it is about."""
    vcpu = domain.vcpu
    if vcpu is None:
        return
    table = int(vcpu.record.guest_table)
    if table >= min(len(survey.owners), len(survey.pages)) or survey.domain_of(table) != domain.id:
        yield "guest_table is no frame of the domain", None
        return
    try:
        where = survey.hypervisor.physical(vcpu.address + Vcpu.l3.offset)
    except BadStructure as error:
        yield str(error), None
        return
    if vcpu.record.cr3 != where:
        yield f"cr3 is {int(vcpu.record.cr3):#x}, but the vcpu's L3 is at {where:#x}", None
    for slot, (guest, own) in enumerate(zip(survey.pages[table, :SLOTS], vcpu.l3, strict=True)):
        entry = int(guest)
        expected = entry & layout.PTE_ADDRESS | layout.PTE_P if entry & layout.PTE_P else 0
        if own & ~IGNORED != expected:
            yield f"the processor's L3 has {own:#x} in slot {slot}, not {expected:#x}", slot


def _windows(survey: Survey, tables: Numbers) -> Entries:
    """Return what the window's entry should be, for each of `tables`, L2s of slot 3."""
    of_domain = np.zeros(len(survey.domains) + 1, dtype=np.uint64)  # nobody's is the last one
    for window in survey.windows:
        of_domain[survey.domains.index(window.domain)] = window.mfn << layout.PAGE_SHIFT | OURS
    return of_domain[survey.owners[tables]]


def _linear(survey: Survey, tables: Numbers) -> Entries:
    """Return what the four linear-table entries should be, for each of `tables`, L2s of slot 3."""
    links = survey.tables.from_whole(survey.tables.l3_links)
    tops = links.where(links.index == SLOTS - 1)
    no_execute = survey.hypervisor.word("no_execute_high") << 32
    expected = np.zeros((len(tables), SLOTS), dtype=np.uint64)
    for row, mfn in enumerate(tables):
        above = tops.parent[tops.child == mfn]
        if len(above):
            slots = survey.pages[above[0], :SLOTS]
            shown = slots & np.uint64(layout.PTE_ADDRESS) | np.uint64(OURS | no_execute)
            expected[row] = np.where(slots & np.uint64(layout.PTE_P), shown, 0)
    return expected


def _plain(entries: Entries) -> Entries:
    """Return entries without what the processor writes; all that are not present are alike."""
    return np.where(entries & np.uint64(layout.PTE_P), entries & ~np.uint64(IGNORED), np.uint64(0))
