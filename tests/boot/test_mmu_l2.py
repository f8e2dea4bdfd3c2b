"""L2 tables (ABI 6.3): what their entries may be, and linear tables."""

from __future__ import annotations

import pytest

from tests.boot.tables import (
    L2_ENTRY,
    PRESENT,
    WRITABLE,
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
    PTE_A,
    PTE_AVAILABLE,
    PTE_D,
    PTE_G,
    PTE_NX,
    PTE_P,
    PTE_PCD,
    PTE_PSE,
    PTE_PWT,
    PTE_RW,
    PTE_US,
)

LINEAR = PTE_P | PTE_US | PTE_A  # a linear entry is read-only


def test_validating_an_l2_validates_its_l1s(agent: Agent) -> None:
    target, l1 = agent.page(), table(agent)
    update(agent, request(l1.machine, target.machine | WRITABLE))
    l2 = table(agent, {5: l1.machine | L2_ENTRY})
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert [frame(agent, page.mfn)[:2] for page in (l2, l1, target)] == [("L2", 1), ("L1", 1), ("writable", 2)]
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    assert [frame(agent, page.mfn)[1] for page in (l2, l1, target)] == [0, 0, 1]
    agent.give_back(l2, l1, target)


@pytest.mark.parametrize("name, bits, result", [
    ("read-only", 0, 0),
    ("writable", PTE_RW, 0),
    ("for users, accessed, dirty", PTE_US | PTE_A | PTE_D, 0),
    ("available bits", PTE_AVAILABLE, 0),
    ("no execute", PTE_NX, 0),
    ("write-through", PTE_PWT, -EINVAL),
    ("uncached", PTE_PCD, -EINVAL),
    ("a superpage", PTE_PSE, -EINVAL),
    ("global", PTE_G, -EINVAL),
    ("a frame above 4 GB", 1 << 32, -EINVAL),
])
def test_an_l2_entry_may_or_may_not_be(agent: Agent, name: str, bits: int, result: int) -> None:
    l1, l2 = table(agent), table(agent)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert update(agent, request(l2.machine + 8 * 9, l1.machine | PTE_P | bits)).result == result, name
    assert bool(read_entry(agent, l2, 9)) == (result == 0)
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    agent.give_back(l1, l2)


def test_an_l2_with_one_bad_entry_is_refused_whole(agent: Agent) -> None:
    """What the entries before the bad one took must be given back."""
    l1 = table(agent)
    l2 = table(agent, {0: l1.machine | L2_ENTRY, 511: l1.machine | L2_ENTRY | PTE_PSE})
    before = frame(agent, l1.mfn)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == -EINVAL
    assert frame(agent, l1.mfn).references == before.references
    assert frame(agent, l1.mfn).uses == frame(agent, l2.mfn).uses == 0
    agent.give_back(l1, l2)


def test_an_l2_entry_cannot_show_a_page_that_is_writable(agent: Agent) -> None:
    page, l2 = agent.page(), table(agent)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert update(agent, request(l2.machine, page.machine | L2_ENTRY)).result == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    agent.give_back(page, l2)


def test_an_l1_in_two_l2s_is_in_use_until_both_are_gone(agent: Agent) -> None:
    l1 = table(agent)
    first, second = (table(agent, {0: l1.machine | L2_ENTRY}) for _ in range(2))
    for l2 in (first, second):
        assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert frame(agent, l1.mfn).uses == 2
    assert extend(agent, "UNPIN_TABLE", first.mfn) == 0
    assert agent.map(l1.va, l1.machine | WRITABLE) == -EBUSY
    assert extend(agent, "UNPIN_TABLE", second.mfn) == 0
    agent.give_back(l1, first, second)


def test_taking_an_entry_out_of_an_l2_ends_the_use_of_its_l1(agent: Agent) -> None:
    l1 = table(agent)
    l2 = table(agent, {3: l1.machine | L2_ENTRY})
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert update(agent, request(l2.machine + 24, 0)).result == 0
    assert frame(agent, l1.mfn).uses == 0
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    agent.give_back(l1, l2)


# Linear tables.


def test_an_l2_may_show_itself_read_only(agent: Agent) -> None:
    l2 = table(agent)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert update(agent, request(l2.machine, l2.machine | LINEAR)).result == 0
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    assert frame(agent, l2.mfn).uses == 0
    agent.give_back(l2)


def test_an_l2_that_shows_itself_can_be_validated(agent: Agent) -> None:
    l2 = agent.page()
    agent.space.memory.write(l2.machine + 80, (l2.machine | LINEAR).to_bytes(8, "little"))
    assert agent.map(l2.va, l2.machine | PRESENT) == 0
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    agent.give_back(l2)


def test_a_linear_entry_must_be_read_only(agent: Agent) -> None:
    l2 = table(agent)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert update(agent, request(l2.machine, l2.machine | LINEAR | PTE_RW)).result == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    agent.give_back(l2)


def test_a_linear_entry_does_not_become_writable_by_a_change_of_flags(agent: Agent) -> None:
    """Claim: the flags of an L2 entry are checked against what it shows, whatever it was before.

    Danger: a short cut for "same frame, other flags" lets the guest make its linear entry writable, and with it
    every page table (a flaw that shipped in a hypervisor). Method: exactly that change, on both kinds of entry.
    """
    shown, l2 = table(agent), table(agent)
    for page in (shown, l2):
        assert extend(agent, "PIN_L2_TABLE", page.mfn) == 0
    for index, target in enumerate((l2, shown)):
        assert update(agent, request(l2.machine + 8 * index, target.machine | LINEAR)).result == 0
        assert update(agent, request(l2.machine + 8 * index, target.machine | LINEAR | PTE_RW)).result == -EINVAL
        assert read_entry(agent, l2, index) == target.machine | LINEAR
    for page in (l2, shown):
        assert extend(agent, "UNPIN_TABLE", page.mfn) == 0
    agent.give_back(shown, l2)


def test_an_l2_shown_by_another_stays_one_until_the_entry_goes(agent: Agent) -> None:
    shown = table(agent)
    assert extend(agent, "PIN_L2_TABLE", shown.mfn) == 0
    l2 = table(agent, {0: shown.machine | LINEAR})
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    assert extend(agent, "UNPIN_TABLE", shown.mfn) == 0
    assert agent.map(shown.va, shown.machine | WRITABLE) == -EBUSY
    assert frame(agent, shown.mfn)[:2] == ("L2", 1)
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    assert frame(agent, shown.mfn).uses == 0
    agent.give_back(shown, l2)


def test_a_table_that_is_shown_shows_no_others(agent: Agent) -> None:
    first, second, third = (table(agent) for _ in range(3))
    for page in (first, second, third):
        assert extend(agent, "PIN_L2_TABLE", page.mfn) == 0
    assert update(agent, request(first.machine, second.machine | LINEAR)).result == 0
    assert update(agent, request(second.machine, third.machine | LINEAR)).result == -EINVAL
    assert update(agent, request(third.machine, first.machine | LINEAR)).result == -EINVAL
    for page in (first, second, third):
        assert extend(agent, "UNPIN_TABLE", page.mfn) == 0
    agent.give_back(first, second, third)


def test_an_l1_cannot_be_shown_as_an_l2(agent: Agent) -> None:
    l1 = table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    assert extend(agent, "PIN_L2_TABLE", l1.mfn) == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    agent.give_back(l1)
