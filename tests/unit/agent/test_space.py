"""A domain's memory by its P2M list and by its page tables, over plain bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from xengen.agent.space import PAGE, Space
from xengen.errors import XengenError
from xengen.machine.memory import PhysicalMemory

VIRT_BASE = 0xC0000000
P2M, L3, L2, L1, DATA = 3, 5, 6, 7, 9


@pytest.fixture
def space() -> Iterator[Space]:
    """16 pages of machine memory: pfn n is frame 15 - n, the list is in frame 3, and one page is mapped at 0x1000."""
    descriptor = os.memfd_create("memory")
    os.truncate(descriptor, 16 * PAGE)
    memory = PhysicalMemory(descriptor, 16 * PAGE)
    for pfn in range(16):
        memory.write(P2M * PAGE + 4 * pfn, (15 - pfn).to_bytes(4, "little"))
    for at, to in ((L3 * PAGE, L2), (L2 * PAGE, L1), (L1 * PAGE + 8, DATA)):
        memory.write(at, (to * PAGE | 1).to_bytes(8, "little"))
    found = Space(memory, VIRT_BASE, P2M * PAGE)
    found.l3 = L3
    yield found
    memory.close()
    os.close(descriptor)


def test_an_address_of_the_initial_mapping_is_found_by_the_list(space: Space) -> None:
    assert space.pfn(VIRT_BASE + 2 * PAGE + 5) == 2
    assert space.machine(VIRT_BASE + 2 * PAGE + 5) == 13 * PAGE + 5


def test_bytes_across_pages_are_read_and_written_where_each_page_is(space: Space) -> None:
    space.write_linear(VIRT_BASE + PAGE - 2, b"abcd")
    assert space.memory.read(16 * PAGE - 2, 2) + space.memory.read(14 * PAGE, 2) == b"abcd"
    assert space.read_linear(VIRT_BASE + PAGE - 2, 4) == b"abcd"


def test_memory_that_is_scattered_is_not_contiguous(space: Space) -> None:
    assert space.contiguous(VIRT_BASE + PAGE + 8, 100) == 14 * PAGE + 8
    with pytest.raises(XengenError, match=r"^the 5000 bytes at 0xc0001000 are scattered"):
        space.contiguous(VIRT_BASE + PAGE, 5000)


def test_a_mapped_address_is_found_by_the_page_tables(space: Space) -> None:
    assert (space.entry(0x1000), space.entry_address(0x1000)) == (DATA * PAGE | 1, L1 * PAGE + 8)
    assert (space.entry(0x1000, 2), space.entry(0x1000, 3)) == (L1 * PAGE | 1, L2 * PAGE | 1)
    space.write(0x1000, b"text")
    assert space.memory.read(DATA * PAGE, 4) == space.read(0x1000, 4) == b"text"


def test_where_there_is_no_table_there_is_no_entry(space: Space) -> None:
    assert space.entry_address(0x40000000) is None
    assert space.entry(0x40000000) == 0


def test_what_is_not_mapped_cannot_be_read(space: Space) -> None:
    with pytest.raises(XengenError, match=r"^00002000 is not mapped"):
        space.read(0x1FFE, 4)


def test_a_pfn_beyond_the_list_is_said(space: Space) -> None:
    with pytest.raises(XengenError, match=r"^pfn 0x400 is not in the P2M list"):
        space.mfn(1024)
