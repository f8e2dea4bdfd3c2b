"""grant_table_op map_grant_ref and unmap_grant_ref (ABI 10.9): what is mapped, what is counted, what is refused.

Invariants
  - The checker looks at the machine after each test: counts, types and handles agree with the page tables.
"""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    ACCEPT,
    APPLICATION,
    BAD_DOMAIN,
    BAD_HANDLE,
    BAD_REF,
    DEVICE,
    ENTRIES,
    GENERAL,
    HOST,
    NOBODY,
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
    new_ref,
    operate,
    replace,
    setup,
    unmap,
    uses,
    write_entry,
)
from tests.boot.tables import entry_of, read_only, request, update
from xengen.abi.grant import GnttabMapGrantRef, GnttabUnmapGrantRef
from xengen.agent.agent import Agent, Page
from xengen.agent.names import EINVAL, PTE_A, PTE_D, PTE_NX, PTE_P, PTE_RW, PTE_US, value
from xengen.agent.outcome import Fault

Two = tuple[Agent, Agent]


def show(agent: Agent, page: Page) -> int:
    """Have a spare page's address show the page itself again; what stood there."""
    before = agent.pte(page.va)
    assert agent.map(page.va, page.machine | PTE_P | PTE_RW | PTE_A | PTE_D) == 0
    return before


# Mapping.


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


# What is refused.


@pytest.mark.parametrize("what, flags, status", [
    ("an invalid entry", 0, GENERAL),
    ("an entry for a transfer", ACCEPT, GENERAL),
    ("a transitive entry", 3, GENERAL),
    ("a part of a page", PERMIT | value("GTF_sub_page"), GENERAL),
    ("a read-only grant for writing", PERMIT | READ_ONLY_GRANT, GENERAL),
])
def test_nothing_is_mapped_of(two_agents: Two, what: str, flags: int, status: int) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user, flags=flags), user.page()
    before = user.pte(window.va)
    assert map_grant(user, granted, window.va).status == status
    assert (granted.entry.flags, user.pte(window.va), uses(granted)) == (flags, before, ("writable", 1, 2))
    user.give_back(window)


@pytest.mark.parametrize("what, status", [
    ("no part", BAD_REF),
    ("a domain that is not there", BAD_DOMAIN),
    ("another's grant", GENERAL),
    ("an entry beyond the table", BAD_REF),
    ("an entry of the highest number", BAD_REF),
    ("a domain without a table", BAD_REF),
])
def test_a_map_request_is_refused_with(two_agents: Two, what: str, status: int) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    element = map_request(granted, window.va)
    match what:
        case "no part":
            element.flags = READONLY
        case "a domain that is not there":
            element.dom = NOBODY
        case "another's grant":
            write_entry(owner, granted.ref, granted.page.mfn, NOBODY)
        case "an entry beyond the table":
            element.ref = len(setup(owner)[1]) * ENTRIES * 8
        case "an entry of the highest number":
            element.ref = 0xFFFFFFFF
        case "a domain without a table":
            element.dom, element.ref = user.domain, 31 * ENTRIES
    before = user.pte(window.va)
    assert operate(user, "map_grant_ref", element) == 0
    assert (element.status, element.handle, user.pte(window.va), granted.marks) == (status, UNTOUCHED, before, 0)
    user.give_back(window)


def _frames(agent: Agent) -> dict[str, int]:
    shared = agent.start_info.shared_info >> 12
    return {
        "its L3": agent.space.l3,
        "its L1": agent.pte(agent.edge - 4096, 2) >> 12 & 0xFFFFF,
        "no RAM": 0xB8,
        "the local APIC": 0xFEE00,
        "beyond all memory": 0xFFFFF,
        "all ones": 0xFFFFFFFF,
        "the hypervisor's": 0x100,
        "shared_info": shared,
    }


@pytest.mark.parametrize("what, flags, status", [
    ("its L3", HOST, GENERAL),
    ("its L3", HOST | READONLY, OKAY),
    ("its L1", HOST, GENERAL),
    ("its L1", HOST | READONLY, OKAY),
    ("no RAM", HOST, GENERAL),
    ("no RAM", HOST | READONLY, GENERAL),
    ("the local APIC", HOST, GENERAL),
    ("beyond all memory", HOST, GENERAL),
    ("all ones", HOST, GENERAL),
    ("the hypervisor's", HOST | READONLY, GENERAL),
    ("shared_info", HOST, OKAY),
])
def test_a_domain_grants_what_it_could_map_itself(two_agents: Two, what: str, flags: int, status: int) -> None:
    user, owner = two_agents
    window, ref = user.page(), new_ref(owner)
    mfn = _frames(owner)[what]
    write_entry(owner, ref, mfn, user.domain)
    granted = Granted(owner, ref, Page(0, 0, mfn))
    element = map_grant(user, granted, window.va, flags)
    assert element.status == status
    if status == OKAY:
        assert unmap(user, element.handle, window.va) == OKAY
    assert granted.marks == 0
    user.give_back(window)


def test_a_domain_does_not_grant_the_frames_of_another(two_agents: Two) -> None:
    user, owner = two_agents
    window, theirs = user.page(), user.page()
    granted = grant(owner, user, page=theirs)
    assert map_grant(user, granted, window.va, HOST | READONLY).status == GENERAL
    assert granted.marks == 0
    user.give_back(window, theirs)


@pytest.mark.parametrize("flags, where", [
    (HOST, "the hypervisor"), (HOST, "the M2P alias"), (HOST, "an address without a table"), (HOST, "beyond 4 GB"),
    (HOST | PTE, "another's table"), (HOST | PTE, "an L2"), (HOST | PTE, "an ordinary page"),
    (HOST | PTE, "an odd address"), (HOST | PTE, "beyond all memory"), (HOST | PTE, "beyond 4 GB"),
    (HOST | PTE, "no RAM"),
])  # fmt: skip
def test_a_grant_is_not_mapped_at(two_agents: Two, flags: int, where: str) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    address = {
        "the hypervisor": value("HV_PRIVATE_START"),
        "the M2P alias": value("M2P_ALIAS"),
        "an address without a table": 0xDEAD0000,
        "beyond 4 GB": 0x1_0000_0000 + (entry_of(user, window) if flags & PTE else window.va),
        "another's table": entry_of(owner, granted.page),
        "an L2": (user.pte(window.va, 3) & 0xFFFFF000) + 8 * 100,
        "an ordinary page": window.machine,
        "an odd address": entry_of(user, window) + 4,
        "beyond all memory": 0xFFFFF000,
        "no RAM": 0xB8000,
    }[where]
    assert map_grant(user, granted, address, flags).status == GENERAL
    assert (granted.marks, uses(granted)) == (0, ("writable", 1, 2))
    user.give_back(window)


def test_a_page_that_is_mapped_by_a_grant_does_not_become_a_table(two_agents: Two) -> None:
    user, owner = two_agents
    granted, window = grant(owner, user), user.page()
    handle = mapped(user, granted, window.va)
    read_only(owner, granted.page)
    pin = [value("MMUEXT_PIN_L1_TABLE"), granted.page.mfn, 0]
    assert owner.hypercall("mmuext_op", pin, 1, 0, value("DOMID_SELF")) == -EINVAL
    assert unmap(user, handle, window.va) == OKAY
    owner.give_back(granted.page)
    user.give_back(window)


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
