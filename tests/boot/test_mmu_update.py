"""mmu_update (ABI 6.2, 6.5, 6.6): what an L1 entry may map, and which frames can be stored into."""

from __future__ import annotations

import pytest

from tests.boot.tables import (
    PRESENT,
    WRITABLE,
    entry_of,
    extend,
    frame,
    read_entry,
    request,
    table,
    update,
)
from xengen.agent.agent import Agent
from xengen.agent.names import (
    EBUSY,
    EINVAL,
    EPERM,
    PTE_A,
    PTE_AVAILABLE,
    PTE_D,
    PTE_NX,
    PTE_P,
    PTE_PCD,
    PTE_PSE,
    PTE_PWT,
    PTE_RW,
    PTE_US,
)
from xengen.inspect.live import hypervisor_of


def test_an_entry_maps_what_was_stored(agent: Agent) -> None:
    shown, hidden = agent.pages(2)
    agent.write(hidden.va, b"hidden")
    assert update(agent, request(entry_of(agent, shown), hidden.machine | WRITABLE)) == (0, 1)
    extend(agent, "INVLPG_LOCAL", shown.va)
    assert agent.read(shown.va, 6) == b"hidden"
    agent.give_back(shown, hidden)


def test_references_follow_what_an_entry_maps(agent: Agent) -> None:
    shown, hidden = agent.pages(2)
    before = frame(agent, shown.mfn), frame(agent, hidden.mfn)
    assert update(agent, request(entry_of(agent, shown), hidden.machine | WRITABLE)).result == 0
    after = frame(agent, shown.mfn), frame(agent, hidden.mfn)
    assert [(new.uses - old.uses, new.references - old.references) for old, new in zip(before, after, strict=True)] == [
        (-1, -1), (1, 1),
    ]  # fmt: skip
    agent.give_back(shown, hidden)


BITS = {
    "writable": (PTE_RW, 0),
    "for users": (PTE_US, 0),
    "accessed and dirty": (PTE_A | PTE_D, 0),
    "available bits": (PTE_AVAILABLE, 0),
    "no execute": (PTE_NX, 0),
}
CACHE_BITS = {"write-through": PTE_PWT, "uncached": PTE_PCD, "PAT": PTE_PSE}


@pytest.mark.parametrize("name", BITS)
def test_an_entry_may_be(agent: Agent, name: str) -> None:
    page = agent.page()
    bits, result = BITS[name]
    assert update(agent, request(entry_of(agent, page), page.machine | PTE_P | bits)).result == result
    assert agent.pte(page.va) & ~(PTE_A | PTE_D) == (page.machine | PTE_P | bits) & ~(PTE_A | PTE_D)
    agent.give_back(page)


@pytest.mark.parametrize("name", CACHE_BITS)
def test_cache_bits_are_for_domains_with_devices(two_agents: tuple[Agent, Agent], name: str) -> None:
    for one, result in zip(two_agents, (0, -EINVAL), strict=True):
        page = one.page()
        assert update(one, request(entry_of(one, page), page.machine | PTE_P | CACHE_BITS[name])).result == result
        one.give_back(page)


@pytest.mark.parametrize("entry", [0, 0xDEADBEEFDEADBEEE, 0xFFFFFFFFFFFFFFFE, 0x8000000000000000, 0xFFC400002])
def test_an_entry_that_is_not_present_is_stored_as_it_is(agent: Agent, entry: int) -> None:
    page = agent.page()
    assert update(agent, request(entry_of(agent, page), entry)) == (0, 1)
    assert agent.pte(page.va) == entry
    agent.give_back(page)


@pytest.mark.parametrize("frame_number, result", [
    (0xFFFFFFFFFF, -EINVAL),
    (0xFFFFFFFFFE, -EPERM),
    (0x100000, -EPERM),
    (0xFFFFF, -EPERM),
    (0xFED00, -EPERM),
])
def test_a_frame_that_is_no_memory_cannot_be_mapped_without_a_right_to_it(
    two_agents: tuple[Agent, Agent], frame_number: int, result: int
) -> None:
    one = two_agents[1]
    page = one.page()
    entry = frame_number << 12 | PRESENT
    assert update(one, request(entry_of(one, page), entry)) == (result, 0)
    assert one.pte(page.va) & 0xFFFFF000 == page.machine
    one.give_back(page)


def test_domain_0_cannot_map_the_local_apic(agent: Agent) -> None:
    page = agent.page()
    assert update(agent, request(entry_of(agent, page), 0xFEE00000 | PRESENT)).result == -EPERM
    agent.give_back(page)


def test_a_free_frame_cannot_be_mapped(agent: Agent) -> None:
    page = agent.page()
    free = hypervisor_of(agent.machine).free
    (candidates,) = free.nonzero()
    assert update(agent, request(entry_of(agent, page), int(candidates[-1]) << 12 | PRESENT)).result == -EBUSY
    agent.give_back(page)


@pytest.mark.parametrize("symbol", ["idle_l3", "hypercall_entry", "gdt_reserved", "hv_l1"])
@pytest.mark.parametrize("rights", [PRESENT, WRITABLE], ids=["read", "write"])
def test_the_hypervisors_own_frames_cannot_be_mapped(agent: Agent, symbol: str, rights: int) -> None:
    page = agent.page()
    hypervisor = hypervisor_of(agent.machine)
    machine = hypervisor.mfn(hypervisor.symbol(symbol)) << 12
    assert update(agent, request(entry_of(agent, page), machine | rights)).result == -EBUSY
    agent.give_back(page)


@pytest.mark.parametrize("rights", [PRESENT, WRITABLE], ids=["read", "write"])
def test_a_frame_of_another_domain_cannot_be_mapped(two_agents: tuple[Agent, Agent], rights: int) -> None:
    for one, other in (two_agents, two_agents[::-1]):
        page, foreign = one.page(), other.page()
        assert update(one, request(entry_of(one, page), foreign.machine | rights)).result == -EBUSY
        one.give_back(page)
        other.give_back(foreign)


def test_domain_0_maps_a_frame_of_a_domain_that_it_names(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    page, foreign = first.page(), second.page()
    second.write(foreign.va, b"of domain 1")
    assert update(first, request(entry_of(first, page), foreign.machine | PRESENT), foreign=1) == (0, 1)
    assert first.read(page.va, 11) == b"of domain 1"
    assert frame(first, foreign.mfn).references == 3
    first.give_back(page)
    assert frame(first, foreign.mfn).references == 2
    second.give_back(foreign)


# A frame in two roles.


def test_a_page_table_can_be_mapped_for_reading_only(agent: Agent) -> None:
    page = agent.page()
    own = agent.space.page(agent.start_info.pt_base)
    assert update(agent, request(entry_of(agent, page), own.machine | WRITABLE)).result == -EBUSY
    assert update(agent, request(entry_of(agent, page), own.machine | PRESENT)).result == 0
    agent.give_back(page)


def test_a_page_table_does_not_become_writable_by_a_change_of_flags(agent: Agent) -> None:
    """The short cut for "same frame, other flags" must not let RW through."""
    own = agent.space.page(agent.start_info.pt_base)
    assert update(agent, request(entry_of(agent, own), own.machine | WRITABLE)).result == -EBUSY
    assert not agent.pte(own.va) & PTE_RW


def test_a_frame_can_be_mapped_writable_again_when_it_is_no_table_any_more(agent: Agent) -> None:
    page = table(agent)
    assert extend(agent, "PIN_L1_TABLE", page.mfn) == 0
    assert agent.map(page.va, page.machine | WRITABLE) == -EBUSY
    assert extend(agent, "UNPIN_TABLE", page.mfn) == 0
    assert agent.map(page.va, page.machine | WRITABLE) == 0
    agent.give_back(page)


# Which frames an entry can be stored into.


def test_a_store_into_an_ordinary_page_is_a_plain_store(agent: Agent) -> None:
    page = agent.page()
    assert update(agent, request(page.machine + 8, 0x1122334455667788)) == (0, 1)
    assert agent.read(page.va, 24) == bytes(8) + (0x1122334455667788).to_bytes(8, "little") + bytes(8)
    agent.give_back(page)


def test_a_store_into_a_page_without_a_type_is_a_plain_store(agent: Agent) -> None:
    page = table(agent)
    assert update(agent, request(page.machine, 0xFFFFFFFFFFFFFFFF)) == (0, 1)
    assert read_entry(agent, page, 0) == 0xFFFFFFFFFFFFFFFF
    agent.give_back(page)


def test_a_pinned_l1_takes_valid_entries_only(agent: Agent) -> None:
    target, l1 = agent.page(), table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    assert update(agent, request(l1.machine + 8 * 511, target.machine | WRITABLE)) == (0, 1)
    assert update(agent, request(l1.machine, l1.machine | WRITABLE)) == (-EBUSY, 0)
    assert read_entry(agent, l1, 0) == 0
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    agent.give_back(l1, target)


def test_a_descriptor_page_takes_no_entries(agent: Agent) -> None:
    page = table(agent)
    assert agent.hypercall("set_gdt", [page.mfn], 512) == 0
    assert update(agent, request(page.machine, 0)) == (-EINVAL, 0)
    assert agent.hypercall("set_gdt", 0, 0) == 0
    agent.give_back(page)


@pytest.mark.parametrize("machine", [0xFFFFF000, 0x100000000, 0xFFFFFFFFFFFFF000, 0x7FFFFFFFFFFFF000])
def test_a_store_to_where_there_is_no_memory_is_refused(agent: Agent, machine: int) -> None:
    assert update(agent, request(machine, 0)) == (-EINVAL, 0)


def test_a_store_into_the_hypervisor_is_refused(agent: Agent) -> None:
    hypervisor = hypervisor_of(agent.machine)
    assert update(agent, request(hypervisor.physical(hypervisor.symbol("hv_l1")), 0)) == (-EINVAL, 0)


def test_a_store_into_another_domain_is_refused(two_agents: tuple[Agent, Agent]) -> None:
    for one, other in (two_agents, two_agents[::-1]):
        foreign = other.page()
        assert update(one, request(foreign.machine, 1)) == (-EINVAL, 0)
        assert other.read(foreign.va, 8) == bytes(8)
        other.give_back(foreign)
