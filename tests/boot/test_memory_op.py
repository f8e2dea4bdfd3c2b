"""memory_op, the questions (ABI 8.4): what a domain may know about memory."""

from __future__ import annotations

import pytest

from tests.boot.reservations import (
    NOWHERE,
    memory_op,
    record,
)
from xengen.abi.memory import (
    E820Entry,
    XenMachphysMapping,
    XenMachphysMfnList,
    XenMemoryDomain,
    XenMemoryMap,
)
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_INVALID,
    DOMID_SELF,
    EFAULT,
    EINVAL,
    ENOSYS,
    EPERM,
    ESRCH,
    HV_PRIVATE_START,
    value,
)
from xengen.inspect.live import hypervisor_of


def test_the_highest_frame_is_that_of_the_machine(agent: Agent) -> None:
    assert memory_op(agent, "maximum_ram_page", None) == hypervisor_of(agent.machine).max_frame


@pytest.mark.parametrize("command, field", [("current_reservation", "nr_pages"), ("maximum_reservation", "max_pages")])
@pytest.mark.parametrize("domid", [DOMID_SELF, 0])
def test_a_domain_knows_how_much_memory_it_has(agent: Agent, command: str, field: str, domid: int) -> None:
    assert memory_op(agent, command, XenMemoryDomain(domid)) == getattr(record(agent), field)


QUESTIONS = ["current_reservation", "maximum_reservation", "maximum_gpfn"]


@pytest.mark.parametrize("command", QUESTIONS)
@pytest.mark.parametrize("domid", [7, DOMID_INVALID, 0x7FFF, 0xFFFF])
def test_a_question_about_no_domain_is_refused(agent: Agent, command: str, domid: int) -> None:
    assert memory_op(agent, command, XenMemoryDomain(domid)) == -ESRCH


@pytest.mark.parametrize("command", QUESTIONS)
def test_only_domain_0_may_ask_about_others(two_agents: tuple[Agent, Agent], command: str) -> None:
    first, second = two_agents
    own = memory_op(second, command, XenMemoryDomain(DOMID_SELF))
    assert memory_op(first, command, XenMemoryDomain(1)) == own
    assert memory_op(second, command, XenMemoryDomain(0)) == -EPERM


OTHERS = ["machphys_mapping", "machphys_mfn_list", "machine_memory_map", "exchange"]


@pytest.mark.parametrize("command", [*QUESTIONS, *OTHERS])
@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFF])
def test_an_argument_cannot_be_at(agent: Agent, command: str, address: int) -> None:
    assert agent.hypercall("memory_op", value(f"XENMEM_{command}"), address) == -EFAULT


def test_the_highest_pfn_is_the_one_that_the_guest_says(agent: Agent) -> None:
    agent.shared_info.arch.max_pfn = 12345
    assert memory_op(agent, "maximum_gpfn", XenMemoryDomain(DOMID_SELF)) == 12344


def test_the_m2p_is_where_the_guest_is_told(agent: Agent) -> None:
    found = XenMachphysMapping()
    assert memory_op(agent, "machphys_mapping", found) == 0
    assert (found.v_start, found.v_end) == (value("MACH2PHYS_VIRT_START_PAE"), value("MACH2PHYS_VIRT_END_PAE"))
    assert found.max_mfn == value("MACH2PHYS_NR_ENTRIES_PAE") - 1


def test_the_frames_of_the_m2p_hold_it(agent: Agent) -> None:
    space = agent.put(bytes(4 * 8))
    found = XenMachphysMfnList(8, space, 0)
    assert memory_op(agent, "machphys_mfn_list", found) == 0
    assert found.nr_extents == 1  # one of 2 MB for 2 GB of memory
    (first, *rest) = (int.from_bytes(agent.read(space + 4 * index, 4), "little") for index in range(8))
    assert rest == [0] * 7
    mfn = agent.mfn(0)
    assert agent.machine.memory.u32(first * 4096 + 4 * mfn) == 0


def test_of_the_m2ps_frames_as_many_are_told_as_there_is_room_for(agent: Agent) -> None:
    found = XenMachphysMfnList(0, NOWHERE, 0)
    assert memory_op(agent, "machphys_mfn_list", found) == 0
    assert found.nr_extents == 0
    assert memory_op(agent, "machphys_mfn_list", XenMachphysMfnList(1, NOWHERE, 0)) == -EFAULT


def test_no_memory_map_was_set_for_a_domain(agent: Agent) -> None:
    assert memory_op(agent, "memory_map", XenMemoryMap(8, agent.allocate(160))) == -ENOSYS


def test_domain_0_sees_the_machines_memory_map(agent: Agent) -> None:
    space = agent.put(bytes(20 * 32))
    found = XenMemoryMap(32, space)
    assert memory_op(agent, "machine_memory_map", found) == 0
    entries = [agent.get(E820Entry, space + 20 * index) for index in range(found.nr_entries)]
    assert (0x100000, 1) in [(entry.addr, entry.type) for entry in entries]
    assert memory_op(agent, "machine_memory_map", XenMemoryMap(found.nr_entries - 1, space)) == -EINVAL
    assert memory_op(agent, "machine_memory_map", XenMemoryMap(found.nr_entries, NOWHERE)) == -EFAULT


def test_another_domain_does_not_see_the_machines_memory_map(two_agents: tuple[Agent, Agent]) -> None:
    assert memory_op(two_agents[1], "machine_memory_map", XenMemoryMap(32, two_agents[1].allocate(640))) == -EPERM


@pytest.mark.parametrize("command", [8, 15, 16, 17, 18, 24, 28, 31, 32, 63])
def test_an_operation_that_is_not_there_is_refused(agent: Agent, command: int) -> None:
    assert agent.hypercall("memory_op", command, agent.allocate(64)) == -ENOSYS
