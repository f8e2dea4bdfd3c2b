"""Flaws that hypervisors for paravirtual guests have had, in lists of requests: one test for each, at least.

Each docstring says what must hold (Claim), what went wrong where it did not (Danger), and how it is looked at (Method).
The others are in test_history_tables.py, _domains and _cpu. After each test the checker looks at all of memory.
"""

from __future__ import annotations

import pytest

from tests.boot.history import entry_of, pinned, unpin
from tests.boot.pointers import NOWHERE
from tests.boot.reservations import spare_mfns
from tests.boot.tables import (
    L2_ENTRY,
    PRESENT,
    WRITABLE,
    base_tables,
    extend,
    frame,
    operate,
    operation,
    request,
    table,
    update,
)
from xengen.abi.memory import XenMemoryExchange, XenMemoryReservation
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, EBUSY, EFAULT, EINVAL, HV_PRIVATE_START, PTE_P, value

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


def test_results_of_a_multicall_go_where_its_list_is_in_the_new_address_space(agent: Agent) -> None:
    """Claim: after a switch of page tables in a multicall the rest of the list is the new tables' or it ends.

    Danger: entries that are read or results that are written by stale translations: memory of the old address space,
    which the guest no longer has. Method: new tables that have another frame, read-only, where the list is; it must
    end.
    """
    l3, top = base_tables(agent)
    page, other, l1 = agent.page(), agent.page(), table(agent)
    switch = agent.put([operation("NEW_BASEPTR", l3.mfn)])
    entries = [entry_of("mmuext_op", switch, 1, 0, DOMID_SELF), entry_of("xen_version", 0)]
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
    entries = [entry_of("mmuext_op", pin, 1, 0, DOMID_SELF), entry_of("xen_version", 6)]
    entries += [entry_of("mmuext_op", drop, 1, 0, DOMID_SELF), entry_of("xen_version", 7)]
    assert agent.hypercall("multicall", entries, 4) == 0
    assert (entries[0].result, entries[2].result) == (0, 0)
    assert frame(agent, l3.mfn).uses == frame(agent, top.mfn).uses == 0
    agent.give_back(l3, top)
