"""grant_table_op copy (ABI 10.9): between grants and frames of one's own, within a page."""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    BAD_COPY,
    BAD_DOMAIN,
    BAD_REF,
    DENIED,
    DEST_GREF,
    ENTRIES,
    GENERAL,
    NOBODY,
    OKAY,
    PERMIT,
    READ_ONLY_GRANT,
    SOURCE_GREF,
    UNTOUCHED,
    Granted,
    copy,
    grant,
    operate,
    uses,
    write_entry,
)
from tests.boot.tables import read_only
from tests.boot.test_hypercalls_pieces import assert_between, call
from xengen.abi.grant import GnttabCopy
from xengen.abi.hypercalls import MulticallEntry
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, value

Two = tuple[Agent, Agent]
TEXT = b"some bytes of a page"


@pytest.mark.parametrize("source, dest", [("own", "own"), ("own", "grant"), ("grant", "own"), ("grant", "grant")])
def test_bytes_are_copied_from_to(two_agents: Two, source: str, dest: str) -> None:
    user, owner = two_agents
    pages = [(owner if side == "grant" else user).page() for side in (source, dest)]
    sides = [
        grant(owner, user, page=page) if side == "grant" else page.mfn
        for side, page in zip((source, dest), pages, strict=True)
    ]
    user.machine.memory.write(pages[0].machine + 100, TEXT)
    assert copy(user, sides[0], sides[1], len(TEXT), at=100, to=3000) == OKAY
    page = user.machine.memory.read(pages[1].machine, 4096)
    assert page == bytes(3000) + TEXT + bytes(4096 - 3000 - len(TEXT))
    assert [side.marks for side in sides if isinstance(side, Granted)] == [0] * [source, dest].count("grant")


@pytest.mark.parametrize("length, at, to", [(0, 0, 0), (0, 4096, 4096), (4096, 0, 0), (1, 4095, 0), (7, 0, 4089)])
def test_a_copy_ends_within_its_pages(two_agents: Two, length: int, at: int, to: int) -> None:
    user, _ = two_agents
    source, dest = user.pages(2)
    data = bytes(index * 7 % 251 for index in range(4096))
    user.machine.memory.write(source.machine, data)
    assert copy(user, source.mfn, dest.mfn, length, at=at, to=to) == OKAY
    found = user.machine.memory.read(dest.machine, 4096)
    assert found == bytes(to) + data[at : at + length] + bytes(4096 - to - length)
    user.give_back(source, dest)


@pytest.mark.parametrize("length, at, to", [
    (1, 4096, 0), (1, 0, 4096), (4096, 1, 0), (4096, 0, 1), (4097, 0, 0), (0xFFFF, 0, 0), (0xFFFF, 0xFFFF, 0xFFFF),
    (0, 4097, 0),
])  # fmt: skip
def test_a_copy_does_not_cross_a_page(two_agents: Two, length: int, at: int, to: int) -> None:
    user, _ = two_agents
    page = user.page()
    assert copy(user, page.mfn, page.mfn, length, at=at, to=to) == BAD_COPY
    user.give_back(page)


def test_a_read_only_grant_is_a_source_and_no_destination(two_agents: Two) -> None:
    user, owner = two_agents
    granted, page = grant(owner, user, flags=PERMIT | READ_ONLY_GRANT), user.page()
    assert copy(user, granted, page.mfn) == OKAY
    assert copy(user, page.mfn, granted) == GENERAL
    assert (granted.entry.flags, uses(granted)) == (PERMIT | READ_ONLY_GRANT, ("writable", 1, 2))
    user.give_back(page)


@pytest.mark.parametrize("what, status", [
    ("another's frame by number", DENIED),
    ("nobody's frame by number", DENIED),
    ("a grant of nobody", BAD_DOMAIN),
    ("a grant beyond the table", BAD_REF),
    ("a grant for another", GENERAL),
    ("a frame of another's as one's own", GENERAL),
    ("no RAM", GENERAL),
    ("no frame", GENERAL),
    ("the hypervisor's", GENERAL),
])
@pytest.mark.parametrize("side", ["source", "dest"])
def test_a_copy_is_refused_with(two_agents: Two, what: str, status: int, side: str) -> None:
    user, owner = two_agents
    granted, page = grant(owner, user), user.page()
    element = GnttabCopy(len=4, status=UNTOUCHED)
    for end in (element.source, element.dest):
        end.u.gmfn, end.domid = page.mfn, DOMID_SELF
    bad = getattr(element, side)
    bad.u.ref, bad.domid = granted.ref, owner.domain
    element.flags = SOURCE_GREF if side == "source" else DEST_GREF
    match what:
        case "another's frame by number":
            element.flags, bad.u.gmfn = 0, granted.page.mfn
        case "nobody's frame by number":
            element.flags, bad.domid = 0, NOBODY
        case "a grant of nobody":
            bad.domid = NOBODY
        case "a grant beyond the table":
            bad.u.ref = 31 * ENTRIES
        case "a grant for another":
            write_entry(owner, granted.ref, granted.page.mfn, NOBODY)
        case _:
            numbers = {"no RAM": 0xB8, "no frame": 0xFFFFFFFF, "the hypervisor's": 0x100}
            element.flags, bad.domid, bad.u.gmfn = 0, DOMID_SELF, numbers.get(what, granted.page.mfn)
    assert operate(user, "copy", element) == 0
    assert (element.status, granted.marks, uses(granted)) == (status, 0, ("writable", 1, 2))
    user.give_back(page)


def test_a_page_table_can_be_read_and_not_written(two_agents: Two) -> None:
    user, owner = two_agents
    page = user.page()
    assert copy(user, user.space.l3, page.mfn, 32) == OKAY
    assert copy(user, page.mfn, user.space.l3, 32) == GENERAL
    granted = grant(owner, user, page=owner.space.page(owner.edge - 4096))
    table = Granted(owner, granted.ref, granted.page)
    write_entry(owner, table.ref, owner.space.l3, user.domain)
    assert copy(user, page.mfn, table) == GENERAL
    assert table.marks == 0
    user.give_back(page)


def test_a_page_that_its_owner_has_mapped_read_only_can_be_written_by_a_copy(two_agents: Two) -> None:
    user, owner = two_agents
    granted, page = grant(owner, user), user.page()
    read_only(owner, granted.page)
    user.write(page.va, TEXT)
    assert copy(user, page.mfn, granted, len(TEXT)) == OKAY
    assert owner.read(granted.page.va, len(TEXT)) == TEXT
    owner.give_back(granted.page)
    user.give_back(page)


def test_a_long_list_is_done_in_pieces(two_agents: Two) -> None:
    user, owner = two_agents
    granted, page = grant(owner, user), user.page()
    element = GnttabCopy(len=4096, flags=SOURCE_GREF, status=UNTOUCHED)
    element.source.u.ref, element.source.domid = granted.ref, owner.domain
    element.dest.u.gmfn, element.dest.domid = page.mfn, DOMID_SELF
    address = user.put([element] * 60)
    after, upcalls = call(user, "grant_table_op", value("GNTTABOP_copy"), address, 60)
    assert after.result == 0
    assert_between(after, upcalls, "grant_table_op")
    assert [user.get(GnttabCopy, address + 24 * index).status for index in range(60)] == [OKAY] * 60
    user.give_back(page)


def test_a_long_list_in_a_multicall_is_done_whole(two_agents: Two) -> None:
    user, owner = two_agents
    granted, page = grant(owner, user), user.page()
    element = GnttabCopy(len=4096, flags=SOURCE_GREF, status=UNTOUCHED)
    element.source.u.ref, element.source.domid = granted.ref, owner.domain
    element.dest.u.gmfn, element.dest.domid = page.mfn, DOMID_SELF
    address = user.put([element] * 60)
    entries = [MulticallEntry(op=value(f"HYPERCALL_{name}")) for name in ("grant_table_op", "xen_version")]
    entries[0].args[0], entries[0].args[1], entries[0].args[2] = value("GNTTABOP_copy"), address, 60
    entries[1].args[0] = value("XENVER_pagesize")
    assert user.hypercall("multicall", entries, 2) == 0
    assert [entry.result for entry in entries] == [0, 4096]
    assert [user.get(GnttabCopy, address + 24 * index).status for index in range(60)] == [OKAY] * 60
    assert granted.marks == 0
    user.give_back(page)
