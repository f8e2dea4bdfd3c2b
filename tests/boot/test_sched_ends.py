"""The ends that sched_op can bring (ABI 10.1): of others, with a reason set before, by a watchdog; and suspension."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.boot.harness import Booter
from tests.boot.timers import SECOND, now
from xengen.abi.sched import SchedPinOverride, SchedPoll, SchedRemoteShutdown, SchedShutdown, SchedWatchdog
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EINVAL, value
from xengen.agent.outcome import Result
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Ending

ENOSPC, EPERM, ESRCH = (value(name) for name in ("ENOSPC", "EPERM", "ESRCH"))


def operate(agent: Agent, command: str, argument: object) -> Result:
    """Make one operation of the scheduler."""
    return agent.hypercall("sched_op", value(f"SCHEDOP_{command}"), argument)  # type: ignore[arg-type]


@pytest.fixture
def pair(boot: Booter) -> Iterator[tuple[Agent, Agent]]:
    """Agents in domains 0 and 1 of a deterministic machine."""
    machine = boot("agent", "agent", icount=True, icount_shift=6, trace=False)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        yield first, second
    if machine.ending() is None:
        assert check_machine(machine) == []


@pytest.mark.parametrize("reason", [0, 1, 3, 4, 5, 77])
def test_domain_0_can_end_another_domain(pair: tuple[Agent, Agent], reason: int) -> None:
    first, second = pair
    assert operate(first, "remote_shutdown", SchedRemoteShutdown(1, 0, reason)) == 0
    name = {0: "poweroff", 1: "reboot", 3: "crash", 4: "watchdog", 5: "soft reset"}.get(reason, "unknown reason")
    first.machine.console.expect(rf"^\(xengen\) domain 1 shut down: {name}$")
    first.machine.console.expect(r"^\(xengen\) domain 1 is gone$")
    with pytest.raises(DomainDied):
        second.hypercall("xen_version", 0, 0)


def test_a_domain_that_sleeps_can_be_ended(pair: tuple[Agent, Agent]) -> None:
    first, second = pair
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(operate, second, "poll", SchedPoll(0, 0, 0))
        assert operate(first, "remote_shutdown", SchedRemoteShutdown(1, 0, 0)) == 0
        with pytest.raises(DomainDied):
            sleeping.result(20)


def test_only_domain_0_can_end_others(pair: tuple[Agent, Agent]) -> None:
    assert operate(pair[1], "remote_shutdown", SchedRemoteShutdown(0, 0, 0)) == -EPERM


def test_a_domain_that_is_not_there_cannot_be_ended(pair: tuple[Agent, Agent]) -> None:
    assert operate(pair[0], "remote_shutdown", SchedRemoteShutdown(99, 0, 0)) == -ESRCH


def test_a_domain_can_end_itself_as_if_from_afar(pair: tuple[Agent, Agent]) -> None:
    with pytest.raises(DomainDied, match="shut down: reboot"):
        operate(pair[1], "remote_shutdown", SchedRemoteShutdown(1, 0, value("SHUTDOWN_reboot")))


def test_the_first_code_that_was_set_is_the_reason_of_the_end(pair: tuple[Agent, Agent]) -> None:
    second = pair[1]
    assert operate(second, "shutdown_code", SchedShutdown(value("SHUTDOWN_watchdog"))) == 0
    assert operate(second, "shutdown_code", SchedShutdown(value("SHUTDOWN_reboot"))) == 0
    with pytest.raises(DomainDied, match="shut down: watchdog"):
        operate(second, "shutdown", SchedShutdown(value("SHUTDOWN_poweroff")))


# Suspension.


def test_a_suspended_domain_keeps_everything_and_does_not_run(pair: tuple[Agent, Agent]) -> None:
    first, second = pair
    pages = hypervisor_of(first.machine).domains()[1].record.nr_pages
    with pytest.raises(DomainDied, match="shut down: suspend"):
        operate(second, "shutdown", SchedShutdown(value("SHUTDOWN_suspend")))
    for _ in range(50):
        assert first.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0
    domain = hypervisor_of(first.machine).domains()[1]
    assert domain.vcpu is not None
    flags = domain.record.flags
    assert flags & value("DOMAIN_SUSPENDED") and not flags & value("DOMAIN_SHUTDOWN")
    assert (domain.record.shutdown_reason, domain.record.nr_pages) == (value("SHUTDOWN_suspend"), pages)
    assert domain.vcpu.record.runstate.state == value("RUNSTATE_offline")


# Watchdogs.


def test_a_watchdog_ends_the_domain_that_does_not_ask_for_more_time(pair: tuple[Agent, Agent]) -> None:
    first, second = pair
    assert operate(second, "watchdog", SchedWatchdog(0, 1)) == 1
    operate(first, "poll", SchedPoll(0, 0, now(first) + 2 * SECOND))
    first.machine.console.expect(r"^\(xengen\) domain 1 shut down: watchdog$")


def test_a_watchdog_of_domain_0_resets_the_machine(boot: Booter) -> None:
    machine = boot("agent", icount=True, trace=False)
    with Agent(machine) as agent, ThreadPoolExecutor(1) as pool:
        assert operate(agent, "watchdog", SchedWatchdog(0, 1)) == 1
        sleeping = pool.submit(operate, agent, "poll", SchedPoll(0, 0, 0))
        assert machine.wait(20) is Ending.REBOOT
        assert sleeping.exception(20) is not None


def test_there_are_two_watchdogs_and_each_can_be_set_anew_and_cancelled(pair: tuple[Agent, Agent]) -> None:
    agent = pair[0]
    assert [operate(agent, "watchdog", SchedWatchdog(0, 60)) for _ in range(3)] == [1, 2, -ENOSPC]
    assert operate(agent, "watchdog", SchedWatchdog(2, 30)) == 0
    assert operate(agent, "watchdog", SchedWatchdog(1, 0)) == 0
    assert operate(agent, "watchdog", SchedWatchdog(0, 60)) == 1
    assert [operate(agent, "watchdog", SchedWatchdog(number, 0)) for number in (1, 2)] == [0, 0]


@pytest.mark.parametrize("number, timeout", [(1, 5), (2, 0), (3, 5), (0xFFFFFFFF, 5), (0, 0)])
def test_a_watchdog_that_is_not_there_is_refused(agent: Agent, number: int, timeout: int) -> None:
    assert operate(agent, "watchdog", SchedWatchdog(number, timeout)) == -EINVAL


# Processors.


@pytest.mark.parametrize("processor, result", [(0, 0), (-1, 0), (1, -EINVAL), (0x7FFFFFFF, -EINVAL)])
def test_there_is_one_processor_to_be_pinned_to(agent: Agent, processor: int, result: int) -> None:
    assert operate(agent, "pin_override", SchedPinOverride(processor)) == result


def test_only_domain_0_can_pin(pair: tuple[Agent, Agent]) -> None:
    assert operate(pair[1], "pin_override", SchedPinOverride(0)) == -EPERM
