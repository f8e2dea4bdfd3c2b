"""What the hypervisor sets the processor to: control registers, descriptor tables, TSS, interrupt controllers.

Invariants
  - Descriptors are compared with words that are written down here from the ABI (1.9) and the manual (SDM volume 3,
    sections 3.4.5, 6.11, 8.2), not with the hypervisor's own constants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ctypes import Structure, sizeof
from typing import TypeVar

import pytest

from tests.boot.harness import GuestMaker, Images
from tests.boot.snippets import IDLE, standing
from xengen.abi.x86 import Tss
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.registers import Registers

StructureT = TypeVar("StructureT", bound=Structure)

HV_CS, HV_DS = 0xE008, 0xE010
DOUBLE_FAULT_VECTOR, HYPERCALL_VECTOR = 8, 0x82
INTERRUPT_GATE, TASK_GATE = 0x8E, 0x85
ERROR_CODES = (8, 10, 11, 12, 13, 14, 17)


@pytest.fixture(scope="module")
def machine(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """A machine whose domain runs."""
    with standing(images, guest(IDLE)) as found:
        yield found


@pytest.fixture(scope="module")
def registers(machine: Machine) -> Registers:
    """Its registers, in ring 1."""
    return machine.registers()


def at(machine: Machine, name: str, size: int) -> bytes:
    """Return what is at a symbol of the hypervisor's."""
    hypervisor = hypervisor_of(machine)
    return hypervisor.read(hypervisor.symbol(name), size)


def structure(machine: Machine, kind: type[StructureT], name: str) -> StructureT:
    """Return the structure at a symbol of the hypervisor's."""
    return kind.from_buffer_copy(at(machine, name, sizeof(kind)))


def address(machine: Machine, name: str) -> int:
    """Return the address of a symbol of the hypervisor's."""
    return hypervisor_of(machine).symbol(name)


# Control registers.


@pytest.mark.parametrize("name, bit", [("PE", 0), ("MP", 1), ("NE", 5), ("WP", 16), ("AM", 18), ("PG", 31)])
def test_a_bit_of_cr0_that_is_needed_is_set(registers: Registers, name: str, bit: int) -> None:
    assert registers.cr0 >> bit & 1, name


@pytest.mark.parametrize("name, bit", [("EM", 2), ("NW", 29), ("CD", 30)])
def test_a_bit_of_cr0_that_would_harm_is_clear(registers: Registers, name: str, bit: int) -> None:
    assert not registers.cr0 >> bit & 1, name


def test_cr4_has_pae_and_what_sse_needs(registers: Registers) -> None:
    assert registers.cr4 & (1 << 5 | 1 << 9 | 1 << 10) == 1 << 5 | 1 << 9 | 1 << 10


def test_no_page_is_global(registers: Registers) -> None:
    # The TLB is flushed by loading CR3 only.
    assert not registers.cr4 & 1 << 7


def test_the_no_execute_bit_is_on(registers: Registers) -> None:
    assert registers.efer == 1 << 11


def test_the_guest_runs_with_interrupts_on_and_without_the_right_to_ports(registers: Registers) -> None:
    assert (registers.cpl, registers.eflags & 0x3200) == (1, 0x200)


# The GDT.

# Selector and descriptor, byte for byte: limit (2), base (3), access, flags and limit, base. In pages, the guests'
# limit is 0xfc3ff: the last byte below the private part, 0xfc3fffff.
FLAT = {
    "ring 0 code": (0xE008, "ff ff 00 00 00 9a cf 00"),
    "ring 0 data": (0xE010, "ff ff 00 00 00 92 cf 00"),
    "ring 1 code": (0xE019, "ff c3 00 00 00 ba cf 00"),
    "ring 1 data": (0xE021, "ff c3 00 00 00 b2 cf 00"),
    "ring 3 code": (0xE02B, "ff c3 00 00 00 fa cf 00"),
    "ring 3 data": (0xE033, "ff c3 00 00 00 f2 cf 00"),
}
ACCESSED = 1 << 40


def descriptor(machine: Machine, selector: int) -> int:
    """Return the descriptor that a selector names, as the processor finds it."""
    return int.from_bytes(machine.read_virtual(machine.registers().gdt.base + (selector & ~7), 8), "little")


def base_of(found: int) -> int:
    """Return a descriptor's base."""
    return found >> 16 & 0xFFFFFF | found >> 56 << 24


@pytest.mark.parametrize("what", FLAT)
def test_a_reserved_descriptor_is_what_it_should_be_byte_for_byte(machine: Machine, what: str) -> None:
    selector, expected = FLAT[what]
    found = descriptor(machine, selector) & ~ACCESSED
    assert found.to_bytes(8, "little").hex(" ") == expected


def test_the_gdt_is_the_domains_window_up_to_the_reserved_page(registers: Registers) -> None:
    assert (registers.gdt.base, registers.gdt.limit) == (0xFD400000, 0xEFFF)


def test_the_guests_own_part_of_the_gdt_is_empty(machine: Machine, registers: Registers) -> None:
    assert machine.read_virtual(registers.gdt.base, 0xE000) == bytes(0xE000)


def test_nothing_else_is_in_the_reserved_page(machine: Machine, registers: Registers) -> None:
    known = {selector & ~7 for selector, _ in FLAT.values()} | {0xE000, 0xE040}
    page = machine.read_virtual(registers.gdt.base + 0xE000, 0x1000)
    assert {0xE000 + at for at in range(0, 0x1000, 8) if any(page[at : at + 8])} == known


@pytest.mark.parametrize(
    "selector, name, kind", [(0xE040, "tss", 0x8B), (0xE000, "double_fault_tss", 0x89)], ids=["tss", "double_fault"]
)
def test_a_task_has_a_descriptor_of_its_size(machine: Machine, selector: int, name: str, kind: int) -> None:
    # 0x89 is an available 32-bit TSS, 0x8b a busy one: the one that TR was loaded with.
    found = descriptor(machine, selector)
    assert (base_of(found), found & 0xFFFF, found >> 40 & 0xFF) == (address(machine, name), sizeof(Tss) - 1, kind)
    assert found >> 48 & 0xFF == 0, "a limit in bytes, below 64 KB"


def test_the_guest_runs_in_the_flat_segments_of_ring_1(registers: Registers) -> None:
    segments = registers.cs, registers.ss, registers.ds, registers.es
    assert [segment.selector for segment in segments] == [0xE019, 0xE021, 0xE021, 0xE021]
    assert {(segment.base, segment.limit) for segment in segments} == {(0, 0xFC3FFFFF)}


def test_there_is_no_ldt(registers: Registers) -> None:
    assert registers.ldt.selector == 0


# Tasks.


def test_entries_from_guests_begin_at_the_top_of_the_hypervisors_stack(machine: Machine) -> None:
    tss = structure(machine, Tss, "tss")
    assert (tss.ss0, tss.esp0) == (HV_DS, address(machine, "hypervisor_stack_top"))


def test_the_task_register_has_the_tss(machine: Machine, registers: Registers) -> None:
    assert (registers.tr.selector, registers.tr.base) == (0xE040, address(machine, "tss"))


@pytest.mark.parametrize("name", ["tss", "double_fault_tss"])
def test_no_port_is_free_to_guests(machine: Machine, name: str) -> None:
    # A map that begins beyond the limit is no map, and without one every access faults (SDM volume 1, section 19.5.2).
    assert structure(machine, Tss, name).io_map_base >= sizeof(Tss)


def test_a_double_fault_has_a_stack_and_tables_of_its_own(machine: Machine) -> None:
    task = structure(machine, Tss, "double_fault_tss")
    stack = address(machine, "double_fault_stack")
    assert (task.eip, task.esp) == (address(machine, "double_fault"), stack + 2048)
    assert (task.cs, task.ss, task.ds, task.es) == (HV_CS, HV_DS, HV_DS, HV_DS)
    hypervisor = hypervisor_of(machine)
    assert task.cr3 == hypervisor.physical(hypervisor.symbol("idle_l3"))


# The IDT.

# Gates that a guest's `int` may use: the rest raises a protection fault.
PRIVILEGE = {3: 3, 4: 3, HYPERCALL_VECTOR: 1}


@pytest.fixture(scope="module")
def idt(machine: Machine, registers: Registers) -> bytes:
    """The interrupt descriptor table."""
    return machine.read_virtual(registers.idt.base, 256 * 8)


def gate(idt: bytes, vector: int) -> tuple[int, int, int, int]:
    """Return (offset, selector, privilege, type with the present bit) of a gate."""
    word = int.from_bytes(idt[8 * vector : 8 * vector + 8], "little")
    return word & 0xFFFF | word >> 48 << 16, word >> 16 & 0xFFFF, word >> 45 & 3, word >> 40 & 0x9F


def test_the_idt_has_all_256_vectors(registers: Registers) -> None:
    assert registers.idt.limit == 256 * 8 - 1


def test_every_vector_leads_into_ring_0_with_interrupts_off(machine: Machine, idt: bytes) -> None:
    symbols = machine.symbols
    assert symbols is not None
    start, end = (symbols.address(f"__text_{side}") for side in ("start", "end"))
    for vector in sorted({*range(256)} - {DOUBLE_FAULT_VECTOR}):
        offset, selector, privilege, kind = gate(idt, vector)
        assert (selector, privilege, kind) == (HV_CS, PRIVILEGE.get(vector, 0), INTERRUPT_GATE), vector
        assert start <= offset < end, vector


def test_a_double_fault_is_a_task(idt: bytes) -> None:
    _, selector, privilege, kind = gate(idt, DOUBLE_FAULT_VECTOR)
    assert (selector, privilege, kind) == (0xE000, 0, TASK_GATE)


def test_the_hypercall_vector_leads_to_hypercall_entry(machine: Machine, idt: bytes) -> None:
    assert gate(idt, HYPERCALL_VECTOR)[0] == address(machine, "hypercall_entry")


def test_each_other_vector_has_a_stub_that_pushes_its_number(machine: Machine, idt: bytes) -> None:
    hypervisor = hypervisor_of(machine)
    for vector in sorted({*range(256)} - {DOUBLE_FAULT_VECTOR, HYPERCALL_VECTOR}):
        start = gate(idt, vector)[0]
        code = hypervisor.read(start, 7)
        if vector not in ERROR_CODES:
            assert code[:2] == b"\x6a\x00", f"vector {vector}: push of a zero error code"
            code = code[2:]
        pushed = code[1] if code[0] == 0x6A else int.from_bytes(code[1:5], "little")
        assert (code[0] in (0x6A, 0x68), pushed) == (True, vector)


# Interrupt controllers.


def test_both_interrupt_controllers_are_masked(machine: Machine) -> None:
    masks = re.findall(r"^pic\d: .*?imr=(\w+)", machine.monitor("info pic"), re.MULTILINE)
    assert masks == ["ff", "ff"]


def test_spurious_interrupts_of_the_controllers_do_not_come_as_exceptions(machine: Machine) -> None:
    bases = re.findall(r"irq_base=(\w+)", machine.monitor("info pic"))
    assert sorted(int(base, 16) for base in bases) == [0x20, 0x28]


def test_the_local_apic_can_be_used(machine: Machine) -> None:
    # Mapped at FIXMAP_APIC, where its version register shows QEMU's model (hw/intc/apic.c: version 0x14, 6 entries).
    assert hypervisor_of(machine).word("lapic_present") == 1
    assert "version 0x14" in machine.transcript.hypervisor
