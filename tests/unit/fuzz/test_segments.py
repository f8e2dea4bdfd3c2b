"""Descriptors by the model's rule (ABI 6.12): what is kept, what is changed, what is bad."""

from __future__ import annotations

import pytest

from tests.boot.segments import DESCRIPTORS
from tests.boot.segments import checked as checked_elsewhere
from xengen.fuzz.segments import checked


@pytest.mark.parametrize("given, kept", [
    (0, 0),
    (0x00CF93000000FFFF, 0x00CFB3000000C3FF | 0xF << 48),
    (0x00CFB3000000C3FF | 0xF << 48, 0x00CFB3000000C3FF | 0xF << 48),
    (0xFFFF7FFFFFFFFFFF, 0xFFFF7FFFFFFFFFFF),
    (0x0000EC00E0180000, 0x0000EC00E0190000),
    (0x0000EC00E0080000, None),
    (0x00008B0000000067, None),
    (0xFCCF93400000FFFF, None),
])
def test_a_descriptor_is_kept_or_corrected_or_bad(given: int, kept: int | None) -> None:
    assert checked(given) == kept


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_two_readings_of_the_abi_agree(name: str) -> None:
    assert checked(DESCRIPTORS[name]) == checked_elsewhere(DESCRIPTORS[name])
