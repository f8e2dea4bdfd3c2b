"""Numbers of the hardware and of the hypervisor's own address space, by name, as the ABI model declares them.

Invariants
  - Nothing is decided here: each value is the one of `xengen.abi`, or is computed from such values.
"""

from __future__ import annotations

from typing import Final

from xengen.abi.symbols import assembler_symbols

_VALUES: Final = assembler_symbols()

PAGE_SHIFT: Final = _VALUES["PAGE_SHIFT"]
PAGE_SIZE: Final = _VALUES["PAGE_SIZE"]
ENTRIES: Final = _VALUES["PTES_PER_TABLE"]
L2_SHIFT: Final = _VALUES["L2_SHIFT"]
SUPERPAGE_SIZE: Final = _VALUES["SUPERPAGE_SIZE"]

PTE_P: Final = _VALUES["PTE_P"]
PTE_RW: Final = _VALUES["PTE_RW"]
PTE_US: Final = _VALUES["PTE_US"]
PTE_PWT: Final = _VALUES["PTE_PWT"]
PTE_PCD: Final = _VALUES["PTE_PCD"]
PTE_A: Final = _VALUES["PTE_A"]
PTE_D: Final = _VALUES["PTE_D"]
PTE_PSE: Final = _VALUES["PTE_PSE"]
PTE_G: Final = _VALUES["PTE_G"]
PTE_NX: Final = _VALUES["PTE_NX_HIGH"] << 32
PTE_ADDRESS: Final = 0x000F_FFFF_FFFF_F000  # SDM volume 3, section 4.4.2: the widest that a processor may have

HV_START: Final = _VALUES["HV_START"]
HV_END: Final = 1 << 32
HV_PRIVATE_START: Final = _VALUES["HV_PRIVATE_START"]
M2P_READ_ONLY: Final = _VALUES["M2P_READ_ONLY"]
M2P: Final = _VALUES["M2P"]
M2P_BYTES: Final = _VALUES["M2P_BYTES"]
INVALID_M2P_ENTRY: Final = _VALUES["INVALID_M2P_ENTRY"]
IMAGE_WINDOW: Final = _VALUES["IMAGE_WINDOW"]
IMAGE_LOAD_OFFSET: Final = _VALUES["IMAGE_LOAD_OFFSET"]
HEAP_START: Final = _VALUES["HEAP_START"]
HEAP_END: Final = _VALUES["HEAP_END"]
DOMAIN_WINDOW: Final = _VALUES["DOMAIN_WINDOW"]
MAP_CACHE: Final = _VALUES["MAP_CACHE"]
MAP_CACHE_SLOTS: Final = _VALUES["MAP_CACHE_SLOTS"]
FIXMAP_APIC: Final = _VALUES["FIXMAP_APIC"]
LINEAR_TABLES: Final = _VALUES["LINEAR_TABLES"]
FRAME_TABLE: Final = _VALUES["FRAME_TABLE"]
MAX_FRAMES: Final = _VALUES["MAX_FRAMES"]
MAX_MODULES: Final = _VALUES["MAX_MODULES"]
M2P_ALIAS: Final = _VALUES["M2P_ALIAS"]
M2P_ALIAS_BYTES: Final = _VALUES["M2P_ALIAS_BYTES"]

HV_L2_FIRST: Final = _VALUES["HV_L2_FIRST"]
ALIAS_L2_FIRST: Final = _VALUES["ALIAS_L2_FIRST"]
WINDOW_L2: Final = DOMAIN_WINDOW >> L2_SHIFT & (ENTRIES - 1)
LINEAR_L2: Final = LINEAR_TABLES >> L2_SHIFT & (ENTRIES - 1)
REGION_TABLES: Final = (HV_END - HV_START) // SUPERPAGE_SIZE
REGION_PAGES: Final = (HV_END - HV_START) // PAGE_SIZE

FRAME_ALLOCATED: Final = _VALUES["FRAME_ALLOCATED"]
FRAME_TYPE_MASK: Final = _VALUES["FRAME_TYPE_MASK"]
FRAME_VALIDATED: Final = _VALUES["FRAME_VALIDATED"]
FRAME_PINNED: Final = _VALUES["FRAME_PINNED"]
FRAME_PARTIAL: Final = _VALUES["FRAME_PARTIAL"]
FRAME_COUNT_MASK: Final = _VALUES["FRAME_COUNT_MASK"]
TYPE_SHIFT: Final = 28

# Types of frames, as they stand above TYPE_SHIFT of FRAME_type.
NONE: Final = _VALUES["FRAME_TYPE_NONE"] >> TYPE_SHIFT
L1: Final = _VALUES["FRAME_TYPE_L1"] >> TYPE_SHIFT
L2: Final = _VALUES["FRAME_TYPE_L2"] >> TYPE_SHIFT
L3: Final = _VALUES["FRAME_TYPE_L3"] >> TYPE_SHIFT
SEGMENTS: Final = _VALUES["FRAME_TYPE_SEGMENTS"] >> TYPE_SHIFT
WRITABLE: Final = _VALUES["FRAME_TYPE_WRITABLE"] >> TYPE_SHIFT
L2_RESERVED: Final = _VALUES["FRAME_TYPE_L2_RESERVED"] >> TYPE_SHIFT
TYPES: Final = 16
TYPE_NAMES: Final = {
    NONE: "none", L1: "L1", L2: "L2", L3: "L3", SEGMENTS: "segments", WRITABLE: "writable", L2_RESERVED: "L2 of slot 3",
}  # fmt: skip
TABLE_TYPES: Final = (L1, L2, L3, L2_RESERVED)

DOMAIN_PRIVILEGED: Final = _VALUES["DOMAIN_PRIVILEGED"]
DOMAIN_DYING: Final = _VALUES["DOMAIN_DYING"]
HV_CS: Final = _VALUES["HV_CS"]
HV_DS: Final = _VALUES["HV_DS"]
HV_TSS: Final = _VALUES["HV_TSS"]
HV_LDT: Final = _VALUES["HV_LDT"]
DOUBLE_FAULT_TSS: Final = _VALUES["DOUBLE_FAULT_TSS"]
GDT_RESERVED_OFFSET: Final = _VALUES["GDT_RESERVED_OFFSET"]
GDT_LIMIT: Final = _VALUES["GDT_LIMIT"]
IDT_ENTRIES: Final = _VALUES["IDT_ENTRIES"]
CR0_PG: Final = _VALUES["CR0_PG"]
CR0_WP: Final = _VALUES["CR0_WP"]
EFER_NXE: Final = _VALUES["EFER_NXE"]
VECTOR_BP: Final = _VALUES["VECTOR_BP"]
VECTOR_OF: Final = _VALUES["VECTOR_OF"]
VECTOR_DF: Final = _VALUES["VECTOR_DF"]
HYPERCALL_VECTOR: Final = _VALUES["HYPERCALL_VECTOR"]
FLAT_RING1_CS: Final = _VALUES["FLAT_RING1_CS"]
FLAT_RING3_CS: Final = _VALUES["FLAT_RING3_CS"]

# The per-domain window, in pages: the guest's GDT, the reserved page of the GDT, a gap, the guest's LDT.
GUEST_GDT_PAGES: Final = GDT_RESERVED_OFFSET // PAGE_SIZE
RESERVED_GDT_PAGE: Final = GUEST_GDT_PAGES
LDT_FIRST_PAGE: Final = 16
LDT_PAGES: Final = 16


def type_name(kind: int) -> str:
    """The name of a frame type, for messages."""
    return TYPE_NAMES.get(kind, f"type {kind}")
