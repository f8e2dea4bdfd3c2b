"""The checker on a machine: where it stops the processor, and what it says of the control registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.unit.inspect.image_memory import ABI
from tests.unit.inspect.plantings import World, make_world
from xengen.errors import XengenError
from xengen.inspect.live import Stoppable, check_machine, check_registers
from xengen.inspect.violation import Rule
from xengen.machine.registers import Registers, Segment, Table

NULL = Segment(0, 0, 0, 0)
PAE_ON, FIXED_CR0, NXE = 0x20, 0x80010001, 0x800


def registers_of(world: World, **changes: Any) -> Registers:
    """Registers as they are while domain 0 runs in ring 1."""
    machine = world.machine
    good = Registers(
        eax=0, ebx=0, ecx=0, edx=0, esi=0, edi=0, ebp=0, esp=0, eip=0x100000, eflags=2, cpl=1, halted=False,
        es=NULL, cs=NULL, ss=NULL, ds=NULL, fs=NULL, gs=NULL, ldt=NULL,
        tr=Segment(ABI["HV_TSS"], machine.symbols["tss"], 103, 0),
        gdt=Table(ABI["DOMAIN_WINDOW"], ABI["GDT_LIMIT"]), idt=Table(machine.symbols["idt"], 0x7FF),
        cr0=FIXED_CR0, cr2=0, cr3=machine.vcpu(world.zero.vcpu).cr3, cr4=PAE_ON, efer=NXE,
    )  # fmt: skip
    return replace(good, **changes)


@dataclass
class Memory:
    """As much of PhysicalMemory as the checker uses."""

    data: bytearray

    @property
    def size(self) -> int:
        return len(self.data)

    def view(self, address: int, size: int) -> memoryview:
        return memoryview(self.data)[address : address + size]


ENTRY = 0xFC901230


@dataclass
class Names:
    """As much of SymbolTable as the checker uses."""

    symbols: dict[str, int]

    def address(self, name: str) -> int:
        return ENTRY if name == "hypercall_entry" else self.symbols[name]


@dataclass
class Fake:
    """A machine whose processor is somewhere else each time that it was let go: `states` in turn."""

    world: World
    states: list[Registers]
    running: bool = True
    calls: list[str] = field(default_factory=list)

    @property
    def memory(self) -> Any:
        return Memory(self.world.machine.memory)

    @property
    def symbols(self) -> Any:
        return Names(self.world.machine.symbols)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.calls.append("stop")
        yield
        self.calls.append("go on")

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")
        self.states.pop(0)

    def registers(self) -> Registers:
        return self.states[0]

    def qmp(self, name: str, **arguments: Any) -> Any:
        assert (name, arguments) == ("query-status", {})
        return {"running": self.running}


def as_machine(fake: Fake) -> Stoppable:
    return fake


@pytest.fixture
def world() -> World:
    return make_world()


def test_a_machine_in_a_guest_is_checked_where_it_is(world: World) -> None:
    fake = Fake(world, [registers_of(world)])
    assert check_machine(as_machine(fake)) == []
    assert fake.calls == ["stop", "go on"]


def test_a_machine_that_idles_is_checked_where_it_is(world: World) -> None:
    fake = Fake(world, [registers_of(world, cpl=0, halted=True)])
    assert check_machine(as_machine(fake)) == []


def test_a_processor_within_the_hypervisor_is_let_go_until_it_is_out(world: World) -> None:
    within = registers_of(world, cpl=0, cr3=0)
    fake = Fake(world, [within, within, registers_of(world, cpl=3)])
    assert check_machine(as_machine(fake)) == []
    assert fake.calls == ["stop", "resume", "pause", "resume", "pause", "go on"]


def test_a_processor_at_the_first_instruction_of_a_hypercall_is_checked_where_it_is(world: World) -> None:
    fake = Fake(world, [registers_of(world, cpl=0, eip=ENTRY)])
    assert check_machine(as_machine(fake)) == []
    assert fake.calls == ["stop", "go on"]


def test_a_machine_that_stands_within_the_hypervisor_is_not_moved(world: World) -> None:
    fake = Fake(world, [registers_of(world, cpl=0, eip=0xFC901234)], running=False)
    with pytest.raises(XengenError, match="the processor stands in the hypervisor, at 0xfc901234: nothing can be"):
        check_machine(as_machine(fake))
    assert "resume" not in fake.calls


def test_a_violation_in_memory_and_one_in_the_registers_are_both_reported(world: World) -> None:
    world.machine.write("free_frames", 3)
    found = check_machine(as_machine(Fake(world, [registers_of(world, cr0=0x80000001)])))
    assert [violation.rule for violation in found] == [Rule.FREE_COUNT, Rule.REGISTERS]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"cr3": 0x5000}, "cr3 is 0x5000, but domain 0 runs with"),
        ({"cr0": 0x80000001}, "cr0 is 0x80000001: paging and write protection must be on"),
        ({"cr4": 0}, "cr4 is 0x0: PAE must be on"),
        ({"efer": 0}, "EFER is 0x0: the no-execute bit must be on"),
        ({"gdt": Table(0x1000, 0xEFFF)}, "the GDT is at 0x1000, limit 0xefff: not the domain's window"),
        ({"idt": Table(0x1000, 0x7FF)}, "the IDT is at 0x1000, limit 0x7ff: not idt"),
        ({"tr": NULL}, "the task register shows 0x0, not the TSS"),
    ],
)
def test_a_register_that_lets_a_guest_out_is_named(world: World, changes: dict[str, Any], text: str) -> None:
    (violation,) = check_registers(world.machine.hypervisor(), registers_of(world, **changes))
    assert violation.rule == Rule.REGISTERS
    assert text in str(violation)


def test_a_current_vcpu_of_no_domain_is_named(world: World) -> None:
    world.machine.write("current_vcpu", 0xFCC12340)
    (violation,) = check_registers(world.machine.hypervisor(), registers_of(world))
    assert str(violation) == "registers: current_vcpu is no domain's"
