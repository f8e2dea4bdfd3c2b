"""Scratch memory and spare pages, as addresses."""

from __future__ import annotations

import pytest

from xengen.agent.pool import Pool, Scratch
from xengen.errors import XengenError


def test_scratch_memory_is_handed_out_in_turn_and_aligned() -> None:
    scratch = Scratch(0x1000, 64)
    assert [scratch.allocate(size) for size in (3, 8, 9, 0)] == [0x1000, 0x1008, 0x1010, 0x1020]


def test_scratch_memory_comes_around_when_what_is_wanted_does_not_fit() -> None:
    scratch = Scratch(0x1000, 64)
    assert [scratch.allocate(size) for size in (40, 24, 1, 60)] == [0x1000, 0x1028, 0x1000, 0x1000]


def test_more_scratch_memory_than_there_is_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^65 bytes of scratch memory: there are 64$"):
        Scratch(0, 64).allocate(65)


def test_spare_pages_are_each_somebodys_until_they_are_taken_back() -> None:
    pool = Pool(0x1000, 2)
    assert [pool.take(), pool.take()] == [0x1000, 0x2000]
    with pytest.raises(XengenError, match=r"^the agent has no spare page left"):
        pool.take()
    pool.take_back(0x1000)
    assert pool.take() == 0x1000
