"""What becomes of channels when a domain ends, who is told, and the ports a domain begins with (ABI 1.10, 9.2, 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.boot.control_fixtures import Toolstack
from tests.boot.event_ports import (
    CLOSED,
    INTERDOMAIN,
    UNBOUND,
    Status,
    alloc_unbound,
    bind_interdomain,
    bind_ipi,
    bind_virq,
    channel,
    clear,
    operate,
    pending,
    quiet,
    record,
    reset,
    send,
    status,
)
from tests.boot.harness import Booter
from xengen.abi.event import EvtchnAllocUnbound, EvtchnBindInterdomain, EvtchnStatus
from xengen.abi.sched import SchedShutdown
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import DOMID_SELF, EINVAL, ESRCH, PTE_P, UVMF_INVLPG, value
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.spec import MIB

Three = tuple[Agent, Agent, Agent]
TURNS = 10_000


@pytest.fixture
def three(boot: Booter) -> Iterator[Three]:
    """Agents in domains 0, 1 and 2 of a machine that ends with the test; the checker is content with it then."""
    machine = boot("agent", "agent", "agent", memory=160 * MIB, trace=False)
    with Agent(machine, 0) as zero, Agent(machine, 1) as one, Agent(machine, 2) as two:
        yield zero, one, two
        assert check_machine(machine) == []


def shut_down(agent: Agent) -> None:
    """End a domain in an orderly way."""
    with pytest.raises(DomainDied):
        agent.hypercall("sched_op", value("SCHEDOP_shutdown"), SchedShutdown(value("SHUTDOWN_poweroff")))


def crash(agent: Agent) -> None:
    """End a domain by its own fault."""
    with pytest.raises(DomainDied):
        agent.ring1("movl $0xdead0000, %esp\nint $3")


def await_release(zero: Agent, domain: int) -> None:
    """Give the processor away until nothing is left of a domain that has ended."""
    for _ in range(TURNS):
        gone = domain not in {one.id for one in hypervisor_of(zero.machine).domains()}
        # What made it go is through when domain 0 is back.
        assert zero.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0
        if gone:
            return
    pytest.fail(f"domain {domain} is still there after {TURNS} turns")


ENDS = {"a shutdown": shut_down, "a crash": crash}


@pytest.mark.parametrize("how", ENDS)
def test_the_other_ends_of_a_dead_domain_s_channels_become_unbound_and_keep_working(three: Three, how: str) -> None:
    zero, one, two = three
    there, _ = channel(zero, two)
    between, _ = channel(one, two)
    waiting = alloc_unbound(one, 2)
    ENDS[how](two)
    await_release(zero, 2)
    assert status(zero, there) == Status(UNBOUND, dom=2)
    assert status(one, between) == Status(UNBOUND, dom=2)
    assert status(one, waiting) == Status(UNBOUND, dom=2)
    assert [send(zero, there), send(one, between)] == [0, 0]
    again, here = channel(zero, one)
    assert send(one, here) == 0
    assert again in pending(zero)


def test_an_event_that_a_domain_sent_before_it_died_is_not_lost(three: Three) -> None:
    zero, _, two = three
    there, here = channel(zero, two)
    assert send(two, here) == 0
    shut_down(two)
    await_release(zero, 2)
    assert pending(zero) == {there}


def test_all_ports_of_a_dying_domain_are_closed_however_many(three: Three) -> None:
    zero, one, two = three
    wanted = [EvtchnAllocUnbound(DOMID_SELF, 1) for _ in range(900)]
    assert two.batch([("event_channel_op", value("EVTCHNOP_alloc_unbound"), item) for item in wanted]) == [0] * 900
    binds = [
        ("event_channel_op", value("EVTCHNOP_bind_interdomain"), EvtchnBindInterdomain(2, 0, port))
        for port in range(3, 903)
    ]
    assert one.batch(binds) == [0] * 900
    shut_down(two)
    await_release(zero, 2)
    asked = [EvtchnStatus(DOMID_SELF, 0, port) for port in range(3, 903)]
    assert one.batch([("event_channel_op", value("EVTCHNOP_status"), item) for item in asked]) == [0] * 900
    assert {(item.status, item.u.unbound.dom) for item in asked} == {(UNBOUND, 2)}


def test_a_domain_that_is_gone_cannot_be_bound_to(three: Three) -> None:
    zero, _, two = three
    port = alloc_unbound(two, 0)
    shut_down(two)
    await_release(zero, 2)
    assert operate(zero, "bind_interdomain", EvtchnBindInterdomain(2, 0, port)) == -ESRCH
    assert operate(zero, "alloc_unbound", EvtchnAllocUnbound(2, 0)) == -ESRCH


# Domain 0 is told.


@pytest.mark.parametrize("how", ENDS)
def test_domain_0_is_told_when_a_domain_ends_and_when_it_is_gone(three: Three, how: str) -> None:
    zero, _, two = three
    port = bind_virq(zero, "DOM_EXC")
    window, frame = zero.page(), two.page().machine
    own = zero.pte(window.va)
    # As long as somebody maps a frame of it, something of the domain is left.
    assert zero.hypercall("update_va_mapping_otherdomain", window.va, frame | PTE_P, 0, UVMF_INVLPG, 2) == 0
    ENDS[how](two)  # what is said of an end comes before all of it is done
    assert zero.hypercall("sched_op", value("SCHEDOP_yield"), 0) == 0
    assert pending(zero) == {port}
    quiet(zero)
    assert zero.map(window.va, own) == 0
    await_release(zero, 2)
    assert pending(zero) == {port}


def test_nobody_else_is_told_of_a_domain_s_end(three: Three) -> None:
    zero, one, two = three
    bind_virq(one, "DOM_EXC")
    shut_down(two)
    await_release(zero, 2)
    assert pending(one) == set() == pending(zero)


# The ports that a domain begins with.


@pytest.mark.parametrize("name, read", [
    ("store_port", lambda agent: agent.start_info.store_evtchn),
    ("console_port", lambda agent: agent.start_info.console.domU.evtchn),
])  # fmt: skip
def test_a_domain_has_a_port_for_its_store_and_its_console_that_waits_for_domain_0(
    three: Three, name: str, read: Callable[[Agent], int]
) -> None:
    zero, *others = three
    for agent in others:
        port = read(agent)
        assert port > 0 and getattr(record(agent), name) == port
        assert status(agent, port) == Status(UNBOUND, dom=0)
        assert send(agent, port) == 0
        here = bind_interdomain(zero, agent.domain, port)
        assert status(agent, port) == Status(INTERDOMAIN, dom=0, port=here)
        assert here in pending(zero)


def test_domain_0_has_no_such_ports(three: Three) -> None:
    zero, *_ = three
    assert (record(zero).store_port, record(zero).console_port) == (0, 0)
    assert status(zero, 1) == Status(CLOSED)
    assert bind_ipi(zero) == 1


# Domains that domain 0 makes while it runs.


def test_a_domain_s_ports_are_reset_by_domain_0_only_while_it_is_paused(toolstack: Toolstack) -> None:
    zero, control = toolstack.agent, toolstack.control
    domain = toolstack.built()
    control.unpause(domain)
    here = bind_interdomain(zero, domain, alloc_unbound(zero, 0, dom=domain))
    assert reset(zero, domain) == -EINVAL
    control.pause(domain)
    assert reset(zero, domain) == 0
    assert status(zero, here) == Status(UNBOUND, dom=domain)
    clear(zero)


def test_a_domain_that_is_not_built_yet_can_have_channels(toolstack: Toolstack) -> None:
    zero = toolstack.agent
    domain = toolstack.created(max_pages=2048)
    there = alloc_unbound(zero, 0, dom=domain)
    here = bind_interdomain(zero, domain, there)
    assert send(zero, here) == 0
    assert status(zero, there, dom=domain) == Status(INTERDOMAIN, dom=0, port=here)
    toolstack.control.destroy(domain)
    assert status(zero, here) == Status(UNBOUND, dom=domain)
    clear(zero)
