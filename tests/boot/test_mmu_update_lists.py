"""mmu_update (ABI 6.6): its other commands, how far a list got, and whose frames and tables it is about."""

from __future__ import annotations

import pytest

from tests.boot.tables import (
    NOT_STORED,
    PRESENT,
    Answer,
    Word,
    entry_of,
    read_only,
    request,
    update,
)
from xengen.abi.mmu import MmuUpdate
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_INVALID,
    DOMID_SELF,
    DOMID_XEN,
    EFAULT,
    EINVAL,
    ENOSYS,
    EPERM,
    ESRCH,
    HV_PRIVATE_START,
    PF,
    PF_PRESENT,
    PF_WRITE,
    PTE_A,
    PTE_D,
    PTE_P,
    PTE_RW,
    value,
)
from xengen.agent.outcome import Fault

NOWHERE = 0xDEAD0000


# The other commands.


def test_preserve_ad_keeps_the_accessed_and_dirty_bits(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"dirty")
    plain = page.machine | PTE_P | PTE_RW
    assert agent.pte(page.va) == plain | PTE_A | PTE_D
    assert update(agent, request(entry_of(agent, page), plain, "PT_UPDATE_PRESERVE_AD")) == (0, 1)
    assert agent.pte(page.va) == plain | PTE_A | PTE_D
    assert update(agent, request(entry_of(agent, page), plain)) == (0, 1)
    assert agent.pte(page.va) == plain
    agent.give_back(page)


def test_preserve_ad_takes_the_bits_of_the_old_entry_even_when_they_are_clear(agent: Agent) -> None:
    page = agent.page()
    assert update(agent, request(entry_of(agent, page), page.machine | PTE_P | PTE_RW)) == (0, 1)
    given = page.machine | PTE_P | PTE_RW | PTE_A | PTE_D
    assert update(agent, request(entry_of(agent, page), given, "PT_UPDATE_PRESERVE_AD")) == (0, 1)
    assert agent.pte(page.va) == page.machine | PTE_P | PTE_RW
    agent.give_back(page)


@pytest.mark.parametrize("command", [3, 4, 5, 6, 7])
def test_an_unknown_command_is_refused(agent: Agent, command: int) -> None:
    page = agent.page()
    assert update(agent, MmuUpdate(page.machine | command, 0)) == (-ENOSYS, 0)
    agent.give_back(page)


def test_the_m2p_says_what_the_guest_wants_of_its_own_frame(agent: Agent) -> None:
    page = agent.page()
    for pfn in (0x12345, page.pfn):
        assert update(agent, request(page.machine, pfn, "MACHPHYS_UPDATE")) == (0, 1)
        assert agent.read(value("MACH2PHYS_VIRT_START_PAE") + 4 * page.mfn, 4) == pfn.to_bytes(4, "little")
    agent.give_back(page)


def test_the_m2p_of_another_domains_frame_stays(two_agents: tuple[Agent, Agent]) -> None:
    for one, other in (two_agents, two_agents[::-1]):
        foreign = other.page()
        assert update(one, request(foreign.machine, 7, "MACHPHYS_UPDATE")) == (-EINVAL, 0)
        other.give_back(foreign)


@pytest.mark.parametrize("machine", [0, 0xFFFFF000, 0x100000000])
def test_the_m2p_of_a_frame_that_nobody_owns_stays(agent: Agent, machine: int) -> None:
    assert update(agent, request(machine, 7, "MACHPHYS_UPDATE")) == (-EINVAL, 0)


def test_the_m2p_cannot_be_written_by_the_guest(agent: Agent) -> None:
    for table_start in (value("MACH2PHYS_VIRT_START_PAE"), value("HV_START")):
        assert agent.store(table_start, 0) == Fault(PF, PF_PRESENT | PF_WRITE)


# Lists.


def test_a_list_stops_at_the_first_error_and_says_how_many_were_done(agent: Agent) -> None:
    page = agent.page()
    good, bad = request(page.machine, 1), request(0xFFFFF000, 1)
    assert update(agent, good, good, bad, request(page.machine + 8, 1)) == (-EINVAL, 2)
    assert agent.read(page.va, 16) == (1).to_bytes(16, "little")
    agent.give_back(page)


def test_a_list_of_128_entries_is_done_in_one_call(agent: Agent) -> None:
    page = agent.page()
    assert update(agent, *(request(page.machine + 8 * index, index) for index in range(128))) == (0, 128)
    assert agent.read(page.va + 8 * 127, 8) == (127).to_bytes(8, "little")
    agent.give_back(page)


def test_an_empty_list_is_not_read(agent: Agent) -> None:
    done = Word(NOT_STORED)
    assert agent.hypercall("mmu_update", NOWHERE, 0, done, DOMID_SELF) == 0
    assert done.value == 0


@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFC900000, 0xFFFFFFF8])
def test_a_list_cannot_be_at(agent: Agent, address: int) -> None:
    done = Word(NOT_STORED)
    assert agent.hypercall("mmu_update", address, 1, done, DOMID_SELF) == -EFAULT
    assert done.value == 0


def test_requests_before_the_end_of_memory_are_done(agent: Agent) -> None:
    page = agent.page()
    agent.write(agent.edge - 20, bytes(request(page.machine, 5)) + bytes(4))
    done = Word(NOT_STORED)
    assert agent.hypercall("mmu_update", agent.edge - 20, 2, done, DOMID_SELF) == -EFAULT
    assert (done.value, agent.read(page.va, 1)) == (1, b"\x05")
    agent.give_back(page)


def test_nobody_need_ask_how_many_were_done(agent: Agent) -> None:
    page = agent.page()
    assert agent.hypercall("mmu_update", [request(page.machine, 9)], 1, 0, DOMID_SELF) == 0
    assert agent.read(page.va, 1) == b"\x09"
    agent.give_back(page)


@pytest.mark.parametrize("address", [NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC])
def test_the_number_done_cannot_be_stored_at(agent: Agent, address: int) -> None:
    page = agent.page()
    assert agent.hypercall("mmu_update", [request(page.machine, 9)], 1, address, DOMID_SELF) == -EFAULT
    agent.give_back(page)


def test_a_list_that_is_continued_adds_to_what_was_done(agent: Agent) -> None:
    page = agent.page()
    done = Word(40)
    count = 2 | value("MMU_UPDATE_PREEMPTED")
    assert agent.hypercall("mmu_update", [request(page.machine, 1)] * 2, count, done, DOMID_SELF) == 0
    assert done.value == 42
    agent.give_back(page)


# Whose frames, whose tables.


@pytest.mark.parametrize("foreign, result", [
    (0, -ESRCH),
    (7, -ESRCH),
    (DOMID_INVALID, -ESRCH),
    (0x7FFF, -ESRCH),
    (0xFFFF, -ESRCH),
    (DOMID_SELF | 8 << 16, -ESRCH),
    (DOMID_SELF | 1 << 16, -ESRCH),
])
def test_a_domain_that_is_not_there_is_said(agent: Agent, foreign: int, result: int) -> None:
    page = agent.page()
    assert update(agent, request(page.machine, 0), foreign=foreign) == Answer(result, NOT_STORED)  # type: ignore[arg-type]
    agent.give_back(page)


@pytest.mark.parametrize("foreign", [0, 7, DOMID_XEN, DOMID_SELF | 1 << 16, DOMID_INVALID])
def test_an_ordinary_domain_cannot_name_another(two_agents: tuple[Agent, Agent], foreign: int) -> None:
    one = two_agents[1]
    page = one.page()
    assert update(one, request(page.machine, 0), foreign=foreign).result in (-ESRCH, -EPERM)
    one.give_back(page)


def test_domain_0_stores_into_the_tables_of_a_domain_that_it_names(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    page, target = second.page(), second.page()
    second.write(target.va, b"target")
    entry = request(entry_of(second, page), target.machine | PRESENT)
    assert update(first, entry, foreign=1 | 2 << 16) == (0, 1)
    assert second.read(page.va, 6) == b"target"
    second.give_back(page, target)


def test_the_m2p_can_be_read_and_has_the_pfn_of_each_frame_of_the_start(agent: Agent) -> None:
    for pfn in (0, 256, agent.pfn(agent.start_info.pt_base), agent.start_info.nr_pages - 1):
        read = agent.read(value("MACH2PHYS_VIRT_START_PAE") + 4 * agent.mfn(pfn), 4)
        assert int.from_bytes(read, "little") == pfn


def test_a_read_only_page_stays_readable(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"text")
    assert agent.read(read_only(agent, page).va, 4) == b"text"
    agent.give_back(page)
