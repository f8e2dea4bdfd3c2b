"""Rules about descriptors: none that a guest could load reaches the private part of the region, or ring 0.

Invariants
  - A segment is safe when no address that its base, limit and direction let through is at HV_PRIVATE_START or above.
  - Every descriptor of a descriptor page is looked at, whichever selector it would have. Absent ones cannot be loaded.
  - In the reserved page, ring 0's own segments and the system descriptors are known by their selectors.
  - Source of the formats: Intel SDM volume 3, sections 3.4.5, 3.5, 6.11.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xengen.inspect import layout
from xengen.inspect.survey import Survey, Window
from xengen.inspect.views import Entries, Flags, Numbers
from xengen.inspect.violation import Rule, Violation

CALL_GATE, LDT_TYPE, TASK_GATE, INTERRUPT_GATE, TRAP_GATE = 0xC, 0x2, 0x5, 0xE, 0xF
TSS_TYPES = (0x9, 0xB)
DESCRIPTOR_BYTES = 8
OFFSETS_32, OFFSETS_16 = 0xFFFF_FFFF, 0xFFFF
FOUR_GIB = 1 << 32


def field(descriptors: Entries, shift: int, width: int) -> Numbers:
    """Return `width` bits of each descriptor from bit `shift` on."""
    return (descriptors >> np.uint64(shift) & np.uint64((1 << width) - 1)).astype(np.int64)


def bases(descriptors: Entries) -> Numbers:
    """Return the base address of each segment."""
    return field(descriptors, 16, 24) | field(descriptors, 56, 8) << 24


def limits(descriptors: Entries) -> Numbers:
    """Return the limit of each segment in bytes."""
    raw = field(descriptors, 0, 16) | field(descriptors, 48, 4) << 16
    return np.where(field(descriptors, 55, 1) == 1, raw << 12 | 0xFFF, raw)


def unsafe(descriptors: Entries) -> list[tuple[int, str]]:
    """Return (index, why) for each descriptor of u64[n] that a guest must not be able to load."""
    there, code_or_data = field(descriptors, 47, 1) == 1, field(descriptors, 44, 1) == 1
    kind, privilege = field(descriptors, 40, 4), field(descriptors, 45, 2)
    segments, systems = there & code_or_data, there & ~code_or_data
    expands_down = (kind & 0xC) == 0x4
    base, limit = bases(descriptors), limits(descriptors)
    up = segments & ~expands_down & (base + limit >= layout.HV_PRIVATE_START)
    first = base + limit + 1
    most = np.where(field(descriptors, 54, 1) == 1, OFFSETS_32, OFFSETS_16)
    last = base + most
    reaches = (first < FOUR_GIB) & (last >= layout.HV_PRIVATE_START) | (last >= FOUR_GIB + layout.HV_PRIVATE_START)
    down = segments & expands_down & (limit < most) & reaches
    target = field(descriptors, 16, 16)
    bad_target = ((target & 3) == 0) | (
        ((target & 4) == 0) & (target & ~7 >= layout.GDT_RESERVED_OFFSET) & (target != layout.FLAT_RING1_CS)
    )
    gates = systems & (kind == CALL_GATE)
    faults = (
        (there & (privilege == 0) & (code_or_data | (kind != 0)), "has privilege 0"),
        (up | down, "reaches into the private part of the region"),
        (systems & (kind != CALL_GATE) & (kind != 0), "is a system descriptor that guests may not have"),
        (gates & bad_target, "is a call gate to a segment that guests may not call"),
        (gates & (field(descriptors, 37, 3) != 0), "is a call gate with reserved bits"),
    )
    return [(int(index), why) for hits, why in faults for index in np.flatnonzero(hits)]


def guest_descriptors(survey: Survey) -> Iterator[Violation]:
    """No descriptor in a frame that is a descriptor page, by its record or in a window, is unsafe."""
    words = survey.records["type"]
    recorded = (words & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT == layout.SEGMENTS
    recorded &= (words & layout.FRAME_COUNT_MASK) != 0
    for mfn in np.flatnonzero(recorded | (survey.uses[layout.SEGMENTS] > 0)):
        if mfn >= len(survey.pages):
            continue
        descriptors = survey.pages[mfn]
        for index, why in unsafe(descriptors):
            detail = f"descriptor {index}, {int(descriptors[index]):#018x}, {why}"
            yield Violation(Rule.DESCRIPTOR, detail, int(mfn), survey.domain_of(int(mfn)))
    empty = survey.hypervisor.mfn(survey.hypervisor.symbol("empty_page"))
    for number in np.flatnonzero(survey.pages[empty]):
        yield Violation(Rule.DESCRIPTOR, f"descriptor {number} of the empty page is not empty", empty)


def reserved_descriptors(survey: Survey) -> Iterator[Violation]:
    """In the reserved page of the GDT only ring 0's own segments are more than a guest may have."""
    hypervisor = survey.hypervisor
    page = hypervisor.symbol("gdt_reserved")
    descriptors = hypervisor.table("gdt_reserved")
    own = _own_descriptors(survey, descriptors)
    for index, why in unsafe(descriptors):
        selector = layout.GDT_RESERVED_OFFSET + index * DESCRIPTOR_BYTES
        if selector not in own:
            detail = f"reserved selector {selector:#x}, {int(descriptors[index]):#018x}, {why}"
            yield Violation(Rule.DESCRIPTOR, detail, hypervisor.mfn(page))
    for selector, fault in own.items():
        if fault:
            yield Violation(Rule.DESCRIPTOR, f"reserved selector {selector:#x} {fault}", hypervisor.mfn(page))


def windows(survey: Survey) -> Iterator[Violation]:
    """A domain's window shows descriptor pages of its own, the empty page, and the reserved page in its place."""
    hypervisor = survey.hypervisor
    reserved = hypervisor.mfn(hypervisor.symbol("gdt_reserved"))
    empty = hypervisor.mfn(hypervisor.symbol("empty_page"))
    for window in survey.windows:
        entry = int(window.entries[layout.RESERVED_GDT_PAGE])
        if not entry & layout.PTE_P or _mfn(entry) != reserved:
            yield _window_violation(window, layout.RESERVED_GDT_PAGE, "is not the reserved page of the GDT")
        shown = window.ldt_pages
        for page, mfn in zip(shown.index, shown.child, strict=True):
            if not _is_descriptor_page(survey, window, int(mfn)):
                yield _window_violation(window, int(page), "is no descriptor page of the domain")
        for number, frame in _wrong_gdt_pages(window, empty):
            yield _window_violation(window, number, f"is not frame {frame:#x}, as the GDT of the vcpu has it")
        allowed = np.zeros(layout.ENTRIES, dtype=np.bool_)
        allowed[: layout.RESERVED_GDT_PAGE + 1] = True
        allowed[layout.LDT_FIRST_PAGE : layout.LDT_FIRST_PAGE + layout.LDT_PAGES] = True
        there = (window.entries & np.uint64(layout.PTE_P)) != 0
        for hits, detail in (
            (there & ~allowed, "is shown where nothing may be"),
            (there & ((window.entries & np.uint64(layout.PTE_US)) != 0), "is open to ring 3"),
        ):
            for index in np.flatnonzero(hits):
                yield _window_violation(window, int(index), detail)


def gates(survey: Survey) -> Iterator[Violation]:
    """Gates into ring 0 lead to text and are guarded; those into ring 1 are to segments of guests."""
    hypervisor = survey.hypervisor
    table = np.frombuffer(hypervisor.read(hypervisor.symbol("idt"), layout.IDT_ENTRIES * DESCRIPTOR_BYTES), dtype="<u8")
    vectors = np.arange(layout.IDT_ENTRIES)
    kind, privilege, there = field(table, 40, 5), field(table, 45, 2), field(table, 47, 1) == 1
    selector, offset = field(table, 16, 16), field(table, 0, 16) | field(table, 48, 16) << 16
    open_to = np.zeros(layout.IDT_ENTRIES, dtype=np.int64)
    for vector, ring in ((layout.VECTOR_BP, 3), (layout.VECTOR_OF, 3), (layout.HYPERCALL_VECTOR, 1)):
        open_to[vector] = ring
    is_task, is_gate = kind == TASK_GATE, (kind == INTERRUPT_GATE) | (kind == TRAP_GATE)
    to_ring_0 = is_gate & (selector & ~3 == layout.HV_CS)
    to_guest = is_gate & ~to_ring_0
    is_double_fault = (vectors == layout.VECTOR_DF) & (selector == layout.DOUBLE_FAULT_TSS) & (privilege == 0)
    no_text = (offset < hypervisor.symbol("__text_start")) | (offset >= hypervisor.symbol("__text_end"))
    reserved = (selector & 4 == 0) & (selector >= layout.GDT_RESERVED_OFFSET)
    faults = (
        (~is_task & ~is_gate, "is no gate of an IDT for 32 bits"),
        (is_task & ~is_double_fault, "is a task gate"),
        (to_ring_0 & (kind != INTERRUPT_GATE), "leads to ring 0 with interrupts on"),
        (to_ring_0 & no_text, "leads to ring 0, but to no text"),
        (to_ring_0 & (privilege != open_to), "leads to ring 0 and has another privilege than it should"),
        (to_guest & reserved & ~np.isin(selector & ~3, _guest_code()), "leads to a reserved selector that is no code"),
        (to_guest & (privilege == 0), "leads to a guest, but has privilege 0"),
        (to_guest & _not_for_guests(vectors), "leads to a guest, but is an exception, an interrupt or the hypercall"),
    )
    for hits, why in faults:
        for index in np.flatnonzero(there & hits):
            detail = f"the gate of vector {index:#x}, {int(table[index]):#018x}, {why}"
            yield Violation(Rule.GATE, detail)


def _not_for_guests(vectors: Numbers) -> Flags:
    """Which vectors may not have a gate of a guest's own."""
    outside: Flags = (vectors < layout.DIRECT_VECTOR_FIRST) | (vectors >= layout.DIRECT_VECTOR_END)
    hypercall: Flags = vectors == layout.HYPERCALL_VECTOR
    return np.logical_or(outside, hypercall)


def _guest_code() -> tuple[int, ...]:
    return (layout.FLAT_RING1_CS & ~3, layout.FLAT_RING3_CS & ~3)


def _own_descriptors(survey: Survey, descriptors: Entries) -> dict[int, str]:
    """Return the reserved selectors that are ring 0's alone, each with what is wrong about it ("" when nothing is)."""
    hypervisor = survey.hypervisor
    ldt_start = layout.DOMAIN_WINDOW + layout.LDT_FIRST_PAGE * layout.PAGE_SIZE
    ldt_end = ldt_start + layout.LDT_PAGES * layout.PAGE_SIZE
    own: dict[int, str] = {}
    for selector in (layout.HV_CS, layout.HV_DS, layout.HV_TSS, layout.DOUBLE_FAULT_TSS, layout.HV_LDT):
        entry = descriptors[(selector - layout.GDT_RESERVED_OFFSET) // DESCRIPTOR_BYTES :][:1]
        kind, base, limit = int(field(entry, 40, 5)[0]), int(bases(entry)[0]), int(limits(entry)[0])
        there, privilege = int(field(entry, 47, 1)[0]), int(field(entry, 45, 2)[0])
        own[selector] = ""
        if there and privilege:
            own[selector] = f"is open to ring {privilege}"
        elif selector == layout.HV_CS and kind & 0x1C != 0x18:
            own[selector] = "is no non-conforming code segment"
        elif selector == layout.HV_DS and kind & 0x1C != 0x10:
            own[selector] = "is no data segment that expands up"
        elif there and selector in (layout.HV_TSS, layout.DOUBLE_FAULT_TSS):
            name = "tss" if selector == layout.HV_TSS else "double_fault_tss"
            if kind not in TSS_TYPES or base != hypervisor.symbol(name):
                own[selector] = f"is not the TSS at {name}"
        elif (
            there and selector == layout.HV_LDT and (kind != LDT_TYPE or base < ldt_start or base + limit >= ldt_end)
        ):
            own[selector] = "is no LDT within the domain's window"
    return own


def _is_descriptor_page(survey: Survey, window: Window, mfn: int) -> bool:
    if mfn >= len(survey.records) or survey.domain_of(mfn) != window.domain.id:
        return False
    word = int(survey.records["type"][mfn])
    return word & layout.FRAME_TYPE_MASK == layout.SEGMENTS << layout.TYPE_SHIFT and bool(word & layout.FRAME_VALIDATED)


def _wrong_gdt_pages(window: Window, empty: int) -> Iterator[tuple[int, int]]:
    """Yield (page, frame that it should show) for each page of the guest's GDT that shows another one.

    A dying domain has given its GDT up, and its window is never used again.
    """
    frames = window.domain.gdt_frames
    for page in range(0 if window.domain.is_dying else layout.GUEST_GDT_PAGES):
        expected = frames[page] if page < len(frames) else empty
        entry = int(window.entries[page])
        if not entry & layout.PTE_P or _mfn(entry) != expected:
            yield page, expected


def _window_violation(window: Window, page: int, detail: str) -> Violation:
    entry = int(window.entries[page])
    frame = _mfn(entry) if entry & layout.PTE_P else None
    text = f"page {page} of the descriptor window, entry {entry:#x}, {detail}"
    return Violation(Rule.DESCRIPTOR_WINDOW, text, frame, window.domain.id)


def _mfn(entry: int) -> int:
    return (entry & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT
