"""multicall (ABI 3.4): a list of hypercalls in one."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.boot.pointers import BAD_POINTERS, NOWHERE
from tests.boot.tables import L2_ENTRY, WRITABLE, base_tables, operation, read_entry, request, table, update
from xengen.abi.hypercalls import HYPERCALLS, MulticallEntry
from xengen.agent.agent import Agent, completed
from xengen.agent.names import (
    DOMID_SELF,
    EFAULT,
    EINVAL,
    ENOSYS,
    value,
)
from xengen.inspect.live import hypervisor_of

PAGESIZE = (value("HYPERCALL_xen_version"), (value("XENVER_pagesize"), 0))


def entry(number: int, arguments: tuple[int, ...] = ()) -> MulticallEntry:
    """An entry whose result is one that no call gives."""
    made = MulticallEntry(op=number, result=0x7EADBEEF)
    for index, argument in enumerate(arguments):
        made.args[index] = argument
    return made


def multicall(agent: Agent, *entries: MulticallEntry) -> tuple[int, list[int]]:
    """Return the call's result, and each entry's."""
    result = agent.hypercall("multicall", entries, len(entries))
    return result, [int(one.result) for one in entries]


def test_a_multicall_stores_each_result(agent: Agent) -> None:
    entries = [entry(*PAGESIZE), entry(value("HYPERCALL_xen_version"), (0,)), entry(*PAGESIZE)]
    expected = value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")
    assert multicall(agent, *entries) == (0, [4096, expected, 4096])


@pytest.mark.parametrize("last", ["xen_version", "vm_assist", "vcpu_op"])
def test_each_entry_of_a_multicall_is_counted_once_beside_it(agent: Agent, last: str) -> None:
    """Whether all entries have a short way or the list goes over to the long one."""
    calls = ["xen_version", "xen_version", "set_timer_op", last, "xen_version"]
    entries = [entry(value(f"HYPERCALL_{call}")) for call in calls]
    before = hypercall_counts(agent)
    assert multicall(agent, *entries)[0] == 0
    more = hypercall_counts(agent) - before
    more.pop("sched_op", None)  # the agent sleeps while nobody asks for anything
    assert more == Counter([*calls, "multicall"])


def hypercall_counts(agent: Agent) -> Counter[str]:
    """Return how often the agent's vcpu made each hypercall that has a name."""
    vcpu = hypervisor_of(agent.machine).domains()[agent.domain].vcpu
    assert vcpu is not None
    return Counter({call.name: int(vcpu.record.hypercalls[call.number]) for call in HYPERCALLS})


def test_an_empty_multicall_reads_nothing(agent: Agent) -> None:
    assert agent.hypercall("multicall", NOWHERE, 0) == 0


@pytest.mark.parametrize("number", [63, 64, 0x1000, 0xFFFFFFFF])
def test_an_entry_without_a_meaning_gets_its_error_and_the_list_goes_on(agent: Agent, number: int) -> None:
    assert multicall(agent, entry(number), entry(*PAGESIZE)) == (0, [-ENOSYS, 4096])


def test_an_entry_that_fails_does_not_stop_the_list(agent: Agent) -> None:
    bad = entry(value("HYPERCALL_xen_version"), (value("XENVER_pagesize"), 1))
    assert multicall(agent, bad, entry(*PAGESIZE)) == (0, [-EINVAL, 4096])


def test_a_multicall_within_a_multicall_is_refused(agent: Agent) -> None:
    inner = agent.put(entry(*PAGESIZE))
    assert multicall(agent, entry(value("HYPERCALL_multicall"), (inner, 1)), entry(*PAGESIZE)) == (0, [-EINVAL, 4096])
    assert agent.get(MulticallEntry, inner).result == 0x7EADBEEF


@pytest.mark.parametrize("where", BAD_POINTERS)
def test_a_multicalls_list_cannot_be_at(agent: Agent, where: str) -> None:
    assert agent.hypercall("multicall", BAD_POINTERS[where], 1) == -EFAULT


def test_entries_before_the_end_of_memory_are_carried_out(agent: Agent) -> None:
    agent.write(agent.edge - 64, bytes(entry(*PAGESIZE)) * 2)
    assert agent.hypercall("multicall", agent.edge - 64, 3) == -EFAULT
    assert [agent.get(MulticallEntry, agent.edge - at).result for at in (64, 32)] == [4096, 4096]


@pytest.mark.parametrize("there", range(4, 32, 4))
@pytest.mark.parametrize("call", ["xen_version", "vm_assist"], ids=["short way", "long way"])
def test_an_entry_across_the_end_of_memory_is_not_carried_out(agent: Agent, call: str, there: int) -> None:
    """The last words were not looked at: an entry was carried out that could not have been read (ABI 3.4)."""
    whole = entry(value(f"HYPERCALL_{call}"))
    agent.write(agent.edge - there, bytes(whole)[:there])
    assert agent.hypercall("multicall", agent.edge - there, 1) == -EFAULT
    if there >= 8:
        assert agent.read(agent.edge - there + 4, 4) == int(whole.result).to_bytes(4, "little", signed=True)


def test_a_list_whose_results_cannot_be_stored_ends_after_its_first_entry(agent: Agent) -> None:
    """An entry in read-only memory is carried out before its result is found to have no place."""
    page = agent.page()
    agent.write(page.va, bytes(entry(*PAGESIZE)) * 2)
    assert agent.map(page.va, page.machine | value("PTE_P") | value("PTE_A")) == 0
    assert agent.hypercall("multicall", page.va, 2) == -EFAULT
    agent.give_back(page)


def test_an_iret_ends_the_multicall_it_is_in(agent: Agent) -> None:
    """The frame that iret takes replaces the multicall's: the entries behind it must not run in its context."""
    entries = agent.put([entry(*PAGESIZE), entry(value("HYPERCALL_iret")), entry(*PAGESIZE)])
    after = completed(agent.ring1(
        "pushl $(EFLAGS_ONE)\npushl %cs\npushl $2f\npushl $0x5151\n"
        "movl $HYPERCALL_multicall, %eax\nint $0x82\nmovl $0, %eax\nud2\n"
        "2:", ebx=entries, ecx=3,
    ))  # fmt: skip
    assert after.eax == 0x5151
    assert [agent.get(MulticallEntry, entries + at).result for at in (0, 32, 64)] == [4096, 0x7EADBEEF, 0x7EADBEEF]


def test_after_an_iret_in_a_multicall_another_multicall_works(agent: Agent) -> None:
    test_an_iret_ends_the_multicall_it_is_in(agent)
    assert multicall(agent, entry(*PAGESIZE)) == (0, [4096])


def test_a_yield_in_a_multicall_is_not_the_end_of_it(agent: Agent) -> None:
    turn = entry(value("HYPERCALL_sched_op"), (value("SCHEDOP_yield"),))
    assert multicall(agent, turn, entry(*PAGESIZE), turn, entry(*PAGESIZE)) == (0, [0, 4096, 0, 4096])


def test_a_multicall_of_two_domains_that_yield_is_completed_in_both(two_agents: tuple[Agent, Agent]) -> None:
    turn = value("HYPERCALL_sched_op"), (value("SCHEDOP_yield"),)
    for one in two_agents:
        assert multicall(one, entry(*turn), entry(*PAGESIZE), entry(*turn)) == (0, [0, 4096, 0])


def test_entries_behind_a_switch_of_the_base_pointer_run_in_the_new_address_space(agent: Agent) -> None:
    """Claim: every entry is read and carried out in the address space that is current at that moment.

    Danger: entries behind a page-table switch that work on addresses of the old tables. Method: the second entry maps a
    page at an address that only the new tables have an L1 for.
    """
    l3, l2 = base_tables(agent)
    target, l1 = agent.page(), table(agent)
    agent.write(target.va, b"new")
    low = table(agent, {0: l1.machine | L2_ENTRY})
    assert update(agent, request(l3.machine, low.machine | 1)).result == 0
    old = agent.space.l3
    there, back = agent.put(operation("NEW_BASEPTR", l3.mfn)), agent.put(operation("NEW_BASEPTR", old))
    entries = [
        entry(value("HYPERCALL_mmuext_op"), (there, 1, 0, DOMID_SELF)),
        entry(value("HYPERCALL_update_va_mapping"), (0x5000, target.machine | WRITABLE, 0, 0)),
        entry(value("HYPERCALL_console_io"), (value("CONSOLEIO_write"), 3, 0x5000)),
        entry(value("HYPERCALL_mmuext_op"), (back, 1, 0, DOMID_SELF)),
        entry(value("HYPERCALL_update_va_mapping"), (0x5000, target.machine | WRITABLE, 0, 0)),
    ]
    assert multicall(agent, *entries) == (0, [0, 0, 0, 0, -EINVAL])
    assert read_entry(agent, l1, 5) & 0xFFFFF000 == target.machine
    assert update(agent, request(l1.machine + 40, 0)).result == 0
    agent.give_back(l3, l2, low, l1, target)
