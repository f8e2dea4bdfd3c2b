"""The short ways of costly calls (asm/hypervisor/*/*_fast.s): that they do what the long ways do, and leave the rest.

A call with a short way goes the long way when it wants to know how many requests were done (mmu_update, mmuext_op), or
comes as update_va_mapping_otherdomain.

Invariants
  - Each comparison makes the same change to fresh pages by each way, and compares all that can be seen of it.
  - After each test the checker looks at the whole machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.boot.tables import (
    NOT_STORED,
    PRESENT,
    WRITABLE,
    FrameState,
    Word,
    base_tables,
    entry_of,
    frame,
    operate,
    operation,
    request,
    table,
    update,
)
from xengen.abi.hypercalls import MulticallEntry
from xengen.abi.mmu import MmuUpdate
from xengen.agent.agent import Agent, Page, completed
from xengen.agent.names import (
    DOMID_SELF,
    EBUSY,
    EFAULT,
    EINVAL,
    EPERM,
    HV_PRIVATE_START,
    PTE_A,
    PTE_AVAILABLE,
    PTE_D,
    PTE_NX,
    PTE_P,
    PTE_PCD,
    PTE_RW,
    value,
)
from xengen.agent.outcome import Result

Way = Callable[[Agent, Page, int], Result]

INVLPG = value("UVMF_INVLPG")
KEPT = 0x5EED0000
PRIVATE_FRAME = 0x100000  # the hypervisor's image
VGA = 0xB8000
APIC = 0xFEE00000


def short_mmu_update(agent: Agent, page: Page, entry: int) -> Result:
    """The short way, if there is one."""
    return agent.hypercall("mmu_update", [request(entry_of(agent, page), entry)], 1, 0, DOMID_SELF)


def long_mmu_update(agent: Agent, page: Page, entry: int) -> Result:
    """The long way."""
    return update(agent, request(entry_of(agent, page), entry)).result


def short_va_mapping(agent: Agent, page: Page, entry: int) -> Result:
    """The short way, if there is one."""
    return agent.map(page.va, entry)


def long_va_mapping(agent: Agent, page: Page, entry: int) -> Result:
    """The long way."""
    name = "update_va_mapping_otherdomain"
    return agent.hypercall(name, page.va, entry & 0xFFFFFFFF, entry >> 32, INVLPG, DOMID_SELF)


WAYS: tuple[Way, ...] = (short_mmu_update, long_mmu_update, short_va_mapping, long_va_mapping)

# What becomes of a writable mapping of `own`; `other` is mapped writable as well, `tables` is an L1 table in use.
Change = Callable[[Page, Page, Page], int]
CHANGES: dict[str, tuple[Change, int]] = {
    "another frame": (lambda own, other, tables: other.machine | WRITABLE | PTE_D, 0),
    "another frame, read-only": (lambda own, other, tables: other.machine | PRESENT, 0),
    "another frame, no-execute": (lambda own, other, tables: other.machine | WRITABLE | PTE_NX, 0),
    "the same entry": (lambda own, other, tables: own.machine | WRITABLE, 0),
    "other flags": (lambda own, other, tables: own.machine | PTE_P | PTE_RW | PTE_AVAILABLE, 0),
    "no write permission": (lambda own, other, tables: own.machine | PRESENT, 0),
    "no-execute": (lambda own, other, tables: own.machine | WRITABLE | PTE_NX, 0),
    "not cached": (lambda own, other, tables: own.machine | WRITABLE | PTE_PCD, 0),
    "nothing": (lambda own, other, tables: 0, 0),
    "a number that is not present": (lambda own, other, tables: 0xABCDE_DEADB00E & ~PTE_P, 0),
    "not present, but the same otherwise": (lambda own, other, tables: own.machine | PTE_RW | PTE_A, 0),
    "a page table, read-only": (lambda own, other, tables: tables.machine | PRESENT, 0),
    "a page table, writable": (lambda own, other, tables: tables.machine | WRITABLE, -EBUSY),
    "a frame of the hypervisor": (lambda own, other, tables: PRIVATE_FRAME | PRESENT, -EBUSY),
    "the screen": (lambda own, other, tables: VGA | WRITABLE, 0),
    "the local APIC": (lambda own, other, tables: APIC | WRITABLE, -EPERM),
    "a frame beyond 4 GB": (lambda own, other, tables: 1 << 32 | PRESENT, 0),
    "no frame at all": (lambda own, other, tables: 0xFFFFF_FFFFF000 | PRESENT, -EINVAL),
}


class Seen(NamedTuple):
    """What a change has done: its result, whose frame is mapped, with which flags, and the records of all frames."""

    result: Result
    mapped: str
    flags: int
    own: FrameState
    other: FrameState
    tables: FrameState


def seen(agent: Agent, way: Way, change: Change) -> Seen:
    """Make a change, say what can be seen of it, and undo it."""
    own, other = agent.pages(2)
    tables = table(agent, {0: other.machine | PRESENT})
    assert operate(agent, operation("PIN_L1_TABLE", tables.mfn)).result == 0
    result = way(agent, own, change(own, other, tables))
    entry = agent.pte(own.va)
    names = {own.machine: "own", other.machine: "other", tables.machine: "tables"}
    address = entry & 0xFFFFF_FFFFF000
    found = Seen(
        result,
        names.get(address, hex(address)),
        entry & ~0xFFFFF_FFFFF000,
        *(frame(agent, page.mfn) for page in (own, other, tables)),
    )
    agent.give_back(own)
    assert operate(agent, operation("UNPIN_TABLE", tables.mfn)).result == 0
    agent.give_back(other, tables)
    return found


@pytest.mark.parametrize("what", CHANGES)
def test_an_l1_entry_changes_alike_by_every_way(agent: Agent, what: str) -> None:
    change, result = CHANGES[what]
    outcomes = {way.__name__: seen(agent, way, change) for way in WAYS}
    assert len(set(outcomes.values())) == 1, outcomes
    assert outcomes["short_mmu_update"].result == result


@pytest.mark.parametrize("first", ["nothing", "a number that is not present"])
@pytest.mark.parametrize("second", ["another frame", "another frame, read-only", "nothing", "a page table, writable"])
def test_an_entry_that_is_not_present_changes_alike_by_every_way(agent: Agent, first: str, second: str) -> None:
    def twice(way: Way) -> Way:
        def both(agent: Agent, page: Page, entry: int) -> Result:
            assert long_mmu_update(agent, page, CHANGES[first][0](page, page, page)) == 0
            return way(agent, page, entry)

        return both

    outcomes = {way.__name__: seen(agent, twice(way), CHANGES[second][0]) for way in WAYS}
    assert len(set(outcomes.values())) == 1, outcomes
    assert outcomes["short_mmu_update"].result == CHANGES[second][1]


# Lists.


def updates(agent: Agent, pages: list[Page], entries: list[int]) -> list[MmuUpdate]:
    """One request for each page."""
    return [request(entry_of(agent, page), entry) for page, entry in zip(pages, entries, strict=True)]


def test_a_list_goes_on_the_long_way_where_the_short_one_ends(agent: Agent) -> None:
    pages = agent.pages(4)
    others = [pages[1].machine, pages[0].machine, VGA, pages[2].machine]  # the third is not for the short way
    requests = updates(agent, pages, [address | WRITABLE for address in others])
    assert agent.hypercall("mmu_update", requests, 4, 0, DOMID_SELF) == 0
    assert [agent.pte(page.va) & ~0xFFF for page in pages] == others
    agent.give_back(*pages)


def test_a_list_stops_at_its_first_error_and_what_was_done_stays(agent: Agent) -> None:
    pages = agent.pages(3)
    requests = updates(agent, pages, [pages[1].machine | WRITABLE, APIC | WRITABLE, pages[0].machine | WRITABLE])
    assert agent.hypercall("mmu_update", requests, 3, 0, DOMID_SELF) == -EPERM
    assert [agent.pte(page.va) & ~0xFFF for page in pages] == [page.machine for page in (pages[1], pages[1], pages[2])]
    agent.give_back(*pages)


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
def test_a_list_of_any_length_is_carried_out_whole(agent: Agent, count: int) -> None:
    page, other = agent.pages(2)
    entries = [(other if index % 2 else page).machine | WRITABLE for index in range(count)]
    last = entries[-1] ^ PTE_D
    requests = [request(entry_of(agent, page), entry) for entry in [*entries[:-1], last]]
    assert agent.hypercall("mmu_update", requests, count, 0, DOMID_SELF) == 0
    assert agent.pte(page.va) == last
    agent.give_back(page, other)


def test_a_list_that_runs_into_the_end_of_memory_is_done_up_to_there(agent: Agent) -> None:
    page, other = agent.pages(2)
    agent.write(agent.edge - 16, bytes(request(entry_of(agent, page), other.machine | WRITABLE)))
    assert agent.hypercall("mmu_update", agent.edge - 16, 2, 0, DOMID_SELF) == -EFAULT
    assert agent.pte(page.va) == other.machine | WRITABLE
    agent.give_back(page, other)


@pytest.mark.parametrize("call", ["mmu_update", "mmuext_op"])
@pytest.mark.parametrize("where", [HV_PRIVATE_START - 1, HV_PRIVATE_START, 0xFFFFFFF0, 0xDEAD0000])
def test_a_list_in_no_memory_of_the_guest_is_refused(agent: Agent, call: str, where: int) -> None:
    assert agent.hypercall(call, where, 1, 0, DOMID_SELF) == -EFAULT


def test_only_who_asks_is_told_how_many_were_done(agent: Agent) -> None:
    page = agent.page()
    done = Word(NOT_STORED)
    requests = updates(agent, [page], [page.machine | WRITABLE])
    assert agent.hypercall("mmu_update", requests, 1, done, DOMID_SELF) == 0
    assert done.value == 1


# Base pointers.


def test_a_base_pointer_moves_its_references_by_the_short_way(agent: Agent) -> None:
    l3, l2 = base_tables(agent)
    assert operate(agent, operation("PIN_L3_TABLE", l3.mfn)).result == 0
    old = agent.space.l3
    before = frame(agent, old), frame(agent, l3.mfn)
    assert agent.switch_base(l3.mfn) == 0
    during = frame(agent, old), frame(agent, l3.mfn)
    assert [(state.uses, state.references) for state in during] == [
        (before[0].uses - 1, before[0].references - 1),
        (before[1].uses + 1, before[1].references + 1),
    ]
    assert agent.switch_base(old) == 0
    assert (frame(agent, old), frame(agent, l3.mfn)) == before
    assert operate(agent, operation("UNPIN_TABLE", l3.mfn)).result == 0
    agent.give_back(l3, l2)


@pytest.mark.parametrize("mfn", [0, 0x100, 0xFFFFF, 0xFFFFFFFF])
def test_a_base_pointer_that_is_no_table_of_the_guest_is_refused(agent: Agent, mfn: int) -> None:
    assert agent.switch_base(mfn) == -EINVAL


# Registers and flags: what the guest has in them must not matter, and must not be lost.


def test_registers_that_are_no_arguments_are_kept(agent: Agent) -> None:
    page = agent.page()
    entry = page.machine | WRITABLE
    flush = operation("TLB_FLUSH_LOCAL")
    null = MulticallEntry(op=value("HYPERCALL_xen_version"))
    after = agent.registers_of_hypercall("mmu_update", updates(agent, [page], [entry]), 1, 0, DOMID_SELF, KEPT)
    assert (after.eax, after.edi) == (0, KEPT)
    after = agent.registers_of_hypercall("update_va_mapping", page.va, entry, 0, INVLPG, KEPT)
    assert (after.eax, after.edi) == (0, KEPT)
    after = agent.registers_of_hypercall("mmuext_op", flush, 1, 0, DOMID_SELF, KEPT)
    assert (after.eax, after.edi) == (0, KEPT)
    after = agent.registers_of_hypercall("multicall", null, 1, KEPT + 1, KEPT + 2, KEPT + 3)
    assert (after.eax, after.edx, after.esi, after.edi) == (0, KEPT + 1, KEPT + 2, KEPT + 3)
    after = agent.registers_of_hypercall("sched_op", value("SCHEDOP_yield"), KEPT, KEPT + 1, KEPT + 2, KEPT + 3)
    assert (after.eax, after.edx, after.esi, after.edi) == (0, KEPT + 1, KEPT + 2, KEPT + 3)


# With null selectors and the direction flag set, from the call to behind it.
ODD_STATE = """
        pushl   %ds
        pushl   %es
        movl    %edi, %ds
        movl    %edi, %es
        std
        int     $0x82
        cld
        popl    %es
        popl    %ds
"""


@pytest.mark.parametrize("count", [1, 2])
def test_null_selectors_and_the_direction_flag_do_not_disturb_mmu_update(agent: Agent, count: int) -> None:
    page, other = agent.pages(2)
    entries = [other.machine | WRITABLE, VGA | WRITABLE]  # the second has to go the long way
    requests = agent.put([request(entry_of(agent, page), entry) for entry in entries])
    outcome = agent.ring1(
        ODD_STATE, eax=value("HYPERCALL_mmu_update"), ebx=requests, ecx=count, edx=0, esi=DOMID_SELF, edi=0
    )
    assert completed(outcome).result == 0
    assert agent.pte(page.va) == entries[count - 1]
    agent.give_back(page, other)


def test_null_selectors_and_the_direction_flag_do_not_disturb_a_multicall(agent: Agent) -> None:
    page, other = agent.pages(2)
    entry = other.machine | WRITABLE
    pagesize = MulticallEntry(op=value("HYPERCALL_xen_version"))
    pagesize.args[0] = value("XENVER_pagesize")  # not for the short way
    mapping = MulticallEntry(op=value("HYPERCALL_update_va_mapping"), result=-1)
    mapping.args[0], mapping.args[1], mapping.args[3] = page.va, entry, INVLPG
    calls = agent.put([mapping, pagesize, mapping])
    outcome = agent.ring1(ODD_STATE, eax=value("HYPERCALL_multicall"), ebx=calls, ecx=3, edx=0, esi=0, edi=0)
    assert completed(outcome).result == 0
    size = len(bytes(mapping))
    assert [agent.get(MulticallEntry, calls + at * size).result for at in range(3)] == [0, 4096, 0]
    assert agent.pte(page.va) == entry
    agent.give_back(page, other)


def test_a_multicall_whose_results_cannot_be_stored_is_refused(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, bytes(MulticallEntry(op=value("HYPERCALL_xen_version"))))
    assert agent.map(page.va, page.machine | PRESENT) == 0
    assert agent.hypercall("multicall", page.va, 1) == -EFAULT
    agent.give_back(page)
