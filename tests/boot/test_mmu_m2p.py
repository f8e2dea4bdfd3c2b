"""The M2P table's frames as a privileged domain may map them: by naming DOMID_XEN, and never for writing (ABI 6.5)."""

from __future__ import annotations

import pytest

from tests.boot.tables import PRESENT, WRITABLE, operation
from xengen.abi.memory import XenMachphysMfnList
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_IO, DOMID_SELF, DOMID_XEN, EBUSY, EINVAL, EPERM, UVMF_INVLPG, value
from xengen.inspect.live import check_machine, hypervisor_of


def first_frame(agent: Agent) -> int:
    """Return the first frame of the table, as memory_op tells it."""
    array = agent.put([0])
    argument = XenMachphysMfnList(max_extents=1, extent_start=array)
    assert agent.hypercall("memory_op", value("XENMEM_machphys_mfn_list"), argument) == 0
    return int.from_bytes(agent.read(array, 4), "little")


def show(agent: Agent, va: int, entry: int, domid: int = DOMID_XEN) -> int:
    """Map a frame of `domid`'s at `va`."""
    return int(agent.hypercall(
        "update_va_mapping_otherdomain", va, entry & 0xFFFFFFFF, entry >> 32, UVMF_INVLPG, domid
    ))  # fmt: skip


def test_domain_0_reads_the_table_in_a_page_of_its_own(agent: Agent) -> None:
    page, mfn = agent.page(), first_frame(agent)
    assert show(agent, page.va, mfn << 12 | PRESENT) == 0
    frame = agent.page()
    index = frame.mfn % 1024  # the first page tells of 1024 frames
    found = [int.from_bytes(agent.read(page.va + 4 * at, 4), "little") for at in (0, index, 1023)]
    table = hypervisor_of(agent.machine).m2p
    assert found == [int(table[at]) for at in (0, index, 1023)]
    assert check_machine(agent.machine) == []
    assert agent.map(page.va, page.machine | WRITABLE) == 0
    agent.give_back(page, frame)


def test_every_frame_of_the_table_can_be_mapped(agent: Agent) -> None:
    page = agent.page()
    frames = [int(mfn) for mfn in hypervisor_of(agent.machine).m2p_frames]
    assert frames == list(range(frames[0], frames[0] + len(frames)))
    assert [show(agent, page.va, mfn << 12 | PRESENT) for mfn in frames] == [0] * len(frames)
    assert agent.map(page.va, page.machine | WRITABLE) == 0
    agent.give_back(page)


@pytest.mark.parametrize(
    ("domid", "flags", "error"),
    [
        (DOMID_XEN, WRITABLE, EBUSY),
        (DOMID_SELF, PRESENT, EBUSY),
        (DOMID_IO, PRESENT, EBUSY),
    ],
    ids=["for writing", "as one's own", "as a device"],
)
def test_the_table_cannot_be_mapped(agent: Agent, domid: int, flags: int, error: int) -> None:
    page = agent.page()
    assert show(agent, page.va, first_frame(agent) << 12 | flags, domid) == -error
    agent.give_back(page)


def test_what_is_mapped_does_not_become_writable(agent: Agent) -> None:
    page, mfn = agent.page(), first_frame(agent)
    assert show(agent, page.va, mfn << 12 | PRESENT) == 0
    assert show(agent, page.va, mfn << 12 | WRITABLE) == -EBUSY
    assert agent.map(page.va, page.machine | WRITABLE) == 0
    agent.give_back(page)


@pytest.mark.parametrize("command", ["PIN_L1_TABLE", "CLEAR_PAGE"])
def test_the_table_is_nothing_else(agent: Agent, command: str) -> None:
    """A table of page frames that is taken for page tables could be written with mmu_update."""
    argument = agent.put(operation(command, first_frame(agent)))
    assert agent.hypercall("mmuext_op", argument, 1, 0, DOMID_XEN) == -EINVAL


def test_another_domain_may_not_name_domid_xen(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    page = second.page()
    assert show(second, page.va, first_frame(first) << 12 | PRESENT) == -EPERM
    second.give_back(page)
