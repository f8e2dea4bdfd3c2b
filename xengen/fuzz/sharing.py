"""The model of grants: entries, uses, handles, and frames that change hands (ABI 10.9).

Invariants
  - As frames.py: written from the ABI; Refused has the status of the element, and then nothing has changed but marks
    that a domain has set in an entry of its own, which go as soon as somebody tries to use it.
  - An entry is what its domain's table holds at that moment, marks included; uses are counted here.
  - Which handle a mapping gets is the hypervisor's choice: the model is told (`handles`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from xengen.agent.names import DOMID_SELF, PTE_A, PTE_D, PTE_NX, PTE_P, PTE_RW, PTE_US, value
from xengen.fuzz.frame import Kind, Refused
from xengen.fuzz.frames import ADDRESS_HIGH, LOW_FRAME
from xengen.fuzz.spaces import AddressSpaces

HOST, DEVICE, READONLY, APPLICATION, BY_PTE = (
    value(f"GNTMAP_{name}") for name in ("host_map", "device_map", "readonly", "application_map", "contains_pte")
)
GENERAL, BAD_DOMAIN, BAD_REF, BAD_HANDLE, DENIED, BAD_PAGE = (
    value(f"GNTST_{name}")
    for name in ("general_error", "bad_domain", "bad_gntref", "bad_handle", "permission_denied", "bad_page")
)
TYPE, PERMIT, ACCEPT = (value(f"GTF_{name}") for name in ("type_mask", "permit_access", "accept_transfer"))
READING, WRITING, READ_ONLY_GRANT = (value(f"GTF_{name}") for name in ("reading", "writing", "readonly"))
SUB_PAGE = value("GTF_sub_page")
TRANSFERRED = value("GTF_transfer_committed") | value("GTF_transfer_completed")
PER_FRAME = value("GRANT_ENTRIES_V1_PER_PAGE")
FRAME_SHIFT = 32


@dataclass
class Handle:
    """What a handle holds: a use of `granter`'s entry `ref`. where: the address that it was mapped with."""

    granter: int
    ref: int
    mfn: int
    flags: int
    where: int

    @property
    def writable(self) -> bool:
        """Whether it may write."""
        return not self.flags & READONLY

    @property
    def parts(self) -> int:
        """Which parts it still has."""
        return self.flags & (HOST | DEVICE)


class Sharing:
    """The grants of all domains in `spaces`. tables: the frames of each domain's table."""

    def __init__(self, spaces: AddressSpaces) -> None:
        self._spaces, self._frames, self._contents = spaces, spaces.frames, spaces.contents
        self.tables: dict[int, list[int]] = {}
        self.handles: dict[int, dict[int, Handle]] = {}
        self._uses: Counter[tuple[int, int, bool]] = Counter()

    # Entries.

    def granter(self, caller: int, domid: int) -> int:
        """Return the domain that an element names; Refused."""
        found = caller if domid == DOMID_SELF else domid
        if found not in self._spaces.domains or not self._spaces.domains[found].alive:
            raise Refused(BAD_DOMAIN)
        return found

    def entry(self, domain: int, ref: int) -> int:
        """Return an entry, 64 bits; Refused when the table has none of that number."""
        tables = self.tables.get(domain, [])
        if ref >= len(tables) * PER_FRAME:
            raise Refused(BAD_REF)
        return self._contents.page(tables[ref // PER_FRAME])[ref % PER_FRAME]

    def acquire(self, granter: int, ref: int, user: int, *, writable: bool) -> int:
        """Mark an entry for a user and return the frame that it shows; Refused."""
        entry = self.entry(granter, ref)
        flags, domid, mfn = entry & 0xFFFF, entry >> 16 & 0xFFFF, entry >> FRAME_SHIFT
        if flags & (TYPE | SUB_PAGE) != PERMIT or domid != user or (writable and flags & READ_ONLY_GRANT):
            raise Refused(GENERAL)
        self._set_entry(granter, ref, entry | READING | (WRITING if writable else 0))
        frame = self._frames.get(mfn)
        wrong = frame is None or frame.owner != granter
        if frame is None or wrong or (writable and frame.uses and (frame.kind != Kind.WRITABLE or not frame.whole)):
            self.unmark(granter, ref)
            raise Refused(GENERAL)
        return mfn

    def unmark(self, granter: int, ref: int) -> None:
        """Take marks away that no use needs, whoever set them."""
        entry, readers, writers = self.entry(granter, ref), *(self._uses[granter, ref, kind] for kind in (False, True))
        gone = 0 if writers else WRITING if readers else READING | WRITING
        self._set_entry(granter, ref, entry & ~gone)

    # Mappings.

    def map(self, caller: int, domid: int, ref: int, flags: int, where: int) -> Handle:
        """Map a grant; Refused."""
        if not flags & (HOST | DEVICE):
            raise Refused(BAD_REF)
        granter = self.granter(caller, domid)
        mfn = self.acquire(granter, ref, caller, writable=not flags & READONLY)
        place = self.place(caller, where, flags) if flags & HOST else None
        if flags & HOST and place is None:
            self.unmark(granter, ref)
            raise Refused(GENERAL)
        handle = Handle(granter, ref, mfn, flags & (HOST | DEVICE | READONLY | BY_PTE), where)
        self._hold(mfn, handle.writable)
        self._uses[granter, ref, handle.writable] += 1
        if place is not None:
            self._hold(mfn, handle.writable)
            bits = (PTE_RW if handle.writable else 0) | (PTE_US if flags & APPLICATION else 0) | (flags >> 16 & 7) << 9
            self._store(place, mfn << 12 | bits | PTE_P | PTE_A | PTE_D | PTE_NX | (flags >> 19 & 0x7FF) << 52)
        return handle

    def unmap(self, caller: int, number: int, where: int, bus: int) -> None:
        """Unmap a grant or a part of it; Refused."""
        handle = self._handle(caller, number)
        parts = handle.parts
        if parts == HOST | DEVICE:
            parts = (HOST if where else 0) | (DEVICE if bus else 0)
        if parts & DEVICE and bus not in (0, handle.mfn << 12):
            raise Refused(GENERAL)
        if parts & HOST:
            self._store(self._still_there(caller, handle, where), 0)
        self._end_parts(caller, number, parts)

    def replace(self, caller: int, number: int, where: int, new: int) -> None:
        """Unmap a grant and have another address's entry take its place; Refused."""
        if not new:
            self.unmap(caller, number, where, 0)
            return
        handle = self._handle(caller, number)
        if not handle.flags & HOST or handle.flags & BY_PTE:
            raise Refused(GENERAL)
        place, other = self._still_there(caller, handle, where), self.place(caller, new, HOST)
        if other is None or other == place:
            raise Refused(GENERAL)
        moved = self._contents.page(other[0])[other[1]]
        self._contents.write(*other, 0)
        self._store(place, moved)
        self._end_parts(caller, number, HOST)

    def place(self, caller: int, where: int, flags: int) -> tuple[int, int] | None:
        """Return (table, index) of the entry that an address means; None when it is none of the caller's."""
        domain = self._spaces.domains[caller]
        if where >> 32 or (where & 7 if flags & BY_PTE else where >= domain.virt_start):
            return None
        table = where >> 12 if flags & BY_PTE else self._spaces.table_of(domain, where)
        frame = None if table is None else self._frames.get(table)
        if table is None or frame is None or frame.owner != caller or frame.kind != Kind.L1 or not frame.uses:
            return None
        return table, (where >> 3 if flags & BY_PTE else where >> 12) & 511

    # Frames.

    def transfer(self, caller: int, mfn: int, domid: int, ref: int, room: int) -> int:
        """A frame changes hands; return its new owner. room: how many more frames that one may have. Refused."""
        frame = self._frames.get(mfn)
        if frame is None or frame.owner != caller or not frame.allocated or frame.references or frame.uses:
            raise Refused(BAD_PAGE)
        taker = self.granter(caller, domid)
        if room <= 0:
            raise Refused(GENERAL)
        entry = self.entry(taker, ref)
        if entry & 0xFFFFFFFF != caller << 16 | ACCEPT:
            raise Refused(GENERAL)
        self._set_entry(taker, ref, mfn << FRAME_SHIFT | entry & 0xFFFFFFFF | TRANSFERRED)
        self._frames.hand_over(mfn, taker)
        return taker

    # The end of a domain.

    def end(self, domain: int) -> None:
        """A domain's page tables are gone: now its uses end."""
        for handle in self.handles.pop(domain, {}).values():
            self._end_use(handle)

    # How it is done.

    def _handle(self, caller: int, number: int) -> Handle:
        found = self.handles.get(caller, {}).get(number)
        if found is None:
            raise Refused(BAD_HANDLE)
        return found

    def _still_there(self, caller: int, handle: Handle, where: int) -> tuple[int, int]:
        place = self.place(caller, where, handle.flags)
        if place is None:
            raise Refused(GENERAL)
        entry = self._contents.page(place[0])[place[1]]
        wanted = handle.mfn << 12 | PTE_P | (PTE_RW if handle.writable else 0)
        if entry & (LOW_FRAME | ADDRESS_HIGH | PTE_P | PTE_RW) != wanted:
            raise Refused(GENERAL)
        return place

    def _store(self, place: tuple[int, int], entry: int) -> None:
        old = self._contents.page(place[0])[place[1]]
        self._contents.write(*place, entry)
        self._frames.l1_put(old)

    def _end_parts(self, caller: int, number: int, parts: int) -> None:
        handle = self.handles[caller][number]
        handle.flags &= ~parts
        if not handle.parts:
            del self.handles[caller][number]
            self._end_use(handle)

    def _end_use(self, handle: Handle) -> None:
        self._uses[handle.granter, handle.ref, handle.writable] -= 1
        self.unmark(handle.granter, handle.ref)
        if handle.writable:
            self._frames.unuse(handle.mfn)
        self._frames.unrefer(handle.mfn)

    def _hold(self, mfn: int, writable: bool) -> None:
        if writable:
            self._frames.use(mfn, Kind.WRITABLE)
        self._frames.refer(mfn)

    def _set_entry(self, domain: int, ref: int, entry: int) -> None:
        self._contents.write(self.tables[domain][ref // PER_FRAME], ref % PER_FRAME, entry)
