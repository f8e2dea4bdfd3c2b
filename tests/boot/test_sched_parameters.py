"""Parameters of the scheduler, set by domain 0 while everything runs (ABI 12.2, 12.5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import Booter, Images
from tests.boot.scheduling import MILLISECOND, SECOND, booted, run_for, usages
from xengen.abi.control import Domctl, DomctlArgument, DomctlScheduler
from xengen.abi.sched import SchedBvtDomain
from xengen.agent.agent import Agent
from xengen.agent.names import EINVAL, value
from xengen.agent.outcome import Result
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine

DEFAULTS = (10, 0, 0, 2 * SECOND, SECOND)
LONGEST = 1 << 62


@pytest.fixture(scope="module")
def machine(images: Images) -> Iterator[Machine]:
    """A deterministic machine: an agent as domain 0, and two domains that spin. It runs."""
    booter = Booter(images)
    found = booted(booter, "agent", "spin", "spin", append="dom0_mem=16M domu_mem=4M")
    found.resume()
    yield found
    booter.close()


@pytest.fixture
def control(machine: Machine) -> Iterator[Agent]:
    """The agent of domain 0."""
    with Agent(machine, 0) as agent:
        yield agent
    for domain in (1, 2):
        assert put(agent, domain, SchedBvtDomain(10, 0, 0, 2000, 1000)) == 0
    assert check_machine(machine) == []


def scheduler(agent: Agent, domain: int, direction: str, bvt: SchedBvtDomain) -> tuple[Result, SchedBvtDomain]:
    """Make the control call, and return its result and the parameters behind it."""
    part = DomctlScheduler(0, value(f"SCHEDULER_{direction}"), bvt)
    argument = Domctl(
        value("DOMCTL_scheduler"), value("CONTROL_VERSION"), domain, 0, DomctlArgument(scheduler=part)
    )
    result = agent.hypercall("domctl", argument)
    return result, argument.u.scheduler.bvt


def put(agent: Agent, domain: int, bvt: SchedBvtDomain) -> Result:
    """Give a domain parameters."""
    return scheduler(agent, domain, "put", bvt)[0]


def get(agent: Agent, domain: int) -> tuple[int, ...]:
    """Return a domain's parameters."""
    result, found = scheduler(agent, domain, "get", SchedBvtDomain())
    assert result == 0
    return found.mcu_adv, found.warpback, found.warpvalue, found.warpl, found.warpu


def test_a_new_domain_has_the_default_parameters(control: Agent) -> None:
    assert get(control, 1) == DEFAULTS


@pytest.mark.parametrize("given, told", [
    (SchedBvtDomain(1, 1, 1000, 20, 30), (1, 1, 1000, 20 * MILLISECOND, 30 * MILLISECOND)),
    (SchedBvtDomain(0xFFFFFFFF, 0, -5, 0, 0), (0xFFFFFFFF, 0, -5, 0, 0)),
    (SchedBvtDomain(7, 5, 0x7FFFFFFF, 1, 1), (7, 1, 0x7FFFFFFF, MILLISECOND, MILLISECOND)),
    (SchedBvtDomain(7, 1, -0x80000000, 0, 1), (7, 1, -0x80000000, 0, MILLISECOND)),
], ids=["warping", "zeroes", "greatest warp", "least warp"])  # fmt: skip
def test_limits_are_given_in_ms_and_told_in_ns(
    control: Agent, given: SchedBvtDomain, told: tuple[int, ...]
) -> None:
    assert put(control, 1, given) == 0
    assert get(control, 1) == told


def test_limits_of_more_than_a_century_are_a_century(control: Agent) -> None:
    assert put(control, 1, SchedBvtDomain(10, 0, 0, 0x7FFFFFFFFFFFFFFF, 1)) == 0
    assert SECOND * 86400 * 365 * 100 < get(control, 1)[3] < LONGEST


@pytest.mark.parametrize("bad", [
    SchedBvtDomain(0, 0, 0, 0, 0), SchedBvtDomain(10, 0, 0, -1, 0), SchedBvtDomain(10, 0, 0, 0, -1),
], ids=["no share", "negative limit", "negative time to pass"])  # fmt: skip
def test_bad_parameters_change_nothing(control: Agent, bad: SchedBvtDomain) -> None:
    assert put(control, 1, bad) == -EINVAL
    assert get(control, 1) == DEFAULTS


@pytest.mark.parametrize("advances", [(10, 10), (10, 40), (30, 10)])
def test_shares_follow_what_domain_0_says(control: Agent, machine: Machine, advances: tuple[int, int]) -> None:
    for domain, advance in enumerate(advances, 1):
        assert put(control, domain, SchedBvtDomain(advance, 0, 0, 0, 0)) == 0
    machine.pause()
    _, first, second = run_for(machine, 5 * SECOND)
    machine.resume()
    assert first / second == pytest.approx(advances[1] / advances[0], rel=0.02)


def test_domain_0_can_have_a_domain_warp_while_it_waits(control: Agent, machine: Machine) -> None:
    # 10,000 units of the ABI are 100 ms of running time.
    assert put(control, 2, SchedBvtDomain(10, 1, 10_000, 0, 0)) == 0
    machine.pause()
    run_for(machine, SECOND)
    found = usages(machine)
    machine.resume()
    assert found[2].avt - found[1].avt == pytest.approx(1_000 * MILLISECOND, rel=0.2)


def test_a_domain_that_had_a_tiny_share_need_not_wait_when_it_gets_a_large_one(
    control: Agent, machine: Machine
) -> None:
    assert put(control, 1, SchedBvtDomain(0xFFFFFFFF, 0, 0, 0, 0)) == 0
    machine.pause()
    run_for(machine, SECOND)
    machine.resume()
    assert put(control, 1, SchedBvtDomain(10, 0, 0, 0, 0)) == 0
    machine.pause()
    _, first, second = run_for(machine, 5 * SECOND)
    machine.resume()
    assert first / second == pytest.approx(1, rel=0.02)


def test_domain_0_can_change_its_own_share(control: Agent) -> None:
    assert put(control, 0, SchedBvtDomain(5, 0, 0, 0, 0)) == 0
    (vcpu, *_) = hypervisor_of(control.machine).vcpus
    assert vcpu.record.sched.mcu_advance == 5
    assert put(control, 0, SchedBvtDomain(10, 0, 0, 2000, 1000)) == 0
