"""The model of domains: what a hypercall must answer, and what changes by it (ABI 6.6 to 6.12, 8).

Invariants
  - As frames.py: written from the ABI alone; Refused means that nothing has changed but what the ABI lets stand
    (the requests of a list before the bad one).
  - It follows one vcpu per domain.
"""

from __future__ import annotations

from xengen.agent.names import (
    DOMID_IO,
    DOMID_SELF,
    DOMID_XEN,
    EINVAL,
    ENOSYS,
    EPERM,
    ESRCH,
    GDT_GUEST_ENTRIES,
    PTE_A,
    PTE_AVAILABLE,
    PTE_D,
    PTE_G,
    PTE_P,
    PTE_US,
)
from xengen.fuzz.contents import Contents
from xengen.fuzz.frame import IO_OWNER, XEN_OWNER, Frame, Hardware, Kind, Refused
from xengen.fuzz.frames import CACHE_BITS
from xengen.fuzz.segments import checked
from xengen.fuzz.sharing import Sharing
from xengen.fuzz.spaces import AddressSpaces, Domain, Owners

PAGE = 4096
LDT_MOST = 8192
SEGMENTS_OF_A_PAGE = 512
HARMLESS = PTE_A | PTE_D | PTE_US | PTE_G | PTE_AVAILABLE


class Model(AddressSpaces):
    """All domains and their frames, and what calls do to them."""

    def __init__(self, contents: Contents, hardware: Hardware) -> None:
        super().__init__(contents, hardware)
        self.m2p: dict[int, int] = {}
        self.sharing = Sharing(self)

    def begin(self) -> None:
        """Begin a step."""
        self.contents.begin()
        self.m2p.clear()

    def add(self, domain: Domain, mfns: list[int], tables: list[int], *, privileged: bool) -> None:
        """A domain as its builder leaves it: `mfns` are its frames, its base pointer is pinned; `tables`: of grants."""
        if privileged:
            self.frames.privileged.add(domain.id)
        self.domains[domain.id] = domain
        for mfn in mfns:
            self.frames.add(mfn, Frame(domain.id))
        # The hypervisor writes into the shared page and grant tables: they have a reference and a use, no allocation.
        self.sharing.tables[domain.id] = tables
        for mfn in self.shared(domain.id):
            self.frames.add(mfn, Frame(domain.id, False, 1, Kind.WRITABLE, 1))
        self.pin(domain.base, Kind.L3, domain.id)
        self.frames.use(domain.base, Kind.L3)
        self.frames.refer(domain.base)

    @property
    def alive(self) -> list[Domain]:
        """The domains that have not ended."""
        return [domain for domain in self.domains.values() if domain.alive]

    def shared(self, owner: int) -> list[int]:
        """Return the hypervisor's frames that a domain owns: the shared page, and those of its grant table."""
        return [self.domains[owner].shared_info, *self.sharing.tables[owner]]

    def pages(self, owner: int) -> int:
        """Return how many frames count as a domain's own: all but the hypervisor's."""
        return self.frames.owned[owner] - sum(mfn in self.frames for mfn in self.shared(owner))

    # Who may act for whom.

    def foreign(self, caller: int, domid: int) -> int:
        """Return the owner that a memory call names; Refused."""
        if domid == DOMID_SELF:
            return caller
        if domid == caller:
            raise Refused(-ESRCH)
        privileged = caller in self.frames.privileged
        if domid in (DOMID_IO, DOMID_XEN):
            if not privileged:
                raise Refused(-EPERM, -ESRCH)
            return IO_OWNER if domid == DOMID_IO else XEN_OWNER
        return self._other(domid, privileged)

    def named(self, caller: int, domid: int) -> int:
        """Return the domain that a reservation call names; Refused."""
        return caller if domid in (DOMID_SELF, caller) else self._other(domid, caller in self.frames.privileged)

    def owners(self, caller: int, foreign: int) -> Owners:
        """Return what the last argument of mmu_update names; Refused."""
        frames = self.foreign(caller, foreign & 0xFFFF)
        return Owners(frames, self.foreign(caller, (foreign >> 16) - 1) if foreign >> 16 else caller)

    # Stores into page tables.

    def store(self, owners: Owners, pointer: int, value: int) -> None:
        """One request of mmu_update."""
        mfn, index, command = pointer >> 12, pointer >> 3 & 511, pointer & 7
        if command == 1:
            if not self.frames.owned_by(mfn, owners.frames):
                raise Refused(-EINVAL)
            self.m2p[mfn] = value & 0xFFFFFFFF
            return
        if not self.frames.owned_by(mfn, owners.tables):
            raise Refused(*((-EINVAL, -ENOSYS) if command > 2 else (-EINVAL,)))
        if command > 2:
            raise Refused(-ENOSYS)
        frame = self.frames[mfn]
        if command == 2:
            kept = PTE_A | PTE_D
            value = value & ~kept | self.contents.page(mfn)[index] & kept
        if not frame.uses or frame.kind == Kind.WRITABLE:
            self.contents.write(mfn, index, value)
        elif frame.kind == Kind.L1:
            self.set_l1(mfn, index, value, owners.frames)
        elif frame.kind == Kind.SEGMENTS or owners.frames != owners.tables:
            raise Refused(-EINVAL)
        else:
            self._set_upper(mfn, index, value)

    def set_l1(self, mfn: int, index: int, value: int, owner: int) -> None:
        """Change an entry of an L1."""
        old = self.contents.page(mfn)[index]
        with self.frames.attempt():
            # The same frame with the same rights keeps what it holds: it need not be one that could be mapped anew.
            changed = (old ^ value) & ~HARMLESS or (value & PTE_P and value & CACHE_BITS)
            if changed:
                self.frames.l1_get(value, owner)
            self.contents.write(mfn, index, value)
            if changed:
                self.frames.l1_put(old)

    def map(self, caller: int, va: int, value: int, owner: int) -> None:
        """update_va_mapping."""
        domain = self.domains[caller]
        table = self.table_of(domain, va) if va < domain.virt_start else None
        if table is None or not self.frames.owned_by(table, caller):
            raise Refused(-EINVAL)
        frame = self.frames[table]
        if frame.kind != Kind.L1 or not frame.uses:
            raise Refused(-EINVAL)
        self.set_l1(table, va >> 12 & 511, value, owner)

    # Operations of mmuext_op.

    def pin(self, mfn: int, kind: Kind, owner: int) -> None:
        """Pin a table."""
        if not self.frames.owned_by(mfn, owner):
            raise Refused(-EINVAL)
        with self.frames.attempt():
            self.frames.use(mfn, kind)
            self.frames.refer(mfn)
            frame = self.frames.change(mfn)
            if frame.pinned:
                raise Refused(-EINVAL)
            frame.pinned = True

    def unpin(self, mfn: int, owner: int) -> None:
        """Give up a pin."""
        if not self.frames.owned_by(mfn, owner) or not self.frames[mfn].pinned:
            raise Refused(-EINVAL)
        self.frames.change(mfn).pinned = False
        self.frames.unuse(mfn)
        self.frames.unrefer(mfn)

    def set_base(self, caller: int, mfn: int) -> None:
        """Another base pointer."""
        domain = self.domains[caller]
        if not self.frames.owned_by(mfn, caller):
            raise Refused(-EINVAL)
        try:
            with self.frames.attempt():
                self.frames.use(mfn, Kind.L3)
                self.frames.refer(mfn)
        except Refused as refused:
            raise Refused(-EINVAL) from refused
        self.drop_ldt(domain)
        old, domain.base = domain.base, mfn
        self.frames.unuse(old)
        self.frames.unrefer(old)

    def set_ldt(self, caller: int, va: int, entries: int) -> None:
        """Another LDT."""
        domain = self.domains[caller]
        if va % PAGE or entries > LDT_MOST or (entries and va + 8 * entries > domain.virt_start):
            raise Refused(-EINVAL)
        self.drop_ldt(domain)
        domain.ldt_base, domain.ldt_entries = va, entries

    def drop_ldt(self, domain: Domain) -> None:
        """The LDT's pages are given back; they are taken again when they are used."""
        for mfn in domain.ldt.values():
            self.frames.unuse(mfn)
            self.frames.unrefer(mfn)
        domain.ldt.clear()

    def writable(self, mfn: int, owner: int) -> None:
        """Refused when a frame is not the owner's, or cannot be written."""
        frame = self.frames.get(mfn)
        if frame is None or frame.owner != owner or (frame.uses and frame.kind != Kind.WRITABLE):
            raise Refused(-EINVAL)

    # Descriptors.

    def set_gdt(self, caller: int, mfns: list[int], entries: int) -> None:
        """Another GDT. `mfns`: as many as `entries` need."""
        if entries > GDT_GUEST_ENTRIES:
            raise Refused(-EINVAL)
        domain = self.domains[caller]
        with self.frames.attempt():
            for mfn in mfns:
                self._get_segments(mfn, caller)
        self.drop_gdt(domain)
        domain.gdt, domain.gdt_entries = list(mfns), entries

    def drop_gdt(self, domain: Domain) -> None:
        """No GDT."""
        for mfn in domain.gdt:
            self.frames.unuse(mfn)
            self.frames.unrefer(mfn)
        domain.gdt, domain.gdt_entries = [], 0

    def update_descriptor(self, caller: int, machine: int, given: int) -> None:
        """update_descriptor."""
        good, mfn = checked(given), machine >> 12
        if good is None or machine & 7 or not self.frames.owned_by(mfn, caller):
            raise Refused(-EINVAL)
        frame = self.frames[mfn]
        if frame.uses and frame.kind not in (Kind.SEGMENTS, Kind.WRITABLE):
            raise Refused(-EINVAL)
        self.contents.write(mfn, machine >> 3 & 511, good)

    def use_ldt(self, caller: int, selector: int) -> bool:
        """The processor reads a descriptor of the LDT. Returns whether there is one to be read."""
        domain = self.domains[caller]
        index = selector >> 3
        if index >= domain.ldt_entries:
            return False
        page = index // SEGMENTS_OF_A_PAGE
        if page in domain.ldt:
            return True
        found = self.walk(caller, domain.ldt_base + page * PAGE)
        if found is None or found.mfn is None:
            return False
        try:
            with self.frames.attempt():
                self._get_segments(found.mfn, caller)
        except Refused:
            return False
        domain.ldt[page] = found.mfn
        return True

    # The end of a domain.

    def end(self, domain: Domain) -> None:
        """A domain ends: all that it holds is given back."""
        domain.alive = False
        self.drop_gdt(domain)
        self.drop_ldt(domain)
        self.frames.unuse(domain.base)
        self.frames.unrefer(domain.base)
        for mfn in self.frames.of(domain.id):
            if mfn in self.frames and self.frames[mfn].pinned:
                self.unpin(mfn, domain.id)
            if mfn in self.frames and self.frames[mfn].allocated:
                self.frames.give_up(mfn)
        self.sharing.end(domain.id)

    # How it is done.

    def _other(self, domid: int, privileged: bool) -> int:
        if not privileged:
            raise Refused(-EPERM, -ESRCH)
        if domid not in self.domains or not self.domains[domid].alive:
            raise Refused(-ESRCH)
        return domid

    def _set_upper(self, mfn: int, index: int, value: int) -> None:
        frame = self.frames[mfn]
        old = self.contents.page(mfn)[index]
        if frame.kind == Kind.L3:
            if index >= 3:
                raise Refused(-EINVAL)
            with self.frames.attempt():
                self.frames.l3_get(value, index, frame.owner)
            self.contents.write(mfn, index, value)
            self.frames.l3_put(old)
            return
        if index >= self.frames.own_entries(mfn):
            raise Refused(-EPERM)
        with self.frames.attempt():
            self.frames.l2_get(value, mfn)
        self.contents.write(mfn, index, value)
        self.frames.l2_put(old, mfn)


    def _get_segments(self, mfn: int, owner: int) -> None:
        if not self.frames.owned_by(mfn, owner):
            raise Refused(-EINVAL)
        self.frames.use(mfn, Kind.SEGMENTS)
        self.frames.refer(mfn)
