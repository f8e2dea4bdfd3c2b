"""Makes physical memory as a hypervisor with domains leaves it: a heap, guests with page tables, references counted.

Invariants
  - What is made is consistent: each entry that is set takes the references that the ABI says.
  - Tests break what they want with the same few operations, or by poking memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.unit.inspect.image_memory import (
    ABI,
    L1,
    L2,
    L2R,
    L3,
    NOBODY,
    NX,
    PAGE,
    PARTIAL,
    PINNED,
    RW,
    SEGMENTS,
    TABLE,
    US,
    VALIDATED,
    WRITABLE,
    A,
    D,
    ImageMemory,
    P,
)
from xengen.abi.hypervisor import Domain, Vcpu
from xengen.inspect.views import Hypervisor

COUNT = ABI["FRAME_COUNT_MASK"]


@dataclass
class Guest:
    """A domain as it was made: its id, the addresses of its structures, and the frames that matter to tests.

    `l3` is its base pointer, with `l2` in slot 0 and `l2_reserved` in slot 3. `l1` is entry 0 of `l2` and maps `pages`
    writable from entry 0 on; `top_l1` is entry 0 of `l2_reserved`; `pinned_l1` hangs on nothing. `gdt`: its GDT.
    """

    id: int
    address: int
    vcpu: int
    window: int
    shared_info: int
    l3: int
    l2: int
    l2_reserved: int
    l1: int
    top_l1: int
    pinned_l1: int
    gdt: int
    pages: list[int] = field(default_factory=list)


class Synthetic(ImageMemory):
    """A machine's memory with a hypervisor and, at first, no domain."""

    def __init__(self, megabytes: int = 8) -> None:
        super().__init__(megabytes)
        self.heap_next = ABI["HEAP_START"]
        self._last_domain = 0

    def hypervisor(self) -> Hypervisor:
        """Return the views over this memory."""
        return Hypervisor(self.memory, self.symbols.__getitem__)

    # Frames.

    def allocate(self, owner: int = 0) -> int:
        """Take the lowest free frame, for the domain at `owner` or for the hypervisor."""
        mfn = self.take_free()
        if owner:
            self.record(mfn).owner = owner
            self.domain(owner).nr_pages += 1
            self.set_m2p(mfn, 0)
        return mfn

    def free(self, mfn: int) -> None:
        """Give a frame back: its record is empty, and its M2P entry invalid."""
        record = self.record(mfn)
        if record.owner:
            self.domain(record.owner).nr_pages -= 1
        record.count = record.type = record.owner = record.link = 0
        self.set_m2p(mfn, NOBODY)
        self.set_free(mfn, True)

    def take(self, mfn: int, kind: int = 0) -> None:
        """Take a reference to a frame, and one to a type."""
        record = self.record(mfn)
        record.count += 1
        if kind:
            count = record.type & COUNT
            record.type = kind | VALIDATED | record.type & PINNED | count + 1

    def drop(self, mfn: int, typed: bool = False) -> None:
        """Give back a reference, and one to the type."""
        record = self.record(mfn)
        record.count -= 1
        if typed:
            record.type -= 1
            if not record.type & COUNT:
                record.type = 0

    def pin(self, mfn: int, kind: int) -> None:
        """Pin a frame as a table."""
        self.take(mfn, kind)
        self.record(mfn).type |= PINNED

    def map(self, l1: int, index: int, mfn: int, flags: int = P | RW | A | D) -> None:
        """Set an entry of an L1 and take what it needs."""
        self.poke(l1, index, mfn * PAGE | flags)
        self.take(mfn, WRITABLE if flags & RW else 0)

    def link(self, table: int, index: int, mfn: int, kind: int, flags: int = TABLE) -> None:
        """Set an entry of an L2 or L3 and take what it needs."""
        self.poke(table, index, mfn * PAGE | flags)
        self.take(mfn, kind)

    def link_linear(self, table: int, index: int, mfn: int, kind: int) -> None:
        """Set a linear entry of an L2 to another one."""
        self.link(table, index, mfn, kind, P | US | A)
        for l2, change in ((mfn, 1), (table, -1)):
            record = self.record(l2)
            record.link = (record.link + change) & 0xFFFFFFFF

    def make_partial(self, mfn: int, kind: int, held: int) -> None:
        """Make a frame a table of which `held` entries hold their references, and that is not validated."""
        self.record(mfn).type = kind | PARTIAL | held
        self.take(mfn)

    # Domains.

    def add_domain(self, number: int, pages: int = 8, virt_start: int = ABI["HV_START"], flags: int = 0) -> Guest:
        """Make a domain with `pages` frames mapped writable, and the tables that `Guest` names."""
        address, vcpu, shared, window = (self.heap_page() for _ in range(4))
        domain, processor = self.domain(address), self.vcpu(vcpu)
        domain.id, domain.vcpu, domain.flags, domain.virt_start = number, vcpu, flags, virt_start
        domain.shared_info, domain.shared_info_mfn = shared, self.heap_mfn(shared)
        domain.window_l1 = window
        domain.max_pages = 1 << 20
        self._share(address, domain.shared_info_mfn)
        l3, l2, top, l1, top_l1, pinned, gdt = (self.allocate(address) for _ in range(7))
        own = self.heap_mfn(window), domain.shared_info_mfn
        guest = Guest(number, address, vcpu, *own, l3, l2, top, l1, top_l1, pinned, gdt)
        for index in range(pages):
            mfn = self.allocate(address)
            guest.pages.append(mfn)
            if index % 512 == 0 and index:
                guest.l1 = self.allocate(address)
            if index % 512 == 0:
                self.link(l2, index // 512, guest.l1, L1)
            self.map(guest.l1, index % 512, mfn)
        guest.l1 = l1
        self.link(top, 0, top_l1, L1)
        for index, mfn in enumerate((l3, l2, top, l1, top_l1, gdt)):
            self.map(top_l1, index, mfn, P | A)
        self.map(top_l1, 16, domain.shared_info_mfn)
        self.map(pinned, 0, guest.pages[0])
        self.pin(pinned, L1)
        self.make_gdt(guest, [gdt])
        self.link(l3, 0, l2, L2)
        self.link(l3, 3, top, L2R)
        self.fill_reserved(guest, top, l3)
        self.take(l3, L3)
        processor.domain, processor.guest_table = address, l3
        processor.cr3 = self.heap_mfn(vcpu) * PAGE + Vcpu.l3.offset
        self.copy_l3(guest)
        if self._last_domain:  # the first one runs
            processor.sched.sleeps, processor.runstate.state = ABI["SLEEP_EVENT"], ABI["RUNSTATE_blocked"]
        self._append(address)
        return guest

    def domain(self, address: int) -> Domain:
        """Return a DOMAIN, live."""
        return self.at(Domain, self.heap_mfn(address) * PAGE)

    def vcpu(self, address: int) -> Vcpu:
        """Return a VCPU, live."""
        return self.at(Vcpu, self.heap_mfn(address) * PAGE)

    def copy_l3(self, guest: Guest) -> None:
        """Renew the copy of the guest's L3 that the processor uses."""
        for slot in range(4):
            entry = self.entry(guest.l3, slot)
            self.vcpu(guest.vcpu).l3[slot] = entry & ~0xFFF | P if entry & P else 0

    def make_gdt(self, guest: Guest, frames: Iterable[int]) -> None:
        """Give the guest a GDT: its window shows the frames, the empty page behind them, and the reserved page."""
        frames = list(frames)
        for page in range(14):
            self.poke(guest.window, page, self.mfn("empty_page") * PAGE | P | A)
        for page, mfn in enumerate(frames):
            self.poke(guest.window, page, mfn * PAGE | P | RW | A | D)
            self.take(mfn, SEGMENTS)
            self.vcpu(guest.vcpu).gdt_frames[page] = mfn
        self.vcpu(guest.vcpu).gdt_entries = 512 * len(frames)
        self.poke(guest.window, 14, self.mfn("gdt_reserved") * PAGE | P | RW | A | D)

    def fill_reserved(self, guest: Guest, l2_reserved: int, l3: int) -> None:
        """Write the hypervisor's entries of an L2 for slot 3 of an L3."""
        for index in range(480, 512):
            self.poke(l2_reserved, index, self.entry(self.mfn("idle_l2") + 3, index))
        self.poke(l2_reserved, 490, guest.window * PAGE | P | RW | A | D)
        for slot in range(4):
            entry = self.entry(l3, slot)
            self.poke(l2_reserved, 496 + slot, entry & ~0xFFF | P | RW | A | D | NX if entry & P else NX)
        if self.domain(guest.address).virt_start == ABI["M2P_ALIAS"]:
            for index in range(428, 480):
                self.poke(l2_reserved, index, 0)
            for index in range(8):
                table = self.mfn("hv_l1") + index if index < 2 else self.mfn("invalid_m2p_l1")
                self.poke(l2_reserved, 428 + index, table * PAGE | P | A)

    def heap_page(self) -> int:
        """Map one more page of the heap and return its address."""
        address = self.heap_next
        self.heap_next += PAGE
        self.map_region(address, self.allocate())
        return address

    def heap_mfn(self, address: int) -> int:
        """Return the frame behind a heap address."""
        return (self.entry(*self.region_entry(address)) & ~NX) // PAGE

    def _share(self, address: int, mfn: int) -> None:
        """Make a heap page the domain's: it has no allocation to give back, but one reference of the hypervisor's."""
        record = self.record(mfn)
        record.owner, record.count = address, 0
        self.take(mfn, WRITABLE)

    def _append(self, address: int) -> None:
        if self._last_domain:
            self.domain(self._last_domain).next = address
        else:
            self.write("domain_list", address)
            self.write("current_vcpu", self.domain(address).vcpu)
            self.write("running_vcpu", self.domain(address).vcpu)
        self._last_domain = address
