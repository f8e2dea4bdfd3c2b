"""The iret hypercall (ABI 5.10), and what a domain dies of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.boot.harness import Booter
from tests.boot.pointers import PENDING_AND_UNMASKED
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import (
    GP,
    KERNEL_CS,
    USER_CS,
    value,
)
from xengen.agent.outcome import EVENT, FAILSAFE, Fault

# iret (ABI 5.10).

IRET = "movl $HYPERCALL_iret, %eax\nint $0x82\nud2\n2:\n"


def test_iret_to_ring_1_takes_the_frame_off_the_stack_and_restores_eax(agent: Agent) -> None:
    after = completed(agent.ring1(
        "movl %esp, %ebx\npushl $EFLAGS_ONE\npushl %cs\npushl $2f\npushl $0x1234\n" + IRET + "movl %esp, %ecx"
    ))  # fmt: skip
    assert (after.eax, after.ecx) == (0x1234, after.ebx)


@pytest.mark.parametrize("flags, mask", [(0, 1), (value("EFLAGS_IF"), 0)])
def test_iret_sets_the_event_mask_from_the_frames_if(agent: Agent, flags: int, mask: int) -> None:
    after = completed(agent.ring1(
        f"movb $0xff, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\npushl $({flags} | EFLAGS_ONE)\n"
        "pushl %cs\npushl $2f\npushl $0\n" + IRET +
        "movzbl agent_shared_info + VCPU_INFO_evtchn_upcall_mask, %ebx\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    assert after.ebx == mask


@pytest.mark.parametrize("name", ["IOPL", "NT", "DF", "ID", "CF"])
def test_iret_loads_harmless_flags_and_no_privilege(agent: Agent, name: str) -> None:
    after = completed(agent.ring1(
        f"pushl $(EFLAGS_{name} | EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0\n" + IRET +
        "pushfl\npopl %ebx\npushl $EFLAGS_ONE\npopfl"
    ))  # fmt: skip
    expected = 0 if name == "IOPL" else value(f"EFLAGS_{name}")
    assert after.ebx & (value(f"EFLAGS_{name}") | value("EFLAGS_IOPL")) == expected


def test_iret_can_go_to_ring_3(agent: Agent) -> None:
    agent.ring3("movl %cs, %ebx")  # leaves its code at agent_user_code
    after = completed(agent.ring1(
        "pushl $FLAT_USER_SS\npushl $agent_user_stack_top\npushl $(EFLAGS_IF | EFLAGS_ONE)\npushl $FLAT_USER_CS\n"
        "pushl $agent_user_code\npushl $0x77\nmovl $HYPERCALL_iret, %eax\nint $0x82"
    ))  # fmt: skip
    assert (after.eax, after.ebx & 0xFFFF) == (0x77, USER_CS)


def test_iret_ignores_the_upper_half_of_the_frames_cs(agent: Agent) -> None:
    after = completed(agent.ring1(
        "pushl $EFLAGS_ONE\npushl $(0xabcd0000 + FLAT_KERNEL_CS)\npushl $2f\npushl $0x99\n" + IRET
    ))  # fmt: skip
    assert after.eax == 0x99


def test_iret_into_virtual_8086_mode_is_a_protection_fault(agent: Agent) -> None:
    outcome = agent.ring1("pushl $(EFLAGS_VM | EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0\n" + IRET)
    assert outcome == Fault(GP, 0)


def test_iret_delivers_a_pending_event_before_the_guest_runs(agent: Agent) -> None:
    completed(agent.ring1(
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
        "pushl $(EFLAGS_IF | EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0\n" + IRET +
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    assert [(trap.vector, trap.saved_mask) for trap in agent.traps] == [(EVENT, 0)]


@pytest.mark.parametrize("selector", ["0x1000 + 1", "0xe023", "0xe039"])
def test_iret_to_a_bad_code_selector_is_the_failsafe_callback(agent: Agent, selector: str) -> None:
    outcome = agent.ring1(f"pushl $EFLAGS_ONE\npushl $({selector})\npushl $2f\npushl $0\n" + IRET)
    assert outcome == Fault(FAILSAFE)


DEADLY: dict[str, Callable[[Agent], object]] = {
    "an iret to ring 0": lambda agent: agent.ring1("pushl $2\npushl $0xe008\npushl $2f\npushl $0\n" + IRET),
    "an iret from a stack that is not there": lambda agent: agent.ring1("movl $0xdead0000, %esp\n" + IRET),
    "an iret from the hypervisor's memory": lambda agent: agent.ring1("movl $0xfc900000, %esp\n" + IRET),
    "an exception without a handler": lambda agent: (agent.hypercall("set_trap_table", 0), agent.ring1("ud2")),
    "an exception on a stack that is not there": lambda agent: agent.ring1("movl $0xdead0000, %esp\nud2"),
    "an exception on a stack within the hypervisor": lambda agent: agent.ring1("movl $0xfc901000, %esp\nud2"),
    "a trap from ring 3 with a bad stack selector": lambda agent: (
        agent.hypercall("stack_switch", 0x1001, 0x1000), agent.ring3("ud2"),
    ),
    "an event without a callback": lambda agent: (
        agent.hypercall("set_callbacks", 0, 0, KERNEL_CS, 0), agent.ring1(PENDING_AND_UNMASKED + "int $0x82"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DEADLY)
def test_the_domain_alone_dies_of(boot: Booter, what: str) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        with pytest.raises(DomainDied, match=r"^domain 1 died: "):
            DEADLY[what](second)
        assert first.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096
