"""The periodic timer of a vcpu (ABI 10.2, 10.3): on by default, only while the vcpu runs, merged when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.boot.harness import Booter, Images
from tests.boot.timers import (
    LATEST,
    MILLISECOND,
    arrivals,
    clear,
    close,
    is_pending,
    listen,
    now,
    spin_until,
)
from xengen.abi.hypervisor import Timer
from xengen.abi.sched import VcpuSetPeriodicTimer
from xengen.agent.agent import Agent
from xengen.agent.names import EINVAL, value
from xengen.inspect.live import check_machine

DEFAULT = 10 * MILLISECOND


@pytest.fixture(scope="module")
def machine_agents(images: Images) -> Iterator[tuple[Agent, Agent]]:
    """Agents in two domains of a deterministic machine."""
    booter = Booter(images)
    machine = booter("agent", "agent", icount=True, trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        yield first, second
    booter.close()


@pytest.fixture
def agents(machine_agents: tuple[Agent, Agent]) -> Iterator[tuple[Agent, Agent]]:
    """The same, with callbacks and period as they were before; checked afterwards."""
    yield machine_agents
    for agent in machine_agents:
        period(agent, DEFAULT)
        agent.reset()
    assert check_machine(machine_agents[0].machine) == []


def period(agent: Agent, duration: int) -> int:
    """VCPUOP_set_periodic_timer."""
    return agent.hypercall("vcpu_op", value("VCPUOP_set_periodic_timer"), 0, VcpuSetPeriodicTimer(duration))


def stop(agent: Agent) -> int:
    """VCPUOP_stop_periodic_timer."""
    return agent.hypercall("vcpu_op", value("VCPUOP_stop_periodic_timer"), 0, 0)


def is_set(agent: Agent) -> bool:
    """Whether the hypervisor has a tick to come for the vcpu that runs."""
    machine = agent.machine
    assert machine.symbols is not None
    data = machine.read_virtual(machine.symbols.address("periodic_timer"), 16)
    return bool(Timer.from_buffer_copy(data).position)


def give_way(agent: Agent) -> None:
    """Yield."""
    assert agent.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0


@pytest.fixture
def alone(images: Images) -> Iterator[Agent]:
    """An agent alone on a deterministic machine that has just started."""
    booter = Booter(images)
    with Agent(booter("agent", icount=True, trace=False)) as agent:
        yield agent
    booter.close()


def test_a_vcpu_ticks_every_10_ms_from_the_moment_that_it_listens(alone: Agent) -> None:
    before = now(alone)
    listen(alone)
    found = arrivals(alone, 105 * MILLISECOND)
    assert len(found) in (10, 11)
    assert found[0] >= before + DEFAULT
    assert {round((later - earlier) / MILLISECOND, 2) for earlier, later in pairwise(found)} == {10.0}


def test_a_guest_that_does_not_listen_is_not_interrupted(alone: Agent) -> None:
    spin_until(alone, now(alone) + 30 * MILLISECOND)
    assert not is_set(alone)
    port = listen(alone)
    assert is_set(alone)
    close(alone, port)
    spin_until(alone, now(alone) + 30 * MILLISECOND)
    assert not is_set(alone)
    assert alone.shared_info.vcpu_info[0].evtchn_upcall_pending == 0


@pytest.mark.parametrize("duration", [MILLISECOND, 2_500_000, 40 * MILLISECOND])
def test_ticks_are_a_period_apart_and_do_not_drift(alone: Agent, duration: int) -> None:
    listen(alone)
    assert period(alone, duration) == 0
    found = arrivals(alone, 6 * duration)
    assert len(found) >= 5
    # The first may have waited for the guest to let it in.
    for number, tick in enumerate(found[2:], 1):
        assert abs(tick - found[1] - number * duration) <= LATEST


def test_a_stopped_timer_does_not_tick(alone: Agent) -> None:
    port = listen(alone)
    assert stop(alone) == 0
    assert not is_set(alone)
    assert arrivals(alone, 30 * MILLISECOND) == []
    assert not is_pending(alone, port)
    assert stop(alone) == 0


@pytest.mark.parametrize("duration, result", [((1 << 62) - 1, 0), (1 << 62, -EINVAL), ((1 << 64) - 1, -EINVAL)])
def test_a_period_is_146_years_at_the_most(alone: Agent, duration: int, result: int) -> None:
    listen(alone)
    assert period(alone, duration) == result
    assert is_set(alone)


def test_ticks_that_a_vcpu_has_missed_are_one(agents: tuple[Agent, Agent]) -> None:
    first, second = agents
    port = listen(first)
    assert period(first, MILLISECOND) == 0
    clear(first)
    spin_until(second, now(second) + 20 * MILLISECOND)
    give_way(first)
    assert is_pending(first, port)
    # Those behind it come one by one: there is no heap of old ones.
    assert len(arrivals(first, 3 * MILLISECOND)) <= 4
    close(first, port)
