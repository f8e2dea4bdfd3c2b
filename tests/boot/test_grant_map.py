"""grant_table_op map_grant_ref (ABI 10.9): what is mapped, and what is counted for it.

Invariants
  - The checker looks at the machine after each test: counts, types and handles agree with the page tables.
"""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    APPLICATION,
    BAD_HANDLE,
    BAD_REF,
    DEVICE,
    ENTRIES,
    GENERAL,
    HOST,
    OKAY,
    PERMIT,
    PTE,
    READ_ONLY_GRANT,
    READING,
    READONLY,
    UNTOUCHED,
    WRITING,
    Granted,
    grant,
    map_grant,
    map_request,
    mapped,
    operate,
    unmap,
    uses,
)
from tests.boot.tables import entry_of, read_only
from xengen.abi.grant import GnttabMapGrantRef, GnttabUnmapGrantRef
from xengen.agent.agent import Agent
from xengen.agent.names import PTE_A, PTE_D, PTE_NX, PTE_P, PTE_RW, PTE_US, value
from xengen.agent.outcome import Fault

Two = tuple[Agent, Agent]


def test_a_mapped_page_is_read_and_written_by_both(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    owner.write(granted.page.va, b"from the owner")
    handle = mapped(user, granted, window.va)
    assert user.read(window.va, 14) == b"from the owner"
    user.write(window.va, b"from the user.")
    assert owner.read(granted.page.va, 14) == b"from the user."
    assert unmap(user, handle, window.va) == OKAY
    user.give_back(window)


def test_a_read_only_mapping_cannot_be_written(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user, flags=PERMIT | READ_ONLY_GRANT), user.page()
    handle = mapped(user, granted, window.va, HOST | READONLY)
    assert user.store(window.va, 1) == Fault(value("VECTOR_PF"), 3)
    assert unmap(user, handle, window.va) == OKAY
    user.give_back(window)


@pytest.mark.parametrize("flags, bits", [
    (HOST, PTE_RW),
    (HOST | READONLY, 0),
    (HOST | APPLICATION, PTE_RW | PTE_US),
    (HOST | DEVICE | READONLY | APPLICATION, PTE_US),
    (HOST | 7 << 16, PTE_RW | 0xE00),
    (HOST | 0x7FF << 19, PTE_RW | 0x7FF << 52),
    (HOST | 3 << 30, PTE_RW),
])
def test_the_entry_has_the_bits_that_the_flags_say(two_agents: Two, flags: int, bits: int) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    element = map_grant(user, granted, window.va, flags)
    assert (element.status, element.dev_bus_addr) == (OKAY, granted.page.machine)
    assert user.pte(window.va) == granted.page.machine | PTE_P | PTE_A | PTE_D | PTE_NX | bits
    assert unmap(user, element.handle, window.va, granted.page.machine) == OKAY
    user.give_back(window)


def test_an_entry_is_named_by_its_machine_address(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    where = entry_of(user, window)
    handle = mapped(user, granted, where, HOST | PTE)
    assert user.pte(window.va) & 0xFFFFF000 == granted.page.machine
    assert unmap(user, handle, where) == OKAY
    assert user.pte(window.va) == 0
    user.give_back(window)


@pytest.mark.parametrize("flags, marks, held", [
    (HOST, READING | WRITING, ("writable", 3, 4)),
    (HOST | READONLY, READING, ("writable", 1, 4)),
    (DEVICE, READING | WRITING, ("writable", 2, 3)),
    (DEVICE | READONLY, READING, ("writable", 1, 3)),
])
def test_a_mapping_marks_the_entry_and_holds_the_frame(two_agents: Two, flags: int, marks: int, held: object) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    before = uses(granted)
    assert before == ("writable", 1, 2)
    handle = mapped(user, granted, window.va, flags)
    assert (granted.marks, uses(granted)) == (marks, held)
    assert unmap(user, handle, window.va) == OKAY
    assert (granted.marks, uses(granted)) == (0, before)
    user.give_back(window)


def test_the_marks_go_with_the_last_mapping_of_their_kind(two_agents: Two) -> None:
    user, owner = two_agents
    granted, windows = grant(owner, user), user.pages(3)
    handles = [mapped(user, granted, windows[0].va), mapped(user, granted, windows[1].va)]
    handles.append(mapped(user, granted, windows[2].va, HOST | READONLY))
    seen = []
    for handle, window in zip(handles, windows, strict=True):
        assert unmap(user, handle, window.va) == OKAY
        seen.append(granted.marks)
    assert seen == [READING | WRITING, READING, 0]
    user.give_back(*windows)


def test_what_the_entry_showed_before_is_dropped(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window, other = grant(owner, user), user.page(), grant(owner, user)
    first = mapped(user, other, window.va)
    second = mapped(user, granted, window.va)
    assert uses(other) == ("writable", 2, 3)
    assert unmap(user, first, window.va) == GENERAL
    assert unmap(user, second, window.va) == OKAY
    assert map_grant(user, other, window.va).status == OKAY
    assert unmap(user, first, window.va) == OKAY
    user.give_back(window)


def test_both_parts_of_a_mapping_end_together_or_one_by_one(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    bus = granted.page.machine
    handle = mapped(user, granted, window.va, HOST | DEVICE)
    assert unmap(user, handle, window.va, bus) == OKAY
    assert unmap(user, handle, window.va, bus) == BAD_HANDLE
    handle = mapped(user, granted, window.va, HOST | DEVICE)
    assert unmap(user, handle, 0, bus + 0x1000) == GENERAL
    assert unmap(user, handle, 0, bus + (1 << 32)) == GENERAL
    assert unmap(user, handle, 0, 1 << 32) == GENERAL
    assert unmap(user, handle, 0, bus) == OKAY
    assert granted.marks == READING | WRITING
    assert unmap(user, handle, 0, bus) == GENERAL
    assert unmap(user, handle, window.va) == OKAY
    assert granted.marks == 0
    user.give_back(window)


def test_a_domain_can_map_its_own_grant(two_agents: Two) -> None:
    user, _ = two_agents
    granted, window = grant(user, user), user.page()
    handle = mapped(user, granted, window.va)
    user.write(window.va, b"the same page")
    assert user.read(granted.page.va, 13) == b"the same page"
    assert unmap(user, handle, window.va) == OKAY
    user.give_back(window)


def test_many_are_mapped_and_unmapped_by_two_calls(two_agents: Two) -> None:
    user, owner = two_agents
    windows = user.pages(100)
    grants = [grant(owner, user) for _ in windows]
    elements = [map_request(one, window.va) for one, window in zip(grants, windows, strict=True)]
    assert operate(user, "map_grant_ref", *elements) == 0
    assert [element.status for element in elements] == [OKAY] * 100
    assert len({element.handle for element in elements}) == 100
    ends = [
        GnttabUnmapGrantRef(window.va, 0, element.handle, UNTOUCHED)
        for element, window in zip(elements, windows, strict=True)
    ]
    assert operate(user, "unmap_grant_ref", *ends) == 0
    assert [end.status for end in ends] == [OKAY] * 100
    assert {one.marks for one in grants} == {0}
    user.give_back(*windows)
    owner.give_back(*(one.page for one in grants))


def test_an_element_that_fails_does_not_stop_the_list(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    bad = map_request(Granted(owner, 5 * ENTRIES, window), window.va)
    elements = bad, map_request(granted, window.va), map_request(granted, window.va, 0)
    assert operate(user, "map_grant_ref", *elements) == 0
    assert [element.status for element in elements] == [BAD_REF, OKAY, BAD_REF]
    assert unmap(user, elements[1].handle, window.va) == OKAY
    user.give_back(window)


# The list itself.


def test_a_list_that_cannot_be_written_maps_nothing(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window, page = grant(owner, user), user.page(), user.page()
    user.write(page.va, bytes(map_request(granted, window.va)))
    read_only(user, page)
    assert user.hypercall("grant_table_op", 0, page.va, 1) == -value("EFAULT")
    assert (granted.marks, uses(granted)) == (0, ("writable", 1, 2))
    user.give_back(window, page)


def test_a_list_is_done_as_far_as_it_can_be_read(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    start = user.edge - 32
    user.write(start, bytes(map_request(granted, window.va)))
    assert user.hypercall("grant_table_op", 0, start, 2) == -value("EFAULT")
    element = user.get(GnttabMapGrantRef, start)
    assert element.status == OKAY
    assert unmap(user, element.handle, window.va) == OKAY
    user.give_back(window)
