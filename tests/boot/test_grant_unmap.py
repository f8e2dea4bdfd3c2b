"""grant_table_op unmap_grant_ref and unmap_and_replace (ABI 10.9), and what other calls make of a mapping.

Invariants
  - The checker looks at the machine after each test: counts, types and handles agree with the page tables.
"""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    BAD_HANDLE,
    DEVICE,
    GENERAL,
    HOST,
    OKAY,
    PTE,
    READING,
    READONLY,
    UNTOUCHED,
    WRITING,
    grant,
    map_grant,
    mapped,
    operate,
    replace,
    unmap,
    uses,
)
from tests.boot.tables import entry_of, request, update
from xengen.abi.grant import GnttabUnmapGrantRef
from xengen.agent.agent import Agent, Page
from xengen.agent.names import PTE_A, PTE_D, PTE_P, PTE_RW, PTE_US, value
from xengen.agent.outcome import Fault

Two = tuple[Agent, Agent]


def show(agent: Agent, page: Page) -> int:
    """Have a spare page's address show the page itself again; what stood there."""
    before = agent.pte(page.va)
    assert agent.map(page.va, page.machine | PTE_P | PTE_RW | PTE_A | PTE_D) == 0
    return before


# Unmapping.


@pytest.mark.parametrize("handle", [0x7FFF, 0xFFFFFFFF, 1 << 20])
def test_what_is_no_handle_is_not_unmapped(two_agents: Two, handle: int) -> None:
    user, _ = two_agents
    assert unmap(user, handle, user.edge - 4096) == BAD_HANDLE


def test_a_handle_is_good_once(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    handle = mapped(user, granted, window.va)
    ends = [GnttabUnmapGrantRef(window.va, 0, handle, UNTOUCHED) for _ in range(2)]
    assert operate(user, "unmap_grant_ref", *ends) == 0
    assert [end.status for end in ends] == [OKAY, BAD_HANDLE]
    assert unmap(user, handle, window.va) == BAD_HANDLE
    assert uses(granted) == ("writable", 1, 2)
    user.give_back(window)


def test_a_domain_does_not_unmap_what_another_mapped(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    handle = mapped(user, granted, window.va)
    assert unmap(owner, handle, granted.page.va) == BAD_HANDLE
    assert granted.marks == READING | WRITING
    assert unmap(user, handle, window.va) == OKAY
    user.give_back(window)


@pytest.mark.parametrize("change", ["another address", "made read-only", "taken away", "shows another page"])
def test_a_mapping_that_is_not_as_it_was_stays_in_use(two_agents: Two, change: str) -> None:
    user, owner = two_agents
    granted, window, other = grant(owner, user), user.page(), user.page()
    handle = mapped(user, granted, window.va)
    where, entry = window.va, user.pte(window.va)
    match change:
        case "another address":
            where = other.va
        case "made read-only":
            assert user.map(window.va, entry & ~PTE_RW) < 0
            where = other.va
            again = mapped(user, granted, other.va, HOST | READONLY)
        case "taken away":
            assert user.map(window.va, 0) == 0
        case "shows another page":
            show(user, window)
    assert unmap(user, handle, where) == GENERAL
    assert granted.marks == READING | WRITING
    if change == "made read-only":
        assert unmap(user, again, other.va) == OKAY
    element = map_grant(user, granted, window.va)
    assert unmap(user, handle, window.va) == OKAY
    assert map_grant(user, granted, window.va).status == OKAY
    assert unmap(user, element.handle, window.va) == OKAY
    user.give_back(window, other)


@pytest.mark.parametrize("change, result", [
    (0x200, 0),  # an available bit
    (PTE_US, 0),
    (PTE_RW, -value("EBUSY")),
    (0x1000, None),
])
def test_an_entry_of_a_grant_is_not_given_another_right_by_mmu_update(
    two_agents: Two, change: int, result: int | None
) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    handle = mapped(user, granted, window.va, HOST | READONLY)
    entry = user.pte(window.va)
    answer = update(user, request(entry_of(user, window), entry ^ change)).result
    assert answer == result if result is not None else answer < 0
    assert unmap(user, handle, window.va) == OKAY
    assert uses(granted) == ("writable", 1, 2)
    user.give_back(window)


def test_a_grants_entry_cannot_be_copied_by_mmu_update(two_agents: Two) -> None:
    other, owner = two_agents
    granted, window = grant(other, owner), owner.page()  # domain 1 is not privileged
    second = owner.page()
    handle = mapped(owner, granted, window.va)
    assert owner.map(second.va, owner.pte(window.va)) == -value("EBUSY")
    assert unmap(owner, handle, window.va) == OKAY
    owner.give_back(window, second)


def test_an_unmapped_page_is_out_of_reach_at_once(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    handle = mapped(user, granted, window.va)
    assert user.load(window.va).eax == 0  # type: ignore[union-attr]
    assert unmap(user, handle, window.va) == OKAY
    assert user.load(window.va) == Fault(value("VECTOR_PF"), 0)
    user.give_back(window)


# unmap_and_replace.


def test_another_page_takes_the_place_of_a_grant(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window, spare = grant(owner, user), user.page(), user.page()
    user.write(spare.va, b"spare")
    before, handle = user.pte(spare.va), mapped(user, granted, window.va)
    assert replace(user, handle, window.va, spare.va) == OKAY
    assert (user.pte(window.va), user.pte(spare.va), granted.marks) == (before, 0, 0)
    assert user.read(window.va, 5) == b"spare"
    user.give_back(window, spare)


def test_with_no_new_address_it_is_an_unmapping(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    handle = mapped(user, granted, window.va)
    assert replace(user, handle, window.va, 0) == OKAY
    assert (user.pte(window.va), granted.marks) == (0, 0)
    user.give_back(window)


@pytest.mark.parametrize("what, status", [
    ("the same address", GENERAL), ("no table", GENERAL), ("beyond 4 GB", GENERAL), ("another entry", GENERAL),
    ("no handle", BAD_HANDLE), ("a machine address", GENERAL), ("a device mapping", GENERAL),
])  # fmt: skip
def test_a_grant_is_not_replaced_with(two_agents: Two, what: str, status: int) -> None:
    user, owner = two_agents
    granted, window, spare = grant(owner, user), user.page(), user.page()
    flags = {"a machine address": HOST | PTE, "a device mapping": DEVICE}.get(what, HOST)
    place = entry_of(user, window) if flags & PTE else window.va
    handle = mapped(user, granted, place, flags)
    before = user.pte(window.va), user.pte(spare.va)
    new = {"the same address": window.va, "no table": 0xDEAD0000, "beyond 4 GB": spare.va + (1 << 32)}
    where = spare.va if what == "another entry" else place
    named = 0x7FFF if what == "no handle" else handle
    assert replace(user, named, where, new.get(what, spare.va)) == status
    assert (user.pte(window.va), user.pte(spare.va)) == before
    assert granted.marks == READING | WRITING
    assert unmap(user, handle, place) == OKAY
    user.give_back(window, spare)
