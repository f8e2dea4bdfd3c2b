"""The single-shot timer of a vcpu (ABI 10.2, 10.3): never early, late by at most 50 microseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, Images
from tests.boot.pointers import vcpu
from tests.boot.timers import (
    BLOCK,
    LATEST,
    MICROSECOND,
    MILLISECOND,
    SECOND,
    SET_TIMER,
    SPIN,
    after,
    arrival,
    clear,
    close,
    is_pending,
    listen,
    now,
    spin_until,
)
from xengen.abi.sched import VcpuSetSingleshotTimer
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EFAULT, value
from xengen.agent.outcome import EVENT, Fault, completed
from xengen.inspect.live import check_machine

ETIME = value("ETIME")
NOWHERE = 0xDEAD0000
FUTURE = value("VCPU_SSHOTTMR_future")


@pytest.fixture(scope="module")
def machine_agent(images: Images) -> Iterator[Agent]:
    """An agent alone on a deterministic machine."""
    booter = Booter(images)
    with Agent(booter("agent", icount=True, trace=False)) as agent:
        yield agent
    booter.close()


@pytest.fixture
def agent(machine_agent: Agent) -> Iterator[Agent]:
    """The same with its callbacks as they were, whatever a test has done; checked afterwards."""
    yield machine_agent
    stop(machine_agent)
    machine_agent.reset()
    assert check_machine(machine_agent.machine) == []


@pytest.fixture
def port(agent: Agent) -> Iterator[int]:
    """The port of VIRQ_TIMER, with the periodic timer off."""
    assert agent.hypercall("vcpu_op", value("VCPUOP_stop_periodic_timer"), 0, 0) == 0
    number = listen(agent)
    yield number
    close(agent, number)


def stop(agent: Agent) -> None:
    """Stop the timer."""
    assert agent.hypercall("set_timer_op", 0, 0) == 0


def set_timer(agent: Agent, time: int) -> int:
    """set_timer_op with a system time in ns, of 64 bits."""
    return agent.hypercall("set_timer_op", time & 0xFFFFFFFF, time >> 32 & 0xFFFFFFFF)


def single_shot(agent: Agent, time: int, flags: int = 0) -> int:
    """VCPUOP_set_singleshot_timer."""
    argument = VcpuSetSingleshotTimer(time, flags)
    return agent.hypercall("vcpu_op", value("VCPUOP_set_singleshot_timer"), 0, argument)


def deadline(agent: Agent) -> int | None:
    """When the hypervisor holds the timer to be due; None: it is not set."""
    timer = vcpu(agent).timer
    return int(timer.deadline) if timer.position else None


# An agent that waits for its next command lets much less time pass than this.
APPLICATION_STARTS = 300 * MILLISECOND

DELTAS = (1, 100, MICROSECOND, 10 * MICROSECOND, 100 * MICROSECOND, MILLISECOND, 10 * MILLISECOND, 16_777_216,
          16_777_217, 17 * MILLISECOND, 99_999_999, SECOND, 1_073_741_825, 1_500_000_000)  # fmt: skip


# The single-shot timer by vcpu_op: its argument is made in the guest, at `place`.
def single_shot_at(place: int) -> str:
    """Instructions that set the timer to %ecx:%ebx, and preserve both."""
    return f"""
    movl %ebx, {place}
    movl %ecx, {place + 4}
    movl $0, {place + 8}
    pushl %ebx
    pushl %ecx
    movl $HYPERCALL_vcpu_op, %eax
    movl $VCPUOP_set_singleshot_timer, %ebx
    xorl %ecx, %ecx
    movl ${place}, %edx
    int $0x82
    popl %ecx
    popl %ebx
    """


@pytest.mark.parametrize("delta", DELTAS)
def test_an_event_of_the_timer_is_never_early_and_hardly_late(agent: Agent, port: int, delta: int) -> None:
    found = arrival(agent, after(delta, SET_TIMER))
    assert 0 <= found.late <= LATEST
    assert is_pending(agent, port)


@pytest.mark.parametrize("delta", DELTAS)
def test_a_processor_that_idles_is_woken_in_time(agent: Agent, port: int, delta: int) -> None:
    found = arrival(agent, after(delta, SET_TIMER), waiting=BLOCK)
    assert 0 <= found.late <= LATEST


@pytest.mark.parametrize("delta", DELTAS)
def test_vcpu_op_sets_the_same_timer(agent: Agent, port: int, delta: int) -> None:
    found = arrival(agent, after(delta, single_shot_at(agent.allocate(16))))
    assert 0 <= found.late <= LATEST
    assert is_pending(agent, port)


@pytest.mark.parametrize("first", [MILLISECOND, 30 * MILLISECOND, 2 * SECOND])
@pytest.mark.parametrize("second", [100 * MICROSECOND, 3 * MILLISECOND, 40 * MILLISECOND])
def test_the_time_that_was_set_last_counts(agent: Agent, port: int, first: int, second: int) -> None:
    found = arrival(agent, after(first, SET_TIMER) + after(second, SET_TIMER))
    assert 0 <= found.late <= LATEST


@pytest.mark.parametrize("before", [0, 1, MICROSECOND, SECOND])
def test_a_time_that_has_passed_is_told_at_once(agent: Agent, port: int, before: int) -> None:
    assert set_timer(agent, max(now(agent) - before, 1)) == 0
    assert is_pending(agent, port) and deadline(agent) is None
    clear(agent)
    assert single_shot(agent, max(now(agent) - before, 0)) == 0
    assert is_pending(agent, port) and deadline(agent) is None


def test_a_time_of_0_stops_the_timer(agent: Agent, port: int) -> None:
    start = now(agent)
    assert set_timer(agent, start + SECOND) == 0
    assert deadline(agent) == start + SECOND
    stop(agent)
    assert deadline(agent) is None
    spin_until(agent, start + SECOND + MILLISECOND)
    assert not is_pending(agent, port)


def test_vcpu_op_stops_it_too(agent: Agent, port: int) -> None:
    assert set_timer(agent, now(agent) + SECOND) == 0
    assert agent.hypercall("vcpu_op", value("VCPUOP_stop_singleshot_timer"), 0, 0) == 0
    assert deadline(agent) is None
    assert agent.hypercall("vcpu_op", value("VCPUOP_stop_singleshot_timer"), 0, 0) == 0


@pytest.mark.parametrize("ahead", [1 << 50, (1 << 50) + (1 << 34), 1 << 62, (1 << 63) - 1 - (1 << 40)])
def test_a_time_too_far_ahead_is_100_ms_from_now(agent: Agent, port: int, ahead: int) -> None:
    start = now(agent)
    assert set_timer(agent, start + ahead + SECOND) == 0
    found = deadline(agent)
    assert found is not None and start + 100 * MILLISECOND <= found <= now(agent) + 100 * MILLISECOND


@pytest.mark.parametrize("time", [1 << 63, (1 << 64) - 1, -SECOND])
def test_a_negative_time_is_100_ms_from_now(agent: Agent, port: int, time: int) -> None:
    start = now(agent)
    assert set_timer(agent, time) == 0
    found = deadline(agent)
    assert found is not None and start + 100 * MILLISECOND <= found <= now(agent) + 100 * MILLISECOND


@pytest.mark.parametrize("ahead", [(1 << 50) - (1 << 33), (1 << 50) - SECOND, 1 << 40])
def test_a_time_far_ahead_is_taken_as_it_is(agent: Agent, port: int, ahead: int) -> None:
    time = now(agent) + ahead
    assert set_timer(agent, time) == 0
    assert deadline(agent) == time


def test_a_time_that_must_be_in_the_future_is_refused_when_it_has_passed(agent: Agent, port: int) -> None:
    time = now(agent)
    assert single_shot(agent, time, FUTURE) == -ETIME
    assert single_shot(agent, 0, FUTURE) == -ETIME
    assert not is_pending(agent, port) and deadline(agent) is None
    assert single_shot(agent, time + SECOND, FUTURE) == 0
    assert deadline(agent) == time + SECOND


def test_a_timer_that_is_refused_leaves_the_one_before(agent: Agent, port: int) -> None:
    time = now(agent) + SECOND
    assert set_timer(agent, time) == 0
    assert single_shot(agent, 1, FUTURE) == -ETIME
    assert agent.hypercall("vcpu_op", value("VCPUOP_set_singleshot_timer"), 0, NOWHERE) == -EFAULT
    assert deadline(agent) == time


def test_a_timer_that_nobody_listens_to_comes_and_goes(agent: Agent) -> None:
    start = now(agent)
    assert set_timer(agent, start + MILLISECOND) == 0
    spin_until(agent, start + 2 * MILLISECOND)
    assert deadline(agent) is None
    assert not any(agent.shared_info.evtchn_pending)


def test_an_event_of_the_timer_waits_for_whoever_has_masked_it(agent: Agent, port: int) -> None:
    start = now(agent)
    assert set_timer(agent, start + MILLISECOND) == 0
    spin_until(agent, start + 2 * MILLISECOND)
    assert is_pending(agent, port) and deadline(agent) is None
    assert agent.shared_info.vcpu_info[0].evtchn_upcall_pending == 1


def test_an_application_that_spins_is_interrupted(agent: Agent, port: int) -> None:
    agent.mailbox.actions[EVENT] = value("AGENT_ABORT")
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 0
    assert set_timer(agent, now(agent) + APPLICATION_STARTS) == 0
    assert agent.ring3(SPIN) == Fault(EVENT)
    (trap,) = agent.traps
    assert trap.cs & 3 == 3 and trap.saved_mask == 0


def test_the_registers_of_an_application_survive_interrupts(agent: Agent, port: int) -> None:
    agent.shared_info.vcpu_info[0].evtchn_upcall_mask = 0
    assert set_timer(agent, now(agent) + APPLICATION_STARTS) == 0
    given = {name: 0x1000 + number for number, name in enumerate(("eax", "ebx", "edx", "esi", "edi", "ebp"))}
    loop = "movl $2400000, %ecx\n1:\n" + "nop\n" * 250 + "decl %ecx\njnz 1b\n"
    found = completed(agent.ring3(loop, **given))
    assert [trap.vector for trap in agent.traps] == [EVENT]
    assert {name: getattr(found, name) for name in given} == given


def test_a_timer_goes_with_its_domain(boot: Booter) -> None:
    machine = boot("agent", "agent", icount=True, trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        assert set_timer(second, now(second) + SECOND) == 0
        assert check_machine(machine) == []
        with pytest.raises(DomainDied):
            second.hypercall("vcpu_op", value("VCPUOP_down"), 0, 0)
        machine.console.expect("domain 1 is gone")
        assert check_machine(machine) == []
        spin_until(first, now(first) + SECOND)
        assert first.hypercall("xen_version", 0) > 0
