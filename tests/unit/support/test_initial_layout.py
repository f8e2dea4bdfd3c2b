"""The model of a new domain's layout, held against what another hypervisor was seen to do.

Invariants
  - The numbers of the first test were read on Xen 4.2.5 (32-bit) by a small kernel that it had started as domain 0.
"""

from __future__ import annotations

import pytest

from tests.support.initial_layout import PAGE, InitialLayout

MIB = 1 << 20


def test_the_model_gives_what_xen_4_2_was_seen_to_do() -> None:
    where = InitialLayout(virt_base=0, kernel_end=0x10A000, nr_pages=0x1CFF2, is_domain_0=True)
    assert (where.p2m, where.start_info, where.page_tables) == (0x10A000, 0x17E000, 0x17F000)
    assert (where.nr_pt_frames, where.stack, where.end) == (7, 0x186000, 0x400000)


def test_other_domains_have_two_pages_more_before_their_tables() -> None:
    where = InitialLayout(0xC0000000, 0xC0100000, 2048, is_domain_0=False)
    assert (where.store, where.console) == (where.start_info + PAGE, where.start_info + 2 * PAGE)
    assert where.page_tables == where.start_info + 3 * PAGE


def test_an_initrd_stands_between_the_kernel_and_the_list() -> None:
    where = InitialLayout(0, 0x100001, 1024, is_domain_0=True, initrd=PAGE + 1)
    assert (where.initrd_start, where.p2m) == (0x101000, 0x103000)


@pytest.mark.parametrize(
    ("kernel_end", "end"),
    # Behind the kernel: P2M list of 4 pages, start_info, tables, stack, and 512 KB.
    [(4 * MIB - (512 << 10) - 13 * PAGE, 4 * MIB), (4 * MIB - (512 << 10) - 12 * PAGE, 8 * MIB)],
    ids=["just enough", "one page too little"],
)
def test_at_least_512_kb_are_left_up_to_a_multiple_of_4_mb(kernel_end: int, end: int) -> None:
    assert InitialLayout(0, kernel_end, 4096, is_domain_0=True).end == end


@pytest.mark.parametrize("virt_base", [0, 0x100000, 0x3FE00000, 0x7FF00000, 0xC0000000, 0x1000])
@pytest.mark.parametrize("kernel", [PAGE, 3 * MIB, 100 * MIB])
def test_the_tables_are_as_many_as_map_the_area_and_no_more(virt_base: int, kernel: int) -> None:
    where = InitialLayout(virt_base, virt_base + kernel, 65536, is_domain_0=False)
    reached = {address >> 21 for address in range(virt_base, where.end, PAGE)}
    assert where.nr_pt_frames == 5 + len(reached)
