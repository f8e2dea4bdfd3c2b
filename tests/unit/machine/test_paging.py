"""Page walks over plain memory (xengen/machine/paging.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from xengen.machine.paging import Entry, walk


@dataclass
class Words:
    """Memory that is zero but for what was put there."""

    words: dict[int, int] = field(default_factory=dict)

    def u64(self, address: int) -> int:
        return self.words.get(address, 0)

    def u32(self, address: int) -> int:
        return self.words.get(address, 0) & 0xFFFFFFFF


PRESENT, WRITABLE, USER, LARGE, NX = 1, 2, 4, 128, 1 << 63
# 0xfc901234: L3 entry 3, L2 entry 0x1e4, L1 entry 0x101.
PAE = {0x1018: 0x2000 | PRESENT, 0x2000 + 8 * 0x1E4: 0x3000 | 7, 0x3000 + 8 * 0x101: 0x12345000 | 7}


def test_a_pae_walk_goes_through_three_tables() -> None:
    found = walk(Words(PAE), 0xFC901234, 0x1000, pae=True)
    assert found.physical == 0x12345234
    assert found.page_size == 0x1000
    assert found.entries == (Entry(3, 0x1018, 0x2001), Entry(2, 0x2F20, 0x3007), Entry(1, 0x3808, 0x12345007))


def test_a_pae_table_lies_anywhere_on_32_bytes() -> None:
    words = {0x1038: PAE[0x1018]} | {address: value for address, value in PAE.items() if address != 0x1018}
    assert walk(Words(words), 0xFC901234, 0x1020, pae=True).physical == 0x12345234


@pytest.mark.parametrize("missing, level", [(0x1018, 3), (0x2F20, 2), (0x3808, 1)])
def test_a_pae_walk_ends_at_the_entry_that_is_not_present(missing: int, level: int) -> None:
    found = walk(Words({**PAE, missing: 0}), 0xFC901234, 0x1000, pae=True)
    assert found.physical is None
    assert found.entries[-1] == Entry(level, missing, 0)


def test_a_large_pae_page_has_2_mib() -> None:
    found = walk(Words({0x1018: 0x2001, 0x2F20: 0x40000000 | LARGE | PRESENT | NX}), 0xFC901234, 0x1000, pae=True)
    assert (found.physical, found.page_size, found.no_execute) == (0x40101234, 1 << 21, True)


def test_a_pae_page_may_lie_above_4_gib() -> None:
    found = walk(Words({**PAE, 0x3808: 0x1_2345_6000 | PRESENT}), 0xFC901234, 0x1000, pae=True)
    assert found.physical == 0x1_2345_6234


@pytest.mark.parametrize(
    "l2, l1, writable, user, no_execute",
    [(7, 7, True, True, False), (5, 7, False, True, False), (7, 3, True, False, False), (7, 7 | NX, True, True, True)],
)
def test_rights_are_what_every_level_grants(l2: int, l1: int, writable: bool, user: bool, no_execute: bool) -> None:
    words = {**PAE, 0x2F20: 0x3000 | l2, 0x3808: 0x5000 | l1}
    found = walk(Words(words), 0xFC901234, 0x1000, pae=True)
    assert (found.writable, found.user, found.no_execute) == (writable, user, no_execute)


def test_a_two_level_walk_goes_through_two_tables() -> None:
    found = walk(Words({0x1000 + 4 * 0x3F2: 0x2007, 0x2000 + 4 * 0x101: 0x5007}), 0xFC901234, 0x1000, pae=False)
    assert (found.physical, [entry.level for entry in found.entries]) == (0x5234, [2, 1])


def test_a_4_mib_page_needs_pse() -> None:
    words = Words({0x1000 + 4 * 0x3F2: 0x00800000 | LARGE | PRESENT})
    assert walk(words, 0xFC901234, 0x1000, pae=False, pse=True).physical == 0x00901234
    assert walk(words, 0xFC901234, 0x1000, pae=False, pse=False).physical is None


def test_a_4_mib_page_may_lie_above_4_gib() -> None:
    words = Words({0x1000 + 4 * 0x3F2: 0x00800000 | 1 << 13 | LARGE | PRESENT})
    assert walk(words, 0xFC901234, 0x1000, pae=False).physical == 0x1_0090_1234


def test_a_walk_reads_as_one_line() -> None:
    assert str(walk(Words(PAE), 0xFC901234, 0x1000, pae=True)) == (
        "fc901234 -> 0x12345234 wux (4 KiB page): L3[0x1018]=0x2001 L2[0x2f20]=0x3007 L1[0x3808]=0x12345007"
    )
    assert str(walk(Words(), 0x1000, 0x1000, pae=True)) == "00001000 is not mapped: L3[0x1000]=0x0"
