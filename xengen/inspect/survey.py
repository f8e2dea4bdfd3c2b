"""Everything that the rules look at, read from memory once: records, domains, tables, and what the uses add up to.

Invariants
  - What is computed here comes from page tables, domains and windows; the records' counts are only held against it.
  - A reference is counted for: a present entry of an L1, a link between tables (a self-link of an L2 is none), a vcpu's
    guest_table, a pin, a frame of a GDT, a page of an LDT, a table's being partial, and what `holdings` says that the
    hypervisor itself keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xengen.inspect import layout, vbd, vif
from xengen.inspect.grants import Grants, grants_of
from xengen.inspect.views import Domain, Entries, Flags, Hypervisor, Numbers, Records
from xengen.inspect.violation import Step
from xengen.inspect.virtual_devices import GrantUse
from xengen.inspect.walk import Links, Roots, Tables, walk

# What a frame is.
NO_RAM, FREE, HYPERVISOR, OWNED = range(4)
NOBODY = -1


@dataclass(frozen=True)
class Holding:
    """A reference that the hypervisor keeps to a frame of a domain; `is_written`: one to the type writable, too.

    `from_heap`: the frame is the hypervisor's own (its heap's, or of a grant table), and not among the domain's pages.
    """

    mfn: int
    is_written: bool
    what: str
    from_heap: bool = False


@dataclass(frozen=True)
class Window:
    """A domain's descriptor window: the frame of its L1, and that table's 512 entries."""

    domain: Domain
    mfn: int
    entries: Entries

    @property
    def gdt_pages(self) -> Links:
        """The present entries where the guest's GDT is; some of them show the empty page."""
        return self._shown(0, layout.GUEST_GDT_PAGES)

    @property
    def ldt_pages(self) -> Links:
        """The present entries where the guest's LDT is."""
        return self._shown(layout.LDT_FIRST_PAGE, layout.LDT_PAGES)

    def _shown(self, first: int, count: int) -> Links:
        pages = np.arange(first, first + count)
        pages = pages[(self.entries[pages] & layout.PTE_P) != 0]
        values = self.entries[pages]
        child = ((values & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT).astype(np.int64)
        return Links(np.full(len(pages), self.mfn), pages, child, values)


@dataclass(frozen=True)
class Survey:
    """One look at a hypervisor. Arrays have an element for each frame below max_frame.

    `owners`: index into `domains`, or NOBODY. `kinds`: NO_RAM, FREE, HYPERVISOR or OWNED. `references`: how many there
    are, without the allocation. `uses[type]`: how many of them need the type.
    """

    hypervisor: Hypervisor
    domains: tuple[Domain, ...]
    records: Records
    ram: Flags
    free: Flags
    owners: Numbers
    kinds: Numbers
    tables: Tables
    windows: tuple[Window, ...]
    holdings: tuple[Holding, ...]
    grants: tuple[Grants, ...]
    device_uses: tuple[GrantUse, ...]
    references: Numbers
    uses: Numbers

    @property
    def pages(self) -> Entries:
        """Physical memory as page tables: u64[pages, 512]."""
        return self.hypervisor.pages

    def domain_of(self, mfn: int) -> int | None:
        """Return the id of the domain that owns a frame."""
        owner = int(self.owners[mfn]) if mfn < len(self.owners) else NOBODY
        return None if owner == NOBODY else self.domains[owner].id

    def path(self, level: int, table: int, index: int) -> tuple[Step, ...]:
        """Return the way to an entry of a table."""
        return (*self.tables.path_to(table), Step(level, table, index))


def survey(hypervisor: Hypervisor) -> Survey:
    """Read everything. Raises BadStructure where the hypervisor's records lead nowhere."""
    records = hypervisor.frames
    count = len(records)
    domains = hypervisor.domains()
    free, ram = hypervisor.free, hypervisor.ram
    owners = _owners(records, domains)
    owned = (records["owner"] != 0) & (records["owner"] != hypervisor.symbol("domain_xen"))
    kinds = np.select([~ram, free[:count], owned], [NO_RAM, FREE, OWNED], default=HYPERVISOR).astype(np.int64)
    limits = np.array([domain.first_reserved for domain in domains] + [layout.HV_L2_FIRST], dtype=np.int64)
    tables = walk(hypervisor.pages, records, _roots(records, domains), limits[owners])
    windows = tuple(_windows(hypervisor, domains))
    grants = tuple(found for domain in domains if (found := grants_of(hypervisor, domain)) is not None)
    device_uses = (*vbd.grant_uses(hypervisor), *vif.grant_uses(hypervisor))
    held = holdings(domains, grants, device_uses)
    references, uses = _uses(records, domains, tables, windows, held)
    uses[layout.NONE][hypervisor.m2p_frames] += 1  # for ever, so that nobody writes to them
    return Survey(
        hypervisor, domains, records, ram, free, owners, kinds, tables, windows, held, grants, device_uses, references,
        uses,
    )  # fmt: skip


def holdings(
    domains: tuple[Domain, ...], grants: tuple[Grants, ...], device_uses: tuple[GrantUse, ...]
) -> tuple[Holding, ...]:
    """The frames of domains that the hypervisor keeps a reference to: it writes into shared_info, vcpu_info and grant
    tables, and a grant that is in use, by a mapping or by a virtual device, is held.
    """
    shared = [
        Holding(domain.record.shared_info_mfn, True, f"shared_info of domain {domain.id}", from_heap=True)
        for domain in domains
        if domain.record.shared_info
    ]
    moved = [
        Holding(domain.vcpu.record.info_mfn, True, f"vcpu_info of domain {domain.id}")
        for domain in domains
        if domain.vcpu is not None and domain.vcpu.record.info_page
    ]
    tables = [
        Holding(mfn, True, f"a grant table of domain {one.domain.id}", from_heap=True)
        for one in grants
        for mfn in one.frames
    ]
    in_use = [Holding(handle.mfn, handle.writable, handle.name) for one in grants for handle in one.handles]
    by_devices = [Holding(use.mfn, use.writable, use.what) for use in device_uses]
    return (*shared, *moved, *tables, *in_use, *by_devices)


def _owners(records: Records, domains: tuple[Domain, ...]) -> Numbers:
    addresses = np.array([domain.address for domain in domains], dtype=np.int64)
    owner = records["owner"].astype(np.int64)
    found = np.full(len(records), NOBODY, dtype=np.int64)
    for index, address in enumerate(addresses):
        found[owner == address] = index
    return found


def _roots(records: Records, domains: tuple[Domain, ...]) -> Roots:
    words = records["type"]
    pinned = np.flatnonzero(words & layout.FRAME_PINNED).astype(np.int64)
    types = ((words[pinned] & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT).astype(np.int64)
    tables = [domain.vcpu.record.guest_table for domain in domains if domain.vcpu is not None]
    return Roots(np.array(tables, dtype=np.int64), pinned, types)


def _windows(hypervisor: Hypervisor, domains: tuple[Domain, ...]) -> list[Window]:
    found = []
    for domain in domains:
        if domain.record.window_l1:
            mfn = hypervisor.mfn(domain.record.window_l1)
            found.append(Window(domain, mfn, hypervisor.pages[mfn].copy()))
    return found


def _uses(
    records: Records,
    domains: tuple[Domain, ...],
    tables: Tables,
    windows: tuple[Window, ...],
    held: tuple[Holding, ...],
) -> tuple[Numbers, Numbers]:
    count = len(records)
    references = np.zeros(count, dtype=np.int64)
    uses = np.zeros((layout.TYPES, count), dtype=np.int64)

    def add(frames: Numbers, kind: int = layout.NONE) -> None:
        inside = frames[frames < count]
        np.add.at(references, inside, 1)
        if kind != layout.NONE:
            np.add.at(uses[kind], inside, 1)

    entries = tables.entries
    inside = entries.child < count
    references += np.bincount(entries.child[inside], minlength=count)
    writable = inside & ((entries.value & layout.PTE_RW) != 0)
    uses[layout.WRITABLE] += np.bincount(entries.child[writable], minlength=count)
    top = tables.l3_links.index == 3
    add(tables.l3_links.child[top], layout.L2_RESERVED)
    add(tables.l3_links.child[~top], layout.L2)
    add(tables.l2_links.child, layout.L1)
    to_reserved = np.isin(tables.linear.child, tables.l2_reserved)
    add(tables.linear.child[to_reserved], layout.L2_RESERVED)
    add(tables.linear.child[~to_reserved], layout.L2)
    add(tables.partial)
    roots = _roots(records, domains)
    add(roots.guest_tables, layout.L3)
    for kind in range(layout.TYPES):
        add(roots.pinned[roots.pinned_types == kind], kind)
    for domain in domains:
        add(np.array(domain.gdt_frames, dtype=np.int64), layout.SEGMENTS)
    for window in windows:
        add(window.ldt_pages.child, layout.SEGMENTS)
    for holding in held:
        add(np.array([holding.mfn]), layout.WRITABLE if holding.is_written else layout.NONE)
    return references, uses
