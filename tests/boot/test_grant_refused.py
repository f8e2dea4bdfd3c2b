"""grant_table_op map_grant_ref (ABI 10.9): what is not mapped, and that nothing is held then.

Invariants
  - The checker looks at the machine after each test: counts, types and handles agree with the page tables.
"""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    ACCEPT,
    BAD_DOMAIN,
    BAD_REF,
    ENTRIES,
    GENERAL,
    HOST,
    NOBODY,
    OKAY,
    PERMIT,
    PTE,
    READ_ONLY_GRANT,
    READONLY,
    UNTOUCHED,
    Granted,
    grant,
    map_grant,
    map_request,
    mapped,
    new_ref,
    operate,
    setup,
    unmap,
    uses,
    write_entry,
)
from tests.boot.tables import entry_of, read_only
from xengen.agent.agent import Agent, Page
from xengen.agent.names import EINVAL, value

Two = tuple[Agent, Agent]


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
