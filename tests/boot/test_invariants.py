"""The checker on the running hypervisor: that both agree on every frame, whatever guests do.

Invariants
  - Each test does something to memory types that has a record of its own, and asks the checker in the middle of it.
  - What the checker can find at all is shown in tests/unit/inspect; here one planted mistake shows that it looks.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest

from tests.boot.harness import Booter, GuestMaker
from xengen.abi.memory import XenMemoryReservation
from xengen.abi.mmu import MmuextArg1, MmuextArg2, MmuextOp, MmuUpdate
from xengen.agent.agent import Agent, Page
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EINVAL, value
from xengen.agent.outcome import Result
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.violation import Rule
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB

P, RW, US, A = (value(f"PTE_{name}") for name in ("P", "RW", "US", "A"))
SELF = value("DOMID_SELF")

WAITING_GUEST = r"""
NOTE
        .text
# start: says so, and waits.
{% call routine("start") %}
        cld
{{ print("I wait\\n") }}
        jmp     .
{% endcall %}
"""


def violations(machine: Machine) -> list[str]:
    return [str(violation) for violation in check_machine(machine)]


def extended(agent: Agent, command: str, mfn: int) -> Result:
    operation = MmuextOp(cmd=value(f"MMUEXT_{command}"), arg1=MmuextArg1(mfn=mfn))
    return agent.hypercall("mmuext_op", operation, 1, 0, SELF)


def update(agent: Agent, table: Page, index: int, entry: int) -> Result:
    return agent.hypercall("mmu_update", MmuUpdate(ptr=table.machine + 8 * index, val=entry), 1, 0, SELF)


def tables(agent: Agent, count: int) -> list[Page]:
    """Return pages that are mapped read-only: they can become tables."""
    pages = agent.pages(count)
    for page in pages:
        assert agent.map(page.va, page.machine | P | A) == 0
    return pages


def put_entry(agent: Agent, table: Page, index: int, entry: int) -> None:
    """Write an entry of a page that is no table yet."""
    agent.machine.memory.write(table.machine + 8 * index, entry.to_bytes(8, "little"))


def second_l3(agent: Agent) -> tuple[Page, Page, Page]:
    """Return a pinned L3 that is not in use, and the L2s in its slots 0 and 3."""
    l3, low, top = tables(agent, 3)
    put_entry(agent, l3, 0, low.machine | P)
    put_entry(agent, l3, 3, top.machine | P)
    assert extended(agent, "PIN_L3_TABLE", l3.mfn) == 0
    return l3, low, top


def frames_of_domain_1(machine: Machine) -> int:
    """Return what domain 1 still has; the machine runs meanwhile."""
    return sum(domain.record.nr_pages for domain in hypervisor_of(machine).domains() if domain.id == 1)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a fact about memory."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true in {seconds:g} s"
        time.sleep(0.01)


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
@pytest.mark.parametrize("domains", [1, 2, 3])
def test_memory_is_sound_after_the_boot(boot: Booter, domains: int, debug: bool) -> None:
    machine = boot(*["agent"] * domains, debug=debug, memory=(64 + 32 * domains) * MIB)
    agents = [Agent(machine, number) for number in range(domains)]
    assert violations(machine) == []
    for agent in agents:
        agent.close()


@pytest.mark.parametrize(
    ("note", "virt_start"),
    [("", "M2P_ALIAS"), ('{{ elf_note("HV_START_LOW", ".long", "0xf5800000") }}', "HV_START")],
    ids=["without a note", "with HV_START_LOW"],
)
def test_memory_is_sound_wherever_a_guest_lets_the_hypervisor_start(
    boot: Booter, guest: GuestMaker, note: str, virt_start: str
) -> None:
    machine = boot(guest(WAITING_GUEST.replace("NOTE", note)))
    machine.console.expect("I wait")
    (domain,) = hypervisor_of(machine).domains()
    assert domain.record.virt_start == value(virt_start)
    assert violations(machine) == []


def test_a_mistake_in_live_memory_is_found_with_its_path(agent: Agent) -> None:
    table, page = tables(agent, 2)
    assert extended(agent, "PIN_L1_TABLE", table.mfn) == 0
    where = agent.space.entry_address(page.va)
    assert where is not None
    before = agent.machine.memory.u64(where)
    agent.machine.memory.write(where, (table.machine | P | RW).to_bytes(8, "little"))
    found = check_machine(agent.machine)
    agent.machine.memory.write(where, before.to_bytes(8, "little"))
    (violation,) = (violation for violation in found if violation.rule == Rule.WRITABLE_TABLE)
    assert (violation.frame, violation.domain) == (table.mfn, 0)
    assert [step.level for step in violation.path] == [3, 2, 1]
    assert violation.path[-1].mfn * 4096 + violation.path[-1].index * 8 == where
    assert extended(agent, "UNPIN_TABLE", table.mfn) == 0
    agent.give_back(table, page)


def test_tables_are_counted_while_they_are_pinned_and_afterwards(agent: Agent) -> None:
    l3, low, top = second_l3(agent)
    assert violations(agent.machine) == []
    assert extended(agent, "UNPIN_TABLE", l3.mfn) == 0
    assert violations(agent.machine) == []
    agent.give_back(l3, low, top)


def test_a_linear_entry_is_counted(agent: Agent) -> None:
    l3, low, top = second_l3(agent)
    assert update(agent, low, 5, low.machine | P | US) == 0
    assert update(agent, low, 6, top.machine | P | US) == 0
    assert violations(agent.machine) == []
    assert extended(agent, "UNPIN_TABLE", l3.mfn) == 0
    assert violations(agent.machine) == []
    agent.give_back(l3, low, top)


def test_the_l2_of_slot_3_of_an_l3_that_is_gone_shows_no_other_l2(agent: Agent) -> None:
    """It did: kept by a linear entry, it let its guest read frames that had been L2s, whoever had them by then."""
    l3, low, top = second_l3(agent)
    (keeper,) = tables(agent, 1)
    assert extended(agent, "PIN_L2_TABLE", keeper.mfn) == 0
    assert update(agent, keeper, 5, top.machine | P | US) == 0
    assert extended(agent, "UNPIN_TABLE", l3.mfn) == 0
    assert violations(agent.machine) == []
    first = value("LINEAR_TABLES_L2")
    entries = agent.machine.memory.array(top.machine + 8 * first, 4, "<u8")
    assert [int(entry) & P for entry in entries] == [0, 0, 0, 0]
    assert extended(agent, "UNPIN_TABLE", keeper.mfn) == 0
    agent.give_back(l3, low, top, keeper)


def test_l2s_cannot_keep_each_other_in_a_circle(agent: Agent) -> None:
    """Their counts would never be 0 again, and their frames lost when the domain ends."""
    first, second = tables(agent, 2)
    assert extended(agent, "PIN_L2_TABLE", first.mfn) == 0
    assert extended(agent, "PIN_L2_TABLE", second.mfn) == 0
    assert update(agent, first, 5, second.machine | P | US) == 0
    assert update(agent, second, 5, first.machine | P | US) == -EINVAL
    assert violations(agent.machine) == []
    assert extended(agent, "UNPIN_TABLE", first.mfn) == 0
    assert extended(agent, "UNPIN_TABLE", second.mfn) == 0
    agent.give_back(first, second)


def test_frames_of_descriptor_tables_are_counted_and_their_descriptors_cut(agent: Agent) -> None:
    """The LDT's own descriptor was wrong once, and the first guest with an LDT brought the hypervisor down."""
    gdt, ldt = tables(agent, 2)
    flat = 0x00CFF2000000FFFF
    for page in (gdt, ldt):
        put_entry(agent, page, 2, flat)
    assert agent.hypercall("set_gdt", [gdt.mfn], 512) == 0
    operation = MmuextOp(
        cmd=value("MMUEXT_SET_LDT"), arg1=MmuextArg1(linear_addr=ldt.va), arg2=MmuextArg2(nr_ents=512)
    )
    assert agent.hypercall("mmuext_op", operation, 1, 0, SELF) == 0
    agent.ring1("movl $0x17, %eax\nmovl %eax, %gs")
    assert violations(agent.machine) == []
    limits = [agent.machine.memory.u64(page.machine + 16) & 0x000F00000000FFFF for page in (gdt, ldt)]
    assert limits == [0x000F00000000C3FF, 0x000F00000000C3FF]
    agent.ring1("xorl %eax, %eax\nmovl %eax, %gs")
    agent.reset()
    assert violations(agent.machine) == []
    agent.give_back(gdt, ldt)


def test_frames_that_a_domain_gives_back_and_takes_are_counted(agent: Agent) -> None:
    page = agent.page()
    assert agent.map(page.va, 0) == 0
    numbers = agent.put([page.mfn])
    request = XenMemoryReservation(extent_start=numbers, nr_extents=1, domid=SELF)
    assert agent.hypercall("memory_op", value("XENMEM_decrease_reservation"), request) == 1
    assert violations(agent.machine) == []
    assert agent.hypercall("memory_op", value("XENMEM_increase_reservation"), request) == 1
    (mfn,) = struct.unpack("<I", agent.space.read_linear(numbers, 4))
    assert agent.map(page.va, mfn << 12 | P | RW | A) == 0
    assert violations(agent.machine) == []


def test_all_frames_of_a_domain_that_has_ended_are_free(boot: Booter) -> None:
    machine = boot("agent", "hello")
    with Agent(machine):
        machine.console.expect(r"domain 1 is gone")
        assert [domain.id for domain in hypervisor_of(machine).domains()] == [0]
        assert violations(machine) == []


def test_a_frame_of_a_domain_that_has_ended_is_kept_until_its_mapping_goes(boot: Booter) -> None:
    """Then all of it is gone, even the M2P entry that the domain had set for its shared page."""
    machine = boot("agent", "agent")
    with Agent(machine, 0) as first, Agent(machine, 1) as second:
        mine, other = first.page(), second.page()
        entry = other.machine | P | RW | A
        assert first.hypercall("update_va_mapping_otherdomain", mine.va, entry, 0, value("UVMF_INVLPG"), 1) == 0
        m2p = MmuUpdate(ptr=second.start_info.shared_info | value("MMU_MACHPHYS_UPDATE"), val=77)
        assert second.hypercall("mmu_update", m2p, 1, 0, SELF) == 0
        assert violations(machine) == []
        with pytest.raises(DomainDied):
            second.hypercall("sched_op", value("SCHEDOP_shutdown"), [0])
        machine.resume()
        until(lambda: frames_of_domain_1(machine) == 1)
        assert violations(machine) == []
        assert first.map(mine.va, mine.machine | P | RW | A) == 0
        machine.console.expect(r"domain 1 is gone")
        assert violations(machine) == []
