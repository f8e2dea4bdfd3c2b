"""Descriptors (ABI 6.12): which a guest may have, in a GDT, and by update_descriptor."""

from __future__ import annotations

import pytest

from tests.boot.segments import (
    DESCRIPTORS,
    checked,
    entry,
    store,
)
from tests.boot.tables import extend, read_only, table
from xengen.agent.agent import Agent
from xengen.agent.names import (
    EINVAL,
)


def test_the_table_of_descriptors_has_good_changed_and_bad_ones() -> None:
    results = {"good" if checked(d) == d else "bad" if checked(d) is None else "changed" for d in DESCRIPTORS.values()}
    assert results == {"good", "bad", "changed"}


# update_descriptor.


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_descriptor_is_stored_as_the_abi_says(agent: Agent, name: str) -> None:
    page, given = agent.page(), DESCRIPTORS[name]
    agent.write(page.va + 8, b"\xee" * 8)
    expected = checked(given)
    assert store(agent, page.machine + 8, given) == (-EINVAL if expected is None else 0)
    assert entry(agent, page, 1) == (0xEEEEEEEEEEEEEEEE if expected is None else expected)
    agent.give_back(page)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_page_with_this_descriptor_can_be_a_gdt_or_not(agent: Agent, name: str) -> None:
    page, given = agent.page(), DESCRIPTORS[name]
    agent.write(page.va + 8 * 511, given.to_bytes(8, "little"))
    read_only(agent, page)
    expected = checked(given)
    assert agent.hypercall("set_gdt", [page.mfn], 512) == (-EINVAL if expected is None else 0)
    assert entry(agent, page, 511) == (given if expected is None else expected)
    assert agent.hypercall("set_gdt", 0, 0) == 0
    agent.give_back(page)


@pytest.mark.parametrize("offset", [1, 4, 7])
def test_a_descriptor_lies_at_a_multiple_of_its_size(agent: Agent, offset: int) -> None:
    page = agent.page()
    assert store(agent, page.machine + offset, 0) == -EINVAL
    agent.give_back(page)


@pytest.mark.parametrize("machine", [0xFFFFF000, 0x100000000, 0x8000000000000000, 0x100000, 0])
def test_a_descriptor_cannot_be_stored_into_what_is_not_the_guests(agent: Agent, machine: int) -> None:
    assert store(agent, machine, 0) == -EINVAL


def test_a_descriptor_cannot_be_stored_into_another_domain(two_agents: tuple[Agent, Agent]) -> None:
    for one, other in (two_agents, two_agents[::-1]):
        foreign = other.page()
        assert store(one, foreign.machine, DESCRIPTORS["flat data"]) == -EINVAL
        other.give_back(foreign)


def test_a_descriptor_cannot_be_stored_into_a_page_table(agent: Agent) -> None:
    l1 = table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    assert store(agent, l1.machine, 0) == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    agent.give_back(l1)
