"""L3 tables, the L2 of slot 3 with the hypervisor's slots, and base pointers (ABI 6.3, 6.4)."""

from __future__ import annotations

import pytest

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
from xengen.agent.names import (
    EBUSY,
    EINVAL,
    EPERM,
    HV_START,
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

# L3 and the L2 of slot 3.


def test_an_l3_makes_its_slot_3_an_l2_of_its_own_kind(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    assert frame(agent, l3.mfn)[:2] == ("L3", 1)
    assert frame(agent, l2.mfn)[:2] == ("L2 of slot 3", 1)
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    assert frame(agent, l3.mfn).uses == frame(agent, l2.mfn).uses == 0
    agent.give_back(l3, l2)


def test_an_l3_without_slot_3_is_refused(agent: Agent) -> None:
    l2 = table(agent)
    for slots in ({}, {0: l2.machine | PTE_P}, {3: l2.machine}):
        l3 = table(agent, slots)
        assert extend(agent, "PIN_L3_TABLE", l3.mfn) == -EINVAL
        agent.give_back(l3)
    agent.give_back(l2)


def test_the_l2_of_slot_3_cannot_be_in_two_l3s(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    other = table(agent, {3: l2.machine | PTE_P})
    assert extend(agent, "PIN_L3_TABLE", other.mfn) == -EINVAL
    assert frame(agent, l2.mfn)[:2] == ("L2 of slot 3", 1)
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, l2, other)


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_the_l2_of_slot_3_cannot_be_in_another_slot(agent: Agent, slot: int) -> None:
    """The L2 of slot 3 has the hypervisor's entries: shown at another address they would be within reach."""
    l3, l2 = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    assert update(agent, request(l3.machine + 8 * slot, l2.machine | PTE_P)).result == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    both = table(agent, {slot: l2.machine | PTE_P, 3: l2.machine | PTE_P})
    assert extend(agent, "PIN_L3_TABLE", both.mfn) == -EINVAL
    agent.give_back(l3, l2, both)


def test_the_l2_of_slot_3_cannot_be_pinned_as_a_plain_one(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, l2)


def test_a_plain_l2_cannot_be_slot_3(agent: Agent) -> None:
    l2 = table(agent)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    l3 = table(agent, {3: l2.machine | PTE_P})
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l2.mfn) == 0
    agent.give_back(l2, l3)


def test_a_plain_l2_may_be_in_two_slots(agent: Agent) -> None:
    l3, top = base_tables(agent)
    l2 = table(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    before = [read_entry(agent, l3, slot) for slot in range(3)]
    for slot in (0, 1):
        assert update(agent, request(l3.machine + 8 * slot, l2.machine | PTE_P)).result == 0
    assert frame(agent, l2.mfn)[:2] == ("L2", 2)
    for slot in (0, 1):
        assert update(agent, request(l3.machine + 8 * slot, before[slot])).result == 0
    assert frame(agent, l2.mfn).uses == 0
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, top, l2)


@pytest.mark.parametrize("bits, result", [
    (0, 0),
    (PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVAILABLE, 0),
    (PTE_PWT, -EINVAL),
    (PTE_PCD, -EINVAL),
    (PTE_PSE, -EINVAL),
    (PTE_G, -EINVAL),
    (PTE_NX, -EINVAL),
    (1 << 32, -EINVAL),
])
def test_an_l3_entry_may_or_may_not_have_bits(agent: Agent, bits: int, result: int) -> None:
    l3, top = base_tables(agent)
    l2 = table(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    before = read_entry(agent, l3, 0)
    assert update(agent, request(l3.machine, l2.machine | PTE_P | bits)).result == result
    assert read_entry(agent, l3, 0) == (before if result else l2.machine | PTE_P | bits)
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, top, l2)


@pytest.mark.parametrize("index", [3, 4, 5, 100, 511])
def test_slot_3_and_what_is_behind_it_cannot_be_changed(agent: Agent, index: int) -> None:
    l3, top = base_tables(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    for entry in (0, top.machine | PTE_P):
        assert update(agent, request(l3.machine + 8 * index, entry)).result == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, top)


@pytest.mark.parametrize("index", [GUEST_L2_ENTRIES, GUEST_L2_ENTRIES + 7, 480, 490, 496, 511])
def test_the_hypervisors_slots_cannot_be_changed(agent: Agent, index: int) -> None:
    address = (3 << 30) + (index << 21)
    entry = agent.space.entry_address(address, 2)
    assert entry is not None
    before = agent.pte(address, 2)
    for value in (0, before):
        assert update(agent, request(entry, value)).result == -EPERM
    assert agent.pte(address, 2) == before


def test_the_last_slot_below_the_hypervisors_is_the_guests(agent: Agent) -> None:
    address = (3 << 30) + (GUEST_L2_ENTRIES - 1 << 21)
    entry = agent.space.entry_address(address, 2)
    assert entry is not None
    l1 = table(agent)
    assert update(agent, request(entry, l1.machine | L2_ENTRY)).result == 0
    assert update(agent, request(entry, 0)).result == 0
    agent.give_back(l1)


def test_what_a_guest_wrote_into_the_hypervisors_slots_is_replaced(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    for index in (GUEST_L2_ENTRIES, 480, 511):
        agent.space.memory.write(l2.machine + 8 * index, (l2.machine | L2_ENTRY).to_bytes(8, "little"))
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    own = agent.space.memory.u64(agent.space.l3 * 4096 + 24) & 0xFFFFF000
    for index in (GUEST_L2_ENTRIES, 480, 511):
        assert read_entry(agent, l2, index) == agent.space.memory.u64(own + 8 * index) != l2.machine | L2_ENTRY
    assert extend(agent, "UNPIN_TABLE", l3.mfn) == 0
    agent.give_back(l3, l2)


# Base pointers.


def test_another_base_pointer_is_another_address_space(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    target, l1 = agent.page(), table(agent)
    agent.write(target.va, b"here")
    update(agent, request(l1.machine, target.machine | PRESENT))
    low = table(agent, {0: l1.machine | L2_ENTRY})
    update(agent, request(l3.machine, low.machine | PTE_P))
    old = agent.space.l3
    assert agent.switch_base(l3.mfn) == 0
    assert agent.read(0, 4) == b"here"
    assert agent.switch_base(old) == 0
    assert frame(agent, l3.mfn).uses == 0
    agent.give_back(l3, l2, low, l1, target)


@pytest.mark.parametrize("what", ["an ordinary page", "an L1", "an L2", "nothing", "a frame of the hypervisor"])
def test_a_base_pointer_cannot_be(agent: Agent, what: str) -> None:
    page = agent.page()
    mfn = {
        "an ordinary page": page.mfn,
        "an L1": (agent.pte(page.va, 2) & 0xFFFFF000) >> 12,
        "an L2": (agent.pte(page.va, 3) & 0xFFFFF000) >> 12,
        "nothing": 0xFFFFFFFF,
        "a frame of the hypervisor": 0x100,
    }[what]
    old = agent.space.l3
    assert agent.switch_base(mfn) == -EINVAL
    assert agent.read(agent.start_info.mfn_list, 4) == agent.mfn(0).to_bytes(4, "little")
    assert agent.space.l3 == old
    agent.give_back(page)


def test_the_same_base_pointer_again_changes_nothing(agent: Agent) -> None:
    before = frame(agent, agent.space.l3)
    assert agent.switch_base(agent.space.l3) == 0
    assert frame(agent, agent.space.l3) == before


def test_a_base_pointer_in_use_stays_a_table_when_it_is_unpinned(agent: Agent) -> None:
    own = agent.space.l3
    assert frame(agent, own).pinned
    assert extend(agent, "UNPIN_TABLE", own) == 0
    assert frame(agent, own)[:2] == ("L3", 1)
    assert agent.map(agent.start_info.pt_base, own << 12 | WRITABLE) == -EBUSY
    assert extend(agent, "PIN_L3_TABLE", own) == 0


def test_a_slot_of_the_base_pointer_in_use_takes_effect_at_once(agent: Agent) -> None:
    """Claim: a change of the current L3 reaches the processor. Danger: it keeps its own copy of the four entries, and
    would go on using an L2 whose frame has become something else."""
    target, l1 = agent.page(), table(agent)
    agent.write(target.va, b"slot")
    update(agent, request(l1.machine, target.machine | PRESENT))
    low = table(agent, {0: l1.machine | L2_ENTRY})
    entry = agent.space.l3 * 4096 + 8
    before = agent.space.memory.u64(entry)
    assert update(agent, request(entry, low.machine | PTE_P)).result == 0
    assert agent.read(1 << 30, 4) == b"slot"
    assert update(agent, request(entry, before)).result == 0
    assert agent.load(1 << 30) == agent.load(0xDEAD0000)
    agent.give_back(low, l1, target)


def test_the_tables_of_the_address_space_cannot_be_given_another_type(agent: Agent) -> None:
    for level, kinds in ((2, ("PIN_L2_TABLE", "PIN_L3_TABLE")), (3, ("PIN_L1_TABLE", "PIN_L3_TABLE"))):
        mfn = (agent.pte(agent.start_info.pt_base, level) & 0xFFFFF000) >> 12
        for kind in kinds:
            assert extend(agent, kind, mfn) == -EINVAL


def test_nothing_is_mapped_at_the_private_part_by_a_guests_own_address(agent: Agent) -> None:
    for address in (HV_START, 0xFC900000, 0xFE000000, 0xFF000000):
        assert agent.map(address, 0) == -EINVAL
