"""All ports of a domain: as many as the ABI has, and what it takes to close them."""

from __future__ import annotations

from tests.boot.event_ports import (
    ENOSPC,
    UNBOUND,
    Status,
    alloc_unbound,
    bind_ipi,
    bind_virq,
    channel,
    close,
    operate,
    pending,
    record,
    reset,
    selected,
    send,
    status,
    upcall,
)
from tests.boot.pointers import PENDING_AND_UNMASKED
from xengen.abi.event import EvtchnAllocUnbound, EvtchnBindInterdomain, EvtchnBindIpi, EvtchnBindVirq, EvtchnReset
from xengen.agent.agent import Agent, completed
from xengen.agent.names import DOMID_SELF, value
from xengen.agent.outcome import EVENT

Ends = tuple[Agent, Agent]


def test_all_ports_but_port_0_can_be_used_and_no_more(ends: Ends) -> None:
    agent, other = ends
    wanted = [EvtchnAllocUnbound(DOMID_SELF, 1) for _ in range(1024)]
    calls = [("event_channel_op", value("EVTCHNOP_alloc_unbound"), argument) for argument in wanted]
    assert agent.batch(calls) == [0] * 1023 + [-ENOSPC]
    assert [argument.port for argument in wanted[:1023]] == list(range(1, 1024))
    for name, argument in (
        ("alloc_unbound", EvtchnAllocUnbound(DOMID_SELF, 1)),
        ("bind_interdomain", EvtchnBindInterdomain(1, 0, alloc_unbound(other, 0))),
        ("bind_virq", EvtchnBindVirq(value("VIRQ_DEBUG"))),
        ("bind_ipi", EvtchnBindIpi()),
    ):
        assert operate(agent, name, argument) == -ENOSPC
    assert close(agent, 513) == 0
    assert bind_ipi(agent) == 513
    assert send(agent, 513) == 0
    assert (pending(agent), selected(agent), upcall(agent)) == ({513}, {16}, True)


def test_a_reset_closes_all_ports_and_gives_their_memory_back(ends: Ends) -> None:
    first, second = ends
    channels = [channel(first, second) for _ in range(70)]
    bind_virq(first, "DEBUG")
    assert send(second, channels[69][1]) == 0
    assert reset(first) == 0
    assert not any(record(first).ports) and not any(record(first).virqs)
    assert {status(second, here) for _, here in channels} == {Status(UNBOUND, dom=0)}
    assert pending(first) == set()
    assert reset(second, dom=DOMID_SELF) == 0
    assert alloc_unbound(second, 0) == 1


def test_a_reset_of_many_ports_lets_events_in_between(ends: Ends) -> None:
    _, one = ends
    for _ in range(600):
        bind_ipi(one)
    after = completed(one.ring1(
        PENDING_AND_UNMASKED
        + "movl $EVTCHNOP_reset, %ebx\nmovl $HYPERCALL_event_channel_op, %eax\nagain:\nint $0x82\nmovl $again, %esi\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask",
        ecx=one.put(EvtchnReset(DOMID_SELF)),
    ))  # fmt: skip
    assert after.result == 0
    assert [(trap.vector, trap.eip) for trap in one.traps] == [(EVENT, after.esi)]
    assert bind_ipi(one) == 1
