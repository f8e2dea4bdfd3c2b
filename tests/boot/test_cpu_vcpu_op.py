"""vcpu_op and physdev_op: a vcpu's own affairs (ABI 10.3, 10.7).

Invariants
  - A vcpu_info that has been moved cannot be moved back: those tests have a machine each.
"""

from __future__ import annotations

from ctypes import sizeof

import pytest

from tests.boot.harness import Booter
from xengen.abi.hypervisor import Vcpu
from xengen.abi.mmu import MmuextArg1, MmuextOp
from xengen.abi.physdev import PhysdevSetIobitmap, PhysdevSetIopl
from xengen.abi.sched import (
    VcpuRegisterRunstateMemoryArea,
    VcpuRegisterVcpuInfo,
    VcpuRunstateInfo,
    VcpuSetPeriodicTimer,
)
from xengen.abi.shared import VcpuInfo
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EFAULT, EINVAL, ENOENT, ENOSYS, HV_PRIVATE_START, NMI, value
from xengen.agent.outcome import Fault
from xengen.inspect.live import check_machine, hypervisor_of

NOWHERE = 0xDEAD0000
MILLISECOND = 1_000_000
EEXIST, ENXIO = value("EEXIST"), value("ENXIO")
COMMANDS = ("initialise", "up", "down", "is_up", "get_runstate_info", "register_runstate_memory_area",
            "set_periodic_timer", "stop_periodic_timer", "set_singleshot_timer", "stop_singleshot_timer",
            "register_vcpu_info", "send_nmi", "get_physid", "register_vcpu_time_memory_area")  # fmt: skip


def vcpu(agent: Agent) -> Vcpu:
    """What the hypervisor itself holds of the agent's vcpu."""
    found = hypervisor_of(agent.machine).domains()[agent.domain].vcpu
    assert found is not None
    return found.record


def vcpu_op(agent: Agent, command: str, argument: object = 0, number: int = 0) -> int:
    """VCPUOP_command for vcpu `number`."""
    return agent.hypercall("vcpu_op", value(f"VCPUOP_{command}"), number, argument)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", [1, 31, 32, 0xFFFFFFFF])
def test_there_is_no_vcpu_but_the_first(agent: Agent, command: str, number: int) -> None:
    assert vcpu_op(agent, command, NOWHERE, number) == -ENOENT


@pytest.mark.parametrize("command", [14, 15, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unknown_vcpu_command_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("vcpu_op", command, 0, 0) == -ENOSYS


def test_no_vcpu_is_pinned_to_a_processor(agent: Agent) -> None:
    """It was -ENOSYS, as if the command were unknown (ABI 10.3)."""
    assert vcpu_op(agent, "get_physid", agent.put(bytes(8))) == -EINVAL


@pytest.mark.parametrize("command, result", [("initialise", -EEXIST), ("up", 0), ("is_up", 1)])
def test_the_first_vcpu_is_initialised_and_up(agent: Agent, command: str, result: int) -> None:
    assert vcpu_op(agent, command) == result


@pytest.mark.parametrize("command", ["get_runstate_info", "register_runstate_memory_area", "set_periodic_timer",
                                     "register_vcpu_info"])
@pytest.mark.parametrize("pointer", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC])
def test_an_argument_that_is_not_there_is_a_fault(agent: Agent, command: str, pointer: int) -> None:
    assert vcpu_op(agent, command, pointer) == -EFAULT


def test_a_domain_without_its_last_vcpu_is_off(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        with pytest.raises(DomainDied, match=r"^domain 1 shut down: poweroff"):
            vcpu_op(second, "down")
        assert vcpu_op(first, "is_up") == 1


# Timers.


@pytest.mark.parametrize("period, result", [
    (0, -EINVAL), (MILLISECOND - 1, -EINVAL), (MILLISECOND, 0), (10 * MILLISECOND, 0), (1 << 32, 0),
])  # fmt: skip
def test_a_period_is_a_millisecond_at_least(agent: Agent, period: int, result: int) -> None:
    assert vcpu_op(agent, "stop_periodic_timer") == 0
    assert vcpu_op(agent, "set_periodic_timer", VcpuSetPeriodicTimer(period)) == result
    assert vcpu(agent).periodic == (period if result == 0 else 0)
    assert vcpu_op(agent, "stop_periodic_timer") == 0
    assert vcpu(agent).periodic == 0


# Run states.


def runstate(agent: Agent) -> VcpuRunstateInfo:
    """What the hypervisor says of the vcpu's run state."""
    found = VcpuRunstateInfo()
    assert vcpu_op(agent, "get_runstate_info", found) == 0
    return found


def test_a_vcpu_that_asks_is_running(agent: Agent) -> None:
    assert runstate(agent).state == value("RUNSTATE_running")


def test_the_times_of_the_run_states_only_grow(two_agents: tuple[Agent, Agent]) -> None:
    first, _ = two_agents
    before = runstate(first)
    for _ in range(20):
        first.hypercall("sched_op", value("SCHEDOP_yield"), 0)
    after = runstate(first)
    grown = [new - old for new, old in zip(after.time, before.time, strict=True)]
    assert grown[value("RUNSTATE_running")] > 0 and grown[value("RUNSTATE_runnable")] > 0
    assert grown[value("RUNSTATE_offline")] == 0
    assert after.state_entry_time > before.state_entry_time
    assert sum(after.time) < 1000 * 1000 * MILLISECOND


def seen(agent: Agent, area: int) -> VcpuRunstateInfo:
    """What the guest itself finds in its area, while it runs."""
    return VcpuRunstateInfo.from_buffer_copy(agent.read(area, sizeof(VcpuRunstateInfo)))


def test_a_registered_area_follows_the_run_state(two_agents: tuple[Agent, Agent]) -> None:
    first, _ = two_agents
    area = first.allocate(sizeof(VcpuRunstateInfo))
    argument = VcpuRegisterRunstateMemoryArea()
    argument.addr.p = area
    assert vcpu_op(first, "register_runstate_memory_area", argument) == 0
    begun = seen(first, area)
    assert begun.state == value("RUNSTATE_running")
    first.hypercall("sched_op", value("SCHEDOP_yield"), 0)
    later = seen(first, area)
    assert later.state_entry_time > begun.state_entry_time
    assert later.time[value("RUNSTATE_runnable")] > begun.time[value("RUNSTATE_runnable")]
    assert vcpu_op(first, "register_runstate_memory_area", VcpuRegisterRunstateMemoryArea()) == 0


def test_an_area_that_cannot_be_written_is_not_taken(agent: Agent) -> None:
    argument = VcpuRegisterRunstateMemoryArea()
    for address in (NOWHERE, HV_PRIVATE_START, agent.start_info.pt_base):
        argument.addr.p = address
        assert vcpu_op(agent, "register_runstate_memory_area", argument) == -EFAULT
    assert vcpu(agent).runstate_area == 0


def test_an_area_that_has_gone_away_is_passed_over(two_agents: tuple[Agent, Agent]) -> None:
    first, _ = two_agents
    page = first.page()
    argument = VcpuRegisterRunstateMemoryArea()
    argument.addr.p = page.va
    assert vcpu_op(first, "register_runstate_memory_area", argument) == 0
    assert first.map(page.va, 0) == 0
    assert first.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0
    assert vcpu_op(first, "register_runstate_memory_area", VcpuRegisterRunstateMemoryArea()) == 0
    first.give_back(page)


# vcpu_info.


def register(agent: Agent, mfn: int, offset: int) -> int:
    """VCPUOP_register_vcpu_info."""
    return vcpu_op(agent, "register_vcpu_info", VcpuRegisterVcpuInfo(mfn, offset))


@pytest.mark.parametrize("offset", [4096 - 63, 4096 - 60, 4096, 0xFFFFFFFC, 0xFFFFFFFF, 1, 2, 3, 66])
def test_a_vcpu_info_lies_in_one_page_and_is_aligned(agent: Agent, offset: int) -> None:
    assert register(agent, agent.page().machine >> 12, offset) == -ENXIO


def test_a_vcpu_info_is_in_a_frame_of_the_guest_that_is_not_a_table(agent: Agent) -> None:
    table = agent.pte(agent.start_info.pt_base, 2) >> 12 & 0xFFFFF
    for mfn in (table, agent.space.l3, 0, 0xFFFFF, 0xFFFFFFFF, 1 << 32, (1 << 32) + 5):
        assert register(agent, mfn, 0) == -EINVAL
    assert vcpu(agent).info_page == 0


@pytest.mark.parametrize("offset", [0, 64, 128, 4096 - 64])
def test_a_vcpu_info_moves_with_its_contents(boot: Booter, offset: int) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as agent:
        page = agent.page()
        agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 1
        assert register(agent, page.machine >> 12, offset) == 0
        info = agent.get(VcpuInfo, page.va + offset)
        assert (info.evtchn_upcall_pending, info.evtchn_upcall_mask, info.evtchn_pending_sel) == (1, 1, 0xFFFFFFFF)
        assert info.time.version and not info.time.version % 2
        version = info.time.version
        old = agent.shared_info.vcpu_info[0].time.version
        agent.hypercall("sched_op", value("SCHEDOP_yield"), 0)
        assert agent.get(VcpuInfo, page.va + offset).time.version > version
        assert agent.shared_info.vcpu_info[0].time.version == old
        assert register(agent, page.machine >> 12, offset) == -EINVAL
        assert first.hypercall("xen_version", 0) > 0
        assert check_machine(machine) == []


def test_exceptions_use_the_vcpu_info_where_it_is_now(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0), Agent(machine, 1) as agent:
        page = agent.page()
        assert register(agent, page.machine >> 12, 256) == 0
        agent.write(page.va + 257, b"\x01")
        agent.load(NOWHERE)
        assert agent.get(VcpuInfo, page.va + 256).arch.cr2 == NOWHERE
        assert agent.traps[0].saved_mask == 1


def test_the_frame_of_a_vcpu_info_never_becomes_a_table(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0), Agent(machine, 1) as agent:
        page = agent.page()
        assert register(agent, page.machine >> 12, 0) == 0
        assert agent.map(page.va, page.machine | value("PTE_P")) == 0
        pin = MmuextOp(cmd=value("MMUEXT_PIN_L1_TABLE"), arg1=MmuextArg1(mfn=page.machine >> 12))
        assert agent.hypercall("mmuext_op", pin, 1, 0, value("DOMID_SELF")) == -EINVAL
        assert check_machine(machine) == []


def test_a_domain_with_a_moved_vcpu_info_leaves_nothing_behind(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as agent:
        assert register(agent, agent.page().machine >> 12, 0) == 0
        with pytest.raises(DomainDied):
            vcpu_op(agent, "down")
        machine.console.expect("domain 1 is gone")
        assert first.hypercall("xen_version", 0) > 0
        assert check_machine(machine) == []


# Non-maskable interrupts.


def test_an_nmi_that_a_vcpu_sends_itself_is_delivered_and_masked_until_its_iret(agent: Agent) -> None:
    assert vcpu_op(agent, "send_nmi", 4) == -EINVAL
    with agent.action(NMI):
        assert vcpu_op(agent, "send_nmi") == 0
        assert [trap.vector for trap in agent.traps] == [NMI]
        assert agent.traps[0].handler_mask == 1  # registered with callback_op or nmi_op: events are masked


def test_an_nmi_does_not_interrupt_the_handler_of_another(agent: Agent) -> None:
    send = "\n".join((
        "movl $HYPERCALL_vcpu_op, %eax", "movl $VCPUOP_send_nmi, %ebx", "xorl %ecx, %ecx", "xorl %edx, %edx",
        "int $0x82", "incl %esi",
    ))  # fmt: skip
    after = agent.ring1("xorl %esi, %esi\n" + send)
    assert after == Fault(NMI)
    # The agent's handler has ended the snippet without an iret: the vcpu is still in it.
    assert vcpu(agent).nmi_masked == 1
    assert completed(agent.ring1("xorl %esi, %esi\n" + send)).esi == 1
    assert vcpu(agent).nmi_pending == 1
    with agent.action(NMI):
        completed(agent.ring1("pushl $EFLAGS_ONE\npushl %cs\npushl $1f\npushl %eax\nmovl $HYPERCALL_iret, %eax\n"
                              "int $0x82\n1:\nnop"))  # fmt: skip
        assert [trap.vector for trap in agent.traps] == [NMI]
    assert (vcpu(agent).nmi_masked, vcpu(agent).nmi_pending) == (0, 0)


# I/O privilege.


@pytest.mark.parametrize("level, result", [(0, 0), (1, 0), (2, 0), (3, 0), (4, -EINVAL), (0xFFFFFFFF, -EINVAL)])
@pytest.mark.parametrize("form", ["physdev_op", "physdev_op_compat"])
def test_the_io_privilege_is_one_of_four(agent: Agent, form: str, level: int, result: int) -> None:
    assert set_iopl(agent, 0) == 0
    assert set_iopl(agent, level, form) == result
    assert vcpu(agent).iopl == (level if result == 0 else 0)
    assert set_iopl(agent, 0) == 0


def set_iopl(agent: Agent, level: int, form: str = "physdev_op") -> int:
    """PHYSDEVOP_set_iopl in one of its forms."""
    if form == "physdev_op":
        return agent.hypercall(form, value("PHYSDEVOP_set_iopl"), PhysdevSetIopl(level))
    return agent.hypercall(form, [value("PHYSDEVOP_set_iopl"), level, 0, 0])


@pytest.mark.parametrize("ports, result", [(0, 0), (1, 0), (65536, 0), (65537, -EINVAL), (0xFFFFFFFF, -EINVAL)])
def test_an_io_bitmap_has_as_many_bits_as_there_are_ports_at_most(agent: Agent, ports: int, result: int) -> None:
    argument = PhysdevSetIobitmap(NOWHERE, ports)
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iobitmap"), argument) == result
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iobitmap"), PhysdevSetIobitmap()) == 0


@pytest.mark.parametrize("command", [0, 3, 4, 5, 8, 10, 12, 13, 21, 28, 0xFFFFFFFF])
def test_other_device_commands_are_not_there(agent: Agent, command: int) -> None:
    assert agent.hypercall("physdev_op", command, agent.allocate(64)) == -ENOSYS
    assert agent.hypercall("physdev_op_compat", [command, 0, 0, 0]) == -ENOSYS


@pytest.mark.parametrize("command", ["set_iopl", "set_iobitmap"])
@pytest.mark.parametrize("pointer", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC])
def test_a_device_argument_that_is_not_there_is_a_fault(agent: Agent, command: str, pointer: int) -> None:
    assert agent.hypercall("physdev_op", value(f"PHYSDEVOP_{command}"), pointer) == -EFAULT
    assert agent.hypercall("physdev_op_compat", pointer) == -EFAULT
