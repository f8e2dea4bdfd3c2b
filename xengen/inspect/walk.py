"""The page tables of all domains: which frames are tables of which kind, and every link between them.

Invariants
  - A table is what a base pointer, a pin or a link from a table makes one; the frame records are asked for two things
    only: as what a frame is pinned, and whether a read-only L2 entry to another frame is a linear one (ABI 6.3).
  - A table that is validated or dropped in pieces is partial: where the count of its type would be, its record says how
    many entries hold references. Those are links, the others are nothing yet.
  - Frames that the records call tables, and that nothing leads to, are strays: they are walked too, so that what they
    hold is counted, and reported.
  - A link may lead anywhere. Only frames with memory below max_frame are followed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xengen.inspect import layout
from xengen.inspect.views import Entries, Flags, Numbers, Records
from xengen.inspect.violation import Step

SLOTS = 4


@dataclass(frozen=True)
class Links:
    """Present entries of tables, one row each: the table's frame, the index in it, where it leads to, and its value."""

    parent: Numbers
    index: Numbers
    child: Numbers
    value: Entries

    def __len__(self) -> int:
        return len(self.parent)

    def where(self, chosen: Flags) -> Links:
        """Return the rows that are chosen."""
        return Links(self.parent[chosen], self.index[chosen], self.child[chosen], self.value[chosen])


@dataclass(frozen=True)
class Roots:
    """Frames that are tables without a link: L3s that a vcpu uses (once for each use), and pinned frames by type."""

    guest_tables: Numbers
    pinned: Numbers
    pinned_types: Numbers


@dataclass(frozen=True)
class Tables:
    """All page tables.

    `l3`, `l2`, `l2_reserved`, `l1`: their frames, each once, in order. `l3_links` lead to L2s, `l2_links` to L1s,
    `linear` from an L2 to another one, `linear_self` to itself; `entries` are those of L1s. `strays`: tables by record
    alone. `partial`: those that are not wholly validated; links from them are in the other fields as well.
    """

    l3: Numbers
    l2: Numbers
    l2_reserved: Numbers
    l1: Numbers
    l3_links: Links
    l2_links: Links
    linear: Links
    linear_self: Links
    entries: Links
    strays: Numbers
    partial: Numbers

    def from_whole(self, links: Links) -> Links:
        """Return the links that come from tables that are wholly validated."""
        return links.where(~np.isin(links.parent, self.partial))

    def path_to(self, mfn: int) -> tuple[Step, ...]:
        """Return a way from an L3 (or from where there is no further link) to the table in frame `mfn`."""
        path: tuple[Step, ...] = ()
        seen = {mfn}
        while (step := self._link_to(mfn, seen)) is not None:
            mfn = step.mfn
            seen.add(mfn)
            path = (step, *path)
        return path

    def _link_to(self, mfn: int, but_from: set[int]) -> Step | None:
        for level, links in ((2, self.l2_links), (2, self.linear), (3, self.l3_links)):
            for row in np.flatnonzero(links.child == mfn):
                parent = int(links.parent[row])
                if parent not in but_from:
                    return Step(level, parent, int(links.index[row]))
        return None


def walk(pages: Entries, records: Records, roots: Roots, first_reserved: Numbers) -> Tables:
    """Find all tables of `pages` (u64[frames of memory, 512]).

    `records` are the frame records; `first_reserved` is, for each frame, the first entry that would not be its owner's
    if it was an L2 of slot 3.
    """
    partial = np.flatnonzero(records["type"] & layout.FRAME_PARTIAL)
    types = _types(records)
    extra: dict[int, Numbers] = {
        kind: np.union1d(roots.pinned[roots.pinned_types == kind], partial[types[partial] == kind])
        for kind in layout.TABLE_TYPES
    }
    tables = _walk_from(pages, records, roots, extra, first_reserved, np.zeros(0, dtype=np.int64))
    missing = _strays(records, tables)
    strays = missing
    while len(missing):
        extra = {kind: np.union1d(extra[kind], missing[types[missing] == kind]) for kind in layout.TABLE_TYPES}
        tables = _walk_from(pages, records, roots, extra, first_reserved, strays)
        missing = _strays(records, tables)
        strays = np.union1d(strays, missing)
    return tables


def present(pages: Entries, tables: Numbers, width: int = layout.ENTRIES) -> Links:
    """Return the present entries among the first `width` ones of `tables`."""
    values = pages[tables, :width].reshape(-1)
    rows = np.flatnonzero(values & layout.PTE_P)
    values = values[rows]
    child = ((values & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT).astype(np.int64)
    return Links(tables[rows // width], rows % width, child, values)


def _walk_from(
    pages: Entries, records: Records, roots: Roots, extra: dict[int, Numbers], first_reserved: Numbers, strays: Numbers
) -> Tables:
    count = min(len(records), len(pages))
    types = _types(records)
    is_partial = (records["type"] & layout.FRAME_PARTIAL) != 0
    held = np.where(is_partial, records["type"] & layout.FRAME_INDEX_MASK, layout.ENTRIES).astype(np.int64)
    l3 = _inside(np.union1d(roots.guest_tables, extra[layout.L3]), count)
    l3_links = present(pages, l3, SLOTS)
    l3_links = l3_links.where(l3_links.index < held[l3_links.parent])
    is_top = l3_links.index == SLOTS - 1
    reserved = _inside(np.union1d(l3_links.child[is_top], extra[layout.L2_RESERVED]), count)
    plain = _inside(np.union1d(l3_links.child[~is_top], extra[layout.L2]), count)
    while True:
        known = np.union1d(plain, reserved)
        links = present(pages, known)
        limit = np.where(np.isin(links.parent, reserved), first_reserved[links.parent], layout.ENTRIES)
        links = links.where(links.index < np.minimum(limit, held[links.parent]))
        read_only = (links.value & layout.PTE_RW) == 0
        target = types[np.where(links.child < count, links.child, 0)]
        to_l2 = (links.child < count) & ((target == layout.L2) | (target == layout.L2_RESERVED))
        to_self = read_only & (links.child == links.parent)
        linear = read_only & to_l2 & ~to_self
        new = np.setdiff1d(links.child[linear], known)
        if not len(new):
            break
        plain = np.union1d(plain, new[types[new] == layout.L2])
        reserved = np.union1d(reserved, new[types[new] == layout.L2_RESERVED])
    l2_links = links.where(~linear & ~to_self)
    # What is a higher table as well is not read as an L1: rules report it, and its entries are counted once.
    higher = np.concatenate((plain, reserved, l3))
    l1 = np.setdiff1d(_inside(np.union1d(l2_links.child, extra[layout.L1]), count), higher)
    linear_links, self_links = links.where(linear), links.where(to_self)
    entries = present(pages, l1)
    entries = entries.where(entries.index < held[entries.parent])
    partial = np.flatnonzero(is_partial)
    return Tables(l3, plain, reserved, l1, l3_links, l2_links, linear_links, self_links, entries, strays, partial)


def _strays(records: Records, tables: Tables) -> Numbers:
    used = (records["type"] & layout.FRAME_COUNT_MASK) != 0
    claimed = np.flatnonzero(used & np.isin(_types(records), layout.TABLE_TYPES))
    return np.setdiff1d(claimed, np.concatenate((tables.l3, tables.l2, tables.l2_reserved, tables.l1)))


def _types(records: Records) -> Numbers:
    return ((records["type"] & layout.FRAME_TYPE_MASK) >> layout.TYPE_SHIFT).astype(np.int64)


def _inside(frames: Numbers, count: int) -> Numbers:
    return frames[frames < count].astype(np.int64)
