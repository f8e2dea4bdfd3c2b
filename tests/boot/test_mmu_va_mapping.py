"""update_va_mapping (ABI 6.7): the entry that maps an address, and the flush that comes with it."""

from __future__ import annotations

import pytest

from tests.boot.tables import L2_ENTRY, PRESENT, WRITABLE, request, table, update
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_INVALID,
    DOMID_SELF,
    EBUSY,
    EFAULT,
    EINVAL,
    EPERM,
    ESRCH,
    HV_PRIVATE_START,
    PF,
    PF_PRESENT,
    PF_WRITE,
    PTE_P,
    UVMF_ALL,
    UVMF_INVLPG,
    UVMF_NONE,
    UVMF_TLB_FLUSH,
    value,
)
from xengen.agent.outcome import Fault

NOWHERE = 0xDEAD0000


@pytest.mark.parametrize("flags", [UVMF_INVLPG, UVMF_TLB_FLUSH, UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH | UVMF_ALL])
def test_a_page_is_shown_where_another_was(agent: Agent, flags: int) -> None:
    shown, hidden = agent.pages(2)
    agent.write(shown.va, b"shown ")  # the old translation is in the TLB now
    agent.write(hidden.va, b"hidden")
    assert agent.map(shown.va, hidden.machine | WRITABLE, flags) == 0
    assert agent.read(shown.va, 6) == b"hidden"
    agent.give_back(shown, hidden)


@pytest.mark.parametrize("flags", [UVMF_NONE, UVMF_ALL, 3])
def test_flags_without_a_flush_are_taken(agent: Agent, flags: int) -> None:
    page = agent.page()
    assert agent.map(page.va, page.machine | PRESENT, flags) == 0
    assert agent.pte(page.va) == page.machine | PRESENT
    agent.give_back(page)


@pytest.mark.parametrize("mask, flushed", [(1, True), (0, False), (2, False), (0xFFFFFFFF, True)])
def test_a_bitmap_says_which_vcpus_are_flushed(agent: Agent, mask: int, flushed: bool) -> None:
    shown, hidden = agent.pages(2)
    agent.write(hidden.va, b"h")
    bitmap = agent.put([mask])
    agent.read(shown.va, 1)
    assert agent.map(shown.va, hidden.machine | PRESENT, bitmap | UVMF_INVLPG) == 0
    if flushed:
        assert agent.read(shown.va, 1) == b"h"
    agent.give_back(shown, hidden)


@pytest.mark.parametrize("flush", [UVMF_TLB_FLUSH, UVMF_INVLPG])
@pytest.mark.parametrize("address", [NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC])
def test_a_bitmap_cannot_be_at(agent: Agent, flush: int, address: int) -> None:
    page = agent.page()
    assert agent.map(page.va, page.machine | WRITABLE, address | flush) == -EFAULT
    agent.give_back(page)


def test_a_page_that_is_taken_away_is_gone(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"x")
    assert agent.map(page.va, 0) == 0
    assert agent.load(page.va) == Fault(PF, 0)
    agent.give_back(page)


def test_a_page_without_write_permission_is_read_only_for_ring_1(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"x")
    assert agent.map(page.va, page.machine | PRESENT) == 0
    assert agent.store(page.va, 1) == Fault(PF, PF_PRESENT | PF_WRITE)
    agent.give_back(page)


@pytest.mark.parametrize("address", [0, 0x40000000, NOWHERE, 0xC0800000, 0xF57FF000])
def test_where_there_is_no_table_nothing_can_be_mapped(agent: Agent, address: int) -> None:
    page = agent.page()
    assert agent.map(address, page.machine | PRESENT) == -EINVAL
    agent.give_back(page)


@pytest.mark.parametrize("address", [
    0xF5800000, 0xF6800000, 0xFC000000, HV_PRIVATE_START, 0xFC900000, 0xFD400000, 0xFE000000, 0xFF000000, 0xFFFFF000,
])
def test_in_the_hypervisors_part_nothing_can_be_mapped(agent: Agent, address: int) -> None:
    page = agent.page()
    for entry in (0, page.machine | PRESENT, page.machine | WRITABLE):
        assert agent.map(address, entry) == -EINVAL
    agent.give_back(page)


def test_the_lower_bits_of_the_address_do_not_matter(agent: Agent) -> None:
    shown, hidden = agent.pages(2)
    assert agent.map(shown.va + 0xABC, hidden.machine | PRESENT) == 0
    assert agent.pte(shown.va) == hidden.machine | PRESENT
    agent.give_back(shown, hidden)


def test_a_linear_entry_is_no_table_to_store_into(agent: Agent) -> None:
    """An address whose L2 entry is a linear one leads to an L2 as its L1: a store there would skip the rules of L2s."""
    own_l3 = agent.space.l3 * 4096
    l2 = agent.space.memory.u64(own_l3 + 24) & 0xFFFFF000
    index = 400
    assert update(agent, request(l2 + 8 * index, l2 | PTE_P | value("PTE_A"))).result == 0
    for offset in (0, 0x1000 * 511):
        assert agent.map((3 << 30) + (index << 21) + offset, 0) == -EINVAL
    assert update(agent, request(l2 + 8 * index, 0)).result == 0


@pytest.mark.parametrize("bits, result", [
    (value("PTE_RW"), 0),
    (value("PTE_US"), 0),
    (0xE00, 0),
    (1 << 32, -EPERM),
    (0xFFFFF << 32, -EPERM),
])
def test_bits_are_checked_as_in_mmu_update(two_agents: tuple[Agent, Agent], bits: int, result: int) -> None:
    one = two_agents[1]
    page = one.page()
    assert one.map(page.va, page.machine | PTE_P | bits) == result
    one.give_back(page)


def test_a_page_table_cannot_be_mapped_writable(agent: Agent) -> None:
    page, l1 = agent.page(), table(agent)
    assert agent.map(page.va, (agent.pte(page.va, 2) & 0xFFFFF000) | WRITABLE) == -EBUSY
    agent.give_back(page, l1)


def test_a_read_only_l2_entry_does_not_forbid_a_change_of_its_l1(agent: Agent) -> None:
    target, l1 = agent.page(), table(agent)
    own_l2 = agent.space.memory.u64(agent.space.l3 * 4096 + 24) & 0xFFFFF000
    index = 401
    assert update(agent, request(own_l2 + 8 * index, (l1.machine | L2_ENTRY) & ~2)).result == 0
    address = (3 << 30) + (index << 21)
    agent.write(target.va, b"through")
    assert agent.map(address, target.machine | WRITABLE) == 0
    assert agent.read(address, 7) == b"through"
    assert agent.store(address, 0) == Fault(PF, PF_PRESENT | PF_WRITE)
    assert update(agent, request(own_l2 + 8 * index, 0)).result == 0
    agent.give_back(l1, target)


# update_va_mapping_otherdomain.


def other(agent: Agent, va: int, entry: int, domid: int) -> int:
    """update_va_mapping_otherdomain."""
    arguments = va, entry & 0xFFFFFFFF, entry >> 32, UVMF_INVLPG, domid
    return agent.hypercall("update_va_mapping_otherdomain", *arguments)


def test_a_frame_of_a_domain_that_is_named_can_be_mapped(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    page, foreign = first.page(), second.page()
    second.write(foreign.va, b"foreign")
    assert other(first, page.va, foreign.machine | WRITABLE, 1) == 0
    assert first.read(page.va, 7) == b"foreign"
    first.give_back(page)
    second.give_back(foreign)


def test_an_own_frame_is_not_a_named_domains(two_agents: tuple[Agent, Agent]) -> None:
    first, _ = two_agents
    page = first.page()
    assert other(first, page.va, page.machine | PRESENT, 1) == -EBUSY
    first.give_back(page)


@pytest.mark.parametrize("domid", [DOMID_SELF, 0xABCD0000 | DOMID_SELF], ids=["16 bits", "more than 16 bits"])
def test_self_names_the_caller(agent: Agent, domid: int) -> None:
    """A domain's number has 16 bits, and a caller's register may have anything above them: all 32 were looked at."""
    page = agent.page()
    assert other(agent, page.va, page.machine | PRESENT, domid) == 0
    agent.give_back(page)


@pytest.mark.parametrize("domid", [0, 5, DOMID_INVALID, 0x7FFF, 0xFFFFFFFF])
def test_a_domain_that_is_not_there_cannot_be_named(agent: Agent, domid: int) -> None:
    page = agent.page()
    assert other(agent, page.va, page.machine | PRESENT, domid) == -ESRCH
    agent.give_back(page)


def test_an_ordinary_domain_cannot_name_domain_0(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    page, foreign = second.page(), first.page()
    assert other(second, page.va, foreign.machine | PRESENT, 0) in (-EPERM, -ESRCH)
    second.give_back(page)
    first.give_back(foreign)
