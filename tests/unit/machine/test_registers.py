"""QEMU's register dumps (xengen/machine/registers.py)."""

from __future__ import annotations

import pytest

from tests.unit.machine.dumps import LONG_MODE, REGISTERS
from xengen.machine.registers import Segment, Table, UnreadableRegisters, parse_registers


def test_every_register_of_a_32_bit_dump_is_read() -> None:
    found = parse_registers(REGISTERS)
    assert (found.eax, found.ebx, found.ecx, found.edx) == (0x2BADB000, 0x9500, 0x10002B, 0x103F8)
    assert (found.esi, found.edi, found.ebp, found.esp) == (0x100063, 0x1000, 0, 0x7FFFC)
    assert (found.eip, found.eflags, found.cpl, found.halted) == (0x100048, 0x46, 0, True)
    assert found.ss == Segment(0x11, 0x100, 0xFFFFFFFF, 0xCF9300)
    assert [found.es.selector, found.ds.selector, found.fs.selector, found.gs.selector] == [0x10, 0x12, 0x13, 0x14]
    assert (found.tr.selector, found.ldt.limit) == (0x28, 0xFFFF)
    assert (found.gdt, found.idt) == (Table(0xC02B8, 0x27), Table(0x200000, 0x7FF))
    assert (found.cr0, found.cr2, found.cr3, found.cr4, found.efer) == (0x80010011, 0x1234, 0x5000, 0x20, 0x800)
    assert (found.paging, found.pae, found.pse) == (True, True, False)


def test_a_long_mode_dump_is_read_with_all_its_bits() -> None:
    found = parse_registers(LONG_MODE)
    assert (found.eax, found.eip, found.esp) == (0xFFFF82D0402F7C40, 0xFFFF82D0402F7C41, 0xFFFF82D040457E28)
    assert found.tr.base == 0xFFFF82D04045A100


@pytest.mark.parametrize("gone", ["EIP=", "CS =", "GDT=", "CR3=", "EFL="])
def test_a_dump_that_lacks_a_register_is_an_error(gone: str) -> None:
    with pytest.raises(UnreadableRegisters, match="register dump"):
        parse_registers(REGISTERS.replace(gone, "???"))


def test_registers_read_as_four_lines() -> None:
    assert parse_registers(REGISTERS).render() == (
        "eax=2badb000 ebx=00009500 ecx=0010002b edx=000103f8 esi=00100063 edi=00001000 ebp=00000000 esp=0007fffc\n"
        "eip=0008:00100048 eflags=00000046 cpl=0 halted\n"
        "es=0010 cs=0008 ss=0011 ds=0012 fs=0013 gs=0014 ldt=0000 tr=0028 gdt=000c02b8+27 idt=00200000+7ff\n"
        "cr0=80010011 cr2=00001234 cr3=00005000 cr4=00000020 efer=800"
    )
