"""Rules about page tables: what they lead to, with which bits, and what guests can map through them.

Invariants
  - Each rule is a function from a Survey to violations, and yields its own rule only.
  - An entry of an L1 counts as writable by its own bit, whatever the levels above say: they can change without the L1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from xengen.inspect import layout
from xengen.inspect.grants import granted
from xengen.inspect.survey import FREE, HYPERVISOR, NO_RAM, NOBODY, OWNED, Survey
from xengen.inspect.views import Flags, Numbers
from xengen.inspect.violation import Rule, Violation
from xengen.inspect.walk import SLOTS, Links

L3_FORBIDDEN = layout.PTE_PWT | layout.PTE_PCD | layout.PTE_PSE | layout.PTE_G
L2_FORBIDDEN = layout.PTE_PWT | layout.PTE_PCD | layout.PTE_PSE | layout.PTE_G
L1_FORBIDDEN = layout.PTE_PWT | layout.PTE_PCD | layout.PTE_PSE


@dataclass(frozen=True)
class Mapping:
    """A domain's mapping of another domain's frame: `mapper` and `owner` are ids of domains."""

    mapper: int
    owner: int
    mfn: int
    writable: bool


Permits = Callable[[Mapping], bool]


def nothing_permitted(mapping: Mapping) -> bool:
    """Without grants: no domain may map another one's frames."""
    return False


def strays(survey: Survey) -> Iterator[Violation]:
    """Each table hangs on a base pointer or a pin."""
    for mfn in survey.tables.strays:
        kind = layout.type_name(_recorded_type(survey, int(mfn)))
        detail = f"its record says {kind}, but no base pointer, pin or table leads to it"
        yield Violation(Rule.STRAY_TABLE, detail, int(mfn), survey.domain_of(int(mfn)))


def partial_tables(survey: Survey) -> Iterator[Violation]:
    """A partial table is neither validated nor pinned, and no processor can come to it."""
    words, tables = survey.records["type"], survey.tables
    roots = [domain.vcpu.record.guest_table for domain in survey.domains if domain.vcpu is not None]
    for mfn in tables.partial:
        kind = _recorded_type(survey, int(mfn))
        widest = SLOTS if kind == layout.L3 else layout.ENTRIES if kind in layout.TABLE_TYPES else 0
        detail = ""
        if words[mfn] & layout.FRAME_INDEX_MASK > widest:
            detail = f"{int(words[mfn] & layout.FRAME_INDEX_MASK)} entries of {layout.type_name(kind)} hold references"
        elif words[mfn] & (layout.FRAME_VALIDATED | layout.FRAME_PINNED):
            detail = "it is partial, and validated or pinned"
        elif mfn in roots:
            detail = "it is partial, and a base pointer"
        if detail:
            yield Violation(Rule.PARTIAL_TABLE, detail, int(mfn), survey.domain_of(int(mfn)))
    for level, links in ((3, tables.l3_links), (2, tables.l2_links), (2, tables.linear)):
        whole = tables.from_whole(links)
        for row in np.flatnonzero(np.isin(whole.child, tables.partial)):
            detail = "a validated table leads to a partial one"
            yield _violation(survey, Rule.PARTIAL_TABLE, level, whole, row, detail)


def two_roles(survey: Survey) -> Iterator[Violation]:
    """No frame is two kinds of table, or a table and a descriptor page."""
    roles = _table_roles(survey)
    # An L2 that is a writable L1 too has a rule of its own.
    linear = _writable_linear(survey).child
    roles[layout.L1, linear[linear < roles.shape[1]]] = False
    for mfn in np.flatnonzero(roles.sum(axis=0) > 1):
        names = " and ".join(layout.type_name(int(kind)) for kind in np.flatnonzero(roles[:, mfn]))
        path = survey.tables.path_to(int(mfn))
        yield Violation(Rule.TWO_ROLES, f"it is used as {names}", int(mfn), survey.domain_of(int(mfn)), path)


def targets(survey: Survey) -> Iterator[Violation]:
    """A table leads to tables of its own domain. (What is free has a rule of its own.)"""
    tables = survey.tables
    for level, links in ((3, tables.l3_links), (2, tables.l2_links), (2, tables.linear)):
        kinds = _at(survey.kinds, links.child, NO_RAM)
        foreign = _at(survey.owners, links.child, NOBODY) != _at(survey.owners, links.parent, NOBODY)
        for row in np.flatnonzero((kinds != FREE) & ((kinds != OWNED) | foreign)):
            yield _violation(survey, Rule.TABLE_TARGET, level, links, row, f"the table is {_whose(survey, links, row)}")


def bits(survey: Survey) -> Iterator[Violation]:
    """No entry has a bit that a guest may not set (ABI 6.2), or leads beyond 4 GB from an L2 or L3."""
    tables = survey.tables
    entries = tables.entries
    privileged = _privileged(survey, entries.parent)
    for level, links, forbidden in (
        (3, tables.l3_links, np.full(len(tables.l3_links), L3_FORBIDDEN, dtype=np.uint64)),
        (2, tables.l2_links, np.full(len(tables.l2_links), L2_FORBIDDEN, dtype=np.uint64)),
        (2, tables.linear, np.full(len(tables.linear), L2_FORBIDDEN, dtype=np.uint64)),
        (2, tables.linear_self, np.full(len(tables.linear_self), L2_FORBIDDEN, dtype=np.uint64)),
        (1, entries, np.where(privileged, 0, L1_FORBIDDEN).astype(np.uint64)),
    ):
        for row in np.flatnonzero(links.value & forbidden):
            detail = f"the entry {int(links.value[row]):#x} has bits {int(links.value[row] & forbidden[row]):#x}"
            yield _violation(survey, Rule.TABLE_BITS, level, links, row, detail)


def slot_3(survey: Survey) -> Iterator[Violation]:
    """Each L3 has an L2 in slot 3, and no other L3 has the same."""
    links = survey.tables.l3_links
    top = links.where(links.index == SLOTS - 1)
    for mfn in np.setdiff1d(survey.tables.l3, np.concatenate((top.parent, survey.tables.partial))):
        yield Violation(Rule.SLOT_3, "the L3 has nothing in slot 3", int(mfn), survey.domain_of(int(mfn)))
    shared, counts = np.unique(top.child, return_counts=True)
    for mfn in shared[counts > 1]:
        row = int(np.flatnonzero(top.child == mfn)[0])
        detail = f"the L2 is in slot 3 of {int(counts[shared == mfn][0])} L3s"
        yield _violation(survey, Rule.SLOT_3, 3, top, row, detail)


def writable_linear(survey: Survey) -> Iterator[Violation]:
    """An L2 entry that leads to an L2 is read-only."""
    links = _writable_linear(survey)
    for row in range(len(links)):
        yield _violation(survey, Rule.LINEAR_WRITABLE, 2, links, row, "a writable entry leads to an L2")


def linear_chains(survey: Survey) -> Iterator[Violation]:
    """An L2 that another L2 leads to does not lead to further ones: so L2s never keep each other for ever."""
    links = survey.tables.linear
    for row in np.flatnonzero(np.isin(links.parent, links.child)):
        yield _violation(survey, Rule.LINEAR_CHAIN, 2, links, row, "an L2 that another L2 leads to leads to this one")


def linear_balances(survey: Survey) -> Iterator[Violation]:
    """FRAME_link of an L2 in use is how many linear entries lead to it, less how many it has to others.

    An entry to a partial L2 is half dropped: it is in the balance no more.
    """
    links, count = survey.tables.linear, len(survey.records)
    links = links.where(~np.isin(links.child, survey.tables.partial))
    balance = np.bincount(links.child, minlength=count) - np.bincount(links.parent, minlength=count)
    recorded = survey.records["link"].astype(np.int32)
    for mfn in np.concatenate((survey.tables.l2, survey.tables.l2_reserved)):
        if recorded[mfn] != balance[mfn]:
            detail = f"its FRAME_link is {recorded[mfn]}, but its balance of linear entries is {balance[mfn]}"
            path = survey.tables.path_to(int(mfn))
            yield Violation(Rule.LINEAR_BALANCE, detail, int(mfn), survey.domain_of(int(mfn)), path)


def writable_tables(survey: Survey) -> Iterator[Violation]:
    """No page table and no descriptor page is mapped writable."""
    entries = survey.tables.entries
    roles = _table_roles(survey)
    is_table = np.asarray(roles.any(axis=0))
    hits = ((entries.value & layout.PTE_RW) != 0) & _at(is_table, entries.child, False)
    for row in np.flatnonzero(hits):
        kinds = np.flatnonzero(roles[:, entries.child[row]])
        detail = f"a writable mapping of {layout.type_name(int(kinds[0]))}"
        yield _violation(survey, Rule.WRITABLE_TABLE, 1, entries, row, detail)


def hypervisor_frames(survey: Survey) -> Iterator[Violation]:
    """No frame of the hypervisor's is mapped by a guest, but the M2P table's by a privileged domain, to read."""
    entries = survey.tables.entries
    allowed = np.isin(entries.child, survey.hypervisor.m2p_frames) & ((entries.value & layout.PTE_RW) == 0)
    allowed &= _privileged(survey, entries.parent)
    for row in np.flatnonzero((_at(survey.kinds, entries.child, NO_RAM) == HYPERVISOR) & ~allowed):
        detail = f"a {_access(entries, row)} mapping of a frame of the hypervisor's"
        yield _violation(survey, Rule.HYPERVISOR_FRAME, 1, entries, row, detail)


def foreign_frames(survey: Survey, permits: Permits = nothing_permitted) -> Iterator[Violation]:
    """No domain maps another one's frame, unless it is privileged, has a grant for it, or `permits` says so.

    Each handle is good for one mapping, of its frame and with its right.
    """
    left = granted(survey)
    entries = survey.tables.entries
    owned = _at(survey.kinds, entries.child, NO_RAM) == OWNED
    owner, mapper = _at(survey.owners, entries.child, NOBODY), _at(survey.owners, entries.parent, NOBODY)
    for row in np.flatnonzero(owned & (owner != mapper) & ~_privileged(survey, entries.parent)):
        if owner[row] != NOBODY and mapper[row] != NOBODY:
            ids = survey.domains[mapper[row]].id, survey.domains[owner[row]].id
            writable = bool(entries.value[row] & layout.PTE_RW)
            left[ids[0], int(entries.child[row]), writable] -= 1
            if left[ids[0], int(entries.child[row]), writable] >= 0:
                continue
            if permits(Mapping(*ids, int(entries.child[row]), writable)):
                continue
        detail = f"a {_access(entries, row)} mapping of a frame that is {_whose(survey, entries, row)}"
        yield _violation(survey, Rule.FOREIGN_FRAME, 1, entries, row, detail)


def io_frames(survey: Survey) -> Iterator[Violation]:
    """What is no RAM is mapped by privileged domains only, the local APIC by nobody."""
    entries = survey.tables.entries
    outside = _at(survey.kinds, entries.child, NO_RAM) == NO_RAM
    apic = survey.hypervisor.hv_l1[(layout.FIXMAP_APIC - layout.HV_START) >> layout.PAGE_SHIFT]
    is_apic = entries.child == (int(apic) & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT
    is_apic &= bool(int(apic) & layout.PTE_P)
    for row in np.flatnonzero(outside & (is_apic | ~_privileged(survey, entries.parent))):
        what = "the local APIC" if is_apic[row] else "what is no RAM"
        yield _violation(survey, Rule.IO_FRAME, 1, entries, row, f"a {_access(entries, row)} mapping of {what}")


def _table_roles(survey: Survey) -> Flags:
    """Whether each frame is a table of each type: bool[types, frames]."""
    tables = survey.tables
    roles = np.zeros((layout.TYPES, len(survey.records)), dtype=np.bool_)
    for kind, frames in (
        (layout.L1, tables.l1),
        (layout.L2, tables.l2),
        (layout.L3, tables.l3),
        (layout.L2_RESERVED, tables.l2_reserved),
    ):
        roles[kind, frames] = True
    for kind in (layout.L1, layout.SEGMENTS):
        roles[kind] |= survey.uses[kind] > 0
    return roles


def _writable_linear(survey: Survey) -> Links:
    tables = survey.tables
    links = tables.l2_links
    to_l2 = np.isin(links.child, tables.l2) | np.isin(links.child, tables.l2_reserved)
    return links.where(((links.value & layout.PTE_RW) != 0) & to_l2)


def _at(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], frames: Numbers, otherwise: int) -> Numbers:
    """Return the values of frames that may be beyond max_frame."""
    inside = frames < len(values)
    return np.where(inside, values[np.where(inside, frames, 0)], otherwise)


def _privileged(survey: Survey, tables: Numbers) -> Flags:
    """Whether the owner of each table is privileged."""
    flags = np.array([domain.is_privileged for domain in survey.domains] + [False], dtype=np.bool_)
    return flags[survey.owners[tables]]  # NOBODY is the last one


def _violation(survey: Survey, rule: Rule, level: int, links: Links, row: int | np.int64, detail: str) -> Violation:
    parent = int(links.parent[row])
    path = survey.path(level, parent, int(links.index[row]))
    return Violation(rule, detail, int(links.child[row]), survey.domain_of(parent), path)


def _access(links: Links, row: int | np.int64) -> str:
    return "writable" if links.value[row] & layout.PTE_RW else "read-only"


def _whose(survey: Survey, links: Links, row: int | np.int64) -> str:
    mfn = int(links.child[row])
    if mfn >= len(survey.kinds) or survey.kinds[mfn] == NO_RAM:
        return "no RAM"
    if survey.kinds[mfn] != OWNED:
        return "the hypervisor's"
    owner = survey.domain_of(mfn)
    return "nobody's that is known" if owner is None else f"domain {owner}'s"


def _recorded_type(survey: Survey, mfn: int) -> int:
    return int(survey.records["type"][mfn] & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT
