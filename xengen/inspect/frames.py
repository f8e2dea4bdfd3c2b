"""Rules about frames: who owns them, which are free, and that their records say what their uses add up to.

Invariants
  - Each rule is a function from a Survey to violations, and yields its own rule only.
  - A frame that another rule reports as two things at once is left out of the rules about its type.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import sizeof

import numpy as np

from xengen.abi import x86
from xengen.inspect import layout
from xengen.inspect.hand import frames_in_hand
from xengen.inspect.region import known_frames
from xengen.inspect.survey import FREE, HYPERVISOR, NO_RAM, NOBODY, OWNED, Survey
from xengen.inspect.views import Flags, Numbers
from xengen.inspect.violation import Rule, Step, Violation

MOST_REFERRERS = 4
MOST_COMMAND_LINE = 4096


def owners(survey: Survey) -> Iterator[Violation]:
    """The owner of a frame is a domain in the list of domains; of the M2P table's, and no other's, domain_xen."""
    owner = survey.records["owner"]
    xen = survey.hypervisor.symbol("domain_xen")
    for mfn in np.flatnonzero((owner != 0) & (owner != xen) & (survey.owners == NOBODY)):
        yield Violation(Rule.OWNER, f"its owner is {int(owner[mfn]):#x}, where no domain is", int(mfn))
    tables = np.isin(np.arange(len(owner)), survey.hypervisor.m2p_frames)
    for mfn in np.flatnonzero((owner == xen) != tables):
        detail = "in the M2P table, but not domain_xen's" if tables[mfn] else "domain_xen's, but not in the M2P table"
        yield Violation(Rule.OWNER, f"it is {detail}", int(mfn))


def nr_pages(survey: Survey) -> Iterator[Violation]:
    """A domain's nr_pages counts its frames, but for those of the hypervisor's heap that it shares."""
    shared = {holding.mfn for holding in survey.holdings if holding.from_heap}
    counts = np.bincount(survey.owners[survey.owners >= 0], minlength=len(survey.domains))
    for domain, found in zip(survey.domains, counts, strict=True):
        own = int(found) - sum(survey.domain_of(mfn) == domain.id for mfn in shared)
        if own != domain.record.nr_pages:
            detail = f"nr_pages is {domain.record.nr_pages}, but {own} frames are its own"
            yield Violation(Rule.NR_PAGES, detail, domain=domain.id)


def free_list(survey: Survey) -> Iterator[Violation]:
    """A free frame is RAM, and its record is empty."""
    count = len(survey.records)
    free = survey.free[:count]
    for mfn in np.flatnonzero(survey.free[count:]) + count:
        yield Violation(Rule.FREE_LIST, "the bitmap has it as free, but it is beyond max_frame", int(mfn))
    for mfn in np.flatnonzero(free & ~survey.ram):
        yield Violation(Rule.FREE_LIST, "the bitmap has it as free, but it is no RAM", int(mfn))
    empty = np.ones(count, dtype=np.bool_)
    for field in ("count", "type", "owner"):
        empty &= survey.records[field] == 0
    for mfn in np.flatnonzero(free & survey.ram & ~empty):
        detail = f"the bitmap has it as free, but its record is not empty: {_record(survey, int(mfn))}"
        yield Violation(Rule.FREE_LIST, detail, int(mfn), survey.domain_of(int(mfn)))


def free_count(survey: Survey) -> Iterator[Violation]:
    """The variable free_frames counts the bits of the bitmap."""
    said, found = survey.hypervisor.word("free_frames"), int(np.count_nonzero(survey.free))
    if said != found:
        yield Violation(Rule.FREE_COUNT, f"free_frames is {said}, but the bitmap has {found} frames")


def free_frames(survey: Survey) -> Iterator[Violation]:
    """Nothing leads to a free frame."""
    for mfn in np.flatnonzero((survey.kinds == FREE) & (survey.references != 0)):
        names, path = referrers(survey, int(mfn))
        domain = survey.domain_of(path[-1].mfn) if path else None
        yield Violation(Rule.FREE_FRAME, f"it is free, but in use by {names}", int(mfn), domain, path)


def leaks(survey: Survey) -> Iterator[Violation]:
    """A frame of RAM that is not free has an owner and a reference, or is known to be the hypervisor's."""
    count = survey.records["count"]
    for mfn in np.flatnonzero((survey.kinds == OWNED) & (count == 0) & (survey.references == 0)):
        detail = "nothing refers to it, but it is not free"
        yield Violation(Rule.LEAK, detail, int(mfn), survey.domain_of(int(mfn)))
    known = known_frames(survey) | frames_in_hand(survey) | _boot_leftovers(survey)
    for mfn in np.flatnonzero((survey.kinds == HYPERVISOR) & ~known):
        detail = f"it has no owner, is not free, and the hypervisor does not use it: {_record(survey, int(mfn))}"
        yield Violation(Rule.LEAK, detail, int(mfn))


def reference_counts(survey: Survey) -> Iterator[Violation]:
    """FRAME_count is the number of references: the allocation and all that are found."""
    recorded = survey.records["count"].astype(np.int64)
    allocated = (recorded & layout.FRAME_ALLOCATED) != 0
    recorded &= layout.FRAME_ALLOCATED - 1
    expected = survey.references + allocated
    for mfn in np.flatnonzero(_taken(survey) & (recorded != expected)):
        names, path = referrers(survey, int(mfn), allocated=bool(allocated[mfn]))
        detail = f"its count is {recorded[mfn]}, but {expected[mfn]} references are found: {names}"
        yield Violation(Rule.REFERENCE_COUNT, detail, int(mfn), survey.domain_of(int(mfn)), path)


def types(survey: Survey) -> Iterator[Violation]:
    """A frame that a use needs to be of a type is recorded with that type."""
    recorded = _recorded_types(survey)
    used = np.flatnonzero(_one_role(survey) & survey.uses.any(axis=0))
    needed = survey.uses[:, used].argmax(axis=0)
    for mfn, kind in zip(used[recorded[used] != needed], needed[recorded[used] != needed], strict=True):
        names, path = referrers(survey, int(mfn), typed=True)
        detail = f"its type is {layout.type_name(recorded[mfn])}, but {names} needs {layout.type_name(int(kind))}"
        yield Violation(Rule.TYPE, detail, int(mfn), survey.domain_of(int(mfn)), path)


def type_counts(survey: Survey) -> Iterator[Violation]:
    """The type's count is the number of uses that need the type."""
    recorded = (survey.records["type"] & layout.FRAME_COUNT_MASK).astype(np.int64)
    found = survey.uses.sum(axis=0)
    strays = np.isin(np.arange(len(recorded)), survey.tables.strays)
    for mfn in np.flatnonzero(_one_role(survey) & ~strays & (recorded != found)):
        names, path = referrers(survey, int(mfn), typed=True)
        kind = layout.type_name(_recorded_types(survey)[mfn])
        detail = f"its count as {kind} is {recorded[mfn]}, but {found[mfn]} uses are found: {names}"
        yield Violation(Rule.TYPE_COUNT, detail, int(mfn), survey.domain_of(int(mfn)), path)


def validated(survey: Survey) -> Iterator[Violation]:
    """A frame whose type is in use, or that is pinned, is validated, but for partial tables."""
    words = survey.records["type"]
    whole = _taken(survey) & ((words & layout.FRAME_PARTIAL) == 0)
    in_use = (words & (layout.FRAME_COUNT_MASK | layout.FRAME_PINNED)) != 0
    for mfn in np.flatnonzero(whole & in_use & ((words & layout.FRAME_VALIDATED) == 0)):
        pinned = "pinned" if words[mfn] & layout.FRAME_PINNED else "in use"
        kind = layout.type_name(_recorded_types(survey)[mfn])
        path = survey.tables.path_to(int(mfn))
        detail = f"it is {pinned} as {kind}, but not validated"
        yield Violation(Rule.NOT_VALIDATED, detail, int(mfn), survey.domain_of(int(mfn)), path)


def stale_types(survey: Survey) -> Iterator[Violation]:
    """A page table that nothing needs to be one is not validated any more: its entries hold nothing."""
    words = survey.records["type"]
    unused = (words & layout.FRAME_COUNT_MASK) == 0
    tables = np.isin(_recorded_types(survey), layout.TABLE_TYPES)
    stale = _taken(survey) & unused & tables & ((words & layout.FRAME_VALIDATED) != 0)
    for mfn in np.flatnonzero(stale & ~survey.uses.any(axis=0)):
        detail = f"it is validated as {layout.type_name(_recorded_types(survey)[mfn])}, but its type's count is 0"
        yield Violation(Rule.STALE_TYPE, detail, int(mfn), survey.domain_of(int(mfn)))


def pins(survey: Survey) -> Iterator[Violation]:
    """What is pinned is an L1, L2 or L3 of a domain."""
    words = survey.records["type"]
    allowed = np.isin(_recorded_types(survey), (layout.L1, layout.L2, layout.L3)) & (survey.kinds == OWNED)
    for mfn in np.flatnonzero(_taken(survey) & ((words & layout.FRAME_PINNED) != 0) & ~allowed):
        detail = f"it is pinned as {layout.type_name(_recorded_types(survey)[mfn])}"
        yield Violation(Rule.PIN, detail, int(mfn), survey.domain_of(int(mfn)))


def m2p(survey: Survey) -> Iterator[Violation]:
    """The M2P table is invalid for frames that nobody owns, and beyond the last frame."""
    table = survey.hypervisor.m2p
    count = len(survey.records)
    for mfn in np.flatnonzero((survey.records["owner"] == 0) & (table[:count] != layout.INVALID_M2P_ENTRY)):
        yield Violation(Rule.M2P, f"nobody owns it, but its M2P entry is {int(table[mfn]):#x}", int(mfn))
    for mfn in np.flatnonzero(table[count:] != layout.INVALID_M2P_ENTRY) + count:
        yield Violation(Rule.M2P, f"it is beyond max_frame, but its M2P entry is {int(table[mfn]):#x}", int(mfn))


def referrers(
    survey: Survey, mfn: int, *, allocated: bool = False, typed: bool = False
) -> tuple[str, tuple[Step, ...]]:
    """Return what refers to a frame, in words, and the way to the first page-table entry among that.

    `typed` leaves out what needs no type: read-only mappings.
    """
    names = ["its allocation"] if allocated else []
    path: tuple[Step, ...] = ()
    tables = survey.tables
    for level, links in ((3, tables.l3_links), (2, tables.l2_links), (2, tables.linear), (1, tables.entries)):
        hits = links.child == mfn
        if typed and level == 1:
            hits &= (links.value & layout.PTE_RW) != 0
        for row in np.flatnonzero(hits):
            step = Step(level, int(links.parent[row]), int(links.index[row]))
            names.append(str(step))
            if not path:
                path = survey.path(step.level, step.mfn, step.index)
    names += [
        f"the base pointer of domain {domain.id}"
        for domain in survey.domains
        if domain.vcpu is not None and domain.vcpu.record.guest_table == mfn
    ]
    word = survey.records["type"][mfn]
    flags = (("its pin", layout.FRAME_PINNED), ("its being partial", layout.FRAME_PARTIAL))
    names += [name for name, flag in flags if word & flag]
    names += [f"the GDT of domain {domain.id}" for domain in survey.domains if mfn in domain.gdt_frames]
    for window in survey.windows:
        shown = window.ldt_pages
        names += [f"window page {int(page)}" for page in shown.index[shown.child == mfn]]
    names += [holding.what for holding in survey.holdings if holding.mfn == mfn]
    more = len(names) - MOST_REFERRERS
    if more > 0:
        names = [*names[:MOST_REFERRERS], f"{more} more"]
    return ", ".join(names) or "nothing", path


def _one_role(survey: Survey) -> Flags:
    """Which frames are taken, and needed as one type at the most; the type's count of a partial table is none."""
    partial = (survey.records["type"] & layout.FRAME_PARTIAL) != 0
    return np.asarray(_taken(survey) & ~partial & ((survey.uses > 0).sum(axis=0) <= 1))


def _taken(survey: Survey) -> Flags:
    """Which frames are RAM that is not free."""
    return np.asarray((survey.kinds == OWNED) | (survey.kinds == HYPERVISOR))


def _recorded_types(survey: Survey) -> Numbers:
    return ((survey.records["type"] & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT).astype(np.int64)


def _record(survey: Survey, mfn: int) -> str:
    record = survey.records[mfn]
    return ", ".join(f"{name} {int(record[name]):#x}" for name in ("count", "type", "owner"))


def _boot_leftovers(survey: Survey) -> Flags:
    """Frames that boot modules share with something, and those of their command lines: they are never given back."""
    hypervisor = survey.hypervisor
    found = np.zeros(len(survey.records), dtype=np.bool_)
    start = hypervisor.symbol("boot_modules")
    waiting = hypervisor.word("boot_module_count") != 0
    for index in range(layout.MAX_MODULES):
        module = hypervisor.structure(x86.MultibootModule, start + index * sizeof(x86.MultibootModule))
        if module.end <= module.start:
            continue
        first, last = module.start >> layout.PAGE_SHIFT, (module.end - 1) >> layout.PAGE_SHIFT
        found[first : last + 1 if waiting else first + 1] = True
        found[last : last + 1] = True
        line = hypervisor.bytes[module.cmdline : module.cmdline + MOST_COMMAND_LINE].tobytes().partition(b"\0")[0]
        if module.cmdline:
            found[module.cmdline >> layout.PAGE_SHIFT : (module.cmdline + len(line) >> layout.PAGE_SHIFT) + 1] = True
    return np.asarray(found & (survey.kinds != NO_RAM))
