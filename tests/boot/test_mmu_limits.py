"""Where the accounts of frames come to their limits: old translations, and counts that are full.

Claim: a frame is put to another use only when no translation of its former use is left, and no reference is taken that
cannot be counted. Danger: a page table or a descriptor page that its guest writes through the TLB; a count that begins
at 0 again while there are references. Method: a page is written, so that it is in the TLB, and then made something else
by one multicall without any flush of the guest's; and a count is set to its highest value in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.boot.tables import PRESENT, WRITABLE, frame, operation, read_only, request, update
from xengen.abi.hypercalls import MulticallEntry
from xengen.abi.hypervisor import Frame
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, EBUSY, EINVAL, PF, value
from xengen.agent.outcome import Fault
from xengen.inspect.live import hypervisor_of

RULES = value("FRAME_TYPE_WRITABLE") | value("FRAME_VALIDATED")
FULL = RULES | value("FRAME_COUNT_MASK")


def call(name: str, *arguments: int) -> MulticallEntry:
    """An entry of a multicall."""
    entry = MulticallEntry(op=value(f"HYPERCALL_{name}"))
    entry.args[: len(arguments)] = arguments
    return entry


def _pinned(agent: Agent, page: Page) -> MulticallEntry:
    return call("mmuext_op", agent.put(operation("PIN_L2_TABLE", page.mfn)), 1, 0, DOMID_SELF)


def _in_a_gdt(agent: Agent, page: Page) -> MulticallEntry:
    return call("set_gdt", agent.put([page.mfn]), 512)


@pytest.mark.parametrize("become", [_pinned, _in_a_gdt], ids=["a page table", "a descriptor page"])
def test_a_page_that_was_written_cannot_be_written_by_an_old_translation(
    agent: Agent, become: Callable[[Agent, Page], MulticallEntry]
) -> None:
    page = agent.page()
    entries = [call("update_va_mapping", page.va, page.machine | PRESENT, 0, 0), become(agent, page)]
    text = "movl $2, (%esi)\nint $0x82\nmovl $4, (%esi)"  # entries that are not present
    outcome = agent.ring1(text, eax=value("HYPERCALL_multicall"), ebx=agent.put(entries), ecx=2, esi=page.va)
    assert outcome == Fault(PF, 3)  # present, a write
    assert agent.machine.memory.u32(page.machine) == 2
    assert frame(agent, page.mfn).type in ("L2", "segments")


@pytest.mark.parametrize("way", ["update_va_mapping", "mmu_update"])
def test_a_mapping_that_cannot_be_counted_is_refused(agent: Agent, way: str) -> None:
    page, other = read_only(agent, agent.page()), agent.page()
    hypervisor = hypervisor_of(agent.machine)
    record = hypervisor.physical(value("FRAME_TABLE") + page.mfn * 16) + Frame.type.offset
    before = frame(agent, page.mfn)
    entry = agent.space.entry_address(other.va)
    assert entry is not None
    agent.machine.memory.write(record, FULL.to_bytes(4, "little"))
    if way == "mmu_update":
        result = update(agent, request(entry, page.machine | WRITABLE)).result
    else:
        result = agent.map(other.va, page.machine | WRITABLE)
    assert result == -EBUSY
    assert agent.machine.memory.u32(record) == FULL
    agent.machine.memory.write(record, RULES.to_bytes(4, "little"))
    assert frame(agent, page.mfn).references == before.references
    agent.give_back(page, other)


def test_a_pin_that_cannot_be_counted_is_refused(agent: Agent) -> None:
    l1 = read_only(agent, agent.page())
    full = value("FRAME_TYPE_L1") | value("FRAME_VALIDATED") | value("FRAME_COUNT_MASK")
    record = hypervisor_of(agent.machine).physical(value("FRAME_TABLE") + l1.mfn * 16) + Frame.type.offset
    before = agent.machine.memory.u32(record)
    agent.machine.memory.write(record, full.to_bytes(4, "little"))
    done = agent.hypercall("mmuext_op", operation("PIN_L1_TABLE", l1.mfn), 1, 0, DOMID_SELF)
    assert (done, agent.machine.memory.u32(record)) == (-EINVAL, full)
    agent.machine.memory.write(record, before.to_bytes(4, "little"))
    agent.give_back(l1)
