"""Flaws that hypervisors for paravirtual guests have had, in memory management: one test for each, at least.

Each docstring says what must hold (Claim), what went wrong where it did not (Danger), and how it is looked at (Method).
Flaws of the processor's side are in test_history_cpu.py. After each test the checker looks at all of memory.
"""

from __future__ import annotations

import pytest

from tests.boot.pointers import NOWHERE
from tests.boot.reservations import spare_mfns
from tests.boot.tables import (
    GUEST_L2_ENTRIES,
    L2_ENTRY,
    PRESENT,
    WRITABLE,
    base_tables,
    extend,
    frame,
    operate,
    operation,
    read_entry,
    request,
    table,
    update,
)
from xengen.abi.hypercalls import MulticallEntry
from xengen.abi.memory import XenMemoryExchange, XenMemoryReservation
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, EBUSY, EFAULT, EINVAL, HV_PRIVATE_START, PTE_A, PTE_P, PTE_RW, PTE_US, value
from xengen.agent.outcome import Fault

LINEAR = PTE_P | PTE_US | PTE_A


def pinned(agent: Agent, level: int, entries: dict[int, int] | None = None) -> Page:
    """A spare page that is a pinned table."""
    page = table(agent, entries)
    assert extend(agent, f"PIN_L{level}_TABLE", page.mfn) == 0
    return page


def unpin(agent: Agent, *pages: Page) -> None:
    """Take pins back, and the pages."""
    for page in pages:
        assert extend(agent, "UNPIN_TABLE", page.mfn) == 0
    agent.give_back(*pages)


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
        entries = [_call("mmu_update", unmap, 1, 0, DOMID_SELF)] if number == 0 else []
        entries.append(_call("update_va_mapping", page.va, page.machine | WRITABLE, 0, 0))
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
        _call("mmu_update", agent.put([entry, 0, 0, 0]), 1, 0, DOMID_SELF),
        _call("update_va_mapping", l1.va, l1.machine | WRITABLE, 0, 0),
    ]
    assert agent.hypercall("multicall", calls, 2) == 0
    assert [one.result for one in calls] == [0, 0]
    assert frame(agent, l1.mfn)[0] == "writable"
    assert isinstance(agent.store(3 << 30 | 100 << 21, 2), Fault)
    agent.give_back(l1, target)


# Batches.


@pytest.mark.parametrize("bad", range(1, 5))
def test_nothing_is_kept_of_the_half_of_a_table_before_its_bad_entry(agent: Agent, bad: int) -> None:
    """Claim: a table that is refused leaves no references, wherever its bad entry is.

    Danger: a reference that is kept on the error path, or given back twice: frames that are never freed, or freed in
    use. Method: tables of both levels with one bad entry among good ones; counts before and after.
    """
    target, l1s = agent.page(), [table(agent) for _ in range(4)]
    for one in l1s:
        assert update(agent, request(one.machine, target.machine | PRESENT)).result == 0
    watched = [target, *l1s]
    before = [frame(agent, page.mfn) for page in watched]
    entries = {128 * index: page.machine | L2_ENTRY for index, page in enumerate(l1s)}
    l2 = table(agent, entries | {128 * bad - 1: 0x100000 | L2_ENTRY})
    good = {128 * index: target.machine | PRESENT for index in range(4)}
    l1 = table(agent, good | {128 * bad - 1: 0x100000 | PRESENT})
    assert extend(agent, "PIN_L2_TABLE", l2.mfn) == -EINVAL
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == -EBUSY
    assert [frame(agent, page.mfn)[1:] for page in watched] == [state[1:] for state in before]
    agent.give_back(l2, l1, *l1s, target)


def test_of_a_list_that_fails_the_done_half_stays_and_the_rest_leaves_nothing(agent: Agent) -> None:
    """As above for a list of requests, and one of operations: what is said to be done is done, and nothing else."""
    page, l1 = agent.page(), pinned(agent, 1)
    good = [request(l1.machine + 8 * index, page.machine | PRESENT) for index in range(3)]
    assert update(agent, *good, request(l1.machine + 24, 0x100000 | PRESENT), good[0]) == (-EBUSY, 3)
    assert frame(agent, page.mfn).references == 2 + 3
    assert update(agent, *(request(l1.machine + 8 * index, 0) for index in range(3))).result == 0
    other = table(agent)
    pin = operation("PIN_L1_TABLE", other.mfn)
    assert operate(agent, pin, pin, operation("UNPIN_TABLE", other.mfn)) == (-EINVAL, 1)
    assert frame(agent, other.mfn)[:2] == ("L1", 1)
    unpin(agent, other, l1)
    agent.give_back(page)


# Arguments that are lists.


def _exchange(agent: Agent, into: int, outof: int) -> XenMemoryExchange:
    return XenMemoryExchange(
        XenMemoryReservation(into, 1, 0, 0, DOMID_SELF), XenMemoryReservation(outof, 1, 0, 0, DOMID_SELF), 0
    )


WRAPPING = (0xFFFFFFFC, 0xFFFFFFFF, HV_PRIVATE_START, HV_PRIVATE_START - 2, 0xFC900000, NOWHERE)


@pytest.mark.parametrize("address", WRAPPING)
def test_no_list_is_read_or_written_in_the_hypervisors_memory(agent: Agent, address: int) -> None:
    """Claim: every pointer of every list is checked, also the ones within structures, and at both of its ends.

    Danger: exchange once wrote its results wherever the guest said (CVE-2012-5513, CVE-2017-7228). Method: lists that
    begin in the private part, end in it, or wrap; nothing may be changed there, and no frame may get lost.
    """
    (mfn,) = spare_mfns(agent, 1)
    before = agent.hypercall("memory_op", value("XENMEM_current_reservation"), [DOMID_SELF])
    for argument in (_exchange(agent, address, agent.put([1])), _exchange(agent, agent.put([NOWHERE]), address)):
        assert agent.hypercall("memory_op", value("XENMEM_exchange"), argument) in (-EFAULT, -EINVAL)
    for name in ("increase_reservation", "decrease_reservation", "populate_physmap"):
        reservation = XenMemoryReservation(address, 1, 0, 0, DOMID_SELF)
        assert agent.hypercall("memory_op", value(f"XENMEM_{name}"), reservation) == 0
    for call in ("mmu_update", "mmuext_op"):
        assert agent.hypercall(call, address, 1, 0, DOMID_SELF) == -EFAULT
    assert agent.hypercall("multicall", address, 1) == -EFAULT
    assert agent.hypercall("set_gdt", address, 8) == -EFAULT
    done = agent.hypercall("mmu_update", agent.put([mfn << 12 | 1, 0, 5, 0]), 1, address, DOMID_SELF)
    assert done == -EFAULT
    assert agent.hypercall("memory_op", value("XENMEM_current_reservation"), [DOMID_SELF]) == before


@pytest.mark.parametrize("count", [0x4000001, 0x10000001, 0x40000001, 0x80000001, 0xFFFFFFFF])
def test_a_count_that_wraps_is_not_a_small_one(agent: Agent, count: int) -> None:
    """Claim: a number of elements is not multiplied without a look at what comes out.

    Danger: 0x40000001 elements of four bytes are four bytes, and the loop writes behind its buffer. Method: such counts
    with a list of one good element, for each call with a list; the element before the end of memory is the last one.
    """
    edge = agent.edge
    agent.write(edge - 4, NOWHERE.to_bytes(4, "little"))
    for name in ("increase_reservation", "decrease_reservation", "populate_physmap"):
        reservation = XenMemoryReservation(edge - 4, count, 9, 0, DOMID_SELF)
        assert agent.hypercall("memory_op", value(f"XENMEM_{name}"), reservation) in (0, 1)
    exchange = _exchange(agent, edge - 4, edge - 4)
    exchange.in_.nr_extents = exchange.out.nr_extents = count
    assert agent.hypercall("memory_op", value("XENMEM_exchange"), exchange) == -EINVAL
    assert agent.hypercall("set_gdt", edge - 4, count) == -EINVAL


# Multicalls.


def _call(name: str, *arguments: int) -> MulticallEntry:
    made = MulticallEntry(op=value(f"HYPERCALL_{name}"), result=0x7EADBEEF)
    for index, argument in enumerate(arguments):
        made.args[index] = argument
    return made


def test_results_of_a_multicall_go_where_its_list_is_in_the_new_address_space(agent: Agent) -> None:
    """Claim: after a switch of page tables in a multicall the rest of the list is the new tables' or it ends.

    Danger: entries that are read or results that are written by stale translations: memory of the old address space,
    which the guest no longer has. Method: new tables that have another frame, read-only, where the list is; it must
    end.
    """
    l3, top = base_tables(agent)
    page, other, l1 = agent.page(), agent.page(), table(agent)
    switch = agent.put([operation("NEW_BASEPTR", l3.mfn)])
    entries = [_call("mmuext_op", switch, 1, 0, DOMID_SELF), _call("xen_version", 0)]
    agent.space.write_linear(page.va, b"".join(bytes(entry) for entry in entries))
    assert update(agent, request(l1.machine, other.machine | PRESENT)).result == 0
    low = table(agent, {0: l1.machine | L2_ENTRY})
    old_l1 = table(agent)
    assert update(agent, request(old_l1.machine, page.machine | WRITABLE)).result == 0
    old_low = table(agent, {0: old_l1.machine | L2_ENTRY})
    slot, old = agent.space.l3 * 4096, agent.space.l3
    assert update(agent, request(slot, old_low.machine | PTE_P)).result == 0
    assert update(agent, request(l3.machine, low.machine | PTE_P)).result == 0
    assert agent.hypercall("multicall", 0, 2) == -EFAULT
    agent.space.l3 = l3.mfn
    results = [agent.space.memory.read(page.machine + 32 * index + 4, 4) for index in range(2)]
    assert results == [(0x7EADBEEF).to_bytes(4, "little")] * 2
    assert agent.read(0, 64) == bytes(64)
    assert agent.switch_base(old) == 0
    assert update(agent, request(slot, 0)).result == 0
    agent.give_back(l3, top, low, old_low, l1, old_l1, page, other)


def test_a_long_entry_of_a_multicall_is_completed(agent: Agent) -> None:
    """Claim: an entry that takes more than one stretch of work is gone on with, like the same call alone.

    Danger: it was answered with -ENOSYS after its first stretch, and the table stayed half validated for good. Method:
    pin an address space, and unpin it, in a multicall, with an entry behind each.
    """
    l3, top = base_tables(agent)
    pin, drop = (agent.put([operation(name, l3.mfn)]) for name in ("PIN_L3_TABLE", "UNPIN_TABLE"))
    entries = [_call("mmuext_op", pin, 1, 0, DOMID_SELF), _call("xen_version", 6)]
    entries += [_call("mmuext_op", drop, 1, 0, DOMID_SELF), _call("xen_version", 7)]
    assert agent.hypercall("multicall", entries, 4) == 0
    assert (entries[0].result, entries[2].result) == (0, 0)
    assert frame(agent, l3.mfn).uses == frame(agent, top.mfn).uses == 0
    agent.give_back(l3, top)
