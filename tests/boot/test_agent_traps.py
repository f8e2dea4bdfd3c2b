"""Traps (ABI 5.2 to 5.7): every exception that a guest can raise, from ring 1 and from ring 3, and the frame it gets.

What a frame must say comes from the processor's manual and the ABI. Exceptions that need what QEMU's TCG does not have
(SSE exceptions, alignment checks, limits) are in the guest `traps`, and under another emulator.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from xengen.agent.agent import RETURN, Agent, completed
from xengen.agent.names import (
    BP,
    BR,
    DB,
    DE,
    EFLAGS_IF,
    EFLAGS_IOPL,
    EFLAGS_TF,
    GP,
    KERNEL_CS,
    KERNEL_DS,
    MF,
    OF,
    PF,
    PF_PRESENT,
    PF_USER,
    PF_WRITE,
    TI_MASK_EVENTS,
    UD,
    USER_CS,
    USER_DS,
    value,
)
from xengen.agent.outcome import EVENT, Fault, Trap

NOWHERE = 0xDEAD0000


@dataclass(frozen=True)
class Case:
    """An instruction behind the label `at:`, which begins at `at`; how far from it eip must be; the fault."""

    text: str
    vector: int
    error_code: int | None = None
    advance: int = 0


CASES = {
    "division by zero": Case("xorl %ecx, %ecx\nat: divl %ecx", DE),
    "single step": Case("pushfl\norl $EFLAGS_TF, (%esp)\npopfl\nat: nop", DB, advance=1),
    "breakpoint": Case("at: int3", BP, advance=1),
    "overflow": Case("movb $0x7f, %al\nincb %al\nat: into", OF, advance=1),
    "bounds": Case("movl $10, %eax\npushl $9\npushl $0\nat: boundl %eax, (%esp)", BR),
    "undefined instruction": Case("at: ud2", UD),
    "hlt": Case("at: hlt", GP, 0),
    "lgdt": Case("at: lgdt (%esp)", GP, 0),
    "lidt": Case("at: lidt (%esp)", GP, 0),
    "lldt": Case("xorl %eax, %eax\nat: lldt %ax", GP, 0),
    "ltr": Case("xorl %eax, %eax\nat: ltr %ax", GP, 0),
    "lmsw": Case("at: lmsw %ax", GP, 0),
    "invlpg": Case("at: invlpg (%esp)", GP, 0),
    "invd": Case("at: invd", GP, 0),
    "a selector of nothing": Case("movl $0xe03b, %eax\nat: movl %eax, %es", GP, 0xE038),
    "int 13": Case("at: int $13", GP, 13 << 3 | 2),
    "int 0x42, which has no handler": Case("at: int $0x42", GP, 0x42 << 3 | 2),
    "int 0x81 + 1, which has none either": Case("at: int $0x83", GP, 0x83 << 3 | 2),
    "int 0x80": Case("at: int $0x80", 0x80, advance=2),
    "x87 division by zero": Case("fninit\npushl $0x33b\nfldcw (%esp)\nfld1\nfldz\nfdivrp\nat: fwait", MF),
}  # fmt: skip


def outcome_of(agent: Agent, ring: int, text: str) -> tuple[Fault, int]:
    """Run the text in a ring; return the fault, and how far its eip is from the label `at`."""
    run = agent.ring1 if ring == 1 else agent.ring3
    outcome = run(f"movl $at, %esi\n{text}\nnop")
    assert isinstance(outcome, Fault), f"nothing was raised: {outcome}"
    return outcome, outcome.details.eip - outcome.details.registers.esi


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ring", [1, 3])
def test_an_exception_comes_to_its_handler(agent: Agent, ring: int, name: str) -> None:
    case = CASES[name]
    fault, distance = outcome_of(agent, ring, case.text)
    assert (fault, distance) == (Fault(case.vector, case.error_code), case.advance)


@pytest.mark.parametrize("name", CASES)
def test_a_frame_from_ring_3_is_on_the_kernels_stack_and_whole(agent: Agent, name: str) -> None:
    trap = outcome_of(agent, 3, CASES[name].text)[0].details
    words = 5 + (CASES[name].error_code is not None)
    assert (trap.cs, trap.ss, trap.stack) == (USER_CS, USER_DS, agent.address("agent_trap_stack_top") - 4 * words)
    assert agent.address("agent_user_stack") <= (trap.esp or 0) <= agent.address("agent_user_stack_top")
    assert (trap.handler_ss, trap.selectors) == (KERNEL_DS, (USER_DS,) * 4)


@pytest.mark.parametrize("name", CASES)
def test_a_frame_from_ring_1_is_on_the_stack_in_use(agent: Agent, name: str) -> None:
    trap = outcome_of(agent, 1, CASES[name].text)[0].details
    assert (trap.cs, trap.esp, trap.handler_ss) == (KERNEL_CS, None, KERNEL_DS)
    assert agent.address("agent_code_stack") <= trap.stack < agent.address("agent_code_stack_top")


@pytest.mark.parametrize("ring", [1, 3])
@pytest.mark.parametrize("mask", [0, 1, 0xFF])
def test_a_frame_has_the_event_mask_and_its_inverse_as_if(agent: Agent, ring: int, mask: int) -> None:
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = mask
    fault, _ = outcome_of(agent, ring, "at: ud2")
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
    trap = fault.details
    assert (trap.saved_mask, bool(trap.eflags & EFLAGS_IF)) == (mask, mask == 0)
    assert trap.eflags & EFLAGS_IOPL == 0


@pytest.mark.parametrize("flags, after", [(0, 0), (TI_MASK_EVENTS, 1)])
def test_a_handler_is_entered_with_events_masked_if_it_was_registered_so(agent: Agent, flags: int, after: int) -> None:
    assert agent.trap_table({UD: flags}) == 0
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 0
    fault, _ = outcome_of(agent, 3, "at: ud2")
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
    assert (fault.details.saved_mask, fault.details.handler_mask) == (0, after)


@pytest.mark.parametrize("name", ["TF", "NT", "RF"])
def test_a_handler_is_entered_without_the_flag(agent: Agent, name: str) -> None:
    fault, _ = outcome_of(agent, 3, "pushfl\norl $(EFLAGS_TF | EFLAGS_NT), (%esp)\npopfl\nat: nop")
    trap = fault.details
    assert trap.vector == DB
    assert trap.eflags & EFLAGS_TF
    assert trap.handler_eflags & value(f"EFLAGS_{name}") == 0


# Page faults.

FAULTS = {
    (1, "movl 0xdead0000, %eax"): 0,
    (1, "movl %eax, 0xdead0000"): PF_WRITE,
    (1, "movl %eax, agent_edge_end"): PF_WRITE,
    (3, "movl 0xdead0000, %eax"): PF_USER,
    (3, "movl %eax, 0xdead0000"): PF_USER | PF_WRITE,
    (3, "movl agent_scratch, %eax"): PF_USER | PF_PRESENT,
    (3, "movl %eax, agent_scratch"): PF_USER | PF_PRESENT | PF_WRITE,
    (1, "movl %eax, 0"): PF_WRITE,
    (3, "movl 0, %eax"): PF_USER,
}


@pytest.mark.parametrize("ring, text", FAULTS)
def test_a_page_fault_says_whether_it_was_a_write_of_a_user_and_to_a_page_that_is_there(
    agent: Agent, ring: int, text: str
) -> None:
    assert outcome_of(agent, ring, f"at: {text}") == (Fault(PF, FAULTS[ring, text]), 0)


@pytest.mark.parametrize("address", [0, 4, 0x7FFFFFFC, NOWHERE, 0xF57FFFFC])
@pytest.mark.parametrize("ring", [1, 3])
def test_a_page_fault_says_where(agent: Agent, ring: int, address: int) -> None:
    fault, _ = outcome_of(agent, ring, f"at: movl {address:#x}, %eax")
    assert (fault.vector, fault.details.cr2) == (PF, address)


def test_a_page_fault_says_where_it_was_when_it_crosses_a_page(agent: Agent) -> None:
    fault, _ = outcome_of(agent, 1, "at: movl agent_edge_end - 2, %eax")
    assert (fault.vector, fault.details.cr2) == (PF, agent.edge)


# `int` with a number (ABI 5.3).


@pytest.mark.parametrize("dpl, ring, allowed", [
    (0, 1, False), (1, 1, True), (2, 1, True), (3, 1, True),
    (0, 3, False), (1, 3, False), (2, 3, False), (3, 3, True),
])
def test_the_handlers_privilege_says_who_may_call_it(agent: Agent, dpl: int, ring: int, allowed: bool) -> None:
    assert agent.trap_table({0x60: dpl}) == 0
    expected = (Fault(0x60), 2) if allowed else (Fault(GP, 0x60 << 3 | 2), 0)
    assert outcome_of(agent, ring, "at: int $0x60") == expected


@pytest.mark.parametrize("vector", [0, 6, 16, 32, 0x7F, 0x80, 0xEF, 0xFE, 0xFF])
@pytest.mark.parametrize("ring", [1, 3])
def test_any_vector_can_be_called(agent: Agent, ring: int, vector: int) -> None:
    assert agent.trap_table({vector: 3}) == 0
    assert outcome_of(agent, ring, f"at: int ${vector}") == (Fault(vector), 2)


@pytest.mark.parametrize("vector", [8, 10, 11, 12, 13, 14, 17])
def test_a_vector_with_an_error_code_has_none_when_it_is_called(agent: Agent, vector: int) -> None:
    assert agent.trap_table({vector: 3}) == 0
    outcome = agent.ring3(f"int ${vector}")
    assert isinstance(outcome, Fault)
    assert outcome.vector == vector
    assert outcome.details.words[1] & 0xFFFF == USER_CS
    assert outcome.details.stack == agent.address("agent_trap_stack_top") - 20


def test_a_system_call_returns_to_the_application_with_its_registers(agent: Agent) -> None:
    with agent.action(0x80, RETURN):
        after = completed(agent.ring3("movl $1, %eax\nmovl $2, %ecx\nint $0x80\naddl %ecx, %eax"))
    assert after.eax == 3


# Events (ABI 5.6).

UNMASK = "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
MASK = "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
RAISE = "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
CALL = "xorl %ebx, %ebx\nmovl $HYPERCALL_xen_version, %eax\nint $0x82\n"


def events(agent: Agent) -> list[Trap]:
    """The upcalls of the last request."""
    return [trap for trap in agent.traps if trap.vector == EVENT]


def test_a_pending_event_is_delivered_on_the_way_out_of_any_hypercall(agent: Agent) -> None:
    after = completed(agent.ring1(RAISE + UNMASK + CALL + MASK))
    (upcall,) = events(agent)
    assert (upcall.cs, upcall.saved_mask, upcall.handler_mask) == (KERNEL_CS, 0, 1)
    assert upcall.registers.eax == after.eax == value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")


def test_a_masked_event_is_not_delivered(agent: Agent) -> None:
    completed(agent.ring1(RAISE + CALL))
    assert events(agent) == []
    agent.shared_info.vcpu_info[0].evtchn_upcall_pending = 0


def test_nothing_is_delivered_when_nothing_is_pending(agent: Agent) -> None:
    completed(agent.ring1(UNMASK + CALL + MASK))
    assert events(agent) == []


def test_an_event_comes_before_the_first_instruction_of_an_exceptions_handler(agent: Agent) -> None:
    with agent.action(UD, agent.address("agent_kernel_done")):
        completed(agent.ring1(RAISE + UNMASK + "ud2"))
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
    upcall, exception = agent.traps
    assert (upcall.vector, upcall.eip) == (EVENT, agent.address(f"trap_stub_{UD}"))
    assert exception.vector == UD


def test_an_event_comes_to_an_application(agent: Agent) -> None:
    agent.shared_info.vcpu_info[0].evtchn_upcall_pending = 1
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 0
    with agent.action(0x33, RETURN):
        outcome = agent.ring3("int $0x33")
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
    assert outcome == Fault(GP, 0x33 << 3 | 2)
    (upcall,) = events(agent)
    assert upcall.handler_mask == 1
