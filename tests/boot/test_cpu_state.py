"""What a vcpu has to itself: floating point and debug registers (ABI 10.8).

Invariants
  - Two vcpus take turns in every test of `two_agents`: each request to one of them is a switch to it and back.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter
from xengen.abi.hypervisor import Vcpu
from xengen.abi.version import XenExtraversion
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import DB, EINVAL, EPERM, HV_START, NM, value
from xengen.agent.outcome import Fault
from xengen.inspect.live import hypervisor_of

STORE = "agent_scratch + 0x8000"
DR7_RESET = value("DR7_RESET")
WRITE_OF_4_BYTES = 0xD0001  # in DR7: breakpoint 0, enabled


def vcpu(agent: Agent) -> Vcpu:
    """What the hypervisor itself holds of the agent's vcpu."""
    found = hypervisor_of(agent.machine).domains()[agent.domain].vcpu
    assert found is not None
    return found.record


# Floating point.


def test_each_domain_has_its_own_floating_point(two_agents: tuple[Agent, Agent]) -> None:
    for agent, number in zip(two_agents, (111, 222), strict=True):
        completed(agent.ring1(f"movl %eax, {STORE}\nfninit\nfildl {STORE}\nmovl %ebx, {STORE}\nmovss {STORE}, %xmm3",
                              eax=number, ebx=number + 1))  # fmt: skip
    for agent, number in zip(two_agents, (111, 222), strict=True):
        after = completed(agent.ring1(
            f"fistl {STORE}\nmovl {STORE}, %eax\nmovss %xmm3, {STORE}\nmovl {STORE}, %ebx"
        ))  # fmt: skip
        assert (after.eax, after.ebx) == (number, number + 1)


def test_a_domain_begins_with_the_processors_initial_state(two_agents: tuple[Agent, Agent]) -> None:
    for agent in two_agents:
        after = completed(agent.ring1(
            f"fninit\nfnstcw {STORE}\nmovl {STORE}, %eax\nstmxcsr {STORE}\nmovl {STORE}, %ebx"
        ))  # fmt: skip
        assert (after.eax & 0xFFFF, after.ebx & 0xFFC0) == (value("FCW_RESET"), value("MXCSR_RESET") & 0xFFC0)


def test_a_switch_costs_a_domain_without_floating_point_nothing(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    completed(first.ring1("fninit"))
    before = len([one for one in first.machine.exceptions() if one.vector == NM])
    for _ in range(5):
        second.hypercall("xen_version", 0)
        completed(first.ring1("fninit"))
    assert len([one for one in first.machine.exceptions() if one.vector == NM]) == before


@pytest.mark.parametrize("ring", ["ring1", "ring3"])
def test_task_switched_gives_the_guest_one_fault(agent: Agent, ring: str) -> None:
    assert agent.hypercall("fpu_taskswitch", 1) == 0
    assert getattr(agent, ring)("fnop") == Fault(NM)
    assert not isinstance(getattr(agent, ring)("fnop"), Fault)


def test_task_switched_can_be_taken_back(agent: Agent) -> None:
    completed(agent.ring1("fninit"))
    assert [agent.hypercall("fpu_taskswitch", flag) for flag in (1, 1, 0)] == [0, 0, 0]
    completed(agent.ring1("fnop"))


def test_task_switched_survives_another_domains_turn(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    completed(first.ring1("fninit"))
    assert first.hypercall("fpu_taskswitch", 1) == 0
    completed(second.ring1("fninit"))
    assert first.ring1("fnop") == Fault(NM)


def test_floating_point_of_a_domain_that_is_gone_is_nobodys(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        completed(first.ring1(f"movl $7, {STORE}\nfninit\nfildl {STORE}"))
        completed(second.ring1("fninit\nfldpi"))
        with pytest.raises(DomainDied):
            second.hypercall("vcpu_op", value("VCPUOP_down"), 0, 0)
        machine.console.expect("domain 1 is gone")
        after = completed(first.ring1(f"fistl {STORE}\nmovl {STORE}, %eax"))
        assert after.eax == 7


# Debug registers.


@pytest.mark.parametrize("register", range(4))
def test_a_breakpoint_address_reads_as_written(agent: Agent, register: int) -> None:
    assert agent.hypercall("set_debugreg", register, 0x1234 + register) == 0
    assert agent.hypercall("get_debugreg", register) == 0x1234 + register
    assert agent.hypercall("set_debugreg", register, 0) == 0


@pytest.mark.parametrize("register", range(4))
@pytest.mark.parametrize("address", [HV_START, 0xFC400000, 0xFC900000, 0xFFFFFFFF])
def test_no_breakpoint_is_in_the_hypervisors_memory(agent: Agent, register: int, address: int) -> None:
    assert agent.hypercall("set_debugreg", register, address) == -EPERM


def test_a_breakpoint_may_be_on_the_last_byte_below_the_hypervisor(agent: Agent) -> None:
    assert agent.hypercall("set_debugreg", 0, HV_START - 1) == 0
    assert agent.hypercall("set_debugreg", 0, 0) == 0


@pytest.mark.parametrize("register, written, read", [
    (6, 0, 0xFFFF0FF0), (6, 0x1000, 0xFFFF0FF0), (6, 0xFFFFFFFF, 0xFFFFEFFF), (4, 0, 0xFFFF0FF0),
    (7, 0, 0x400), (7, 0xD800, 0x400), (7, 0x00010300, 0x00010700), (5, 0, 0x400), (7, 0x33330000, 0x33330400),
])  # fmt: skip
def test_reserved_bits_of_status_and_control_are_forced(agent: Agent, register: int, written: int, read: int) -> None:
    assert agent.hypercall("set_debugreg", register, written) == 0
    assert agent.hypercall("get_debugreg", register) & 0xFFFFFFFF == read
    assert agent.hypercall("set_debugreg", 6, 0) == 0
    assert agent.hypercall("set_debugreg", 7, 0) == 0


@pytest.mark.parametrize("control", [0x2000, 0x20000, 0x200000, 0x2000000, 0x20000000, 0x33322001])
def test_general_detection_and_breakpoints_on_ports_are_refused(agent: Agent, control: int) -> None:
    assert agent.hypercall("set_debugreg", 7, control) == -EPERM
    assert agent.hypercall("get_debugreg", 7) == DR7_RESET


@pytest.mark.parametrize("register", [8, 15, 0x80000000, 0xFFFFFFFF])
def test_there_are_eight_debug_registers(agent: Agent, register: int) -> None:
    assert agent.hypercall("set_debugreg", register, 0) == -EINVAL
    assert agent.hypercall("get_debugreg", register) == -EINVAL


def set_breakpoint(agent: Agent, address: int, control: int) -> None:
    """Breakpoint 0 on `address`, or none with control 0."""
    assert agent.hypercall("set_debugreg", 0, address) == 0
    assert agent.hypercall("set_debugreg", 6, 0) == 0
    assert agent.hypercall("set_debugreg", 7, control) == 0


def test_a_data_breakpoint_is_the_guests_debug_exception(agent: Agent) -> None:
    address = agent.address("agent_scratch") + 0x8000
    set_breakpoint(agent, address, WRITE_OF_4_BYTES)
    outcome = agent.ring1(f"movl %eax, {STORE}\nnop")
    set_breakpoint_off = agent.hypercall("set_debugreg", 7, 0)
    assert (outcome, set_breakpoint_off) == (Fault(DB), 0)
    assert agent.hypercall("get_debugreg", 6) & 0xF == 1


def test_single_steps_are_seen_in_the_virtual_status(agent: Agent) -> None:
    assert agent.hypercall("set_debugreg", 6, 0) == 0
    outcome = agent.ring1("pushfl\norl $EFLAGS_TF, (%esp)\npopfl\nnop\nnop")
    assert outcome == Fault(DB)
    assert agent.hypercall("get_debugreg", 6) & 0x4000


def test_a_breakpoint_is_there_only_while_its_domain_runs(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    set_breakpoint(first, first.address("agent_scratch") + 0x8000, WRITE_OF_4_BYTES)
    for _ in range(2):
        completed(second.ring1(f"movl %eax, {STORE}\nnop"))  # the same address, in another address space
        assert first.ring1(f"movl %eax, {STORE}\nnop") == Fault(DB)
    set_breakpoint(first, 0, 0)


def test_what_the_hypervisor_writes_for_a_guest_is_no_breakpoint_of_the_guests(agent: Agent) -> None:
    found = XenExtraversion()
    buffer = agent.put(found)
    set_breakpoint(agent, buffer, WRITE_OF_4_BYTES)
    result = agent.hypercall("xen_version", value("XENVER_extraversion"), buffer)
    set_breakpoint(agent, 0, 0)
    assert result == 0


@pytest.mark.parametrize("instruction", ["int $0x82", "int3", "ud2"])
def test_a_debug_exception_held_back_by_a_stack_switch_hurts_nobody(agent: Agent, instruction: str) -> None:
    """Claim: `mov %ss` under a data breakpoint, then an entry: #DB arrives on the hypervisor's first instruction.

    Danger (CVE-2018-8897): a handler that takes ring 0 for its own, or single-steps through it, hands it to the guest.
    """
    address = agent.address("agent_scratch") + 0x8000
    agent.write(address, value("FLAT_KERNEL_SS").to_bytes(4, "little"))
    set_breakpoint(agent, address, 0xF0001)
    with agent.action(3), agent.action(6, agent.address("agent_kernel_done")), agent.action(DB):
        agent.ring1(f"xorl %eax, %eax\nmovl $17, %eax\nxorl %ebx, %ebx\nmovw {STORE}, %ss\n{instruction}")
    set_breakpoint(agent, 0, 0)
    assert agent.hypercall("xen_version", 0) > 0
