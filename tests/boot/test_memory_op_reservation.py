"""memory_op, reservations (ABI 8.2): giving memory back, and taking it."""

from __future__ import annotations

import pytest

from tests.boot.reservations import (
    INVALID,
    NOWHERE,
    array,
    free_an_extent,
    give,
    m2p,
    memory_op,
    record,
    reservation,
    spare_mfns,
    spare_pfns,
    take,
)
from tests.boot.tables import PRESENT, FrameState, extend, frame, table
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_INVALID,
    HV_PRIVATE_START,
    value,
)
from xengen.inspect.live import hypervisor_of

# Giving memory back.


def test_a_frame_that_is_given_back_is_free(agent: Agent) -> None:
    (mfn,) = spare_mfns(agent, 1)
    pages = record(agent).nr_pages
    assert give(agent, [mfn]) == 1
    assert record(agent).nr_pages == pages - 1
    assert hypervisor_of(agent.machine).free[mfn]
    assert m2p(agent, mfn) == INVALID


def test_a_frame_cannot_be_given_back_twice(agent: Agent) -> None:
    first, second = spare_mfns(agent, 2)
    assert give(agent, [first, first, second]) == 1
    assert give(agent, [first]) == 0
    assert give(agent, [second]) == 1


def test_a_frame_that_is_mapped_stays_until_the_mapping_goes(agent: Agent) -> None:
    page = agent.page()
    pages = record(agent).nr_pages
    agent.write(page.va, b"still here")
    assert give(agent, [page.mfn]) == 1
    assert record(agent).nr_pages == pages
    assert agent.read(page.va, 10) == b"still here"
    assert agent.map(page.va, 0) == 0
    assert record(agent).nr_pages == pages - 1
    assert hypervisor_of(agent.machine).free[page.mfn]


def test_a_table_that_is_given_back_stays_one_until_its_pin_goes(agent: Agent) -> None:
    l1 = table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    assert give(agent, [l1.mfn]) == 1
    assert frame(agent, l1.mfn)[:2] == ("L1", 1)
    assert agent.map(l1.va, 0) == 0
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    assert hypervisor_of(agent.machine).free[l1.mfn]


@pytest.mark.parametrize("what", ["start_info", "shared_info", "base pointer", "an L1 in use", "its stack", "its code"])
def test_a_domain_may_give_back_what_it_stands_on_and_keeps_it_while_it_is_used(agent: Agent, what: str) -> None:
    """A domain that frees the frame of its own start_info, shared_info, stack or current table harms itself at most."""
    mfn = {
        "start_info": agent.space.page(agent.mailbox.start_info_va & -4096).mfn,
        "shared_info": agent.start_info.shared_info >> 12,
        "base pointer": agent.space.l3,
        "an L1 in use": (agent.pte(agent.address("agent_stack"), 2) & 0xFFFFF000) >> 12,
        "its stack": agent.space.page(agent.address("agent_stack")).mfn,
        "its code": agent.space.page(agent.address("start") & -4096).mfn,
    }[what]
    before: FrameState = frame(agent, mfn)
    done = give(agent, [mfn])
    assert done in (0, 1)
    assert frame(agent, mfn).references == before.references - done
    assert not hypervisor_of(agent.machine).free[mfn]
    assert agent.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096


@pytest.mark.parametrize("mfn", [0, 0x100, 0x100000, 0xFFFFFFFF, 0xFFFFFFFE])
def test_what_is_not_the_domains_cannot_be_given_back(agent: Agent, mfn: int) -> None:
    (good,) = spare_mfns(agent, 1)
    assert give(agent, [mfn, good]) == 0
    assert give(agent, [good, mfn]) == 1


def test_another_domains_frame_cannot_be_given_back(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    for one, other in (two_agents, two_agents[::-1]):
        (foreign,) = spare_mfns(other, 1)
        assert give(one, [foreign]) == 0
    (own,) = spare_mfns(first, 1)
    assert memory_op(second, "decrease_reservation", reservation(second, [own], domid=0)) == 0


def test_domain_0_gives_back_memory_of_a_domain_that_it_names(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    (foreign,) = spare_mfns(second, 1)
    pages = record(second).nr_pages
    assert memory_op(first, "decrease_reservation", reservation(first, [foreign], domid=1)) == 1
    assert record(second).nr_pages == pages - 1


# Taking memory.


def test_a_frame_that_is_taken_is_the_domains_and_zeroed(agent: Agent) -> None:
    pfns = spare_pfns(agent, 64)
    mfns = [agent.mfn(pfn) for pfn in pfns]
    for mfn in mfns:
        agent.machine.memory.write(mfn * 4096, b"secret" * 682)
    assert give(agent, mfns) == 64
    pages = record(agent).nr_pages
    taken = take(agent, pfns)
    assert record(agent).nr_pages == pages + 64
    assert len(set(taken)) == 64
    assert all(agent.machine.memory.read(mfn * 4096, 4096) == bytes(4096) for mfn in taken)
    assert [frame(agent, mfn).references for mfn in taken] == [1] * 64


def test_populate_says_in_the_m2p_what_the_frames_are(agent: Agent) -> None:
    pfns = spare_pfns(agent, 2)
    assert give(agent, [agent.mfn(pfn) for pfn in pfns]) == 2
    taken = take(agent, [70001, 70002])
    assert [m2p(agent, mfn) for mfn in taken] == [70001, 70002]


def test_increase_leaves_the_m2p_alone(agent: Agent) -> None:
    assert give(agent, spare_mfns(agent, 1)) == 1
    argument = reservation(agent, [0])
    assert memory_op(agent, "increase_reservation", argument) == 1
    (mfn,) = array(agent, argument)
    assert m2p(agent, mfn) == INVALID
    assert frame(agent, mfn).references == 1


def test_increase_need_not_say_which_frames(agent: Agent) -> None:
    assert give(agent, spare_mfns(agent, 2)) == 2
    pages = record(agent).nr_pages
    assert memory_op(agent, "increase_reservation", reservation(agent, 0, size=2)) == 2
    assert record(agent).nr_pages == pages + 2


def test_a_domain_takes_no_more_than_its_limit(two_agents: tuple[Agent, Agent]) -> None:
    one = two_agents[1]
    room = record(one).max_pages - record(one).nr_pages
    (mfn,) = spare_mfns(one, 1)
    assert give(one, [mfn]) == 1
    argument = reservation(one, [80000 + index for index in range(room + 3)])
    assert memory_op(one, "populate_physmap", argument) == room + 1
    assert record(one).nr_pages == record(one).max_pages


@pytest.mark.parametrize("order", [1, 4, 9])
def test_an_extent_is_contiguous_and_lies_at_a_multiple_of_its_size(agent: Agent, order: int) -> None:
    free_an_extent(agent, order)
    (first,) = take(agent, [90000], order)
    assert first % (1 << order) == 0
    assert [m2p(agent, first + index) for index in range(1 << order)] == [90000 + index for index in range(1 << order)]
    assert give(agent, [first], order) == 1
    assert all(hypervisor_of(agent.machine).free[first : first + (1 << order)])


@pytest.mark.parametrize("order", [10, 11, 31, 32, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("command", ["increase_reservation", "decrease_reservation", "populate_physmap"])
def test_an_extent_is_no_larger_than_2_mb(agent: Agent, command: str, order: int) -> None:
    (mfn,) = spare_mfns(agent, 1)
    assert memory_op(agent, command, reservation(agent, [mfn], order=order)) == 0


COMMANDS = ["increase_reservation", "decrease_reservation", "populate_physmap"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", [1 << 26, 0x80000000, 0xFFFFFFFF])
def test_too_many_extents_are_none(agent: Agent, command: str, number: int) -> None:
    (mfn,) = spare_mfns(agent, 1)
    assert memory_op(agent, command, reservation(agent, [mfn], size=number)) == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("domid", [9, DOMID_INVALID, 0x7FFF, 0xFFFF])
def test_a_reservation_of_no_domain_is_none(agent: Agent, command: str, domid: int) -> None:
    (mfn,) = spare_mfns(agent, 1)
    assert memory_op(agent, command, reservation(agent, [mfn], domid=domid)) == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("bits", [1, 11, 12])
def test_an_address_limit_below_a_page_is_none(agent: Agent, command: str, bits: int) -> None:
    (mfn,) = spare_mfns(agent, 1)
    assert memory_op(agent, command, reservation(agent, [mfn], flags=bits)) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unreadable_reservation_returns_its_start_extent(agent: Agent, command: str) -> None:
    for start in (0, 5, 0x3FFFFFF):
        assert agent.hypercall("memory_op", value(f"XENMEM_{command}") | start << 6, NOWHERE) == start


@pytest.mark.parametrize("command", ["decrease_reservation", "populate_physmap"])
@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC])
def test_extents_cannot_be_at(agent: Agent, command: str, address: int) -> None:
    pages, free = record(agent).nr_pages, int(hypervisor_of(agent.machine).free.sum())
    assert memory_op(agent, command, reservation(agent, address, size=1)) == 0
    assert (record(agent).nr_pages, int(hypervisor_of(agent.machine).free.sum())) == (pages, free)


def test_a_reservation_goes_on_from_its_start_extent(agent: Agent) -> None:
    first, second, third = spare_mfns(agent, 3)
    argument = reservation(agent, [first, second, third])
    assert memory_op(agent, "decrease_reservation", argument, start=1) == 3
    free = hypervisor_of(agent.machine).free
    assert [bool(free[mfn]) for mfn in (first, second, third)] == [False, True, True]


def test_a_start_extent_at_the_end_is_returned(agent: Agent) -> None:
    (mfn,) = spare_mfns(agent, 1)
    for start in (1, 2, 77):
        assert memory_op(agent, "decrease_reservation", reservation(agent, [mfn]), start=start) == start
    assert not hypervisor_of(agent.machine).free[mfn]


@pytest.mark.parametrize("command", ["populate_physmap", "increase_reservation"])
def test_frames_that_cannot_be_told_are_not_taken(agent: Agent, command: str) -> None:
    assert give(agent, spare_mfns(agent, 1)) == 1
    page = agent.page()
    assert agent.map(page.va, page.machine | PRESENT) == 0
    pages, free = record(agent).nr_pages, int(hypervisor_of(agent.machine).free.sum())
    assert memory_op(agent, command, reservation(agent, page.va, size=1)) == 0
    assert (record(agent).nr_pages, int(hypervisor_of(agent.machine).free.sum())) == (pages, free)
    agent.give_back(page)


def test_extents_before_the_end_of_memory_are_done(agent: Agent) -> None:
    (mfn,) = spare_mfns(agent, 1)
    agent.write(agent.edge - 4, mfn.to_bytes(4, "little"))
    assert memory_op(agent, "decrease_reservation", reservation(agent, agent.edge - 4, size=3)) == 1


def test_memory_goes_from_domain_to_domain_to_the_last_frame_and_back(two_agents: tuple[Agent, Agent]) -> None:
    """Ballooning under pressure: domain 1 gives, domain 0 takes all there is, and gives it to domain 1 again."""
    first, second = two_agents
    given = spare_mfns(second, 1000)
    for mfn in given[:8]:
        second.machine.memory.write(mfn * 4096, b"of domain 1" * 300)
    assert give(second, given) == 1000
    room = int(hypervisor_of(first.machine).free.sum())
    spare = record(first).max_pages - record(first).nr_pages
    wanted = [100000 + index for index in range(room + 10)]
    argument = reservation(first, wanted)
    done = memory_op(first, "populate_physmap", argument)
    assert done == min(room, spare)
    taken = array(first, argument)[:done]
    assert len(set(taken)) == done
    assert all(first.machine.memory.read(mfn * 4096, 4096) == bytes(4096) for mfn in set(taken) & set(given[:8]))
    assert give(first, taken) == done
    assert memory_op(first, "populate_physmap", reservation(first, wanted[:1000], domid=1)) == 1000
