"""Makes physical memory as a hypervisor without domains leaves it: image, frame table, M2P, idle tables, descriptors.

Invariants
  - Nothing here comes from the checker or from the hypervisor: only the structures and constants of the ABI model do.
  - Each object of the image has pages of its own, so that a test can change one without touching another.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, sizeof
from typing import TypeVar

from xengen.abi.hypervisor import Frame, RangeRecord
from xengen.abi.symbols import assembler_symbols

ABI = assembler_symbols()
PAGE = 4096
P, RW, US, A, D, NX = 1, 2, 4, 32, 64, 1 << 63
L1, L2, L3, SEGMENTS, WRITABLE, L2R = (kind << 28 for kind in range(1, 7))
TABLE = P | RW | US | A | D
VALIDATED, PINNED, PARTIAL, ALLOCATED = 1 << 27, 1 << 26, 1 << 25, 1 << 31
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
            ("idle_l2", 4 * PAGE),
            ("hv_l1", 32 * PAGE),
            ("frame_tree", ABI["FRAME_LEAVES"] // 8),
            ("frame_bitmap", ABI["FRAME_LEAVES"] // 8),
            ("frame_tree_words", 2 * ABI["FRAME_LEAVES"] // 32 // 8),
            ("empty_page", PAGE),
            ("invalid_m2p_l1", PAGE),
            ("idt", PAGE),
            ("tss", PAGE),
            ("double_fault_tss", PAGE),
            ("ram_ranges", PAGE),
            ("boot_modules", PAGE),
            ("images", PAGE),
            ("io_devices", 2 * PAGE),
            ("io_queues", PAGE),
            ("vbd_blocked", PAGE),
            ("vif_hashes", PAGE),
            ("vif_inputs", 2 * PAGE),
            ("timer_heap", 4 * (ABI["TIMERS"] + 1)),
            ("idle_vcpu", PAGE),
            ("domain_xen", PAGE),
            ("run_queue", 4 * (ABI["RUN_QUEUE_PLACES"] + 1)),
            ("warp_queue", 4 * (ABI["RUN_QUEUE_PLACES"] + 1)),
        ),
    ),
)
VARIABLES = (
    "max_frame",
    "free_frames",
    "frame_hint",
    "domain_list",
    "current_vcpu",
    "fpu_owner",
    "ram_range_count",
    "boot_module_count",
    "no_execute_high",
    "job_key",
    "run_first",
    "run_taken",
    "timer_count",
    "alarm_at",
    "alarm_at_high",
    "running_vcpu",
    "run_queue_count",
    "warp_queue_count",
    "svt",
    "svt_high",
    "disk_list",
    "nic_list",
    "io_device_count",
    "vif_list",
    "vif_made",
    "vif_waiting",
    "vif_touched",
    "vif_interrupted",
    "vif_input_prod",
    "vif_input_cons",
    "vif_spares",
    "vif_spare_count",
)

StructureT = TypeVar("StructureT", bound=LittleEndianStructure)


class ImageMemory:
    """`megabytes` of memory with a hypervisor in it. `symbols` are its virtual addresses by name."""

    def __init__(self, megabytes: int = 8) -> None:
        self.memory = bytearray(megabytes << 20)
        self.symbols: dict[str, int] = {}
        self._lay_out_image()
        self.max_frame = len(self.memory) // PAGE
        self._next_free = 0
        self._frame_table = 0
        self.write("no_execute_high", NX >> 32)
        self.write("frame_hint", ABI["FRAME_LEAVES"] // 1024)
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
        start = self.physical(name)
        return int.from_bytes(self.memory[start : start + 4], "little")

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

    def take_free(self) -> int:
        """Take the lowest free frame for the hypervisor."""
        mfn = self._next_free
        while not self.tree_bit(mfn, "frame_bitmap"):
            mfn += 1
        self._next_free = mfn
        self.set_free(mfn, False)
        if self._frame_table:
            self.record(mfn).count = ALLOCATED | 1
        return mfn

    def set_free(self, mfn: int, free: bool) -> None:
        """Say whether a frame is free: in the bitmap, the tree above it, and the number of free frames."""
        bit = ABI["FRAME_LEAVES"] + mfn
        if self.tree_bit(bit) == free:
            return
        self.write("free_frames", self.read("free_frames") + (1 if free else -1))
        for _ in range(ABI["MAX_EXTENT_ORDER"] + 1):
            self.flip("frame_tree", bit)
            start = self.physical("frame_tree") + bit // 32 * 4
            if any(self.memory[start : start + 4]) != self.tree_bit(bit // 32, "frame_tree_words"):
                self.flip("frame_tree_words", bit // 32)
            if (free and not self.tree_bit(bit ^ 1)) or (not free and not self.tree_bit(bit // 2)):
                break
            bit //= 2
        if free:
            self._next_free = min(self._next_free, mfn)

    def tree_bit(self, bit: int, name: str = "frame_tree") -> bool:
        """Return a bit of an object of the image."""
        return bool(self.memory[self.physical(name) + bit // 8] >> bit % 8 & 1)

    def flip(self, name: str, bit: int) -> None:
        """Change a bit of an object of the image, and nothing else."""
        self.memory[self.physical(name) + bit // 8] ^= 1 << bit % 8

    def set_gate(self, vector: int, value: int) -> None:
        """Set a gate of the IDT."""
        self.poke(self.mfn("idt"), vector, value)

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
            self.set_free(mfn, True)
        for mfn in init:
            self.set_free(mfn, True)

    def _map_image(self) -> None:
        flags = {"text": P | A, "rodata": P | A | NX, "data": P | RW | A | D | NX, "bss": P | RW | A | D | NX}
        for section, bits in flags.items():
            for address in range(self.symbols[f"__{section}_start"], self.symbols[f"__{section}_end"], PAGE):
                self.map_region(address, (address - ABI["IMAGE_LOAD_OFFSET"]) // PAGE, bits)

    def _make_frame_table(self) -> None:
        size = -(-self.max_frame * sizeof(Frame) // PAGE)
        self._next_free = self.mfn("__image_end")
        frames = [self.take_free() for _ in range(size)]
        self._frame_table = frames[0]
        for index, mfn in enumerate(frames):
            self.map_region(ABI["FRAME_TABLE"] + index * PAGE, mfn)
        init = range(self.mfn("__init_start"), self.mfn("__init_end"))
        for mfn in range(IMAGE // PAGE, frames[-1] + 1):
            if mfn not in init:
                self.record(mfn).count = ALLOCATED | 1

    def _make_m2p(self) -> None:
        invalid = self.take_free()
        used = -(-4 * self.max_frame // PAGE)
        frames = [self.take_free() for _ in range(used)]
        self._m2p = frames[0]
        for mfn in (invalid, *frames):
            self.memory[mfn * PAGE : (mfn + 1) * PAGE] = b"\xff" * PAGE
        for index, mfn in enumerate(frames):
            self.map_region(ABI["M2P"] + index * PAGE, mfn)
            self.record(mfn).owner, self.record(mfn).type = self.symbols["domain_xen"], VALIDATED | 1
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


def descriptor(base: int, limit: int, access: int, flags: int = 0) -> int:
    """A segment descriptor: 20-bit limit field, access byte (P, DPL, S, type), flags nibble (G, D/B, L, AVL)."""
    low = (base & 0xFFFF) << 16 | limit & 0xFFFF
    high = base & 0xFF000000 | flags << 20 | limit & 0xF0000 | access << 8 | base >> 16 & 0xFF
    return high << 32 | low


def gate(selector: int, offset: int, access: int) -> int:
    """A gate descriptor, of the IDT or a call gate."""
    return (offset & 0xFFFF0000 | access << 8) << 32 | selector << 16 | offset & 0xFFFF
