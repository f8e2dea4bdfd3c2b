"""The hypercall table (ABI 3): every number with pointers to nothing, the wrong ring, and what a call leaves alone."""

from __future__ import annotations

import pytest

from tests.boot.pointers import NOWHERE
from xengen.abi.hypercalls import HYPERCALLS
from xengen.agent.agent import Agent, completed
from xengen.agent.names import (
    ENOSYS,
    GP,
    HV_PRIVATE_START,
    USER_DS,
    value,
)
from xengen.agent.outcome import Fault

NOT_TRIED = {
    "iret": "returns to what is on the stack: tests of its own",
    "stack_switch": "has no pointers and no errors",
    "set_callbacks": "has no pointers and no errors",
    "fpu_taskswitch": "has no pointers and no errors",
    "set_timer_op": "has no pointers and no errors",
    "set_debugreg": "has no pointers",
    "get_debugreg": "has no pointers",
    "sched_op_compat": "has no pointers",
}
ERRORS = {-value(name) for name in ("EFAULT", "EINVAL", "ENOSYS", "EPERM", "ESRCH", "ENOENT", "EACCES", "EOPNOTSUPP")}
TRIED = sorted({*range(64)} - {call.number for call in HYPERCALLS if call.name in NOT_TRIED})


@pytest.mark.parametrize("number", TRIED)
def test_a_call_with_pointers_to_nothing_is_refused_and_the_machine_lives(agent: Agent, number: int) -> None:
    name = {call.number: call.name for call in HYPERCALLS}.get(number, "")
    for bad in (NOWHERE, HV_PRIVATE_START, 0xFFFFFFF0):
        for command in (bad, 6 if name == "memory_op" else 2):
            result = agent.hypercall(number, command, bad, bad, bad, bad, bad)
            # Reservations of memory_op say how many extents were done instead of an error (ABI 8.2).
            not_even_begun = name == "memory_op" and result == command >> 6
            assert result in ERRORS or not_even_begun, f"{name}({command:#x}, {bad:#x}...)"


@pytest.mark.parametrize("number", [64, 65, 128, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_number_beyond_the_table_is_refused(agent: Agent, number: int) -> None:
    assert agent.hypercall(number) == -ENOSYS


@pytest.mark.parametrize("call", [call.name for call in HYPERCALLS if call.entry is None])
def test_a_call_that_is_not_there_is_refused(agent: Agent, call: str) -> None:
    assert agent.hypercall(call, 0, 0, 0, 0, 0) == -ENOSYS


def test_a_hypercall_from_ring_3_is_a_protection_fault(agent: Agent) -> None:
    assert agent.ring3("movl $HYPERCALL_xen_version, %eax\nxorl %ebx, %ebx\nint $0x82") == Fault(GP, 0x82 << 3 | 2)


def test_a_hypercall_leaves_flags_and_segments_alone(agent: Agent) -> None:
    after = completed(agent.ring1(
        "movl $FLAT_USER_DS, %eax\nmovl %eax, %es\nmovl %eax, %fs\nmovl %eax, %gs\n"
        "pushl $(EFLAGS_CF | EFLAGS_DF | EFLAGS_ID | EFLAGS_ONE)\npopfl\n"
        "movl $0, %ebx\nmovl $HYPERCALL_xen_version, %eax\nint $0x82\n"
        "pushfl\npopl %eax\ncld\nmovl %es, %ebx\nmovl %fs, %ecx\nmovl %gs, %edx"
    ))  # fmt: skip
    kept = value("EFLAGS_CF") | value("EFLAGS_DF") | value("EFLAGS_ID")
    assert after.eax & kept == kept
    assert (after.ebx & 0xFFFF, after.ecx & 0xFFFF, after.edx & 0xFFFF) == (USER_DS, USER_DS, USER_DS)
