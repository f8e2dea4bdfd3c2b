"""Arguments of event_channel_op (ABI 9.2, 9.5): at a page's end, where nothing can be written, and in the old form."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, sizeof

import pytest

from tests.boot.event_ports import (
    INTERDOMAIN,
    UNBOUND,
    Status,
    alloc_unbound,
    bind_ipi,
    channel,
    operate,
    pending,
    send,
    status,
)
from tests.boot.pointers import BAD_POINTERS
from xengen.abi.event import (
    EvtchnAllocUnbound,
    EvtchnBindInterdomain,
    EvtchnBindIpi,
    EvtchnBindVirq,
    EvtchnClose,
    EvtchnOp,
    EvtchnSend,
    EvtchnStatus,
    EvtchnUnmask,
)
from xengen.abi.hypercalls import MulticallEntry
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, EFAULT, EINVAL, ENOSYS, PTE_RW, value

Ends = tuple[Agent, Agent]

# What can be asked of domain 1 when domain 0's port 1 waits for it: name, argument, where the new port is told.
ANSWERED: dict[str, Structure] = {
    "alloc_unbound": EvtchnAllocUnbound(DOMID_SELF, 0),
    "bind_interdomain": EvtchnBindInterdomain(0, 0, 1),
    "bind_virq": EvtchnBindVirq(value("VIRQ_DEBUG")),
    "bind_ipi": EvtchnBindIpi(),
    "status": EvtchnStatus(DOMID_SELF, 0, 1),
}


def place(agent: Agent, argument: Structure) -> int:
    """Put an argument where behind its last byte nothing is mapped, and return its address."""
    address = agent.edge - sizeof(argument)
    agent.write(address, bytes(argument))
    return address


@pytest.mark.parametrize("name", ANSWERED)
def test_an_argument_may_end_where_the_memory_does(ends: Ends, name: str) -> None:
    zero, one = ends
    assert alloc_unbound(zero, 1) == 1
    assert operate(one, name, place(one, ANSWERED[name])) == 0


@pytest.mark.parametrize("name", ANSWERED)
def test_an_argument_that_goes_beyond_the_memory_is_a_fault(ends: Ends, name: str) -> None:
    _, one = ends
    assert operate(one, name, place(one, ANSWERED[name]) + 2) == -EFAULT
    assert alloc_unbound(one, 0) == 1


@pytest.mark.parametrize("name", ANSWERED)
def test_an_answer_that_cannot_be_stored_leaves_nothing_behind(ends: Ends, name: str) -> None:
    zero, one = ends
    assert alloc_unbound(zero, 1) == 1
    page = one.page()
    one.write(page.va, bytes(ANSWERED[name]))
    assert one.map(page.va, one.pte(page.va) & ~PTE_RW) == 0
    assert operate(one, name, page.va) == -EFAULT
    one.give_back(page)
    assert status(zero, 1) == Status(UNBOUND, dom=1)
    assert pending(one) == set()
    assert bind_ipi(one) == 1


def compat(agent: Agent, command: str, **fields: Structure) -> tuple[int, EvtchnOp]:
    """Make an operation in the old form."""
    op = EvtchnOp(cmd=value(f"EVTCHNOP_{command}"))
    for name, argument in fields.items():
        setattr(op.u, name, argument)
    return agent.hypercall("event_channel_op_compat", op), op


def test_the_old_form_does_the_same_and_answers_in_its_union(ends: Ends) -> None:
    zero, one = ends
    result, op = compat(zero, "alloc_unbound", alloc_unbound=EvtchnAllocUnbound(DOMID_SELF, 1))
    assert (result, op.u.alloc_unbound.port) == (0, 1)
    result, op = compat(one, "bind_interdomain", bind_interdomain=EvtchnBindInterdomain(0, 0, 1))
    assert (result, op.u.bind_interdomain.local_port) == (0, 1)
    assert compat(one, "send", send=EvtchnSend(1))[0] == 0
    assert pending(zero) == {1}
    result, op = compat(one, "status", status=EvtchnStatus(DOMID_SELF, 0, 1))
    found = op.u.status
    assert (result, found.status, found.u.interdomain.dom, found.u.interdomain.port) == (0, INTERDOMAIN, 0, 1)
    assert compat(one, "close", close=EvtchnClose(1))[0] == 0
    assert status(zero, 1) == Status(UNBOUND, dom=1)


@pytest.mark.parametrize("command", ["reset", "init_control", "expand_array", "set_priority"])
def test_the_old_form_has_the_old_commands_only(ends: Ends, command: str) -> None:
    assert compat(ends[1], command)[0] == -ENOSYS


def test_the_old_form_refuses_what_the_new_one_does(ends: Ends) -> None:
    assert compat(ends[1], "send", send=EvtchnSend(900))[0] == -EINVAL


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_the_old_form_at_a_bad_address_is_a_fault(ends: Ends, where: str) -> None:
    assert ends[1].hypercall("event_channel_op_compat", BAD_POINTERS[where]) == -EFAULT


def test_the_old_form_is_read_as_a_whole(ends: Ends) -> None:
    one = ends[1]
    op = EvtchnOp(cmd=value("EVTCHNOP_bind_ipi"))
    assert one.hypercall("event_channel_op_compat", place(one, op)) == 0
    assert one.hypercall("event_channel_op_compat", place(one, op) + 4) == -EFAULT


def by_multicall(agent: Agent, argument: Structure, command: str) -> int:
    """Make an operation as the entry of a list."""
    entry = MulticallEntry(op=value("HYPERCALL_event_channel_op"))
    entry.args[0], entry.args[1] = value(f"EVTCHNOP_{command}"), agent.put(argument)
    assert agent.hypercall("multicall", (entry,), 1) == 0
    return int(entry.result)


@pytest.mark.parametrize("way", [by_multicall, lambda agent, argument, command: operate(agent, command, argument)])
def test_send_and_unmask_do_the_same_in_a_list_of_calls(
    ends: Ends, way: Callable[[Agent, Structure, str], int]
) -> None:
    zero, one = ends
    there, here = channel(zero, one)
    own = bind_ipi(one)
    assert [way(one, EvtchnSend(port), "send") for port in (own, here, 900)] == [0, 0, -EINVAL]
    assert [way(one, EvtchnUnmask(port), "unmask") for port in (own, 1024)] == [0, -EINVAL]
    assert (pending(one), pending(zero)) == ({own}, {there})
    assert send(one, own) == 0
