"""The alarm in virtual time (docs/time.md): an event when the vcpu has run for so long, however long that takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, Images
from tests.boot.pointers import vcpu
from tests.boot.timers import LATEST, MILLISECOND, SECOND, clear, close, is_pending, listen, now, spin_until
from xengen.abi.hypervisor import VcpuSetVirtualAlarm
from xengen.abi.sched import VcpuRunstateInfo
from xengen.agent.agent import Agent
from xengen.agent.names import EFAULT, value
from xengen.inspect.live import check_machine

NOWHERE = 0xDEAD0000
RUNNING = value("RUNSTATE_running")


@pytest.fixture(scope="module")
def machine_agents(images: Images) -> Iterator[tuple[Agent, Agent]]:
    """Agents in two domains of a deterministic machine, with their periodic timers off."""
    booter = Booter(images)
    machine = booter("agent", "agent", icount=True, trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        for agent in (first, second):
            assert agent.hypercall("vcpu_op", value("VCPUOP_stop_periodic_timer"), 0, 0) == 0
        yield first, second
    booter.close()


@pytest.fixture
def agents(machine_agents: tuple[Agent, Agent]) -> Iterator[tuple[Agent, Agent]]:
    """The same, without an alarm afterwards; checked."""
    yield machine_agents
    assert alarm(machine_agents[0], 0) == 0
    assert check_machine(machine_agents[0].machine) == []


@pytest.fixture
def port(agents: tuple[Agent, Agent]) -> Iterator[int]:
    """The first domain's port for the alarm."""
    number = listen(agents[0], "VIRQ_VIRTUAL_ALARM")
    yield number
    close(agents[0], number)


def alarm(agent: Agent, time: int) -> int:
    """Set the alarm to a virtual time in ns; 0: none."""
    return agent.hypercall("vcpu_op", value("VCPUOP_set_virtual_alarm"), 0, VcpuSetVirtualAlarm(time))


def virtual_time(agent: Agent) -> int:
    """How long the vcpu has run."""
    found = VcpuRunstateInfo()
    assert agent.hypercall("vcpu_op", value("VCPUOP_get_runstate_info"), 0, found) == 0
    return int(found.time[RUNNING])


def spin_virtual(agent: Agent, time: int) -> None:
    """Have the guest run until its virtual time is at least `time`."""
    while (left := time - virtual_time(agent)) > 0:
        spin_until(agent, now(agent) + left)


def test_virtual_time_stands_still_while_others_run(agents: tuple[Agent, Agent]) -> None:
    first, second = agents
    before, start = virtual_time(first), now(first)
    spin_until(second, now(second) + 20 * MILLISECOND)
    after, end = virtual_time(first), now(first)
    assert end - start >= 20 * MILLISECOND
    assert after - before <= end - start - 10 * MILLISECOND


def test_an_alarm_comes_when_the_vcpu_has_run_for_so_long(agents: tuple[Agent, Agent], port: int) -> None:
    first, second = agents
    wanted = virtual_time(first) + 15 * MILLISECOND
    assert alarm(first, wanted) == 0
    spin_until(second, now(second) + 30 * MILLISECOND)
    spin_virtual(first, wanted - 2 * MILLISECOND)
    while not is_pending(first, port):
        assert virtual_time(first) < wanted + 10 * MILLISECOND
        spin_until(first, now(first) + LATEST)
    assert wanted <= virtual_time(first)
    assert vcpu(first).virtual_alarm == 0


def test_an_alarm_that_has_passed_comes_at_once(agents: tuple[Agent, Agent], port: int) -> None:
    first, _ = agents
    assert alarm(first, 1) == 0
    spin_until(first, now(first) + LATEST)
    assert is_pending(first, port)


def test_an_alarm_of_0_is_none(agents: tuple[Agent, Agent], port: int) -> None:
    first, _ = agents
    wanted = virtual_time(first) + SECOND
    assert alarm(first, wanted) == 0
    assert alarm(first, 0) == 0
    spin_virtual(first, wanted + MILLISECOND)
    assert not is_pending(first, port)


def test_an_alarm_can_be_moved(agents: tuple[Agent, Agent], port: int) -> None:
    first, _ = agents
    assert alarm(first, virtual_time(first) + SECOND) == 0
    assert alarm(first, virtual_time(first) + MILLISECOND) == 0
    spin_virtual(first, virtual_time(first) + 2 * MILLISECOND)
    assert is_pending(first, port)
    clear(first)
    assert alarm(first, (1 << 64) - 1) == 0
    spin_virtual(first, virtual_time(first) + 2 * MILLISECOND)
    assert not is_pending(first, port)


@pytest.mark.parametrize("pointer", [0, NOWHERE, 0xFFFFFFFC])
def test_an_alarm_that_cannot_be_read_changes_nothing(agents: tuple[Agent, Agent], port: int, pointer: int) -> None:
    first, _ = agents
    time = virtual_time(first) + SECOND
    assert alarm(first, time) == 0
    assert first.hypercall("vcpu_op", value("VCPUOP_set_virtual_alarm"), 0, pointer) == -EFAULT
    assert vcpu(first).virtual_alarm == time


def test_an_alarm_waits_while_others_run(agents: tuple[Agent, Agent], port: int) -> None:
    first, second = agents
    assert alarm(second, virtual_time(second) + SECOND) == 0
    spin_until(second, now(second) + 5 * MILLISECOND)
    spin_until(first, now(first) + 2 * SECOND)
    assert not any(second.shared_info.evtchn_pending) and vcpu(second).virtual_alarm != 0
    assert alarm(second, 0) == 0
