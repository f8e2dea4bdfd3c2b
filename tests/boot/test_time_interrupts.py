"""Interrupts of the hardware while guests run: what guests can do with their vectors, and machines without an APIC."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, Images
from tests.boot.tables import request, table, update
from tests.boot.timers import LATEST, MILLISECOND, SET_TIMER, after, arrival, listen, now, spin_until
from xengen.abi.traps import TrapInfo
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import GP, KERNEL_CS, SELECTOR_IDT, value
from xengen.agent.outcome import Fault, completed
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.spec import CPU

TIMER, SPURIOUS, PIC = value("TIMER_VECTOR"), value("SPURIOUS_VECTOR"), value("PIC_VECTOR")
VM86_CODE = 0x10000
USER = value("PTE_P") | value("PTE_US") | value("PTE_A")
OURS = (TIMER, SPURIOUS, PIC, PIC + 7, PIC + 15, 0xF1, 0xFE)


@pytest.mark.parametrize("vector", OURS)
def test_a_guest_cannot_raise_an_interrupt_of_the_hardware(agent: Agent, vector: int) -> None:
    for run in (agent.ring1, agent.ring3):
        assert run(f"int ${vector:#x}") == Fault(GP, vector << 3 | SELECTOR_IDT)


@pytest.mark.parametrize("vector", OURS)
def test_a_guest_may_have_such_a_vector_for_itself_but_by_the_hypervisor(agent: Agent, vector: int) -> None:
    table = [TrapInfo(vector, 3, KERNEL_CS, agent.address("trap_stub_3")), TrapInfo()]
    assert agent.hypercall("set_trap_table", table) == 0
    with agent.action(3):
        completed(agent.ring3(f"int ${vector:#x}"))
        assert [trap.vector for trap in agent.traps] == [3]
    assert agent.trap_table({}) == 0


# A machine whose timers run by the 8254.


@pytest.fixture(scope="module")
def old_machine(images: Images) -> Iterator[Machine]:
    """A deterministic machine without a local APIC, with an agent in its one domain."""
    booter = Booter(images)
    yield booter("agent", icount=True, trace=False, cpu=f"{CPU},-apic")
    booter.close()


def test_timers_of_a_machine_without_an_apic_are_as_good(old_machine: Machine) -> None:
    assert hypervisor_of(old_machine).word("lapic_present") == 0
    with Agent(old_machine) as agent:
        assert agent.hypercall("vcpu_op", value("VCPUOP_stop_periodic_timer"), 0, 0) == 0
        listen(agent)
        for delta in (1, 100_000, MILLISECOND, 17 * MILLISECOND, 54 * MILLISECOND, 200 * MILLISECOND):
            assert 0 <= arrival(agent, after(delta, SET_TIMER)).late <= LATEST
        assert check_machine(old_machine) == []


# Interrupts that nothing of ours asked for: QEMU's monitor opens an input of an 8259 and has a device raise it.

KEYBOARD = ("o/b 0x21 0xfc", "sendkey a")
CLOCK = ("o/b 0xa1 0xfe", "o/b 0x21 0xfa", "o/b 0x70 0x0b", "o/b 0x71 0x42")
NOTHING = ("o/b 0x70 0x0b", "o/b 0x71 0x02", "o/b 0xa1 0xff", "o/b 0x21 0xfe")


@pytest.mark.parametrize("commands, vector", [(KEYBOARD, PIC + 1), (CLOCK, PIC + 8)], ids=["first", "second"])
def test_an_interrupt_that_nobody_asked_for_is_acknowledged(
    boot: Booter, commands: tuple[str, ...], vector: int
) -> None:
    machine = boot("agent", icount=True, trace=False, cpu=f"{CPU},-apic", append="log=debug")
    with Agent(machine) as agent:
        assert agent.hypercall("vcpu_op", value("VCPUOP_stop_periodic_timer"), 0, 0) == 0
        listen(agent)
        for command in commands:
            machine.monitor(command)
        machine.console.expect(f"unexpected interrupt {vector}\n")
        for command in NOTHING:
            machine.monitor(command)
        assert in_service(machine) == (0, 0)
        assert 0 <= arrival(agent, after(MILLISECOND, SET_TIMER)).late <= LATEST
        assert check_machine(machine) == []


def test_with_an_apic_the_8259s_cannot_interrupt_at_all(boot: Booter) -> None:
    machine = boot("agent", icount=True, trace=False, append="log=debug")
    with Agent(machine) as agent:
        for command in (*CLOCK, *KEYBOARD):
            machine.monitor(command)
        spin_until(agent, now(agent) + 50 * MILLISECOND)
        assert "unexpected interrupt" not in machine.console.text


def in_service(machine: Machine) -> tuple[int, int]:
    """What QEMU says that the first and the second 8259 have in service."""
    first, second = re.findall(r"isr=([0-9a-f]{2})", machine.monitor("info pic"))[:2]
    return int(first, 16), int(second, 16)


def test_a_guest_that_an_emulator_lets_into_vm86_mode_does_not_keep_the_processor(boot: Booter) -> None:
    """QEMU's TCG lets ring 1 do that by iret; entries from there have a longer frame on the hypervisor's stack.

    A guest that gets there with interrupts off is nobody's any more: nothing but hardware stops it.
    """
    machine = boot("agent", "agent", icount=True, trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        page = second.page()
        second.write(page.va, b"\xeb\xfe")  # jumps to itself
        l1 = table(second, {VM86_CODE >> 12: page.machine | USER})
        l2 = table(second, {0: l1.machine | USER})
        assert update(second, request(second.space.l3 << 12, l2.machine | value("PTE_P"))).result == 0
        segment = VM86_CODE >> 4
        flags = value("EFLAGS_VM") | value("EFLAGS_ONE") | value("EFLAGS_IF")
        frame = (0, 0, 0, 0, segment, 0, flags, segment, 0)
        with pytest.raises(DomainDied, match="domain 1 died: it is in virtual 8086 mode"):
            second.ring1("".join(f"pushl ${word:#x}\n" for word in frame) + "iret")
        machine.console.expect("domain 1 is gone")
        assert first.hypercall("xen_version", 0) > 0
        assert check_machine(machine) == []
