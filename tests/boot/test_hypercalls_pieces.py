"""Long calls (ABI 3.5): they stop in between, so that an event can come through, and guests cannot tell otherwise.

Claim: no argument makes the hypervisor work for long with interrupts off. Danger: a guest that stops its neighbours'
clocks. Method: an event is pending and unmasked before a long call is made; it must be delivered before the call is
over, with the guest standing at the very `int $0x82` again.
"""

from __future__ import annotations

import pytest

from tests.boot.reservations import array, record, reservation, spare_mfns
from tests.boot.tables import NOT_STORED, Word, base_tables, extend, frame, operate, operation, request, update
from xengen.abi.hypercalls import MulticallEntry
from xengen.agent.agent import Agent, completed
from xengen.agent.names import DOMID_SELF, value
from xengen.agent.outcome import EVENT, Registers, Trap

CALL = (
    "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
    "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
    "at: int $0x82\n"
    "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
    "movl $at, %ebp"
)


def call(agent: Agent, name: str, *arguments: int) -> tuple[Registers, list[Trap]]:
    """Make a hypercall with an event pending; return the registers and the upcalls on the way."""
    registers = dict(zip(("ebx", "ecx", "edx", "esi"), arguments, strict=False))
    after = completed(agent.ring1(CALL, eax=value(f"HYPERCALL_{name}"), **registers))
    return after, [trap for trap in agent.traps if trap.vector == EVENT]


def assert_between(after: Registers, upcalls: list[Trap], name: str) -> None:
    """The one event came while the call was not over, with its number in eax for another go."""
    (upcall,) = upcalls
    assert (upcall.eip, upcall.registers.eax) == (after.ebp, value(f"HYPERCALL_{name}"))


def assert_behind(after: Registers, upcalls: list[Trap]) -> None:
    """The one event came when the call was over."""
    (upcall,) = upcalls
    assert upcall.eip == after.ebp + 2


def test_a_short_call_is_not_cut(agent: Agent) -> None:
    after, upcalls = call(agent, "mmuext_op", agent.put(operation("TLB_FLUSH_LOCAL")), 1, 0, DOMID_SELF)
    assert after.result == 0
    assert_behind(after, upcalls)


def test_the_validation_of_an_address_space_is_cut_and_completed(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    done = agent.put(Word(NOT_STORED))
    after, upcalls = call(agent, "mmuext_op", agent.put(operation("PIN_L3_TABLE", l3.mfn)), 1, done, DOMID_SELF)
    assert after.result == 0
    assert_between(after, upcalls, "mmuext_op")
    assert agent.get(Word, done).value == 1
    assert frame(agent, l3.mfn)[:2] == ("L3", 1)
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, l2)


def test_the_end_of_an_address_space_is_cut_and_completed(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    after, upcalls = call(agent, "mmuext_op", agent.put(operation("UNPIN_TABLE", l3.mfn)), 1, 0, DOMID_SELF)
    assert after.result == 0
    assert_between(after, upcalls, "mmuext_op")
    assert frame(agent, l3.mfn).uses == frame(agent, l2.mfn).uses == 0
    agent.give_back(l3, l2)


@pytest.mark.parametrize("count", [1000, 2000])
def test_a_long_list_of_updates_is_cut_and_counted(agent: Agent, count: int) -> None:
    page = agent.page()
    requests = agent.put([request(page.machine + 8 * (index % 512), index) for index in range(count)])
    done = agent.put(Word(NOT_STORED))
    after, upcalls = call(agent, "mmu_update", requests, count, done, DOMID_SELF)
    assert after.result == 0
    assert_between(after, upcalls, "mmu_update")
    assert agent.get(Word, done).value == count
    agent.give_back(page)


def test_a_list_that_was_cut_stops_at_its_error_and_counts_from_the_start(agent: Agent) -> None:
    page = agent.page()
    good, bad = request(page.machine, 1), request(0xFFFFF000, 1)
    assert update(agent, *[good] * 900, bad, good) == (-value("EINVAL"), 900)
    flush = operation("TLB_FLUSH_LOCAL")
    assert operate(agent, *[flush] * 900, operation("UNPIN_TABLE", 0xFFFFF)) == (-value("EINVAL"), 900)
    agent.give_back(page)


def test_a_reservation_of_many_frames_is_counted_whether_it_was_cut_or_not(agent: Agent) -> None:
    mfns = spare_mfns(agent, 200)
    pages = record(agent).nr_pages
    given, wanted = reservation(agent, mfns), reservation(agent, list(range(300000, 300200)))
    for command, argument, change in (("decrease_reservation", given, -200), ("populate_physmap", wanted, 0)):
        after, upcalls = call(agent, "memory_op", value(f"XENMEM_{command}"), agent.put(argument))
        (upcall,) = upcalls
        assert upcall.eip in (after.ebp, after.ebp + 2)
        assert (after.result, record(agent).nr_pages - pages) == (200, change)
    assert len(set(array(agent, wanted))) == 200


def test_a_multicall_of_many_entries_is_cut_and_completed(agent: Agent) -> None:
    count = 300
    entries = [MulticallEntry(op=value("HYPERCALL_xen_version")) for _ in range(count)]
    for one in entries:
        one.args[0] = value("XENVER_pagesize")
    address = agent.put(entries)
    after, upcalls = call(agent, "multicall", address, count)
    assert after.result == 0
    assert_between(after, upcalls, "multicall")
    assert {agent.get(MulticallEntry, address + 32 * index).result for index in range(count)} == {4096}


def test_a_multicall_with_a_long_call_in_it_is_completed(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    entries = [
        MulticallEntry(op=value("HYPERCALL_mmuext_op"), result=NOT_STORED),
        MulticallEntry(op=value("HYPERCALL_mmuext_op"), result=NOT_STORED),
        MulticallEntry(op=value("HYPERCALL_xen_version"), result=NOT_STORED),
    ]
    for one, command in zip(entries, ("PIN_L3_TABLE", "UNPIN_TABLE"), strict=False):
        one.args[0], one.args[1], one.args[3] = agent.put(operation(command, l3.mfn)), 1, DOMID_SELF
    entries[2].args[0] = value("XENVER_pagesize")
    address = agent.put(entries)
    after, upcalls = call(agent, "multicall", address, 3)
    assert after.result == 0
    assert_between(after, upcalls, "multicall")
    assert [agent.get(MulticallEntry, address + 32 * index).result for index in range(3)] == [0, 0, 4096]
    assert frame(agent, l3.mfn).uses == 0
    agent.give_back(l3, l2)
