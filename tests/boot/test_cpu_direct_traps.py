"""Direct gates (ABI 5.4): `int n` from ring 3 to ring 1 that the hypervisor never sees.

Invariants
  - Whether it was there is read from QEMU's trace of exceptions: a gate to ring 0 shows there with #GP, a direct one
    as the interrupt itself, and from the frame: the hypervisor puts the event mask above cs, the processor does not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.boot.harness import Booter
from xengen.abi.traps import TrapInfo
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EFAULT, GP, KERNEL_CS, SELECTOR_IDT, TI_MASK_EVENTS, value
from xengen.agent.outcome import Fault
from xengen.machine.trace import TakenException

GATES = value("DIRECT_GATES")
GDT_FIRST_RESERVED = 0xE000
NOWHERE = 0xDEAD0000
OUR_GATE = (value("HV_CS"), 0x8E)


@contextmanager
def handlers(agent: Agent, *entries: tuple[int, int, int]) -> Iterator[None]:
    """Inside the block the trap table has (vector, flags, selector) besides the agent's own; the handler is #BP's."""
    address = agent.address("trap_stub_3")
    table = [TrapInfo(vector, flags, selector, address) for vector, flags, selector in entries]
    assert agent.hypercall("set_trap_table", [*table, TrapInfo()]) == 0
    yield
    agent.reset()


def gate(agent: Agent, vector: int) -> tuple[int, int]:
    """Selector and access byte of a vector's gate in the IDT."""
    machine = agent.machine
    assert machine.symbols is not None
    data = machine.read_virtual(machine.symbols.address("idt") + 8 * vector, 8)
    return int.from_bytes(data[2:4], "little"), data[5]


def access_of(dpl: int) -> int:
    """The access byte of a present 32-bit trap gate."""
    return 0x80 | dpl << 5 | 0xF


@pytest.mark.parametrize("dpl", [1, 2, 3])
def test_a_system_call_gate_has_the_privilege_of_the_table(agent: Agent, dpl: int) -> None:
    with handlers(agent, (0x80, dpl, KERNEL_CS)):
        assert gate(agent, 0x80) == (KERNEL_CS, access_of(dpl))


@pytest.mark.parametrize("vector", [0x30, 0x40, 0x7F, 0x83, 0xEF])
def test_any_vector_that_is_not_the_machines_may_be_direct(agent: Agent, vector: int) -> None:
    with handlers(agent, (vector, 3, KERNEL_CS)):
        assert gate(agent, vector) == (KERNEL_CS, access_of(3))
    assert gate(agent, vector) == OUR_GATE


@pytest.mark.parametrize(
    "vector, flags, selector",
    [
        (0x80, 0, KERNEL_CS), (0x80, 3 | TI_MASK_EVENTS, KERNEL_CS), (0x80, 3, 0), (0x80, 3, 3),
        (0x80, 3, value("HV_CS") | 1), (0x80, 3, value("HV_DS") | 3), (0x80, 3, value("HV_TSS") | 1),
        (0x80, 3, GDT_FIRST_RESERVED | 1), (0x80, 3, KERNEL_CS | 2), (0x80, 3, 0xFFFB),
        (0x40, 1, KERNEL_CS), (0x40, 2, KERNEL_CS), (0x40, 3 | TI_MASK_EVENTS, KERNEL_CS),
        (0, 3, KERNEL_CS), (1, 3, KERNEL_CS), (0x1F, 3, KERNEL_CS), (0x20, 3, KERNEL_CS), (0x2F, 3, KERNEL_CS),
        (0xF0, 3, KERNEL_CS), (0xFF, 3, KERNEL_CS),
    ],
)  # fmt: skip
def test_a_gate_that_may_not_be_direct_stays_the_hypervisors(
    agent: Agent, vector: int, flags: int, selector: int
) -> None:
    with handlers(agent, (vector, flags, selector)):
        assert gate(agent, vector) == OUR_GATE


def test_the_hypercall_gate_can_never_be_the_guests(agent: Agent) -> None:
    before = gate(agent, 0x82)
    with handlers(agent, (0x82, 3, KERNEL_CS)):
        assert gate(agent, 0x82) == before == (value("HV_CS"), 0xAE)
        assert agent.hypercall("xen_version", 0) > 0


@pytest.mark.parametrize("selector", [0x0F, 0x1005, GDT_FIRST_RESERVED - 8 | 1])
def test_selectors_of_the_guests_own_tables_are_good_for_a_gate(agent: Agent, selector: int) -> None:
    with handlers(agent, (0x80, 3, selector)):
        assert gate(agent, 0x80) == (selector, access_of(3))


def test_only_so_many_gates_are_direct_and_the_rest_is_bounced(agent: Agent) -> None:
    vectors = range(0x40, 0x40 + GATES + 2)
    with handlers(agent, *((vector, 3, KERNEL_CS) for vector in vectors)):
        assert [gate(agent, vector) != OUR_GATE for vector in vectors] == [True] * GATES + [False] * 2
        with agent.action(3):
            assert not isinstance(agent.ring3(f"int ${vectors[-1]:#x}"), Fault)


def test_clearing_the_table_takes_the_gates_away(agent: Agent) -> None:
    assert gate(agent, 0x80) != OUR_GATE
    assert agent.hypercall("set_trap_table", 0) == 0
    assert gate(agent, 0x80) == OUR_GATE


def test_a_list_that_ends_in_a_fault_has_still_changed_the_gates(agent: Agent) -> None:
    address = agent.edge - 8
    agent.write(address, bytes(TrapInfo(0x44, 3, KERNEL_CS, agent.address("trap_stub_3"))))
    assert agent.hypercall("set_trap_table", address) == -EFAULT
    assert gate(agent, 0x44) == (KERNEL_CS, access_of(3))


def test_a_system_call_from_ring_3_shows_the_processors_own_frame(agent: Agent) -> None:
    fault = agent.ring3("int $0x80")
    assert isinstance(fault, Fault) and fault == Fault(0x80)
    trap = fault.details
    assert trap.eip == agent.address("agent_user_code") + 2
    assert (trap.cs, trap.ss) == (value("FLAT_USER_CS"), value("FLAT_USER_SS"))
    assert trap.esp == agent.address("agent_user_stack_top")
    assert trap.eflags & value("EFLAGS_IF")
    assert trap.saved_mask == 0
    assert trap.stack == agent.address("agent_trap_stack_top") - 20


def test_a_system_call_of_a_lower_privilege_than_its_gate_is_a_protection_fault(agent: Agent) -> None:
    with handlers(agent, (0x80, 1, KERNEL_CS)):
        assert agent.ring3("int $0x80") == Fault(GP, 0x80 << 3 | SELECTOR_IDT)


def test_a_system_call_that_masks_events_is_bounced(agent: Agent) -> None:
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 0
    with handlers(agent, (0x80, 3 | TI_MASK_EVENTS, KERNEL_CS)):
        agent.ring3("int $0x80")
        trap = agent.traps[0]
        assert (trap.handler_mask, trap.saved_mask, trap.eflags & value("EFLAGS_IF")) == (1, 0, value("EFLAGS_IF"))


def test_stack_switch_moves_the_stack_of_direct_traps_at_once(agent: Agent) -> None:
    top = agent.address("agent_trap_stack_top") - 256
    assert agent.hypercall("stack_switch", value("FLAT_KERNEL_SS"), top) == 0
    fault = agent.ring3("int $0x80")
    assert isinstance(fault, Fault)
    assert fault.details.stack == top - 20


def test_a_direct_gate_to_a_missing_descriptor_is_the_guests_own_fault(agent: Agent) -> None:
    with handlers(agent, (0x80, 3, 0x0F)):
        assert agent.ring3("int $0x80") == Fault(GP, 0x0C)


def test_a_direct_trap_onto_a_missing_stack_kills_the_guest_alone(boot: Booter) -> None:
    # The processor's push faults; the page fault's own frame cannot be written either.
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        second.hypercall("stack_switch", value("FLAT_KERNEL_SS"), NOWHERE)
        with pytest.raises(DomainDied, match=r"^domain 1 died: its kernel stack cannot be written"):
            second.ring3("int $0x80")
        assert first.hypercall("xen_version", 0) > 0


def test_a_vcpu_that_runs_has_only_its_own_gates(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    with handlers(first, (0x50, 3, KERNEL_CS)), handlers(second, (0x51, 3, KERNEL_CS)):
        for _ in range(3):
            for agent, vector, other in ((first, 0x50, 0x51), (second, 0x51, 0x50)):
                with agent.action(3):
                    assert not isinstance(agent.ring3(f"int ${vector:#x}"), Fault)
                assert agent.ring3(f"int ${other:#x}") == Fault(GP, other << 3 | SELECTOR_IDT)


def test_a_system_call_and_back_never_enters_the_hypervisor(agent: Agent) -> None:
    """Claim (design, section 4): ring 3 to ring 1 without ring 0, and back with the handler's own iret.

    Method: of all that the processor takes during the calls, nothing but `int $0x80` from ring 3 is in its trace, and
    the timer's interrupts, which may come at any moment.
    """
    handler = agent.address("agent_code") + 0x800
    agent.write(handler, b"\xcf")
    assert agent.hypercall("set_trap_table", [TrapInfo(0x80, 3, KERNEL_CS, handler), TrapInfo()]) == 0
    after = agent.ring3("movl $200, %ecx\n1:\nint $0x80\ndecl %ecx\njnz 1b")
    assert not isinstance(after, Fault)
    deadline = time.monotonic() + 60
    while (taken := not_by_timer(agent))[-1].vector != value("AGENT_DONE_VECTOR"):
        assert time.monotonic() < deadline, "the trace does not come to the snippet's end"
    assert {(one.vector, one.software, one.cpl) for one in taken[-101:-1]} == {(0x80, True, 3)}


def not_by_timer(agent: Agent) -> list[TakenException]:
    """What the processor took last, without the interrupts of its timer."""
    return [one for one in agent.machine.exceptions() if one.vector != value("TIMER_VECTOR")]
