"""grant_table_op (ABI 10.9): the table itself, its version, the call's own errors, and the entries that are preset."""

from __future__ import annotations

import pytest

from tests.boot.grants import (
    BAD_DOMAIN,
    BAD_VA,
    DENIED,
    ENTRIES,
    GENERAL,
    GRANT_FRAMES,
    NOBODY,
    OKAY,
    PERMIT,
    UNTOUCHED,
    Granted,
    entry,
    map_grant,
    operate,
    setup,
    unmap,
)
from tests.boot.harness import Booter
from tests.boot.pointers import BAD_POINTERS
from tests.boot.tables import Word, extend, frame
from tests.boot.test_hypercalls_pieces import assert_behind, call
from xengen.abi.grant import (
    GnttabDumpTable,
    GnttabGetVersion,
    GnttabQuerySize,
    GnttabSetupTable,
    GnttabSetVersion,
)
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH, PTE_A, PTE_D, PTE_P, PTE_RW, value
from xengen.inspect.live import hypervisor_of
from xengen.machine.spec import MIB

Two = tuple[Agent, Agent]
LIST_OPERATIONS = ("map_grant_ref", "unmap_grant_ref", "transfer", "copy", "unmap_and_replace")


def query(agent: Agent, dom: int = DOMID_SELF) -> tuple[int, int, int]:
    """query_size: status, frames, most frames."""
    argument = GnttabQuerySize(dom=dom, nr_frames=UNTOUCHED, max_nr_frames=UNTOUCHED, status=UNTOUCHED)
    assert operate(agent, "query_size", argument) == 0
    return argument.status, argument.nr_frames, argument.max_nr_frames


# The table.


def test_a_domain_has_no_table_before_it_asks_for_one(boot: Booter) -> None:
    machine = boot("agent", "agent", memory=96 * MIB)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        assert [domain.record.grants for domain in hypervisor_of(machine).domains()] == [0, 0]
        free = hypervisor_of(machine).word("free_frames")
        assert query(second) == (OKAY, 0, GRANT_FRAMES)
        assert setup(second, 0)[0] == OKAY
        assert hypervisor_of(machine).word("free_frames") == free
        assert setup(second, 2)[0] == OKAY
        assert query(second) == (OKAY, 2, GRANT_FRAMES)
        assert query(first) == (OKAY, 0, GRANT_FRAMES)


def test_a_table_grows_and_its_frames_stay(two_agents: Two) -> None:
    agent, _ = two_agents
    one, three = setup(agent, 1)[1], setup(agent, 3)[1]
    assert three[:1] == one
    assert len(set(three)) == 3
    assert setup(agent, 2) == (OKAY, three[:2])
    assert query(agent) == (OKAY, 3, GRANT_FRAMES)


def test_new_entries_are_invalid(two_agents: Two) -> None:
    agent, _ = two_agents
    _, frames = setup(agent, 5)
    assert not any(agent.machine.memory.read(frames[-1] * 4096, 4096))


def test_a_domain_maps_its_table_like_any_frame(two_agents: Two) -> None:
    _, agent = two_agents
    (mfn,) = setup(agent)[1]
    page = agent.page()
    assert agent.map(page.va, mfn << 12 | PTE_P | PTE_RW | PTE_A | PTE_D) == 0
    agent.write(page.va + 8 * 100, b"entry100")
    assert bytes(entry(agent, 100)) == b"entry100"
    agent.write(page.va + 8 * 100, bytes(8))
    agent.give_back(page)


def test_another_domain_cannot_map_a_table(two_agents: Two) -> None:
    first, second = two_agents
    (mfn,) = setup(first)[1]
    page = second.page()
    assert second.map(page.va, mfn << 12 | PTE_P | PTE_A) == -value("EBUSY")
    second.give_back(page)


def test_a_table_cannot_be_given_back_or_become_a_page_table(two_agents: Two) -> None:
    _, agent = two_agents
    (mfn,) = setup(agent)[1]
    before = frame(agent, mfn)
    reservation = [agent.put([mfn]), 1, 0, 0, DOMID_SELF]
    assert agent.hypercall("memory_op", value("XENMEM_decrease_reservation"), reservation) == 0
    for level in (1, 2, 3):
        assert extend(agent, f"PIN_L{level}_TABLE", mfn) == -EINVAL
    assert agent.hypercall("set_gdt", [mfn], 512) == -EINVAL
    assert frame(agent, mfn) == before == ("writable", 1, 1, False)


def test_a_privileged_domain_sets_up_and_measures_the_table_of_another(two_agents: Two) -> None:
    first, second = two_agents
    status, frames = setup(first, 2, dom=1)
    assert (status, frames) == setup(second, 2)
    assert query(first, 1) == query(second) == query(second, 1)


@pytest.mark.parametrize("dom, status", [(0, DENIED), (NOBODY, BAD_DOMAIN), (value("DOMID_XEN"), BAD_DOMAIN)])
def test_a_domain_does_not_ask_about(two_agents: Two, dom: int, status: int) -> None:
    _, agent = two_agents
    assert setup(agent, 1, dom=dom) == (status, [UNTOUCHED])
    assert query(agent, dom) == (status, UNTOUCHED, UNTOUCHED)
    dump = GnttabDumpTable(dom, UNTOUCHED)
    assert (operate(agent, "dump_table", dump), dump.status) == (0, status)


@pytest.mark.parametrize("frames", [GRANT_FRAMES + 1, 0x10000, 0xFFFFFFFF])
def test_a_table_is_not_larger_than_it_may_be(two_agents: Two, frames: int) -> None:
    agent, _ = two_agents
    before = query(agent)
    assert setup(agent, frames)[0] == GENERAL
    assert query(agent) == before


def test_a_large_table_is_made_in_pieces(boot: Booter) -> None:
    machine = boot("agent", memory=64 * MIB)
    with Agent(machine) as agent:
        frames = agent.put([0] * GRANT_FRAMES)
        argument = agent.put(GnttabSetupTable(dom=DOMID_SELF, nr_frames=GRANT_FRAMES, frame_list=frames))
        after, upcalls = call(agent, "grant_table_op", value("GNTTABOP_setup_table"), argument, 1)
        (upcall,) = upcalls
        assert (after.result, upcall.eip) == (0, after.ebp)
        assert agent.get(GnttabSetupTable, argument).status == OKAY
        assert query(agent) == (OKAY, GRANT_FRAMES, GRANT_FRAMES)


def test_no_memory_for_a_table_is_an_error_of_its_own(boot: Booter) -> None:
    machine = boot("agent", memory=64 * MIB)
    with Agent(machine) as agent:
        free = hypervisor_of(machine).word("free_frames")
        wanted = [0, free - 5, 0, 0, DOMID_SELF]
        assert agent.hypercall("memory_op", value("XENMEM_increase_reservation"), wanted) == free - 5
        assert setup(agent, 8)[0] == GENERAL
        status, frames, _ = query(agent)
        assert (status, frames in (1, 2)) == (OKAY, True)


@pytest.mark.parametrize("address", BAD_POINTERS.values(), ids=BAD_POINTERS)
def test_the_list_of_frames_cannot_be_at(two_agents: Two, address: int) -> None:
    agent, _ = two_agents
    argument = GnttabSetupTable(dom=DOMID_SELF, nr_frames=1, status=UNTOUCHED, frame_list=address)
    assert (operate(agent, "setup_table", argument), argument.status) == (0, BAD_VA)


def test_a_dump_is_a_line_in_the_log(two_agents: Two) -> None:
    agent, _ = two_agents
    setup(agent, 1)
    dump = GnttabDumpTable(DOMID_SELF, UNTOUCHED)
    assert (operate(agent, "dump_table", dump), dump.status) == (0, OKAY)
    agent.machine.console.expect(rf"domain 0: \d+ of at most {GRANT_FRAMES} grant frames")


# Versions.


@pytest.mark.parametrize("version, result", [(1, 0), (2, -ENOSYS), (0, -EINVAL), (3, -EINVAL), (0xFFFFFFFF, -EINVAL)])
def test_only_version_1_can_be_set(two_agents: Two, version: int, result: int) -> None:
    agent, _ = two_agents
    argument = GnttabSetVersion(version)
    assert (operate(agent, "set_version", argument), argument.version) == (result, 1)


@pytest.mark.parametrize("asks, dom, result", [
    (0, DOMID_SELF, 0), (0, 0, 0), (0, 1, 0), (1, DOMID_SELF, 0), (1, 1, 0), (1, 0, -EPERM), (0, NOBODY, -ESRCH),
])  # fmt: skip
def test_the_version_is_1(two_agents: Two, asks: int, dom: int, result: int) -> None:
    argument = GnttabGetVersion(dom=dom, version=UNTOUCHED)
    assert operate(two_agents[asks], "get_version", argument) == result
    assert argument.version == (1 if result == 0 else UNTOUCHED)


# The call.


@pytest.mark.parametrize("command", [
    value("GNTTABOP_get_status_frames"), value("GNTTABOP_swap_grant_ref"), value("GNTTABOP_cache_flush"), 13, 64,
    0xFFFFFFFF,
])  # fmt: skip
def test_an_operation_is_not_there(two_agents: Two, command: int) -> None:
    agent, _ = two_agents
    assert agent.hypercall("grant_table_op", command, agent.allocate(32), 1) == -ENOSYS


@pytest.mark.parametrize("command", range(13))
def test_a_count_is_not_negative(two_agents: Two, command: int) -> None:
    agent, _ = two_agents
    assert agent.hypercall("grant_table_op", command, agent.allocate(32), 0x80000000) == -EINVAL


@pytest.mark.parametrize("operation", LIST_OPERATIONS)
def test_an_empty_list_is_no_error_wherever_it_is(two_agents: Two, operation: str) -> None:
    agent, _ = two_agents
    assert agent.hypercall("grant_table_op", value(f"GNTTABOP_{operation}"), 0, 0) == 0


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("operation", ["setup_table", "query_size", "dump_table", "set_version", "get_version"])
def test_an_operation_on_one_structure_takes_one(two_agents: Two, operation: str, count: int) -> None:
    agent, _ = two_agents
    assert agent.hypercall("grant_table_op", value(f"GNTTABOP_{operation}"), agent.allocate(32), count) == -EINVAL


@pytest.mark.parametrize("address", BAD_POINTERS.values(), ids=BAD_POINTERS)
@pytest.mark.parametrize("operation", [
    *LIST_OPERATIONS, "setup_table", "query_size", "dump_table", "set_version", "get_version",
])  # fmt: skip
def test_elements_cannot_be_at(two_agents: Two, operation: str, address: int) -> None:
    agent, _ = two_agents
    assert agent.hypercall("grant_table_op", value(f"GNTTABOP_{operation}"), address, 1) == -EFAULT


def test_a_short_list_is_not_cut(two_agents: Two) -> None:
    agent, _ = two_agents
    after, upcalls = call(agent, "grant_table_op", value("GNTTABOP_set_version"), agent.put(Word(1)), 1)
    assert after.result == 0
    assert_behind(after, upcalls)


# Preset entries (ABI 1.9).


@pytest.mark.parametrize("name", ["CONSOLE", "XENSTORE"])
def test_domain_0_maps_a_new_domains_pages_by_their_reserved_entries(boot: Booter, name: str) -> None:
    machine = boot("agent", "agent", memory=96 * MIB)
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        info, window = second.start_info, first.page()
        mfn = info.console.domU.mfn if name == "CONSOLE" else info.store_mfn
        granted = Granted(second, value(f"GNTTAB_RESERVED_{name}"), Page(0, 0, mfn))
        element = map_grant(first, granted, window.va)
        assert (element.status, element.dev_bus_addr) == (OKAY, mfn << 12)
        assert unmap(first, element.handle, window.va) == OKAY
        assert (granted.entry.frame, granted.entry.domid, granted.entry.flags) == (mfn, 0, PERMIT)


def test_domain_0_has_no_reserved_entries(two_agents: Two) -> None:
    first, _ = two_agents
    assert not any(bytes(entry(first, ref))[0] for ref in range(value("GNTTAB_NR_RESERVED_ENTRIES")))


def test_the_entries_of_a_frame_are_512(two_agents: Two) -> None:
    agent, _ = two_agents
    _, frames = setup(agent, 2)
    entry(agent, ENTRIES).frame = 0x1234
    assert agent.machine.memory.read(frames[1] * 4096 + 4, 2) == b"\x34\x12"
    entry(agent, ENTRIES).frame = 0
