"""Flaws that hypervisors for paravirtual guests have had, in page tables: one test for each, at least.

Each docstring says what must hold (Claim), what went wrong where it did not (Danger), and how it is looked at (Method).
The others are in test_history.py, _domains and _cpu. After each test the checker looks at all of memory.
"""

from __future__ import annotations

import pytest

from tests.boot.history import entry_of, pinned, unpin
from tests.boot.tables import (
    GUEST_L2_ENTRIES,
    L2_ENTRY,
    PRESENT,
    WRITABLE,
    base_tables,
    extend,
    frame,
    read_entry,
    request,
    table,
    update,
)
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, EBUSY, EINVAL, PTE_A, PTE_P, PTE_RW, PTE_US, value
from xengen.agent.outcome import Fault

LINEAR = PTE_P | PTE_US | PTE_A


# Flags only.


@pytest.mark.parametrize("command", ["NORMAL_PT_UPDATE", "PT_UPDATE_PRESERVE_AD"])
def test_a_linear_page_table_does_not_become_writable_by_flags_alone(agent: Agent, command: str) -> None:
    """Claim: a short way for "same frame, other flags" grants no right that the long way would not.

    Danger: an L2 entry that shows an L2 (a linear page table) becomes writable, and with it every table of the domain
    (CVE-2016-6258). Method: that change, for an L2 that shows itself and one that shows another.
    """
    shown, l2 = pinned(agent, 2), pinned(agent, 2)
    for index, target in enumerate((l2, shown)):
        assert update(agent, request(l2.machine + 8 * index, target.machine | LINEAR, command)).result == 0
        for flags in (LINEAR | PTE_RW, PTE_P | PTE_RW):
            assert update(agent, request(l2.machine + 8 * index, target.machine | flags, command)).result == -EINVAL
        assert read_entry(agent, l2, index) & ~PTE_A == target.machine | LINEAR & ~PTE_A
    unpin(agent, l2, shown)


@pytest.mark.parametrize("way", ["mmu_update", "update_va_mapping", "a store"])
def test_a_mapping_of_a_table_does_not_become_writable_by_flags_alone(agent: Agent, way: str) -> None:
    """As above for the read-only mapping of a table in an L1, by each way to change an L1 entry."""
    shown = pinned(agent, 1)
    l1 = agent.space.entry_address(shown.va)
    assert l1 is not None
    if way == "mmu_update":
        assert update(agent, request(l1, shown.machine | WRITABLE)).result == -EBUSY
    elif way == "update_va_mapping":
        assert agent.map(shown.va, shown.machine | WRITABLE) == -EBUSY
    else:
        assert agent.hypercall("vm_assist", 0, value("VMASST_TYPE_writable_pagetables")) == 0
        window = agent.page()
        assert agent.map(window.va, l1 & -4096 | PRESENT) == 0
        assert isinstance(agent.store(window.va + l1 % 4096, shown.machine & 0xFFFFFFFF | WRITABLE), Fault)
        assert agent.hypercall("vm_assist", 1, value("VMASST_TYPE_writable_pagetables")) == 0
        agent.give_back(window)
    assert not agent.pte(shown.va) & PTE_RW
    unpin(agent, shown)


# The L2 of the top gigabyte.


def test_the_l2_of_the_top_gigabyte_is_no_other_l2_and_no_other_l2_is_it(agent: Agent) -> None:
    """Claim: the L2 that has the hypervisor's entries has a type of its own.

    Danger: taken for a plain one it can be put elsewhere, where its reserved entries are the guest's to change; a
    plain one in its place has what the guest wrote there. Method: each of the two as the other, by pin, by L3 entry and
    by base pointer.
    """
    l3, top = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    assert extend(agent, "PIN_L2_TABLE", top.mfn) == -EINVAL
    own_top = agent.space.memory.u64(agent.space.l3 * 4096 + 24) >> 12
    assert extend(agent, "PIN_L2_TABLE", own_top) == -EINVAL
    for slot in range(3):
        for mfn in (top.mfn, own_top):
            assert update(agent, request(l3.machine + 8 * slot, mfn << 12 | PTE_P)).result == -EINVAL
    plain = pinned(agent, 2, {GUEST_L2_ENTRIES: 0, 511: 0})
    with_plain = table(agent, {3: plain.machine | PTE_P})
    assert extend(agent, "PIN_L3_TABLE", with_plain.mfn) == agent.switch_base(with_plain.mfn) == -EINVAL
    assert frame(agent, plain.mfn)[:2] == ("L2", 1)
    unpin(agent, plain, l3)
    agent.give_back(with_plain, top)


def test_the_same_l2_is_not_the_top_of_two_address_spaces(agent: Agent) -> None:
    """Claim: an L2 is in slot 3 of one L3, and in no slot beside it.

    Danger: its entries for the linear tables are right for one L3 only: in another they show the tables of the first,
    of which the frames may have become something else. Method: two L3s with one top, and one L3 with its top twice.
    """
    l3, top = base_tables(agent)
    twins = [table(agent, {3: top.machine | PTE_P}), table(agent, {0: top.machine | PTE_P, 3: top.machine | PTE_P})]
    assert extend(agent, "PIN_L3_TABLE", twins[1].mfn) == -EINVAL
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    for twin in twins:
        assert extend(agent, "PIN_L3_TABLE", twin.mfn) == agent.switch_base(twin.mfn) == -EINVAL
    assert frame(agent, top.mfn)[:3] == ("L2 of slot 3", 1, 3)
    unpin(agent, l3)
    agent.give_back(top, *twins)


def test_an_l3_that_is_the_base_changes_for_the_processor_too(agent: Agent) -> None:
    """Claim: an L2 that leaves the L3 in use is not used any more when the call is over.

    Danger: the processor has copies of the four entries and goes on using the L2, whose frame the guest then writes as
    memory: a page table of its own making. Method: take the L2 out of the slot, make its L1's frame writable, read.
    """
    secret, l1 = agent.page(), table(agent)
    agent.write(secret.va, b"seen")
    assert update(agent, request(l1.machine, secret.machine | PRESENT)).result == 0
    l2 = table(agent, {0: l1.machine | L2_ENTRY})
    slot = agent.space.l3 * 4096 + 8
    assert update(agent, request(slot, l2.machine | PTE_P)).result == 0
    assert agent.read(1 << 30, 4) == b"seen"
    unmap = agent.put([slot, 0, 0, 0])
    for number, page in enumerate((l2, l1)):
        entries = [entry_of("mmu_update", unmap, 1, 0, DOMID_SELF)] if number == 0 else []
        entries.append(entry_of("update_va_mapping", page.va, page.machine | WRITABLE, 0, 0))
        assert agent.hypercall("multicall", entries, len(entries)) == 0
        assert [entry.result for entry in entries] == [0] * len(entries)
    agent.write(l2.va, bytes(8))
    assert isinstance(agent.load(1 << 30), Fault)
    agent.give_back(l2, l1, secret)


def test_an_l2_in_use_changes_with_its_references(agent: Agent) -> None:
    """Claim: an L1 that leaves the L2 in use is free of it, and cannot be reached through it in the same call.

    Danger: its stale translations let the guest read and write what the frame becomes next. Method: reach a page
    through the L1, take the L1 out, and use its frame as memory, all in one multicall; then look through the old
    address.
    """
    l1, target = table(agent), agent.page()
    assert update(agent, request(l1.machine, target.machine | WRITABLE)).result == 0
    entry = agent.space.entry_address(3 << 30 | 100 << 21, 2)
    assert entry is not None
    assert update(agent, request(entry, l1.machine | L2_ENTRY)).result == 0
    assert not isinstance(agent.store(3 << 30 | 100 << 21, 1), Fault)
    calls = [
        entry_of("mmu_update", agent.put([entry, 0, 0, 0]), 1, 0, DOMID_SELF),
        entry_of("update_va_mapping", l1.va, l1.machine | WRITABLE, 0, 0),
    ]
    assert agent.hypercall("multicall", calls, 2) == 0
    assert [one.result for one in calls] == [0, 0]
    assert frame(agent, l1.mfn)[0] == "writable"
    assert isinstance(agent.store(3 << 30 | 100 << 21, 2), Fault)
    agent.give_back(l1, target)
