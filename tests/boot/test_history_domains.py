"""Flaws that hypervisors for paravirtual guests have had, in what guests are told and at the end of their lives.

Each docstring has claim, danger, method, as in test_history.py.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, sizeof

import pytest

from tests.boot.harness import Booter
from tests.boot.tables import extend, frame
from xengen.abi.memory import XenMachphysMapping, XenMemoryReservation
from xengen.abi.sched import VcpuRunstateInfo
from xengen.abi.version import (
    XenCapabilitiesInfo,
    XenChangesetInfo,
    XenCommandline,
    XenCompileInfo,
    XenDomainHandle,
    XenExtraversion,
    XenPlatformParameters,
)
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import DOMID_SELF, USER_DS, value
from xengen.agent.outcome import FAILSAFE, Fault
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB

SECRET = 0x5EC2E75E
UNTOUCHED = 0xEE
GUARD = 64  # bytes behind a structure, which nobody may write

# What is asked, and what the answer is.
QUESTIONS: dict[str, tuple[str, int, type[Structure]]] = {
    "extraversion": ("xen_version", value("XENVER_extraversion"), XenExtraversion),
    "compile info": ("xen_version", value("XENVER_compile_info"), XenCompileInfo),
    "capabilities": ("xen_version", value("XENVER_capabilities"), XenCapabilitiesInfo),
    "changeset": ("xen_version", value("XENVER_changeset"), XenChangesetInfo),
    "platform": ("xen_version", value("XENVER_platform_parameters"), XenPlatformParameters),
    "handle": ("xen_version", value("XENVER_guest_handle"), XenDomainHandle),
    "command line": ("xen_version", value("XENVER_commandline"), XenCommandline),
    "M2P table": ("memory_op", value("XENMEM_machphys_mapping"), XenMachphysMapping),
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_an_answer_has_nothing_of_the_hypervisors_in_it(two_agents: tuple[Agent, Agent], what: str) -> None:
    """Claim: a structure that is returned is wholly written, or left alone: no byte is what happened to be there.

    Danger: padding, and what follows the end of a string, bring the last caller's registers and pointers of the
    hypervisor to the next guest. Method: one domain leaves a pattern in all its registers; another one asks, twice.
    """
    call, command, kind = QUESTIONS[what]
    answers = []
    for pattern in (SECRET, ~SECRET & 0xFFFFFFFF):
        for number in (1, 12, 17, 26, 63):  # long ways and short ones; none of these can be carried out
            two_agents[0].hypercall(number, *[pattern] * 5)
        buffer = two_agents[1].put(bytes([UNTOUCHED]) * (sizeof(kind) + GUARD))
        assert two_agents[1].hypercall(call, command, buffer) >= 0
        answers.append(two_agents[1].space.read_linear(buffer, sizeof(kind) + GUARD))
    assert answers[0] == answers[1]
    assert answers[0][sizeof(kind) :] == bytes([UNTOUCHED]) * GUARD
    for pattern in (SECRET, ~SECRET & 0xFFFFFFFF):
        assert pattern.to_bytes(4, "little") not in answers[0]
    if isinstance(getattr(kind(), kind._fields_[0][0]), bytes):
        text, _, rest = answers[0][: sizeof(kind)].partition(b"\0")
        assert text.isascii()
        assert what == "compile info" or set(rest) <= {0, UNTOUCHED}


def test_a_run_state_has_as_many_bytes_as_the_abi_says(agent: Agent) -> None:
    """As above for the answer of a vcpu: what is behind its last field stays as it was."""
    size = sizeof(VcpuRunstateInfo)
    state = agent.put(bytes([UNTOUCHED]) * (size + 8))
    assert agent.hypercall("vcpu_op", value("VCPUOP_get_runstate_info"), 0, state) == 0
    data = agent.space.read_linear(state, size + 8)
    assert data[size:] == bytes([UNTOUCHED]) * 8
    assert UNTOUCHED.to_bytes(1, "little") * 4 not in data[:size]


def test_the_upper_halves_of_selectors_in_frames_are_empty(agent: Agent) -> None:
    """Claim: a selector in a frame is 16 bits, the event mask is one more, and the rest is zero.

    Danger: a push of a segment register leaves the upper half of the word as it was: two bytes of the hypervisor's
    stack in every frame. Method: frames from ring 3 and of the failsafe callback, the hypervisor's stack used before.
    """
    agent.hypercall(63, *[SECRET] * 5)
    outcome = agent.ring3("ud2")
    assert isinstance(outcome, Fault)
    words = outcome.details.words
    assert (words[1] >> 16 & ~0xFF, words[4]) == (0, USER_DS)
    outcome = agent.ring1("movl $0x1001, %eax\npushl $2\npushl %eax\npushl $0\npushl $0\nmovl $23, %eax\nint $0x82")
    assert isinstance(outcome, Fault) and outcome.vector == FAILSAFE
    assert [word >> 16 for word in outcome.details.words[:4]] == [0] * 4


# A domain that gives away what it stands on.


def _give(agent: Agent, mfn: int) -> int:
    reservation = XenMemoryReservation(agent.put([mfn]), 1, 0, 0, DOMID_SELF)
    return agent.hypercall("memory_op", value("XENMEM_decrease_reservation"), reservation)


STANDS_ON: dict[str, Callable[[Agent], int]] = {
    "start_info": lambda agent: agent.space.page(agent.mailbox.start_info_va & -4096).mfn,
    "its stack": lambda agent: agent.space.page(agent.address("agent_stack")).mfn,
    "its code": lambda agent: agent.space.page(agent.address("agent_code")).mfn,
    "its L3": lambda agent: agent.space.l3,
    "its L2": lambda agent: agent.space.entry(agent.edge, 3) >> 12,
    "its L1": lambda agent: (agent.space.entry(agent.edge, 2) & 0xFFFFFFFF) >> 12,
}


@pytest.mark.parametrize("what", STANDS_ON)
def test_a_frame_that_a_domain_stands_on_is_not_free_while_it_does(boot: Booter, what: str) -> None:
    """Claim: giving a frame back ends the allocation; the frame is free with its last use, and not before.

    Danger: the frame of a page table, a stack or start_info goes to somebody else while the processor or the domain
    uses it. Method: a domain gives each away, goes on, and ends; nobody else may get the frame before, and all of it
    must be free afterwards.
    """
    machine = boot("agent", "agent", memory=96 * MIB, append="dom0_mem=16M domu_mem=16M")
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        mfn = STANDS_ON[what](second)
        before = frame(second, mfn)
        assert _give(second, mfn) == 1
        assert _give(second, mfn) == 0
        assert frame(second, mfn) == before._replace(references=before.references - 1)
        taken = XenMemoryReservation(0, 64, 0, 0, DOMID_SELF)
        assert first.hypercall("memory_op", value("XENMEM_increase_reservation"), taken) == 64
        assert frame(second, mfn) == before._replace(references=before.references - 1)
        assert second.read(second.start_info.mfn_list, 4) == second.mfn(0).to_bytes(4, "little")
        if what == "its L3":
            assert extend(second, "UNPIN_TABLE", mfn) == 0
            assert second.hypercall("xen_version", 0) > 0
        assert check_machine(machine) == []
        with pytest.raises(DomainDied):
            second.hypercall("sched_op", value("SCHEDOP_shutdown"), [0])
        for _ in range(100):
            first.hypercall("sched_op", value("SCHEDOP_yield"), 0)
        assert [domain.id for domain in hypervisor_of(machine).domains()] == [0]
        assert hypervisor_of(machine).free[mfn]
        assert check_machine(machine) == []


def test_a_domain_cannot_give_its_shared_page_away(agent: Agent) -> None:
    """Claim: shared_info is the hypervisor's frame, which its domain may map, and no more.

    Danger: the hypervisor writes time and events into it: into whatever the frame has become. Method: to give it back,
    mapped or not, and to make a table of it.
    """
    mfn = agent.start_info.shared_info >> 12
    before = frame(agent, mfn)
    assert _give(agent, mfn) == 0
    for level in (1, 2, 3):
        assert extend(agent, f"PIN_L{level}_TABLE", mfn) < 0
    assert agent.hypercall("set_gdt", [mfn], 512) < 0
    assert agent.map(agent.address("agent_shared_info"), 0) == 0
    assert _give(agent, mfn) == 0
    assert extend(agent, "PIN_L1_TABLE", mfn) < 0
    entry = mfn << 12 | value("PTE_P") | value("PTE_RW") | value("PTE_A")
    assert agent.map(agent.address("agent_shared_info"), entry) == 0
    assert frame(agent, mfn) == before
