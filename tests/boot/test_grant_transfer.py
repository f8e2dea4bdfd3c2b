"""grant_table_op transfer (ABI 10.9): a frame changes hands."""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    ACCEPT,
    BAD_DOMAIN,
    BAD_PAGE,
    BAD_REF,
    ENTRIES,
    GENERAL,
    NOBODY,
    OKAY,
    PERMIT,
    entry,
    grant,
    mapped,
    new_ref,
    transfer,
    unmap,
    write_entry,
)
from tests.boot.reservations import INVALID, give, record, spare_mfns
from tests.boot.tables import frame, read_only
from xengen.agent.agent import Agent
from xengen.agent.names import EBUSY, PTE_A, PTE_P, PTE_RW, value
from xengen.inspect.live import hypervisor_of

Two = tuple[Agent, Agent]
DONE = ACCEPT | value("GTF_transfer_committed") | value("GTF_transfer_completed")
WRITABLE = PTE_P | PTE_RW | PTE_A


def accepting(taker: Agent, giver: Agent, flags: int = ACCEPT) -> int:
    """Make room for a frame of `giver`'s in `taker`, and an entry that accepts it; return the ref."""
    assert give(taker, spare_mfns(taker, 1)) == 1
    ref = new_ref(taker)
    write_entry(taker, ref, 0, giver.domain, flags)
    return ref


@pytest.mark.parametrize("giver, taker", [(0, 1), (1, 0)])
def test_a_frame_is_another_domains_with_what_is_in_it(two_agents: Two, giver: int, taker: int) -> None:
    here, there = two_agents[giver], two_agents[taker]
    ref, (mfn,), window = accepting(there, here), spare_mfns(here, 1), there.page()
    here.machine.memory.write(mfn * 4096, b"a present")
    pages = record(here).nr_pages, record(there).nr_pages
    assert transfer(here, mfn, there.domain, ref) == OKAY
    assert (entry(there, ref).flags, entry(there, ref).frame) == (DONE, mfn)
    assert (record(here).nr_pages, record(there).nr_pages) == (pages[0] - 1, pages[1] + 1)
    assert int(hypervisor_of(here.machine).m2p[mfn]) == INVALID
    assert there.map(window.va, mfn << 12 | WRITABLE) == 0
    assert there.read(window.va, 9) == b"a present"
    if not record(here).flags & value("DOMAIN_PRIVILEGED"):
        page = here.page()
        assert here.map(page.va, mfn << 12 | WRITABLE) == -EBUSY
        here.give_back(page)
    there.give_back(window)


@pytest.mark.parametrize("what", ["mapped", "mapped read-only", "a table", "given back", "another's", "no RAM",
                                  "the hypervisor's", "all ones", "granted and mapped", "shared_info"])  # fmt: skip
def test_a_frame_is_not_transferred_that_is(two_agents: Two, what: str) -> None:
    taker, giver = two_agents
    ref, page, window = accepting(taker, giver), giver.page(), taker.page()
    mfn, handle = page.mfn, None
    match what:
        case "mapped read-only":
            read_only(giver, page)
        case "a table":
            mfn = giver.space.l3
        case "given back":
            (mfn,) = spare_mfns(giver, 1)
            assert give(giver, [mfn]) == 1
        case "another's":
            (mfn,) = spare_mfns(taker, 1)
        case "no RAM" | "the hypervisor's" | "all ones":
            mfn = {"no RAM": 0xB8, "the hypervisor's": 0x100}.get(what, 0xFFFFFFFF)
        case "granted and mapped":
            granted = grant(giver, taker, page=page)
            assert giver.map(page.va, 0) == 0
            handle = mapped(taker, granted, window.va)
        case "shared_info":
            mfn = giver.start_info.shared_info >> 12
    pages = record(giver).nr_pages
    assert transfer(giver, mfn, taker.domain, ref) == BAD_PAGE
    assert (entry(taker, ref).flags, record(giver).nr_pages) == (ACCEPT, pages)
    if handle is not None:
        assert unmap(taker, handle, window.va) == OKAY
    giver.give_back(page)
    taker.give_back(window)


@pytest.mark.parametrize("what, status", [
    ("nobody", BAD_DOMAIN), ("an entry beyond the table", BAD_REF), ("an entry for access", GENERAL),
    ("an entry for another", GENERAL), ("an entry that was used", GENERAL), ("a domain without room", GENERAL),
])  # fmt: skip
def test_a_frame_is_not_transferred_to(two_agents: Two, what: str, status: int) -> None:
    giver, taker = two_agents
    ref, (mfn,), to = accepting(taker, giver), spare_mfns(giver, 1), taker.domain
    match what:
        case "nobody":
            to = NOBODY
        case "an entry beyond the table":
            ref = 31 * ENTRIES
        case "an entry for access":
            write_entry(taker, ref, 0, giver.domain, PERMIT)
        case "an entry for another":
            write_entry(taker, ref, 0, NOBODY, ACCEPT)
        case "an entry that was used":
            write_entry(taker, ref, 0, giver.domain, DONE)
        case "a domain without room":
            missing = record(taker).max_pages - record(taker).nr_pages
            wanted = [0, missing, 0, 0, value("DOMID_SELF")]
            assert taker.hypercall("memory_op", value("XENMEM_increase_reservation"), wanted) == missing
    before = frame(giver, mfn), record(giver).nr_pages
    assert transfer(giver, mfn, to, ref) == status
    assert (frame(giver, mfn), record(giver).nr_pages) == before
    assert give(giver, [mfn]) == 1
