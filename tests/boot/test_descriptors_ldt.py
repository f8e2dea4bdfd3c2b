"""The LDT (ABI 6.12): its pages are taken when they are first used."""

from __future__ import annotations

import pytest

from tests.boot.segments import (
    ACCESSED,
    DB,
    FLAT,
    WRITE,
    G,
    P,
    S,
    checked,
    descriptor,
    entry,
    gate,
)
from tests.boot.tables import PRESENT, base_tables, extend, frame, table
from xengen.agent.agent import Agent, Page, completed
from xengen.agent.names import (
    GP,
    PF,
)
from xengen.agent.outcome import Fault


def ldt_with(agent: Agent, entries: dict[int, int], size: int = 512) -> Page:
    """Return a page that is the guest's LDT, with these descriptors."""
    page = table(agent, entries)
    assert extend(agent, "SET_LDT", page.va, size) == 0
    return page


def test_a_descriptor_of_the_ldt_gives_access_at_its_base(agent: Agent) -> None:
    target = agent.page()
    agent.write(target.va + 4, b"ldt!")
    page = ldt_with(agent, {3: descriptor(target.va, 0xFFF, P | S | WRITE | DB)})
    assert frame(agent, page.mfn).uses == 0
    after = completed(agent.ring1("movl $0x1d, %eax\nmovl %eax, %fs\nmovl %fs:4, %ebx"))
    assert after.ebx.to_bytes(4, "little") == b"ldt!"
    assert frame(agent, page.mfn)[:2] == ("segments", 1)
    agent.reset()
    assert frame(agent, page.mfn).uses == 0
    agent.give_back(page, target)


def test_an_ldts_page_is_checked_when_it_is_first_used(agent: Agent) -> None:
    page = ldt_with(agent, {3: descriptor(0, FLAT, P | S | WRITE | G | DB, 0)})
    completed(agent.ring1("movl $0x1d, %eax\nmovl %eax, %fs\nlsll %eax, %ebx"))
    assert entry(agent, page, 3) & ~ACCESSED == checked(descriptor(0, FLAT, P | S | WRITE | G | DB, 0))
    agent.reset()
    agent.give_back(page)


def test_a_bad_ldt_page_is_a_page_fault_at_the_guests_address(agent: Agent) -> None:
    page = ldt_with(agent, {3: descriptor(0, FLAT, P | S | WRITE | G | DB), 4: gate(0xE008, 0)})
    outcome = agent.ring1("movl $0x1d, %eax\nmovl %eax, %fs")
    assert isinstance(outcome, Fault)
    assert (outcome.vector, outcome.details.cr2) == (PF, page.va + 24)
    agent.reset()
    agent.give_back(page)


def test_a_writable_ldt_page_is_a_page_fault_at_the_guests_address(agent: Agent) -> None:
    page = agent.page()
    assert extend(agent, "SET_LDT", page.va, 512) == 0
    outcome = agent.ring1("movl $0xd, %eax\nmovl %eax, %fs")
    assert isinstance(outcome, Fault)
    assert (outcome.vector, outcome.details.cr2) == (PF, page.va + 8)
    agent.reset()
    agent.give_back(page)


def test_an_ldt_page_that_is_not_mapped_is_a_page_fault(agent: Agent) -> None:
    assert extend(agent, "SET_LDT", agent.edge, 512) == 0
    outcome = agent.ring1("movl $0xd, %eax\nmovl %eax, %es")
    assert isinstance(outcome, Fault)
    assert (outcome.vector, outcome.details.cr2) == (PF, agent.edge + 8)


@pytest.mark.parametrize("size, selector", [(0, 0xD), (1, 0xD), (4, 0x25), (512, 0x1005)])
def test_beyond_the_ldts_end_there_is_nothing(agent: Agent, size: int, selector: int) -> None:
    page = ldt_with(agent, {index: descriptor(0, FLAT, P | S | WRITE | G | DB) for index in range(8)}, size)
    assert agent.ring1(f"movl ${selector}, %eax\nmovl %eax, %fs") == Fault(GP, selector & ~3)
    agent.reset()
    agent.give_back(page)


def test_ldt_pages_are_given_back_when_the_base_pointer_changes(agent: Agent) -> None:
    page = ldt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    completed(agent.ring1("movl $0xd, %eax\nmovl %eax, %fs"))
    l3, l2 = base_tables(agent)
    old = agent.space.l3
    assert agent.switch_base(l3.mfn) == 0
    assert frame(agent, page.mfn).uses == 0
    assert agent.switch_base(old) == 0
    agent.reset()
    agent.give_back(page, l3, l2)


def test_an_ldt_page_in_use_stays_while_its_mapping_is_taken_away(agent: Agent) -> None:
    """Claim: the window holds its own reference. Danger: selectors of a page that has become something else."""
    page = ldt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    completed(agent.ring1("movl $0xd, %eax\nmovl %eax, %fs"))
    assert agent.map(page.va, 0) == 0
    assert frame(agent, page.mfn)[:2] == ("segments", 1)
    completed(agent.ring1("movl $0xd, %eax\nmovl %eax, %fs"))
    agent.reset()
    assert agent.map(page.va, page.machine | PRESENT) == 0
    agent.give_back(page)


def test_each_domain_has_an_ldt_of_its_own(two_agents: tuple[Agent, Agent]) -> None:
    pages = [
        ldt_with(one, {1: descriptor(one.address("agent_scratch"), FLAT - number, P | S | WRITE | DB)})
        for number, one in enumerate(two_agents)
    ]
    for _ in range(2):
        limits = [completed(one.ring1("movl $0xd, %eax\nmovl %eax, %fs\nlsll %eax, %ebx")).ebx for one in two_agents]
        assert limits == [FLAT, FLAT - 1]
    for one, page in zip(two_agents, pages, strict=True):
        one.reset()
        one.give_back(page)


@pytest.mark.parametrize("register", ["fs", "gs"])
def test_a_selector_of_the_ldt_is_still_loaded_after_a_domain_without_one_has_run(
    two_agents: tuple[Agent, Agent], register: str
) -> None:
    """Claim: the LDT register is the new vcpu's before its selectors are loaded. Danger: they become null unnoticed.

    %fs and %gs were loaded while the LDT register was still that of the vcpu which had run before: thread-local storage
    by an LDT was lost with the first switch between domains.
    """
    one, other = two_agents
    page = ldt_with(one, {1: descriptor(one.address("agent_scratch"), FLAT, P | S | WRITE | DB)})
    assert extend(other, "SET_LDT", 0, 0) == 0
    load, turn = f"movl $0xd, %eax\nmovl %eax, %{register}\n", "xorl %ebx, %ebx\nmovl $29, %eax\nint $0x82\n"
    after = completed(one.ring1(f"{load}{turn * 3}movl %{register}, %ebx\n"))
    assert after.ebx == 0xD
    one.reset()
    one.give_back(page)
