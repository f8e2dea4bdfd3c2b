"""Page and descriptor tables with the most work in them: interrupts are never off for more than 40,000 instructions.

Claim: a table is validated and dropped in pieces, even an L1 in its middle, and what the call says does not depend on
where it was cut. Danger: a table whose 512 frames must all be looked at, or are freed with it. Method: stretches.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.boot.reservations import give, spare_mfns
from tests.boot.stretches import Stretches, begun, measured, measured_at
from tests.boot.tables import (
    L2_ENTRY,
    PRESENT,
    WRITABLE,
    base_tables,
    extend,
    frame,
    operation,
    request,
    table,
    write_entries,
)
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, EBUSY, EINVAL, PTE_P
from xengen.bench.operations import INTERRUPTS_OFF

ENTRIES = 512
BAD = 0x100 << 12 | WRITABLE  # a frame below 1 MB: nobody's


def full_l1(agent: Agent, last: int | None = None, *, given: bool = False) -> Page:
    """An L1 whose entries show as many frames of the domain, which were in no use before; `last`: its last entry.

    `given`: the domain gives the frames back, so that the entries, once the table is pinned, are their last use.
    """
    mfns = spare_mfns(agent, ENTRIES)
    l1 = table(agent, {index: mfn << 12 | WRITABLE for index, mfn in enumerate(mfns)})
    if last is not None:
        write_entries(agent, l1, {ENTRIES - 1: last})
    if given:
        assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
        assert give(agent, mfns) == ENTRIES
    return l1


def full_l2(agent: Agent, last: int | None = None, *, tables: int = 4) -> Page:
    """An L2 with full L1s; `last`: the last entry of the last L1."""
    l1s = [*(full_l1(agent) for _ in range(tables - 1)), full_l1(agent, last)]
    return table(agent, {index: l1.machine | L2_ENTRY for index, l1 in enumerate(l1s)})


def full_l3(agent: Agent, last: int | None = None) -> Page:
    """An L3 that maps what the agent needs, and an L2 with full L1s in slot 0."""
    l3, _ = base_tables(agent)
    write_entries(agent, l3, {0: full_l2(agent, last).machine | PTE_P})
    return l3


def extended(agent: Agent, command: str, mfn: int) -> Stretches:
    """One operation of mmuext_op."""
    return measured(agent, "mmuext_op", agent.put(operation(command, mfn)), 1, 0, DOMID_SELF)


def updated(agent: Agent, page: Page, index: int, entry: int) -> Stretches:
    """One store into a page table."""
    return measured(agent, "mmu_update", agent.put(request(page.machine + 8 * index, entry)), 1, 0, DOMID_SELF)


def _pinned(level: int, make: Callable[[Agent], Page]) -> Callable[[Agent], Stretches]:
    return lambda agent: extended(agent, f"PIN_L{level}_TABLE", make(agent).mfn)


def _unpinned(level: int, make: Callable[[Agent], Page]) -> Callable[[Agent], Stretches]:
    def act(agent: Agent) -> Stretches:
        page = make(agent)
        if not frame(agent, page.mfn).pinned:
            assert extend(agent, f"PIN_L{level}_TABLE", page.mfn) == 0
        return extended(agent, "UNPIN_TABLE", page.mfn)

    return act


def _l1_in_place_of_another(agent: Agent) -> Stretches:
    l2, other = full_l2(agent, tables=1), full_l1(agent)
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == 0
    return updated(agent, l2, 0, other.machine | L2_ENTRY)


def _l2_in_place_of_another(agent: Agent) -> Stretches:
    l3, other = full_l3(agent), full_l2(agent)
    assert extend(agent, "PIN_L3_TABLE", l3.mfn) == 0
    return updated(agent, l3, 0, other.machine | PTE_P)


def _new_base_pointer(agent: Agent) -> Stretches:
    """To a new address space, and back: the second half is the longer, for it drops what the first has validated."""
    own, l3 = agent.space.l3, full_l3(agent)
    there = extended(agent, "NEW_BASEPTR", l3.mfn)
    back = extended(agent, "NEW_BASEPTR", own)
    return Stretches(back.result or there.result, max(there.longest, back.longest), there.pieces + back.pieces)


def _base_pointer_by_cr3(agent: Agent) -> Stretches:
    own, mfn = agent.space.l3, full_l3(agent).mfn
    found = measured_at(agent, "movl %ebx, %cr3\nmovl $0, %eax", {"ebx": mfn << 12 | mfn >> 20})
    assert extend(agent, "NEW_BASEPTR", own) == 0
    return found


def _one_l1_in_every_place(agent: Agent) -> Stretches:
    l1 = full_l1(agent)
    l2 = table(agent, {index: l1.machine | L2_ENTRY for index in range(ENTRIES)})
    return extended(agent, "PIN_L2_TABLE", l2.mfn)


def _every_frame_made_writable(agent: Agent) -> Stretches:
    """Entries that become writable one by one: each gives its frame a type."""
    mfns = spare_mfns(agent, ENTRIES)
    l1 = table(agent, {index: mfn << 12 | PRESENT for index, mfn in enumerate(mfns)})
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    requests = [request(l1.machine + 8 * index, mfn << 12 | WRITABLE) for index, mfn in enumerate(mfns)]
    return measured(agent, "mmu_update", agent.put(requests), len(requests), 0, DOMID_SELF)


def _every_frame_freed(agent: Agent) -> Stretches:
    """Entries that are taken away one by one: each was the last use of its frame."""
    l1 = full_l1(agent, given=True)
    requests = [request(l1.machine + 8 * index, 0) for index in range(ENTRIES)]
    return measured(agent, "mmu_update", agent.put(requests), len(requests), 0, DOMID_SELF)


def _gdt(agent: Agent) -> Stretches:
    """14 pages of descriptors that all need to be cut off at the hypervisor's part."""
    pages = [agent.page() for _ in range(14)]
    for page in pages:
        agent.space.memory.write(page.machine, 0x00CFF300_0000FFFF.to_bytes(8, "little") * ENTRIES)
        assert agent.map(page.va, page.machine | PRESENT) == 0
    return measured(agent, "set_gdt", agent.put([page.mfn for page in pages]), 14 * ENTRIES)


@dataclass(frozen=True)
class Worst:
    """Work on tables, as much as there can be, and the result."""

    name: str
    act: Callable[[Agent], Stretches]
    result: int = 0


WORST = (
    Worst("an L1 pinned", _pinned(1, full_l1)),
    Worst("an L1 whose last entry is bad", _pinned(1, lambda agent: full_l1(agent, BAD)), -EBUSY),
    Worst("an L1 unpinned", _unpinned(1, full_l1)),
    Worst("an L1 unpinned that is the last use of its frames", _unpinned(1, lambda a: full_l1(a, given=True))),
    Worst("an L2 pinned", _pinned(2, full_l2)),
    Worst("an L2 whose last L1 is bad at its end", _pinned(2, lambda agent: full_l2(agent, BAD)), -EBUSY),
    Worst("an L2 unpinned", _unpinned(2, full_l2)),
    Worst("an L3 pinned", _pinned(3, full_l3)),
    Worst("an L3 that is bad at its end", _pinned(3, lambda agent: full_l3(agent, BAD)), -EBUSY),
    Worst("an L3 unpinned", _unpinned(3, full_l3)),
    Worst("an L2 with one L1 in every place", _one_l1_in_every_place),
    Worst("an L1 in place of another", _l1_in_place_of_another),
    Worst("an L2 in place of another", _l2_in_place_of_another),
    Worst("another base pointer", _new_base_pointer),
    Worst("another base pointer by CR3", _base_pointer_by_cr3),
    Worst("512 entries made writable", _every_frame_made_writable),
    Worst("512 frames freed by their entries", _every_frame_freed),
    Worst("a descriptor table of 14 pages", _gdt),
)


@pytest.mark.parametrize("worst", WORST, ids=lambda worst: worst.name)
def test_tables_change_in_pieces(counting_agent: Agent, worst: Worst) -> None:
    found = worst.act(counting_agent)
    assert found.result == worst.result
    assert 0 < found.longest <= INTERRUPTS_OFF


@pytest.mark.parametrize("level, make", [(1, full_l1), (2, full_l2), (3, full_l3)])
def test_a_table_that_is_refused_holds_nothing(counting_agent: Agent, level: int, make: Callable[..., Page]) -> None:
    """Undone in as many pieces as it was done: afterwards it can be anything else."""
    page = make(counting_agent, BAD)
    assert extended(counting_agent, f"PIN_L{level}_TABLE", page.mfn).pieces > 2
    assert frame(counting_agent, page.mfn)[:3] == ("none", 0, 2)
    assert counting_agent.map(page.va, page.machine | WRITABLE) == 0


def test_an_l1_that_is_half_validated_is_nothing_else_meanwhile(counting_agent: Agent) -> None:
    """Left in the middle of a pin that is never gone on with, and then pinned after all."""
    l1 = full_l1(counting_agent)
    begun(counting_agent, "mmuext_op", counting_agent.put(operation("PIN_L1_TABLE", l1.mfn)), 1, 0, DOMID_SELF)
    assert frame(counting_agent, l1.mfn)[:1] == ("L1",)
    assert not frame(counting_agent, l1.mfn).pinned
    assert counting_agent.map(l1.va, l1.machine | WRITABLE) == -EBUSY
    assert updated(counting_agent, l1, 0, 0).result == -EINVAL
    assert extended(counting_agent, "PIN_L1_TABLE", l1.mfn).result == 0
    assert frame(counting_agent, l1.mfn).pinned
