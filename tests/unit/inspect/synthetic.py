"""Makes physical memory as a hypervisor with domains leaves it: image, frame table, M2P, heap, guests with page tables.

Invariants
  - What is made is consistent: each entry that is set takes the references that the ABI says, so the checker finds nothing.
  - Nothing here comes from the checker or from the hypervisor: only the structures and constants of the ABI model do.
  - Tests break what they want with the same few operations, or by poking memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from ctypes import LittleEndianStructure, sizeof
from dataclasses import dataclass, field
from typing import TypeVar

from xengen.abi.hypervisor import Domain, Frame, RangeRecord, Vcpu
from xengen.abi.symbols import assembler_symbols
from xengen.inspect.views import Hypervisor

ABI = assembler_symbols()
PAGE = 4096
P, RW, US, A, D, NX = 1, 2, 4, 32, 64, 1 << 63
L1, L2, L3, SEGMENTS, WRITABLE, L2R = (kind << 28 for kind in range(1, 7))
TABLE = P | RW | US | A | D
VALIDATED, PINNED, ALLOCATED = 1 << 27, 1 << 26, 1 << 31
IMAGE = 0x100000
NOBODY = 0xFFFFFFFF

# Sections of the image and what is in them: (name, bytes), each object on pages of its own.
SECTIONS: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = (
    ("text", (("routine", PAGE),)),
    ("rodata", (("constant", PAGE),)),
    ("init", (("boot_main", PAGE),)),
    ("data", (("gdt_reserved", PAGE), ("variables", PAGE))),
    (
        "bss",
        (
            ("idle_l2", 4 * PAGE), ("hv_l1", 32 * PAGE), ("frame_bitmap", ABI["MAX_FRAMES"] // 8), ("empty_page", PAGE),
            ("invalid_m2p_l1", PAGE), ("idt", PAGE), ("tss", PAGE), ("double_fault_tss", PAGE), ("ram_ranges", PAGE),
            ("boot_modules", PAGE),
        ),
    ),
)  # fmt: skip
VARIABLES = (
    "max_frame", "free_frames", "domain_list", "current_vcpu", "ram_range_count", "boot_module_count", "no_execute_high",
)  # fmt: skip

StructureT = TypeVar("StructureT", bound=LittleEndianStructure)


@dataclass
class Guest:
    """A domain as it was made: its id, the addresses of its structures, and the frames that matter to tests.

    `l3` is its base pointer, with `l2` in slot 0 and `l2_reserved` in slot 3; `l1` is entry 0 of `l2` and maps `pages` writable
    from entry 0 on; `top_l1` is entry 0 of `l2_reserved`; `pinned_l1` hangs on nothing. `gdt` is its descriptor page.
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


class Synthetic:
    """A machine's memory of `megabytes`, with a hypervisor and no domain yet."""

    def __init__(self, megabytes: int = 8) -> None:
        self.memory = bytearray(megabytes << 20)
        self.symbols: dict[str, int] = {}
        self._lay_out_image()
        self.max_frame = len(self.memory) // PAGE
        self._next_free = 0
        self._heap = ABI["HEAP_START"]
        self._last_domain = 0
        self.write("no_execute_high", NX >> 32)
        self.write("max_frame", self.max_frame)
        self.write("ram_range_count", 1)
        piece = self.at(RangeRecord, self.symbols["ram_ranges"] - ABI["IMAGE_LOAD_OFFSET"])
        piece.start, piece.end = IMAGE, len(self.memory)
        self._fill_bitmap()
        self._map_image()
        self._make_frame_table()
        self._make_m2p()
        self._make_idle_tables()
        self._make_descriptors()

    # Memory.

    def hypervisor(self) -> Hypervisor:
        """Return the views over this memory."""
        return Hypervisor(self.memory, self.symbols.__getitem__)

    def physical(self, name: str) -> int:
        """Return the physical address of a symbol."""
        return self.symbols[name] - ABI["IMAGE_LOAD_OFFSET"]

    def mfn(self, name: str) -> int:
        """Return the frame of a symbol."""
        return self.physical(name) // PAGE

    def at(self, kind: type[StructureT], address: int) -> StructureT:
        """Lay a structure over memory at a physical address."""
        return kind.from_buffer(self.memory, address)

    def read(self, name: str) -> int:
        """Return the 32-bit variable `name`."""
        return int.from_bytes(self.memory[self.physical(name) :][:4], "little")

    def write(self, name: str, value: int) -> None:
        """Set the 32-bit variable `name`."""
        self.memory[self.physical(name) : self.physical(name) + 4] = value.to_bytes(4, "little")

    def entry(self, mfn: int, index: int) -> int:
        """Return a 64-bit entry of a page."""
        start = mfn * PAGE + 8 * index
        return int.from_bytes(self.memory[start : start + 8], "little")

    def poke(self, mfn: int, index: int, value: int) -> None:
        """Set a 64-bit entry of a page, and nothing else."""
        start = mfn * PAGE + 8 * index
        self.memory[start : start + 8] = value.to_bytes(8, "little")

    def region_entry(self, address: int) -> tuple[int, int]:
        """Return (frame, index) of the entry of hv_l1 for an address of the region."""
        number = (address - ABI["HV_START"]) // PAGE
        return self.mfn("hv_l1") + number // 512, number % 512

    def map_region(self, address: int, mfn: int, flags: int = P | RW | A | D | NX) -> None:
        """Map a page of the hypervisor's region."""
        self.poke(*self.region_entry(address), mfn * PAGE | flags)

    # Frames.

    def record(self, mfn: int) -> Frame:
        """Return the record of a frame, live."""
        return self.at(Frame, self._frame_table * PAGE + mfn * sizeof(Frame))

    def set_m2p(self, mfn: int, pfn: int) -> None:
        """Set the M2P entry of a frame."""
        start = self._m2p * PAGE + 4 * mfn
        self.memory[start : start + 4] = pfn.to_bytes(4, "little")

    def allocate(self, owner: int = 0) -> int:
        """Take the lowest free frame, for a domain at `owner` or for the hypervisor."""
        mfn = self._next_free
        while not self.memory[self.physical("frame_bitmap") + mfn // 8] >> mfn % 8 & 1:
            mfn += 1
        self._next_free = mfn
        self._set_free(mfn, False)
        if hasattr(self, "_frame_table"):
            record = self.record(mfn)
            record.count, record.owner = ALLOCATED | 1, owner
            if owner:
                self._domain_at(owner).nr_pages += 1
                self.set_m2p(mfn, 0)
        return mfn

    def free(self, mfn: int) -> None:
        """Give a frame back: its record is empty, and its M2P entry invalid."""
        record = self.record(mfn)
        if record.owner:
            self._domain_at(record.owner).nr_pages -= 1
        record.count = record.type = record.owner = record.link = 0
        self.set_m2p(mfn, NOBODY)
        self._set_free(mfn, True)

    def take(self, mfn: int, kind: int = 0) -> None:
        """Take a reference to a frame, and one to a type."""
        record = self.record(mfn)
        record.count += 1
        if kind:
            count = record.type & (PINNED - 1)
            record.type = kind | VALIDATED | record.type & PINNED | count + 1

    def drop(self, mfn: int, typed: bool = False) -> None:
        """Give back a reference, and one to the type."""
        record = self.record(mfn)
        record.count -= 1
        if typed:
            record.type -= 1
            if not record.type & (PINNED - 1):
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
        guest = Guest(number, address, vcpu, self.heap_mfn(window), domain.shared_info_mfn, l3, l2, top, l1, top_l1, pinned, gdt)
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
        address = self._heap
        self._heap += PAGE
        self.map_region(address, self.allocate())
        return address

    def heap_mfn(self, address: int) -> int:
        """Return the frame behind a heap address."""
        return (self.entry(*self.region_entry(address)) & ~NX) // PAGE

    # How the hypervisor is made.

    def _lay_out_image(self) -> None:
        address = IMAGE + ABI["IMAGE_LOAD_OFFSET"]
        self.symbols["__image_start"] = address
        for section, objects in SECTIONS:
            self.symbols[f"__{section}_start"] = address
            for name, size in objects:
                self.symbols[name] = address
                address += -(-size // PAGE) * PAGE
            self.symbols[f"__{section}_end"] = address
        self.symbols["__image_end"] = address
        for index, name in enumerate(VARIABLES):
            self.symbols[name] = self.symbols["variables"] + 4 * index

    def _fill_bitmap(self) -> None:
        init = range(self.mfn("__init_start"), self.mfn("__init_end"))
        for mfn in range(self.mfn("__image_end"), self.max_frame):
            self._set_free(mfn, True)
        for mfn in init:
            self._set_free(mfn, True)

    def _map_image(self) -> None:
        flags = {"text": P | A, "rodata": P | A | NX, "data": P | RW | A | D | NX, "bss": P | RW | A | D | NX}
        for section, bits in flags.items():
            for address in range(self.symbols[f"__{section}_start"], self.symbols[f"__{section}_end"], PAGE):
                self.map_region(address, (address - ABI["IMAGE_LOAD_OFFSET"]) // PAGE, bits)

    def _make_frame_table(self) -> None:
        size = -(-self.max_frame * sizeof(Frame) // PAGE)
        self._next_free = self.mfn("__image_end")
        frames = [self.allocate() for _ in range(size)]
        self._frame_table = frames[0]
        for index, mfn in enumerate(frames):
            self.map_region(ABI["FRAME_TABLE"] + index * PAGE, mfn)
        init = range(self.mfn("__init_start"), self.mfn("__init_end"))
        for mfn in range(IMAGE // PAGE, frames[-1] + 1):
            if mfn not in init:
                self.record(mfn).count = ALLOCATED | 1

    def _make_m2p(self) -> None:
        invalid = self.allocate()
        used = -(-4 * self.max_frame // PAGE)
        frames = [self.allocate() for _ in range(used)]
        self._m2p = frames[0]
        for mfn in (invalid, *frames):
            self.memory[mfn * PAGE : (mfn + 1) * PAGE] = b"\xff" * PAGE
        for index, mfn in enumerate(frames):
            self.map_region(ABI["M2P"] + index * PAGE, mfn)
        for index in range(ABI["M2P_BYTES"] // PAGE):
            mfn = frames[index] if index < used else invalid
            self.map_region(ABI["M2P_READ_ONLY"] + index * PAGE, mfn, P | A | NX)
        for index in range(512):
            self.poke(self.mfn("invalid_m2p_l1"), index, invalid * PAGE | P | A | NX)

    def _make_idle_tables(self) -> None:
        for index in range(32):
            self.poke(self.mfn("idle_l2") + 3, 480 + index, (self.mfn("hv_l1") + index) * PAGE | P | RW | A | D)

    def _make_descriptors(self) -> None:
        page = self.mfn("gdt_reserved")
        flat = {1: (0xFFFFF, 0x9A), 2: (0xFFFFF, 0x92)}
        flat |= {3: (0xFC3FF, 0xBA), 4: (0xFC3FF, 0xB2), 5: (0xFC3FF, 0xFA), 6: (0xFC3FF, 0xF2)}
        for index, (limit, access) in flat.items():
            self.poke(page, index, descriptor(0, limit, access, 0xC))
        self.poke(page, 0, descriptor(self.symbols["double_fault_tss"], 103, 0x89))
        self.poke(page, 8, descriptor(self.symbols["tss"], 103, 0x8B))
        for vector in range(256):
            open_to = {3: 3, 4: 3, 0x82: 1}.get(vector, 0)
            self.set_gate(vector, gate(ABI["HV_CS"], self.symbols["routine"], 0x8E | open_to << 5))
        self.set_gate(8, gate(ABI["DOUBLE_FAULT_TSS"], 0, 0x85))

    def set_gate(self, vector: int, value: int) -> None:
        """Set a gate of the IDT."""
        self.poke(self.mfn("idt"), vector, value)

    def _set_free(self, mfn: int, free: bool) -> None:
        byte = self.physical("frame_bitmap") + mfn // 8
        if bool(self.memory[byte] >> mfn % 8 & 1) != free:
            self.memory[byte] ^= 1 << mfn % 8
            self.write("free_frames", self.read("free_frames") + (1 if free else -1))
        if free:
            self._next_free = min(self._next_free, mfn)

    def _share(self, address: int, mfn: int) -> None:
        """Make a heap page the domain's, kept by the hypervisor, which writes into it."""
        self.record(mfn).owner = address
        self.take(mfn, WRITABLE)

    def _append(self, address: int) -> None:
        if self._last_domain:
            self.domain(self._last_domain).next = address
        else:
            self.write("domain_list", address)
            self.write("current_vcpu", self.domain(address).vcpu)
        self._last_domain = address

    def _domain_at(self, address: int) -> Domain:
        return self.domain(address)


def descriptor(base: int, limit: int, access: int, flags: int = 0) -> int:
    """A segment descriptor: 20-bit limit field, access byte (P, DPL, S, type), flags nibble (G, D/B, L, AVL)."""
    low = (base & 0xFFFF) << 16 | limit & 0xFFFF
    high = base & 0xFF000000 | flags << 20 | limit & 0xF0000 | access << 8 | base >> 16 & 0xFF
    return high << 32 | low


def gate(selector: int, offset: int, access: int) -> int:
    """A gate descriptor, of the IDT or a call gate."""
    return (offset & 0xFFFF0000 | access << 8) << 32 | selector << 16 | offset & 0xFFFF
