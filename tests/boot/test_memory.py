"""Machine memory: which frames are free, what keeps them, the M2P table, the heap.

Invariants
  - What is RAM is taken from the memory map in the log, which test_boot.py compares with the machine.
  - A count is never compared with itself: bitmap, counter and records are three accounts of one thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.boot.harness import Booter, GuestMaker, Images
from tests.boot.snippets import ENDS, IDLE, standing
from xengen.inspect import layout
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.views import Flags, Hypervisor
from xengen.machine.machine import Ending, Machine
from xengen.machine.spec import MIB, Module

PAGE = 4096
GIB = 1024 * MIB
MAP_LINE = re.compile(r"^memory: 0x(\w+) to 0x(\w+) type (\d+)$", re.MULTILINE)
MODULE_LINE = re.compile(r"^module: 0x(\w+) to 0x(\w+): (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def machine(images: Images, guest: GuestMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with two domains and an initrd of 3 MB and a little, stopped while the first domain runs."""
    initrd = tmp_path_factory.mktemp("initrd") / "initrd"
    initrd.write_bytes(bytes(range(256)) * 4 * 3 * 1024 + b"the end")
    modules = ((guest(IDLE), "with a command line"), Module(initrd, "x" * 500), guest(IDLE))
    with standing(images, *modules, append="dom0_mem=16M domu_mem=8M") as found:
        yield found


def ram(machine: Machine) -> Flags:
    """Return whether each frame below 4 GB is RAM by the loader's map: bool[1 << 20]."""
    found = np.zeros(1 << 20, dtype=np.bool_)
    for start, end, kind in MAP_LINE.findall(machine.transcript.hypervisor):
        if kind == "1":
            found[-(-int(start, 16) // PAGE) : int(end, 16) // PAGE] = True
    return found


def frames_of_modules(machine: Machine) -> list[range]:
    """Return the frames of each module, from the log."""
    lines = MODULE_LINE.findall(machine.transcript.hypervisor)
    return [range(int(start, 16) // PAGE, -(-int(end, 16) // PAGE)) for start, end, _ in lines]


def free(hypervisor: Hypervisor) -> Flags:
    """Return the bitmap of free frames as far as there are records."""
    return hypervisor.free[: hypervisor.max_frame]


# Sizes of machines.


@pytest.mark.parametrize("size", [32, 64, 512, 2048, 3500, 4096, 6144])
def test_a_machine_of_any_size_boots_and_uses_what_is_below_4_gb(boot: Booter, guest: GuestMaker, size: int) -> None:
    machine = boot(guest(ENDS), memory=size * MIB, append="dom0_mem=8M", trace=False)
    assert machine.wait(20) is Ending.POWEROFF
    hypervisor = hypervisor_of(machine)
    used = ram(machine)
    used[: 1 << 8] = False
    assert np.array_equal(np.flatnonzero(hypervisor.ram), np.flatnonzero(used))
    assert hypervisor.max_frame == int(np.flatnonzero(used)[-1]) + 1
    # The frame table (16 bytes a frame), M2P (4 bytes), image and structures: no more than a MB and 1/160 of memory.
    taken = int(used.sum()) - hypervisor.word("free_frames") - 8 * MIB // PAGE
    assert taken <= MIB // PAGE + used.sum() / 160


def test_the_largest_machine_gives_its_memory_to_domain_0(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(IDLE), memory=4 * GIB, trace=False)
    machine.console.expect("entering domain 0", timeout=30)
    (domain,) = hypervisor_of(machine).domains()
    assert domain.record.nr_pages * PAGE > 3 * GIB - 32 * MIB


def test_a_machine_too_small_for_its_domain_says_so(boot: Booter) -> None:
    machine = boot("hello", memory=32 * MIB, append="dom0_mem=64M")
    refused = machine.console.expect(r"^\(xengen\) hello\S* refused: it needs 16384 pages, (\d+) are free\s*$")
    assert int(refused[1]) < 32 * MIB // PAGE


# Free frames.


def test_counter_bitmap_and_records_agree_on_what_is_free(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    unused = (hypervisor.frames["count"] == 0) & hypervisor.ram
    assert np.array_equal(np.flatnonzero(unused), np.flatnonzero(free(hypervisor)))
    assert hypervisor.word("free_frames") == int(free(hypervisor).sum()) > 0


def test_no_frame_is_free_that_is_no_ram(machine: Machine) -> None:
    assert not (hypervisor_of(machine).free & ~ram(machine)[: layout.MAX_FRAMES]).any()


def test_the_first_megabyte_is_left_to_the_firmware(machine: Machine) -> None:
    assert not hypervisor_of(machine).free[:256].any()


def test_a_hole_has_records_that_are_zero(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    assert not hypervisor.frames[~hypervisor.ram].view(np.uint32).any()


def test_no_frame_of_the_image_is_free_but_those_of_the_boots_code(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    first, last = (hypervisor.physical(hypervisor.symbol(f"__image_{side}")) // PAGE for side in ("start", "end"))
    start, end = (hypervisor.physical(hypervisor.symbol(f"__init_{side}") - gap) for side, gap in BOOT_CODE)
    found = {int(frame) for frame in np.flatnonzero(hypervisor.free[first:last]) + first}
    assert found == {*range(start // PAGE, end // PAGE + 1)}


BOOT_CODE = (("start", 0), ("end", 1))


def test_the_hypervisors_own_frames_are_allocated_with_one_reference_and_no_owner(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    tables = [hypervisor.mfn(layout.FRAME_TABLE), hypervisor.mfn(hypervisor.symbol("idt"))]
    for mfn in tables:
        record = hypervisor.frames[mfn]
        assert (record["count"], record["owner"], record["type"]) == (layout.FRAME_ALLOCATED | 1, 0, 0)


# Modules.


def test_no_frame_of_a_module_was_given_to_anybody_before_all_domains_were_built(machine: Machine) -> None:
    owners = hypervisor_of(machine).frames["owner"]
    for module in frames_of_modules(machine):
        assert not owners[module.start : module.stop].any()


def test_the_bytes_of_the_modules_are_what_was_loaded(machine: Machine) -> None:
    # Their frames are free by now, but nobody has taken one yet.
    for module, frames in zip(machine.spec.modules, frames_of_modules(machine), strict=True):
        data = module.path.read_bytes()
        assert machine.memory.read(frames.start * PAGE, len(data)) == data


def test_the_frames_of_modules_and_their_command_lines_are_free_once_the_domains_are_built(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    for module in frames_of_modules(machine):
        assert hypervisor.free[module.start : module.stop].all()
    line = machine.memory.read(0, 32 * MIB).find(b"x" * 500 + b"\0")
    assert line >= 256 * PAGE
    assert hypervisor.free[line // PAGE]


def test_memory_is_as_much_as_before_when_a_large_module_has_been_used(
    boot: Booter, guest: GuestMaker, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(16 * MIB))
    idle, frames = guest(IDLE), []
    for modules in ([idle], [idle, Module(large)]):
        machine = boot(*modules, append="dom0_mem=40M")
        machine.console.expect("entering domain 0")
        frames.append(hypervisor_of(machine).word("free_frames"))
    assert frames[0] == frames[1]


# M2P and heap.


def test_the_m2p_table_knows_the_frames_of_domains_only(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    owned = np.isin(hypervisor.frames["owner"], [domain.address for domain in hypervisor.domains()])
    for domain in hypervisor.domains():
        owned[domain.record.shared_info_mfn] = False
    known = hypervisor.m2p[: hypervisor.max_frame] != layout.INVALID_M2P_ENTRY
    known[[domain.record.shared_info_mfn for domain in hypervisor.domains()]] = False
    assert np.array_equal(np.flatnonzero(known), np.flatnonzero(owned))


def test_each_domain_has_each_of_its_pseudo_physical_frames_once(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    for domain in hypervisor.domains():
        owned = hypervisor.frames["owner"] == domain.address
        owned[domain.record.shared_info_mfn] = False
        numbers = np.sort(hypervisor.m2p[: hypervisor.max_frame][owned])
        assert np.array_equal(numbers, np.arange(domain.record.nr_pages))


CLASSES = [32 << number for number in range(8)]


def free_blocks(hypervisor: Hypervisor, number: int) -> list[int]:
    """Return the chain of free blocks of a size class."""
    found: list[int] = []
    block = int.from_bytes(hypervisor.read(hypervisor.symbol("heap_free_blocks") + 4 * number, 4), "little")
    while block:
        assert block not in found
        found.append(block)
        block = int.from_bytes(hypervisor.read(block, 4), "little")
    return found


@pytest.mark.parametrize("number", range(8))
def test_free_blocks_of_the_heap_are_aligned_to_their_size_and_mapped(machine: Machine, number: int) -> None:
    hypervisor = hypervisor_of(machine)
    end = hypervisor.word("heap_next")
    for block in free_blocks(hypervisor, number):
        assert block % CLASSES[number] == 0
        assert layout.HEAP_START <= block <= end - CLASSES[number]


def test_no_block_of_the_heap_is_in_two_places(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    used = [(domain.address, 128) for domain in hypervisor.domains()]
    used += [(vcpu.address, 4096) for vcpu in hypervisor.vcpus]
    used += [(domain.record.shared_info, PAGE) for domain in hypervisor.domains()]
    used += [(domain.record.window_l1, PAGE) for domain in hypervisor.domains()]
    used += [(block, size) for number, size in enumerate(CLASSES) for block in free_blocks(hypervisor, number)]
    ordered = sorted(used)
    assert all(first[0] + first[1] <= second[0] for first, second in pairwise(ordered))


def test_the_heap_has_a_frame_for_each_page_and_no_more(machine: Machine) -> None:
    hypervisor = hypervisor_of(machine)
    first = (layout.HEAP_START - layout.HV_START) // PAGE
    mapped = hypervisor.hv_l1[first : first + (layout.HEAP_END - layout.HEAP_START) // PAGE] & layout.PTE_P
    pages = (hypervisor.word("heap_next") - layout.HEAP_START) // PAGE
    assert mapped[:pages].all()
    assert not mapped[pages:].any()


def test_all_of_it_is_sound(machine: Machine) -> None:
    assert check_machine(machine) == []
