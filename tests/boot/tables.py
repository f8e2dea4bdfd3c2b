"""What the tests of memory management build with: requests, operations, and page tables in an agent's spare pages.

Invariants
  - `read_only` and `table` leave a page mapped without write permission, as every page table must be.
"""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_uint32
from typing import NamedTuple

from xengen.abi.mmu import MmuextArg1, MmuextArg2, MmuextOp, MmuUpdate
from xengen.abi.structure import AbiStructure
from xengen.agent.agent import Agent, Page
from xengen.agent.names import DOMID_SELF, PTE_A, PTE_P, PTE_RW, PTE_US, value
from xengen.agent.outcome import Result
from xengen.inspect.live import hypervisor_of

GUEST_L2_ENTRIES = 428  # of the L2 in slot 3, for a guest without a HV_START_LOW note (ABI 6.3)
TYPES = ("none", "L1", "L2", "L3", "segments", "writable", "L2 of slot 3")
PRESENT = PTE_P | PTE_A
WRITABLE = PTE_P | PTE_RW | PTE_A
L2_ENTRY = PTE_P | PTE_RW | PTE_US | PTE_A


class Word(AbiStructure):
    """A 32-bit number that a call stores into."""

    _fields_ = (("value", c_uint32),)


class Answer(NamedTuple):
    """The result of a call with a list, and how many elements it says were done."""

    result: Result
    done: int


class FrameState(NamedTuple):
    """What the hypervisor's record of a frame says."""

    type: str
    uses: int
    references: int
    pinned: bool


NOT_STORED = 0x7EADBEEF


def request(machine: int, entry: int, command: str = "NORMAL_PT_UPDATE") -> MmuUpdate:
    """One request of mmu_update."""
    return MmuUpdate(machine | value(f"MMU_{command}"), entry)


def update(agent: Agent, *requests: MmuUpdate, foreign: int = DOMID_SELF) -> Answer:
    """mmu_update."""
    done = Word(NOT_STORED)
    result = agent.hypercall("mmu_update", requests, len(requests), done, foreign)
    return Answer(result, done.value)


def operation(command: str, first: int = 0, second: int = 0) -> MmuextOp:
    """One operation of mmuext_op."""
    return MmuextOp(value(f"MMUEXT_{command}"), MmuextArg1(mfn=first), MmuextArg2(nr_ents=second))


def operate(agent: Agent, *operations: MmuextOp, foreign: int = DOMID_SELF) -> Answer:
    """mmuext_op."""
    done = Word(NOT_STORED)
    result = agent.hypercall("mmuext_op", operations, len(operations), done, foreign)
    return Answer(result, done.value)


def extend(agent: Agent, command: str, first: int = 0, second: int = 0, foreign: int = DOMID_SELF) -> Result:
    """One operation of mmuext_op; its result."""
    return operate(agent, operation(command, first, second), foreign=foreign).result


def frame(agent: Agent, mfn: int) -> FrameState:
    """The hypervisor's record of a frame."""
    record = hypervisor_of(agent.machine).frames[mfn]
    word = int(record["type"])
    return FrameState(
        TYPES[word >> 28],
        word & value("FRAME_COUNT_MASK"),
        int(record["count"]) & ~value("FRAME_ALLOCATED"),
        bool(word & value("FRAME_PINNED")),
    )


def entry_of(agent: Agent, page: Page) -> int:
    """The machine address of the entry that maps a spare page."""
    address = agent.space.entry_address(page.va)
    assert address is not None
    return address


def write_entries(agent: Agent, page: Page, entries: Mapping[int, int]) -> None:
    """Write page-table entries into a page, as memory."""
    for index, entry in entries.items():
        agent.space.memory.write(page.machine + 8 * index, entry.to_bytes(8, "little"))


def read_entry(agent: Agent, page: Page, index: int) -> int:
    """Return an entry of the table in a page."""
    return agent.space.memory.u64(page.machine + 8 * index)


def read_only(agent: Agent, page: Page) -> Page:
    """Take write permission off the page's mapping."""
    assert agent.map(page.va, page.machine | PRESENT) == 0
    return page


def table(agent: Agent, entries: Mapping[int, int] | None = None) -> Page:
    """Return a spare page with these entries, mapped read-only: ready to become a page table."""
    page = agent.page()
    write_entries(agent, page, entries or {})
    return read_only(agent, page)


def base_tables(agent: Agent) -> tuple[Page, Page]:
    """Return (L3, L2 of slot 3): tables that map what the agent's own do, ready to become its base."""
    memory = agent.space.memory
    own_l3 = agent.space.l3 * 4096
    own_l2 = memory.u64(own_l3 + 24) & 0xFFFFF000
    l2 = agent.page()
    memory.write(l2.machine, memory.read(own_l2, 8 * GUEST_L2_ENTRIES))
    read_only(agent, l2)
    slots = {slot: memory.u64(own_l3 + 8 * slot) for slot in range(3)}
    return table(agent, {**slots, 3: l2.machine | PTE_P}), l2


