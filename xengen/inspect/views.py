"""Typed views over a hypervisor in memory: its domains, vcpus, frame records, M2P table.

Invariants
  - Input is physical memory as bytes, live or not, and the hypervisor's symbols; nothing else is known.
  - An address of the image is physical at a fixed distance; any other one of the region goes through the table hv_l1.
  - Views read when they are asked, and give copies: what is returned does not change under the caller.
  - What cannot be followed (a pointer to nothing, a list without end) is a BadStructure, never a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, sizeof
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from xengen.abi import hypervisor as abi
from xengen.errors import XengenError
from xengen.inspect import layout

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]
Entries = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Records = npt.NDArray[np.void]

FRAME_DTYPE = np.dtype([(name, "<u4") for name, *_ in abi.Frame._fields_])
MOST_DOMAINS = 0x8000  # ids are below DOMID_FIRST_RESERVED; a longer list has no end

StructureT = TypeVar("StructureT", bound=Structure)


class BadStructure(XengenError):
    """The hypervisor's memory cannot be followed: the text names what leads nowhere."""


@dataclass(frozen=True)
class Vcpu:
    """A vcpu: where its VCPU is, and a copy of it."""

    address: int
    record: abi.Vcpu

    @property
    def l3(self) -> tuple[int, int, int, int]:
        """The four entries that the processor uses."""
        first, second, third, fourth = self.record.l3
        return first, second, third, fourth


@dataclass(frozen=True)
class Domain:
    """A domain: where its DOMAIN is, a copy of it, and its vcpu when it has one."""

    address: int
    record: abi.Domain
    vcpu: Vcpu | None

    @property
    def id(self) -> int:
        """Its number."""
        return int(self.record.id)

    @property
    def is_privileged(self) -> bool:
        """Whether it may act for other domains and map what is no RAM."""
        return bool(self.record.flags & layout.DOMAIN_PRIVILEGED)

    @property
    def is_dying(self) -> bool:
        """Whether it has ended and its memory is being given back."""
        return bool(self.record.flags & layout.DOMAIN_DYING)

    @property
    def is_unbuilt(self) -> bool:
        """Whether it has been created and not built yet: it has no page tables."""
        return bool(self.record.flags & layout.DOMAIN_UNBUILT)

    @property
    def gdt_frames(self) -> tuple[int, ...]:
        """The frames of its vcpu's GDT."""
        if self.vcpu is None:
            return ()
        count = -(-int(self.vcpu.record.gdt_entries) // layout.ENTRIES)
        return tuple(self.vcpu.record.gdt_frames[:count])

    @property
    def first_reserved(self) -> int:
        """The first entry of its L2 of slot 3 that is the hypervisor's."""
        return int(self.record.virt_start) >> layout.L2_SHIFT & (layout.ENTRIES - 1)


class Hypervisor:
    """A hypervisor in `memory` (all RAM below 4 GiB, byte 0 at physical address 0).

    `symbols` gives the virtual address of a name of the hypervisor's image, and raises KeyError when it has none.
    """

    def __init__(self, memory: Any, symbols: Callable[[str], int]) -> None:
        raw = np.frombuffer(memory, dtype=np.uint8)
        self._symbols = symbols
        self.bytes: Bytes = raw[: len(raw) & -layout.PAGE_SIZE]
        self.pages: Entries = self.bytes.view("<u8").reshape(-1, layout.ENTRIES)
        table = self.physical(self.symbol("hv_l1")) >> layout.PAGE_SHIFT
        self._hv_l1 = self.pages[table : table + layout.REGION_TABLES].reshape(-1)
        if len(self._hv_l1) != layout.REGION_PAGES:
            raise BadStructure("hv_l1 is not in memory")

    # Addresses.

    def symbol(self, name: str) -> int:
        """Return the virtual address of `name`; BadStructure when the image has no such symbol."""
        try:
            return self._symbols(name)
        except KeyError as error:
            raise BadStructure(f"the hypervisor has no symbol {name}") from error

    def physical(self, address: int) -> int:
        """Return the physical address behind one of the hypervisor's own; BadStructure when there is none."""
        if layout.IMAGE_WINDOW <= address < layout.HEAP_START:
            return address - layout.IMAGE_LOAD_OFFSET
        if not layout.HV_START <= address < layout.HV_END:
            raise BadStructure(f"{address:#x} is no address of the hypervisor's")
        entry = int(self._hv_l1[(address - layout.HV_START) >> layout.PAGE_SHIFT])
        if not entry & layout.PTE_P:
            raise BadStructure(f"{address:#x} is not mapped by hv_l1")
        return (entry & layout.PTE_ADDRESS) | (address & (layout.PAGE_SIZE - 1))

    def mfn(self, address: int) -> int:
        """Return the machine frame behind an address of the hypervisor's."""
        return self.physical(address) >> layout.PAGE_SHIFT

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes at an address of the hypervisor's; they may cross pages."""
        data = bytearray()
        while len(data) < size:
            at = address + len(data)
            step = min(size - len(data), layout.PAGE_SIZE - at % layout.PAGE_SIZE)
            start = self.physical(at)
            if start + step > len(self.bytes):
                raise BadStructure(f"{at:#x} is mapped to {start:#x}, where there is no memory")
            data += self.bytes[start : start + step].tobytes()
        return bytes(data)

    def word(self, name: str) -> int:
        """Return the 32-bit variable `name`."""
        return int.from_bytes(self.read(self.symbol(name), 4), "little")

    def structure(self, kind: type[StructureT], address: int) -> StructureT:
        """Return a copy of the structure at `address`."""
        return kind.from_buffer_copy(self.read(address, sizeof(kind)))

    # What is there.

    @property
    def hv_l1(self) -> Entries:
        """The entry of each page of the region, from HV_START up: u64[16384]."""
        return self._hv_l1.copy()

    @property
    def max_frame(self) -> int:
        """One more than the highest frame of RAM."""
        count = self.word("max_frame")
        if count > layout.MAX_FRAMES:
            raise BadStructure(f"max_frame is {count:#x}, more than there can be")
        return count

    @property
    def frames(self) -> Records:
        """The records of all frames, with the fields of FRAME: FRAME_DTYPE[max_frame]."""
        count = self.max_frame
        return self._region(layout.FRAME_TABLE, count * FRAME_DTYPE.itemsize).view(FRAME_DTYPE)

    @property
    def m2p(self) -> Words:
        """The M2P table as far as it has memory of its own, to the end of its last page: u32[max_frame or more]."""
        size = 4 * self.max_frame + layout.PAGE_SIZE - 1 & -layout.PAGE_SIZE
        return self._region(layout.M2P, size).view("<u4")

    @property
    def m2p_frames(self) -> Numbers:
        """The frames that the M2P table has for itself: i64[pages]."""
        pages = 4 * self.max_frame + layout.PAGE_SIZE - 1 >> layout.PAGE_SHIFT
        first = (layout.M2P - layout.HV_START) >> layout.PAGE_SHIFT
        return ((self._hv_l1[first : first + pages] & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT).astype(np.int64)

    @property
    def free(self) -> Flags:
        """Whether each frame is free, by the allocator's bitmap: bool[MAX_FRAMES]."""
        data = np.frombuffer(self.read(self.symbol("frame_bitmap"), layout.MAX_FRAMES // 8), dtype=np.uint8)
        return np.unpackbits(data, bitorder="little").astype(np.bool_)

    @property
    def ram(self) -> Flags:
        """Whether each frame below max_frame is RAM that the hypervisor manages: bool[max_frame]."""
        found = np.zeros(self.max_frame, dtype=np.bool_)
        start = self.symbol("ram_ranges")
        for index in range(self.word("ram_range_count")):
            piece = self.structure(abi.RangeRecord, start + index * sizeof(abi.RangeRecord))
            found[piece.start >> layout.PAGE_SHIFT : piece.end >> layout.PAGE_SHIFT] = True
        return found

    def table(self, name: str, pages: int = 1) -> Entries:
        """Return the page-aligned object `name` of the image as entries: u64[pages * 512]."""
        first = self.mfn(self.symbol(name))
        return self.pages[first : first + pages].reshape(-1).copy()

    def domains(self) -> tuple[Domain, ...]:
        """Return all domains, in the order of their list."""
        found: list[Domain] = []
        address = self.word("domain_list")
        while address:
            if len(found) == MOST_DOMAINS or any(address == domain.address for domain in found):
                raise BadStructure("domain_list has no end")
            record = self.structure(abi.Domain, address)
            vcpu = Vcpu(record.vcpu, self.structure(abi.Vcpu, record.vcpu)) if record.vcpu else None
            found.append(Domain(address, record, vcpu))
            address = record.next
        return tuple(found)

    @property
    def vcpus(self) -> tuple[Vcpu, ...]:
        """All vcpus, in the order of their domains."""
        return tuple(domain.vcpu for domain in self.domains() if domain.vcpu is not None)

    def _region(self, address: int, size: int) -> Bytes:
        """Gather `size` bytes of the region from the pages that hv_l1 has for them."""
        first = (address - layout.HV_START) >> layout.PAGE_SHIFT
        entries = self._hv_l1[first : first + (size + layout.PAGE_SIZE - 1 >> layout.PAGE_SHIFT)]
        frames = (entries & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT
        if not np.all(entries & layout.PTE_P) or np.any(frames >= len(self.pages)):
            raise BadStructure(f"the table at {address:#x} is not wholly mapped by hv_l1")
        gathered: Bytes = self.pages[frames].reshape(-1).view(np.uint8)
        return gathered[:size]
