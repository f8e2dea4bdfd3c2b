"""block and poll (ABI 10.1): who sleeps, what wakes, and that nobody sleeps longer or shorter than that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.boot.event_ports import bind_ipi, bind_virq, channel, close, mask, quiet, send
from tests.boot.harness import Booter, Images
from tests.boot.pointers import BAD_POINTERS
from tests.boot.timers import LATEST, MILLISECOND, now
from xengen.abi.sched import SchedPoll
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import Mailbox
from xengen.agent.names import EFAULT, EINVAL, value
from xengen.agent.outcome import EVENT, Result
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine

MOST = value("SCHED_POLL_MAX_PORTS")
PORTS = value("EVTCHN_2L_NR_CHANNELS")
BLOCK = "movl $SCHEDOP_block, %ebx\nmovl $HYPERCALL_sched_op, %eax\nint $0x82\n"


@pytest.fixture(scope="module")
def machine_of_two(images: Images) -> Iterator[Machine]:
    """A deterministic machine with an agent in domains 0 and 1."""
    booter = Booter(images)
    yield booter("agent", "agent", icount=True, trace=False)
    booter.close()


@pytest.fixture
def pair(machine_of_two: Machine) -> Iterator[tuple[Agent, Agent]]:
    """Its agents; nothing is pending for either."""
    with Agent(machine_of_two, 0) as first, Agent(machine_of_two, 1) as second:
        for each in (first, second):
            quiet(each)
            assert each.hypercall("vcpu_op", value("VCPUOP_stop_periodic_timer"), 0, 0) == 0
        yield first, second
        for each in (first, second):
            each.reset()
            quiet(each)
    assert check_machine(machine_of_two) == []


def poll(agent: Agent, ports: list[int], timeout: int = 0) -> Result:
    """Poll ports until `timeout`, in ns of system time; 0: for ever."""
    where = agent.put(ports) if ports else 0
    return agent.hypercall("sched_op", value("SCHEDOP_poll"), SchedPoll(where, len(ports), timeout))


def state(agent: Agent) -> int:
    """The run state of the agent's vcpu."""
    (found,) = (domain for domain in hypervisor_of(agent.machine).domains() if domain.id == agent.domain)
    assert found.vcpu is not None
    return int(found.vcpu.record.runstate.state)


def asleep(agent: Agent) -> None:
    """Wait until the agent's vcpu is blocked."""
    while state(agent) != value("RUNSTATE_blocked"):
        assert agent.machine.ending() is None


# Poll.


def test_a_poll_without_ports_sleeps_until_its_time(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    wanted = now(agent) + 5 * MILLISECOND
    assert poll(agent, [], wanted) == 0
    assert wanted <= now(agent)


def test_a_poll_whose_time_has_passed_returns(pair: tuple[Agent, Agent]) -> None:
    assert poll(pair[0], [], 1) == 0


def test_a_poll_returns_at_once_when_one_of_its_ports_is_pending(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    ports = [bind_ipi(agent) for _ in range(3)]
    mask(agent, *ports)
    assert send(agent, ports[1]) == 0
    assert poll(agent, ports) == 0
    for port in ports:
        close(agent, port)


def test_a_poll_returns_at_once_when_an_upcall_is_due(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    # With events let in the upcall comes on the way out: behind the call, which slept for nobody.
    after = completed(agent.ring1(
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
        "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
        "movl $SCHEDOP_poll, %ebx\nmovl $HYPERCALL_sched_op, %eax\nint $0x82\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask",
        ecx=agent.put(SchedPoll(0, 0, 0)),
    ))  # fmt: skip
    assert after.result == 0
    assert [trap.vector for trap in agent.traps] == [EVENT]


@pytest.mark.parametrize("count", [1, 2])
def test_a_masked_port_that_becomes_pending_ends_a_poll(pair: tuple[Agent, Agent], count: int) -> None:
    agent = pair[0]
    ports = [bind_virq(agent, "TIMER"), bind_ipi(agent)]
    mask(agent, *ports)
    wanted = now(agent) + 3 * MILLISECOND
    assert agent.hypercall("set_timer_op", wanted & 0xFFFFFFFF, wanted >> 32) == 0
    assert poll(agent, ports[:count]) == 0
    assert wanted <= now(agent) <= wanted + LATEST + MILLISECOND
    for port in ports:
        close(agent, port)


def test_another_port_does_not_end_a_poll_of_one(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    timer, other = bind_virq(agent, "TIMER"), bind_ipi(agent)
    mask(agent, timer, other)
    start = now(agent)
    assert agent.hypercall("set_timer_op", start + MILLISECOND & 0xFFFFFFFF, start + MILLISECOND >> 32) == 0
    assert poll(agent, [other], start + 20 * MILLISECOND) == 0
    assert now(agent) >= start + 20 * MILLISECOND
    for port in (timer, other):
        close(agent, port)


def test_another_domains_event_ends_a_poll(pair: tuple[Agent, Agent]) -> None:
    first, second = pair
    here, there = channel(first, second)
    mask(second, there)
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(poll, second, [there])
        asleep(second)
        assert send(first, here) == 0
        assert sleeping.result(10) == 0
    close(first, here)
    close(second, there)


def test_a_poll_leaves_the_event_mask_alone(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    assert poll(agent, [], now(agent) + MILLISECOND) == 0
    assert agent.shared_info.vcpu_info[0].evtchn_upcall_mask == 1


@pytest.mark.parametrize("count", [MOST + 1, 0x40000000, 0xFFFFFFFF])
def test_too_many_ports_are_refused(agent: Agent, count: int) -> None:
    argument = SchedPoll(agent.put([0]), count, 0)
    assert agent.hypercall("sched_op", value("SCHEDOP_poll"), argument) == -EINVAL


def test_as_many_ports_as_are_allowed_can_be_polled(pair: tuple[Agent, Agent]) -> None:
    assert poll(pair[0], [1] * MOST, 1) == 0


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_list_of_ports_that_cannot_be_read_is_refused(agent: Agent, where: str) -> None:
    argument = SchedPoll(BAD_POINTERS[where], 1, 0)
    assert agent.hypercall("sched_op", value("SCHEDOP_poll"), argument) == -EFAULT


@pytest.mark.parametrize("port", [PORTS, 0xFFFFFFFF])
def test_what_cannot_be_a_port_is_refused(agent: Agent, port: int) -> None:
    assert poll(agent, [1, port]) == -EINVAL


# Block.


def test_a_blocked_domain_sleeps_until_its_timer(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    port = bind_virq(agent, "TIMER")
    agent.shared_info.evtchn_mask[port // 32] &= ~(1 << port % 32)
    wanted = now(agent) + 5 * MILLISECOND
    assert agent.hypercall("set_timer_op", wanted & 0xFFFFFFFF, wanted >> 32) == 0
    assert completed(agent.ring1(BLOCK)).result == 0
    assert EVENT in [trap.vector for trap in agent.traps]
    quiet(agent)
    assert now(agent) >= wanted
    close(agent, port)


def test_a_masked_port_does_not_wake_a_blocked_domain(pair: tuple[Agent, Agent]) -> None:
    first, second = pair
    here, there = channel(first, second)
    other_here, other_there = channel(first, second)
    mask(second, there)
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(second.ring1, BLOCK)
        asleep(second)
        assert send(first, here) == 0
        assert state(second) == value("RUNSTATE_blocked")
        assert send(first, other_here) == 0
        assert completed(sleeping.result(10)).result == 0
    quiet(second)
    for agent, port in ((first, here), (first, other_here), (second, there), (second, other_there)):
        close(agent, port)


def test_time_asleep_is_counted_as_blocked(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    assert poll(agent, [], now(agent) + MILLISECOND) == 0
    before = hypervisor_of(agent.machine).domains()[0].vcpu
    assert poll(agent, [], now(agent) + 50 * MILLISECOND) == 0
    after = hypervisor_of(agent.machine).domains()[0].vcpu
    assert before is not None and after is not None
    blocked = value("RUNSTATE_blocked")
    slept = after.record.runstate.time[blocked] - before.record.runstate.time[blocked]
    # It begins to sleep some time after it has read the clock, which is up to this computer.
    assert 40 * MILLISECOND <= slept <= 50 * MILLISECOND + LATEST


def test_a_machine_where_nobody_can_ever_wake_idles(boot: Booter) -> None:
    machine = boot("agent", icount=True, trace=False)
    with Agent(machine) as agent, ThreadPoolExecutor(1) as pool:
        agent.mailbox.timeout = 1.0
        pool.submit(poll, agent, [])
        asleep(agent)
        machine.pause()
        assert machine.registers().halted
        assert check_machine(machine) == []


def test_a_domain_that_ends_is_released_while_everybody_else_sleeps(boot: Booter) -> None:
    machine = boot("agent", "hello", icount=True, trace=False)
    with Agent(machine, 0, alone=True) as agent:
        assert isinstance(agent.mailbox, Mailbox)
        assert poll(agent, [], now(agent) + 500 * MILLISECOND) == 0
    machine.console.expect(r"^\(xengen\) domain 1 is gone$")
