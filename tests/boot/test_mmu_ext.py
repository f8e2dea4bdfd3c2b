"""mmuext_op (ABI 6.8): pins, flushes, the LDT's place, clearing and copying, and how far a list got.

Base pointers are in test_mmu_l3.py, what an LDT holds in test_descriptors.py.
"""

from __future__ import annotations

import pytest

from tests.boot.tables import (
    NOT_STORED,
    PRESENT,
    WRITABLE,
    Word,
    extend,
    frame,
    operate,
    operation,
    read_entry,
    request,
    table,
    update,
)
from xengen.abi.mmu import MmuextOp
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_INVALID,
    DOMID_SELF,
    EBUSY,
    EFAULT,
    EINVAL,
    ENOSYS,
    EPERM,
    ESRCH,
    HV_PRIVATE_START,
    PTE_PSE,
)
from xengen.inspect.live import hypervisor_of

NOWHERE = 0xDEAD0000
NO_FRAME = 0xFFFFF


# Pins.


def test_a_pin_is_one_reference_and_one_to_the_type(agent: Agent) -> None:
    l1 = table(agent)
    before = frame(agent, l1.mfn)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    assert frame(agent, l1.mfn) == ("L1", 1, before.references + 1, True)
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    assert frame(agent, l1.mfn)[1:] == (0, before.references, False)
    agent.give_back(l1)


def test_a_table_is_pinned_once_at_most(agent: Agent) -> None:
    l1 = table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    before = frame(agent, l1.mfn)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == -EINVAL
    assert frame(agent, l1.mfn) == before
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    agent.give_back(l1)


def test_what_is_not_pinned_cannot_be_unpinned(agent: Agent) -> None:
    page = agent.page()
    before = frame(agent, page.mfn)
    assert extend(agent, "UNPIN_TABLE", page.mfn) == -EINVAL
    assert frame(agent, page.mfn) == before
    agent.give_back(page)


@pytest.mark.parametrize("kind", ["L1", "L2", "L3"])
def test_a_page_that_is_writable_somewhere_cannot_be_pinned(agent: Agent, kind: str) -> None:
    page = agent.page()
    before = frame(agent, page.mfn)
    assert extend(agent, f"PIN_{kind}_TABLE", page.mfn) == -EINVAL
    assert frame(agent, page.mfn) == before
    agent.give_back(page)


@pytest.mark.parametrize("command", ["PIN_L1_TABLE", "PIN_L2_TABLE", "PIN_L3_TABLE", "UNPIN_TABLE", "CLEAR_PAGE"])
@pytest.mark.parametrize("mfn", [NO_FRAME, 0x100000, 0xFFFFFFFF, 0x100, 0])
def test_a_frame_that_is_not_the_domains_is_refused(agent: Agent, command: str, mfn: int) -> None:
    assert extend(agent, command, mfn) == -EINVAL


@pytest.mark.parametrize("bad, result", [(PTE_PSE | 0x18 | 1 << 51, -EINVAL), (NO_FRAME << 12, -EINVAL)])
def test_an_l1_with_a_bad_last_entry_gives_back_what_the_others_took(
    two_agents: tuple[Agent, Agent], bad: int, result: int
) -> None:
    one = two_agents[1]
    target = one.page()
    before = frame(one, target.mfn)
    l1 = table(one, {**{index: target.machine | WRITABLE for index in range(511)}, 511: bad | PRESENT})
    assert extend(one, "PIN_L1_TABLE", l1.mfn) in (result, -EPERM)
    assert frame(one, target.mfn) == before
    assert frame(one, l1.mfn).uses == 0
    one.give_back(l1, target)


def test_an_l1_that_maps_itself_writable_is_refused(agent: Agent) -> None:
    l1 = agent.page()
    agent.space.memory.write(l1.machine, (l1.machine | WRITABLE).to_bytes(8, "little"))
    assert agent.map(l1.va, l1.machine | PRESENT) == 0
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == -EBUSY
    assert frame(agent, l1.mfn).uses == 0
    agent.give_back(l1)


def test_pinning_a_fourth_level_does_nothing(agent: Agent) -> None:
    assert extend(agent, "PIN_L4_TABLE", NO_FRAME) == 0


def test_domain_0_pins_a_table_of_a_domain_that_it_names(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    l1 = table(second)
    assert extend(first, "PIN_L1_TABLE", l1.mfn) == -EINVAL
    assert extend(first, "PIN_L1_TABLE", l1.mfn, foreign=1) == 0
    assert frame(first, l1.mfn).pinned
    assert extend(second, "UNPIN_TABLE", l1.mfn) == 0
    second.give_back(l1)


# Flushes.


@pytest.mark.parametrize("command", ["TLB_FLUSH_LOCAL", "TLB_FLUSH_ALL", "INVLPG_LOCAL", "INVLPG_ALL"])
def test_a_flush_makes_a_change_seen(agent: Agent, command: str) -> None:
    shown, hidden = agent.pages(2)
    agent.write(hidden.va, b"h")
    entry = agent.space.entry_address(shown.va)
    assert entry is not None
    agent.read(shown.va, 1)
    assert update(agent, request(entry, hidden.machine | PRESENT)).result == 0
    assert extend(agent, command, shown.va) == 0
    assert agent.read(shown.va, 1) == b"h"
    agent.give_back(shown, hidden)


@pytest.mark.parametrize("command", ["TLB_FLUSH_MULTI", "INVLPG_MULTI"])
@pytest.mark.parametrize("mask", [1, 0, 2])
def test_a_flush_of_some_vcpus_reads_its_mask(agent: Agent, command: str, mask: int) -> None:
    assert extend(agent, command, agent.address("agent_pool"), agent.put([mask])) == 0


@pytest.mark.parametrize("command", ["TLB_FLUSH_MULTI", "INVLPG_MULTI"])
@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFD])
def test_a_mask_of_vcpus_cannot_be_at(agent: Agent, command: str, address: int) -> None:
    assert extend(agent, command, agent.address("agent_pool"), address) == -EINVAL


@pytest.mark.parametrize("command", ["INVLPG_LOCAL", "INVLPG_ALL"])
@pytest.mark.parametrize("address", [0, NOWHERE, 0xFC000000, 0xFC900000, 0xFE000000, 0xFFFFFFFF])
def test_any_address_may_be_invalidated(agent: Agent, command: str, address: int) -> None:
    assert extend(agent, command, address) == 0


@pytest.mark.parametrize("command", ["FLUSH_CACHE", "FLUSH_CACHE_GLOBAL"])
def test_caches_are_written_back_for_domains_with_devices_only(two_agents: tuple[Agent, Agent], command: str) -> None:
    assert [extend(one, command) for one in two_agents] == [0, -EINVAL]


# Clearing and copying.


def test_a_page_is_cleared(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"\xff" * 4096)
    assert extend(agent, "CLEAR_PAGE", page.mfn) == 0
    assert agent.read(page.va, 4096) == bytes(4096)
    agent.give_back(page)


def test_a_page_is_copied(agent: Agent) -> None:
    to, source = agent.pages(2)
    text = bytes(range(256)) * 16
    agent.write(source.va, text)
    assert extend(agent, "COPY_PAGE", to.mfn, source.mfn) == 0
    assert agent.read(to.va, 4096) == text
    agent.give_back(to, source)


def test_clearing_and_copying_leave_no_references(agent: Agent) -> None:
    to, source = agent.pages(2)
    before = frame(agent, to.mfn), frame(agent, source.mfn)
    extend(agent, "CLEAR_PAGE", to.mfn)
    extend(agent, "COPY_PAGE", to.mfn, source.mfn)
    extend(agent, "COPY_PAGE", NO_FRAME, source.mfn)
    extend(agent, "COPY_PAGE", to.mfn, NO_FRAME)
    assert (frame(agent, to.mfn), frame(agent, source.mfn)) == before
    agent.give_back(to, source)


def test_a_table_can_be_copied_but_not_overwritten(agent: Agent) -> None:
    page, l1 = agent.page(), table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    update(agent, request(l1.machine, page.machine | PRESENT))
    assert extend(agent, "CLEAR_PAGE", l1.mfn) == -EINVAL
    assert extend(agent, "COPY_PAGE", l1.mfn, page.mfn) == -EINVAL
    assert read_entry(agent, l1, 0) == page.machine | PRESENT
    assert extend(agent, "COPY_PAGE", page.mfn, l1.mfn) == 0
    assert agent.read(page.va, 8) == (page.machine | PRESENT).to_bytes(8, "little")
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    agent.give_back(page, l1)


def test_another_domains_page_is_neither_cleared_nor_copied(two_agents: tuple[Agent, Agent]) -> None:
    for one, another in (two_agents, two_agents[::-1]):
        page, foreign = one.page(), another.page()
        another.write(foreign.va, b"secret")
        assert extend(one, "CLEAR_PAGE", foreign.mfn) == -EINVAL
        assert extend(one, "COPY_PAGE", foreign.mfn, page.mfn) == -EINVAL
        assert extend(one, "COPY_PAGE", page.mfn, foreign.mfn) == -EINVAL
        assert another.read(foreign.va, 6) == b"secret"
        assert one.read(page.va, 6) == bytes(6)
        one.give_back(page)
        another.give_back(foreign)


# The LDT's place.


@pytest.mark.parametrize("address, entries, result", [
    (0xC0100000, 512, 0),
    (0xC0100000, 8192, 0),
    (0xC0100000, 0, 0),
    (0xC0100000, 8193, -EINVAL),
    (0xC0100000, 0xFFFFFFFF, -EINVAL),
    (0xC0100800, 1, -EINVAL),
    (0xC0100001, 1, -EINVAL),
    (0xF57FF000, 512, 0),
    (0xF57FF000, 513, -EINVAL),
    (0xF5800000, 1, -EINVAL),
    (0xFC900000, 1, -EINVAL),
    (0xFFFFF000, 512, -EINVAL),
    (0xFFFFF000, 1024, -EINVAL),
])
def test_an_ldt_is_within_the_guests_part_and_begins_on_a_page(
    agent: Agent, address: int, entries: int, result: int
) -> None:
    assert extend(agent, "SET_LDT", address, entries) == result
    record = hypervisor_of(agent.machine).domains()[0].vcpu
    assert record is not None
    assert record.record.ldt_entries == (entries if result == 0 else 0)


# Lists.


@pytest.mark.parametrize("command", [14, 15, 19, 20, 21, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unknown_operation_is_refused(agent: Agent, command: int) -> None:
    assert operate(agent, MmuextOp(cmd=command)) == (-ENOSYS, 0)


def test_operations_before_an_error_are_done(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"\xff")
    clear, bad = operation("CLEAR_PAGE", page.mfn), operation("CLEAR_PAGE", NO_FRAME)
    assert operate(agent, clear, clear, bad, clear) == (-EINVAL, 2)
    assert agent.read(page.va, 1) == b"\0"
    agent.give_back(page)


def test_an_empty_list_is_not_read(agent: Agent) -> None:
    done = Word(NOT_STORED)
    assert agent.hypercall("mmuext_op", NOWHERE, 0, done, DOMID_SELF) == 0
    assert done.value == 0


@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFF8])
def test_a_list_cannot_be_at(agent: Agent, address: int) -> None:
    done = Word(NOT_STORED)
    assert agent.hypercall("mmuext_op", address, 1, done, DOMID_SELF) == -EFAULT
    assert done.value == 0


def test_operations_before_the_end_of_memory_are_done(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va, b"\xff")
    agent.write(agent.edge - 16, bytes(operation("CLEAR_PAGE", page.mfn)) + bytes(4))
    done = Word(NOT_STORED)
    assert agent.hypercall("mmuext_op", agent.edge - 16, 2, done, DOMID_SELF) == -EFAULT
    assert (done.value, agent.read(page.va, 1)) == (1, b"\0")
    agent.give_back(page)


@pytest.mark.parametrize("foreign, result", [(0, -ESRCH), (7, -ESRCH), (DOMID_INVALID, -ESRCH), (0x7FFF, -ESRCH)])
def test_a_domain_that_is_not_there_is_said(agent: Agent, foreign: int, result: int) -> None:
    assert extend(agent, "TLB_FLUSH_LOCAL", foreign=foreign) == result


def test_an_ordinary_domain_cannot_name_another(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    l1 = table(first)
    assert extend(second, "PIN_L1_TABLE", l1.mfn, foreign=0) in (-EPERM, -ESRCH)
    assert not frame(first, l1.mfn).pinned
    first.give_back(l1)
