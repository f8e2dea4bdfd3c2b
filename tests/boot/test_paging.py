"""The hypervisor's address space: the 64 MB region, the image in it, and what guests see of it.

Invariants
  - Every mapping is found by walking the page tables in the machine's memory, from the processor's own CR3.
  - What must be mapped how is taken from the image's program headers and from design.md, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.boot.harness import GuestMaker, Images
from tests.boot.snippets import IDLE, standing
from xengen.inspect import layout
from xengen.inspect.live import hypervisor_of
from xengen.inspect.views import Hypervisor
from xengen.machine.machine import Machine
from xengen.machine.paging import Walk
from xengen.machine.spec import CPU

PAGE = 4096
EXECUTE, WRITE, READ = 1, 2, 4


@dataclass(frozen=True)
class Loaded:
    """A segment of the hypervisor's ELF file."""

    name: str
    virtual: int
    physical: int
    size: int
    flags: int

    @property
    def pages(self) -> range:
        """The address of each of its pages."""
        return range(self.virtual, self.virtual + self.size, PAGE)


def segments(image: Path) -> dict[str, Loaded]:
    """Return the segments of an image by the name of their first section."""
    with image.open("rb") as file:
        elf = ELFFile(file)
        names = {section["sh_addr"]: section.name for section in elf.iter_sections() if section["sh_flags"] & 2}
        return {
            names[header["p_vaddr"]]: Loaded(
                names[header["p_vaddr"]], header["p_vaddr"], header["p_paddr"], header["p_memsz"], header["p_flags"]
            )
            for header in (segment.header for segment in elf.iter_segments("PT_LOAD"))
        }


@pytest.fixture(scope="module")
def machine(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """A machine with two domains, stopped while the first one runs."""
    idle = guest(IDLE)
    with standing(images, idle, idle, append="dom0_mem=16M") as found:
        yield found


@pytest.fixture(scope="module")
def without_nx(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """The same with a processor that has no no-execute bit, and one domain."""
    with standing(images, guest(IDLE), cpu=f"{CPU},-nx") as found:
        yield found


@pytest.fixture(scope="module")
def cr3(machine: Machine) -> int:
    """Domain 0's page tables."""
    return machine.registers().cr3


def hypervisor_segments(machine: Machine) -> dict[str, Loaded]:
    """Return the segments of the hypervisor that a machine runs."""
    assert machine.spec.kernel is not None
    return segments(machine.spec.kernel)


def rights(walk: Walk) -> int:
    """Return what a mapping permits to the hypervisor, as ELF has it."""
    return READ | (WRITE if walk.writable else 0) | (0 if walk.no_execute else EXECUTE)


# The image.


def test_the_image_has_the_segments_that_design_asks_for(machine: Machine) -> None:
    flags = {name: segment.flags for name, segment in hypervisor_segments(machine).items()}
    assert flags == {
        ".text": READ | EXECUTE, ".rodata": READ, ".init": READ | EXECUTE, ".data": READ | WRITE,
    }  # fmt: skip


@pytest.mark.parametrize("name", [".text", ".rodata", ".data"])
def test_every_page_of_the_image_is_mapped_as_its_segment_says(machine: Machine, cr3: int, name: str) -> None:
    segment = hypervisor_segments(machine)[name]
    for page in segment.pages:
        walk = machine.walk(page, cr3)
        assert walk.physical == page - segment.virtual + segment.physical, str(walk)
        assert (walk.page_size, rights(walk), walk.user) == (PAGE, segment.flags, False), str(walk)


def test_the_code_of_the_boot_is_not_mapped_any_more(machine: Machine, cr3: int) -> None:
    for page in hypervisor_segments(machine)[".init"].pages:
        assert machine.walk(page, cr3).physical is None


def test_the_frames_of_the_boots_code_are_free(machine: Machine) -> None:
    segment = hypervisor_segments(machine)[".init"]
    first = segment.physical // PAGE
    assert hypervisor_of(machine).free[first : first + len(segment.pages)].all()


def test_nothing_but_the_image_is_in_its_window(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    mapped = {
        layout.HV_START + index * PAGE
        for index, entry in enumerate(hypervisor.hv_l1)
        if entry & layout.PTE_P and layout.IMAGE_WINDOW <= layout.HV_START + index * PAGE < layout.HEAP_START
    }
    found = hypervisor_segments(machine)
    assert mapped == {page for name in (".text", ".rodata", ".data") for page in found[name].pages}


def test_without_no_execute_the_image_is_still_protected_from_writes(without_nx: Machine) -> None:
    cr3 = without_nx.registers().cr3
    for name, segment in hypervisor_segments(without_nx).items():
        for page in segment.pages if name != ".init" else ():
            walk = without_nx.walk(page, cr3)
            assert walk.writable == bool(segment.flags & WRITE), str(walk)


def test_without_no_execute_its_bit_is_nowhere(without_nx: Machine) -> None:
    # There it is a reserved bit: each use of such an entry would be a page fault.
    hypervisor = hypervisor_of(without_nx)
    tables = [hypervisor.hv_l1, hypervisor.table("idle_l2", 4), hypervisor.table("invalid_m2p_l1")]
    assert not any((table & layout.PTE_NX).any() for table in tables)
    assert not without_nx.registers().efer & layout.EFER_NXE


# The region.

CACHE_END = layout.MAP_CACHE + layout.MAP_CACHE_SLOTS * PAGE
# First address, last address, rights of what is mapped there; all private parts are for data.
REGION = {
    "the M2P table for guests": (layout.M2P_READ_ONLY, layout.M2P_READ_ONLY + layout.M2P_BYTES, READ),
    "the M2P table": (layout.M2P, layout.M2P + layout.M2P_BYTES, READ | WRITE),
    "the heap": (layout.HEAP_START, layout.HEAP_END, READ | WRITE),
    "the map cache": (layout.MAP_CACHE, CACHE_END, READ | WRITE),
    "the local APIC": (layout.FIXMAP_APIC, layout.FIXMAP_APIC + PAGE, READ | WRITE),
    "the frame table": (layout.FRAME_TABLE, layout.HV_END, READ | WRITE),
}


def mapped_in(machine: Machine, cr3: int, start: int, end: int) -> list[Walk]:
    """Return the pages between two addresses that are mapped."""
    walks = (machine.walk(page, cr3) for page in range(start, end, PAGE))
    return [walk for walk in walks if walk.physical is not None]


@pytest.mark.parametrize("part", REGION)
def test_each_part_of_the_region_is_mapped_with_its_rights(machine: Machine, cr3: int, part: str) -> None:
    start, end, wanted = REGION[part]
    found = mapped_in(machine, cr3, start, end)
    assert found or part == "the map cache"
    assert {(rights(walk), walk.user) for walk in found} <= {(wanted, False)}


def test_the_whole_m2p_table_can_be_read_by_guests(machine: Machine, cr3: int) -> None:
    pages = mapped_in(machine, cr3, layout.M2P_READ_ONLY, layout.M2P_READ_ONLY + layout.M2P_BYTES)
    assert len(pages) == layout.M2P_BYTES // PAGE


def test_both_m2p_tables_show_the_same_memory(machine: Machine, cr3: int) -> None:
    for page in mapped_in(machine, cr3, layout.M2P, layout.M2P + layout.M2P_BYTES):
        assert machine.translate(page.virtual - layout.M2P + layout.M2P_READ_ONLY, cr3) == page.physical


def test_what_is_beyond_memory_is_invalid_in_the_m2p_table(machine: Machine, cr3: int) -> None:
    frames = -(-hypervisor_of(machine).max_frame // 1024) * 1024
    beyond = {
        machine.translate(page, cr3)
        for page in range(layout.M2P_READ_ONLY + 4 * frames, layout.M2P_READ_ONLY + layout.M2P_BYTES, PAGE)
    }
    (shared,) = beyond
    assert shared is not None
    assert set(machine.memory.words(shared, PAGE // 4)) == {layout.INVALID_M2P_ENTRY}


def test_the_m2p_table_is_also_where_guests_of_old_look_for_it(machine: Machine, cr3: int) -> None:
    for offset in (0, 0x10000, layout.M2P_BYTES - PAGE):
        walk = machine.walk(layout.M2P_ALIAS + offset, cr3)
        assert walk.physical == machine.translate(layout.M2P_READ_ONLY + offset, cr3)
        assert (rights(walk), walk.user) == (READ, False)


def test_the_rest_of_the_old_m2p_table_is_invalid(machine: Machine, cr3: int) -> None:
    (shared,) = {
        machine.translate(page, cr3)
        for page in range(layout.M2P_ALIAS + layout.M2P_BYTES, layout.M2P_ALIAS + layout.M2P_ALIAS_BYTES, PAGE)
    }
    assert shared is not None
    assert set(machine.memory.words(shared, PAGE // 4)) == {layout.INVALID_M2P_ENTRY}


def test_the_frame_table_has_a_record_for_each_frame_and_no_page_more(machine: Machine, cr3: int) -> None:
    pages = mapped_in(machine, cr3, layout.FRAME_TABLE, layout.HV_END)
    assert len(pages) == -(-hypervisor_of(machine).max_frame * 16 // PAGE)
    assert pages[0].virtual == layout.FRAME_TABLE


def test_the_local_apic_is_mapped_uncached(machine: Machine, cr3: int) -> None:
    walk = machine.walk(layout.FIXMAP_APIC, cr3)
    assert walk.physical == 0xFEE00000
    assert walk.entries[-1].value & (layout.PTE_PCD | layout.PTE_PWT) == layout.PTE_PCD | layout.PTE_PWT


def test_no_page_of_the_region_is_for_applications(machine: Machine) -> None:
    assert not (hypervisor_of(machine).hv_l1 & layout.PTE_US).any()


# Address spaces.


def top_tables(hypervisor: Hypervisor) -> list[list[int]]:
    """Return the L2 entries for the region that each domain's base pointer leads to."""
    tops = []
    for vcpu in hypervisor.vcpus:
        l2 = hypervisor.pages[(vcpu.l3[3] & layout.PTE_ADDRESS) >> layout.PAGE_SHIFT]
        tops.append([int(entry) for entry in l2[layout.HV_L2_FIRST :]])
    return tops


def test_the_region_is_the_same_in_every_address_space_but_for_what_is_a_domains_own(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    first, second = top_tables(hypervisor)
    private = {layout.WINDOW_L2, *range(layout.LINEAR_L2, layout.LINEAR_L2 + 4)}
    differ = {layout.HV_L2_FIRST + index for index, entry in enumerate(first) if entry != second[index]}
    assert differ == private


def test_the_region_leads_to_the_hypervisors_own_tables(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    table = hypervisor.physical(hypervisor.symbol("hv_l1"))
    private = {layout.WINDOW_L2, *range(layout.LINEAR_L2, layout.LINEAR_L2 + 4)}
    for index, entry in enumerate(top_tables(hypervisor)[0]):
        if layout.HV_L2_FIRST + index not in private:
            assert entry & layout.PTE_ADDRESS == table + index * PAGE


def test_the_linear_window_shows_the_tables_in_use(machine: Machine, cr3: int) -> None:
    registers = machine.registers()
    for address in (registers.eip, registers.esp - 4, layout.M2P_ALIAS):
        table = machine.walk(address, cr3).entries[-1].address
        assert machine.translate(layout.LINEAR_TABLES + (address >> layout.PAGE_SHIFT) * 8, cr3) == table


def test_physical_memory_is_not_mapped_one_to_one_any_more(machine: Machine, cr3: int) -> None:
    # The guest has nothing of its own down there.
    for address in (0, 0x9000, 0x100000, 0x200000, 0x3000000):
        assert machine.walk(address, cr3).physical is None


def test_in_the_idle_tables_no_memory_is_executable_at_its_own_address(machine: Machine) -> None:
    entries = hypervisor_of(machine).table("idle_l2", 4)[: layout.HV_START >> layout.L2_SHIFT]
    assert (entries & layout.PTE_PSE).all()
    assert (entries & layout.PTE_NX).all()


def test_the_idle_tables_show_all_memory_at_its_own_address(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    idle = hypervisor.physical(hypervisor.symbol("idle_l3"))
    for address in range(0, layout.HV_START, layout.SUPERPAGE_SIZE):
        assert machine.translate(address + 0x1234, idle) == address + 0x1234
