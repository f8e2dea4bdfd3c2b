"""vm_assist and sched_op (ABI 6.9, 10.1): switches of a domain, giving the processor away, and ending."""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter
from tests.boot.pointers import BAD_POINTERS
from xengen.abi.sched import SchedShutdown
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import (
    EFAULT,
    EINVAL,
    ENOSYS,
    value,
)
from xengen.agent.outcome import EVENT
from xengen.inspect.live import hypervisor_of

# vm_assist (ABI 6.9).


@pytest.mark.parametrize("kind", range(4))
def test_an_assist_can_be_switched_off_and_on(agent: Agent, kind: int) -> None:
    was_on = hypervisor_of(agent.machine).domains()[0].record.vm_assist >> kind & 1
    for command in (1, 0) if was_on else (0, 1):
        assert agent.hypercall("vm_assist", command, kind) == 0
        assert hypervisor_of(agent.machine).domains()[0].record.vm_assist >> kind & 1 == 1 - command


@pytest.mark.parametrize("kind", [6, 31, 32, 33, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unknown_assist_is_refused(agent: Agent, kind: int) -> None:
    assert agent.hypercall("vm_assist", value("VMASST_CMD_enable"), kind) == -EINVAL


@pytest.mark.parametrize("command", [2, 0xFFFFFFFF])
def test_an_unknown_assist_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("vm_assist", command, 0) == -ENOSYS


# sched_op (ABI 10.1).


def test_a_domain_alone_gets_the_processor_back_when_it_yields(agent: Agent) -> None:
    assert agent.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0
    assert agent.hypercall("sched_op_compat", value("SCHEDOP_yield"), 0) == 0


def test_block_unmasks_events_and_a_pending_one_is_delivered(agent: Agent) -> None:
    after = completed(agent.ring1(
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
        "movl $SCHEDOP_block, %ebx\nmovl $HYPERCALL_sched_op, %eax\nint $0x82\n"
        "movzbl agent_shared_info + VCPU_INFO_evtchn_upcall_mask, %ebx\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    assert (after.result, after.ebx) == (0, 0)
    assert [trap.vector for trap in agent.traps] == [EVENT]


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_shutdown_whose_reason_cannot_be_read_does_not_happen(agent: Agent, where: str) -> None:
    assert agent.hypercall("sched_op", value("SCHEDOP_shutdown"), BAD_POINTERS[where]) == -EFAULT


@pytest.mark.parametrize("command", [8, 100, 0xFFFFFFFF])
def test_an_unknown_scheduler_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("sched_op", command, 0) == -ENOSYS
    assert agent.hypercall("sched_op_compat", command, 0) == -ENOSYS


def test_a_domain_that_shuts_down_is_gone_and_the_others_go_on(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        with pytest.raises(DomainDied, match=r"^domain 1 shut down: poweroff"):
            second.hypercall("sched_op", value("SCHEDOP_shutdown"), SchedShutdown(value("SHUTDOWN_poweroff")))
        assert first.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096
