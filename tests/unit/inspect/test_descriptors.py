"""Which descriptors a guest must not be able to load: pure, over the manual's cases."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tests.unit.inspect.image_memory import ABI, descriptor, gate
from xengen.inspect.descriptors import unsafe

CODE, DATA, DOWN = 0xFA, 0xF2, 0xF6
PAGES, WIDE = 0x8, 0x4  # flags: limit in pages; 32-bit segment
PRIVATE = ABI["HV_PRIVATE_START"]


def faults(value: int) -> list[str]:
    return [why for _, why in unsafe(np.array([value], dtype=np.uint64))]


def reaches_private(base: int, limit: int, access: int, flags: int) -> bool:
    """The same question, answered from the offsets that are let through, as a range of addresses that may wrap once."""
    size = limit << 12 | 0xFFF if flags & PAGES else limit
    most = 0xFFFFFFFF if flags & WIDE else 0xFFFF
    down = access & 0xC == 0x4
    first, last = (size + 1, most) if down else (0, size)
    if first > last:
        return False
    start, end = base + first, base + last
    return any(low <= end and start < high for low, high in ((PRIVATE, 1 << 32), (PRIVATE + (1 << 32), 1 << 33)))


BASES = (0, 1, 0xFFF, 0x1000, 0x3C00000, 0x80000000, PRIVATE - 0x10001, PRIVATE - 1, PRIVATE, 0xFFFFF000, 0xFFFFFFFF)
LIMITS = (0, 1, 0xFFF, 0xFC3FE, 0xFC3FF, 0xFC400, 0xFFFFE, 0xFFFFF)


@pytest.mark.parametrize("access", [CODE, DATA, DOWN])
@pytest.mark.parametrize("flags", [0, PAGES, WIDE, PAGES | WIDE])
def test_a_segment_is_unsafe_exactly_when_some_offset_reaches_the_private_part(flags: int, access: int) -> None:
    cases = list(product(BASES, LIMITS))
    found = {index for index, _ in unsafe(np.array([descriptor(*case, access, flags) for case in cases], dtype="<u8"))}
    expected = {index for index, case in enumerate(cases) if reaches_private(*case, access, flags)}
    assert [cases[index] for index in found ^ expected] == []


def test_what_is_not_present_cannot_be_loaded() -> None:
    assert faults(descriptor(0, 0xFFFFF, 0x1A, PAGES | WIDE)) == []


@pytest.mark.parametrize("kind", range(16))
def test_of_system_descriptors_guests_have_only_the_call_gate(kind: int) -> None:
    assert (faults(gate(0x21, 0x1000, 0xE0 | kind)) == []) == (kind in (0, 0xC))


@pytest.mark.parametrize(
    ("selector", "good"),
    [(0x21, True), (0x20, False), (0xE019, True), (0xE009, False), (0xE011, False), (0xE021, False), (0xE00D, True)],
)
def test_a_call_gate_leads_to_a_guests_own_code(selector: int, good: bool) -> None:
    assert (faults(gate(selector, 0x1000, 0xEC)) == []) == good
