"""QEMU's exception trace (xengen/machine/trace.py)."""

from __future__ import annotations

import pytest

from tests.unit.machine.dumps import record
from xengen.machine.trace import has_triple_fault, parse_trace


def test_exceptions_come_oldest_first_with_the_registers_before_them() -> None:
    first, second = parse_trace(record(7, 6) + record(8, 13, error=0x32))
    assert (first.number, first.vector, first.eip, first.esp) == (7, 6, 0x100048, 0x7FFFC)
    assert (second.number, second.vector, second.error) == (8, 13, 0x32)
    assert second.registers is not None
    assert second.registers.ecx == 0x10002B


def test_a_record_without_its_beginning_is_skipped() -> None:
    text = record(1, 6)[200:] + record(2, 14)
    assert [one.number for one in parse_trace(text)] == [2]


def test_a_record_without_its_end_has_no_registers() -> None:
    (one,) = parse_trace(record(1, 6)[:200])
    assert one.registers is None


def test_only_the_last_are_read_when_asked() -> None:
    text = "".join(record(number, 6) for number in range(5))
    assert [one.number for one in parse_trace(text, last=2)] == [3, 4]


def test_a_trace_without_exceptions_is_empty() -> None:
    assert parse_trace("CPU Reset (CPU 0)\n") == ()


@pytest.mark.parametrize(
    "text, said",
    [
        (record(0, 6), "#UD at 0008:00100048, cpl 0, stack 0010:0007fffc"),
        (record(0, 14, error=2, cpl=1), "#PF[0002] at 0008:00100048, cpl 1, stack 0010:0007fffc, cr2 deadb000"),
        (record(0, 0x82, software=1), "int $0x82 at 0008:00100048, cpl 0, stack 0010:0007fffc"),
        (record(0, 0x20), "vector 0x20 at 0008:00100048, cpl 0, stack 0010:0007fffc"),
    ],
)
def test_an_exception_reads_as_one_line(text: str, said: str) -> None:
    (one,) = parse_trace(text)
    assert str(one) == said


def test_a_triple_fault_is_a_line_of_its_own() -> None:
    assert has_triple_fault(record(1, 8) + "Triple fault\n")
    assert not has_triple_fault(record(1, 8))
