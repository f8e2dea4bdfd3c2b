"""Segment descriptors (ABI 6.12, 7): set_gdt, update_descriptor, the LDT, and what a guest may load.

Which descriptors are good, and what is made of them, is computed by `checked`, a plain reading of the ABI's table with
the end of guest segments where this hypervisor has it.
"""

from __future__ import annotations

import pytest

from tests.boot.tables import PRESENT, WRITABLE, base_tables, extend, frame, read_only, table
from xengen.abi.traps import CallbackRegister, XenCallback
from xengen.agent.agent import Agent, Page, completed
from xengen.agent.names import (
    EBUSY,
    EFAULT,
    EINVAL,
    GDT_GUEST_ENTRIES,
    GP,
    HV_PRIVATE_START,
    KERNEL_CS,
    KERNEL_DS,
    NP,
    PF,
    PF_PRESENT,
    PF_WRITE,
    SS,
    USER_CS,
    USER_DS,
)
from xengen.agent.outcome import FAILSAFE, Fault
from xengen.inspect.live import hypervisor_of

NOWHERE = 0xDEAD0000
P, S, G, DB = 1 << 47, 1 << 44, 1 << 55, 1 << 54
DATA, CODE, DOWN, WRITE, READ = 0, 1 << 43, 1 << 42, 1 << 41, 1 << 41
ACCESSED = 1 << 40  # the processor sets it when it loads the segment
FLAT = 0xFFFFF
END = HV_PRIVATE_START


def descriptor(base: int, limit: int, bits: int, dpl: int = 1) -> int:
    """A segment descriptor: 32 bits of base, the 20-bit limit field, further bits, and the privilege."""
    return (
        limit & 0xFFFF | (base & 0xFFFFFF) << 16 | bits | dpl << 45 | (limit >> 16 & 0xF) << 48 | (base >> 24) << 56
    )


def gate(selector: int, offset: int, kind: int = 0xC, dpl: int = 3, parameters: int = 0) -> int:
    """A gate descriptor."""
    return offset & 0xFFFF | selector << 16 | parameters << 32 | kind << 40 | P | dpl << 45 | (offset >> 16) << 48


def checked(given: int) -> int | None:
    """What ABI 6.12 makes of a descriptor; None when it is bad."""
    if not given & P:
        return given
    if not given >> 45 & 3:
        given |= 1 << 45
    if not given & S:
        if given >> 40 & 0xF != 0xC or given >> 37 & 7:
            return None
        selector = given >> 16 & 0xFFFF
        if not selector & 3:
            selector |= 1
        given = given & ~(0xFFFF << 16) | selector << 16
        return given if selector & 4 or selector < GDT_GUEST_ENTRIES * 8 or selector == KERNEL_CS else None
    base = given >> 16 & 0xFFFFFF | given >> 56 << 24
    field = given & 0xFFFF | given >> 32 & 0xF0000
    size = (field + 1) * (4096 if given & G else 1)
    if base >= END - 4096:
        return None
    if given & DOWN and not given & CODE:
        if base + size > 1 << 32 or base + size == 1 << 32:
            return given
        new = ((1 << 32) - (base & -4096) >> 12) - 1
    else:
        if base + size <= END:
            return given
        new = (END - base >> 12) - 1
    if not given & G or (given & DOWN and not given & CODE and not base & -4096):
        return None
    return given & ~(0xF << 48 | 0xFFFF) | new & 0xFFFF | (new >> 16) << 48


DESCRIPTORS = {
    "nothing at all": 0,
    "not present, whatever else it is": 0xFFFF7FFFFFFFFFFF,
    "flat data": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB),
    "flat code": descriptor(0, FLAT, P | S | CODE | READ | G | DB),
    "flat data of ring 0": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB, 0),
    "flat code of ring 0": descriptor(0, FLAT, P | S | CODE | READ | G | DB, 0),
    "flat data of ring 2": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB, 2),
    "flat data of ring 3": descriptor(0, FLAT, P | S | DATA | WRITE | G | DB, 3),
    "conforming code": descriptor(0, FLAT, P | S | CODE | DOWN | READ | G | DB),
    "conforming code of ring 0": descriptor(0, FLAT, P | S | CODE | DOWN | G | DB, 0),
    "data that ends right below the end": descriptor(0, (END >> 12) - 1, P | S | WRITE | G | DB),
    "data that ends a page beyond the end": descriptor(0, END >> 12, P | S | WRITE | G | DB),
    "data in bytes that ends right below the end": descriptor(END - 0x2000, 0x1FFF, P | S | WRITE | DB),
    "data in bytes that ends a byte beyond the end": descriptor(END - 0x2000, 0x2000, P | S | WRITE | DB),
    "data from the last page but one to the end": descriptor(END - 0x1001, FLAT, P | S | WRITE | G | DB),
    "data from the last page": descriptor(END - 0x1000, 0, P | S | WRITE | G | DB),
    "data from the end": descriptor(END, 0, P | S | WRITE | G | DB),
    "data from within the hypervisor": descriptor(0xFC900000, 0, P | S | WRITE | DB),
    "data from the last byte": descriptor(0xFFFFFFFF, 0, P | S | WRITE | DB),
    "data that wraps": descriptor(0x80000000, FLAT, P | S | WRITE | G | DB),
    "code that wraps": descriptor(0xC0000000, FLAT, P | S | CODE | G | DB),
    "an odd base": descriptor(0x12345678, FLAT, P | S | WRITE | G | DB),
    "small data": descriptor(0xC0100000, 0xFF, P | S | WRITE | DB, 3),
    "expand-down from 0": descriptor(0, 0x100, P | S | DOWN | WRITE | G | DB),
    "expand-down from 0, in bytes": descriptor(0, 0x100, P | S | DOWN | WRITE | DB),
    "expand-down whose offsets wrap": descriptor(0x10000000, 0xF0000, P | S | DOWN | WRITE | G | DB),
    "expand-down whose offsets do not wrap": descriptor(0x10000000, 0x80000, P | S | DOWN | WRITE | G | DB),
    "expand-down with the least limit": descriptor(0x10000000, 0, P | S | DOWN | WRITE | G | DB),
    "expand-down in bytes that reaches up": descriptor(0x10000000, 0xFFFFF, P | S | DOWN | WRITE | DB),
    "expand-down from near the end": descriptor(END - 0x2000, 0, P | S | DOWN | WRITE | G | DB),
    "expand-down from the end": descriptor(END, FLAT, P | S | DOWN | WRITE | G | DB),
    "a call gate into the kernel": gate(KERNEL_CS, 0x1234),
    "a call gate without a privilege": gate(0xE018, 0x1234),
    "a call gate to a descriptor of the guest's": gate(0x8, 0x1234),
    "a call gate to the guest's last descriptor": gate(GDT_GUEST_ENTRIES * 8 - 8 + 1, 0x1234),
    "a call gate into the LDT": gate(0xF, 0x1234),
    "a call gate with parameters": gate(KERNEL_CS, 0x1234, parameters=4),
    "a call gate to ring 3's code": gate(USER_CS, 0x1234),
    "a call gate to ring 0's code": gate(0xE008, 0x1234),
    "a call gate to ring 0's code with a privilege": gate(0xE00B, 0x1234),
    "a call gate to the task": gate(0xE040, 0x1234),
    "a call gate of ring 0": gate(KERNEL_CS, 0x1234, dpl=0),
    "a call gate with a reserved bit": gate(KERNEL_CS, 0x1234) | 1 << 37,
    **{f"a system descriptor of type {kind:#x}": gate(KERNEL_CS, 0x1234, kind) for kind in range(16) if kind != 0xC},
}


def test_the_table_of_descriptors_has_good_changed_and_bad_ones() -> None:
    results = {"good" if checked(d) == d else "bad" if checked(d) is None else "changed" for d in DESCRIPTORS.values()}
    assert results == {"good", "bad", "changed"}


def store(agent: Agent, machine: int, given: int) -> int:
    """update_descriptor."""
    words = machine & 0xFFFFFFFF, machine >> 32, given & 0xFFFFFFFF, given >> 32
    return agent.hypercall("update_descriptor", *words)


def entry(agent: Agent, page: Page, index: int) -> int:
    """A descriptor in a page."""
    return agent.space.memory.u64(page.machine + 8 * index)


# update_descriptor.


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_descriptor_is_stored_as_the_abi_says(agent: Agent, name: str) -> None:
    page, given = agent.page(), DESCRIPTORS[name]
    agent.write(page.va + 8, b"\xee" * 8)
    expected = checked(given)
    assert store(agent, page.machine + 8, given) == (-EINVAL if expected is None else 0)
    assert entry(agent, page, 1) == (0xEEEEEEEEEEEEEEEE if expected is None else expected)
    agent.give_back(page)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_page_with_this_descriptor_can_be_a_gdt_or_not(agent: Agent, name: str) -> None:
    page, given = agent.page(), DESCRIPTORS[name]
    agent.write(page.va + 8 * 511, given.to_bytes(8, "little"))
    read_only(agent, page)
    expected = checked(given)
    assert agent.hypercall("set_gdt", [page.mfn], 512) == (-EINVAL if expected is None else 0)
    assert entry(agent, page, 511) == (given if expected is None else expected)
    assert agent.hypercall("set_gdt", 0, 0) == 0
    agent.give_back(page)


@pytest.mark.parametrize("offset", [1, 4, 7])
def test_a_descriptor_lies_at_a_multiple_of_its_size(agent: Agent, offset: int) -> None:
    page = agent.page()
    assert store(agent, page.machine + offset, 0) == -EINVAL
    agent.give_back(page)


@pytest.mark.parametrize("machine", [0xFFFFF000, 0x100000000, 0x8000000000000000, 0x100000, 0])
def test_a_descriptor_cannot_be_stored_into_what_is_not_the_guests(agent: Agent, machine: int) -> None:
    assert store(agent, machine, 0) == -EINVAL


def test_a_descriptor_cannot_be_stored_into_another_domain(two_agents: tuple[Agent, Agent]) -> None:
    for one, other in (two_agents, two_agents[::-1]):
        foreign = other.page()
        assert store(one, foreign.machine, DESCRIPTORS["flat data"]) == -EINVAL
        other.give_back(foreign)


def test_a_descriptor_cannot_be_stored_into_a_page_table(agent: Agent) -> None:
    l1 = table(agent)
    assert extend(agent, "PIN_L1_TABLE", l1.mfn) == 0
    assert store(agent, l1.machine, 0) == -EINVAL
    assert extend(agent, "UNPIN_TABLE", l1.mfn) == 0
    agent.give_back(l1)


# set_gdt.



def gdt_with(agent: Agent, entries: dict[int, int]) -> Page:
    """Return a page that is the first of the guest's GDT, with these descriptors."""
    page = table(agent, entries)
    assert agent.hypercall("set_gdt", [page.mfn], 512) == 0
    return page


def test_a_descriptor_of_the_guests_gives_access_at_its_base(agent: Agent) -> None:
    target = agent.page()
    agent.write(target.va + 12, b"base")
    page = gdt_with(agent, {2: descriptor(target.va, 0xFFF, P | S | WRITE | DB)})
    after = completed(agent.ring1("movl $0x11, %eax\nmovl %eax, %gs\nmovl %gs:12, %ebx"))
    assert after.ebx.to_bytes(4, "little") == b"base"
    agent.reset()
    agent.give_back(page, target)


def test_a_descriptor_of_ring_3_serves_as_thread_local_storage(agent: Agent) -> None:
    data = agent.address("agent_user_data")
    agent.write(data + 64, b"tls!")
    page = gdt_with(agent, {6: 0})
    assert store(agent, page.machine + 48, descriptor(data, FLAT, P | S | WRITE | G | DB, 3)) == 0
    after = completed(agent.ring3("movl $0x33, %eax\nmovl %eax, %gs\nmovl %gs:64, %ebx"))
    assert after.ebx.to_bytes(4, "little") == b"tls!"
    agent.reset()
    agent.give_back(page)


def test_a_page_of_the_gdt_cannot_be_written(agent: Agent) -> None:
    page = gdt_with(agent, {})
    assert frame(agent, page.mfn)[:2] == ("segments", 1)
    assert agent.map(page.va, page.machine | WRITABLE) == -EBUSY
    assert agent.store(page.va, 0) == Fault(PF, PF_PRESENT | PF_WRITE)
    assert agent.hypercall("set_gdt", 0, 0) == 0
    assert frame(agent, page.mfn).uses == 0
    agent.give_back(page)


def test_a_page_that_is_writable_cannot_be_in_the_gdt(agent: Agent) -> None:
    page = agent.page()
    assert agent.hypercall("set_gdt", [page.mfn], 1) == -EINVAL
    agent.give_back(page)


def test_a_gdt_that_is_refused_leaves_the_old_one(agent: Agent) -> None:
    old = gdt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    good, bad = table(agent), agent.page()
    assert agent.hypercall("set_gdt", [good.mfn, bad.mfn], 1024) == -EINVAL
    assert (frame(agent, old.mfn).uses, frame(agent, good.mfn).uses) == (1, 0)
    completed(agent.ring1("movl $9, %eax\nmovl %eax, %es"))
    agent.reset()
    agent.give_back(old, good, bad)


@pytest.mark.parametrize("entries, result", [
    (0, 0), (1, 0), (512, 0), (513, 0), (7168, 0), (7169, -EINVAL), (8192, -EINVAL), (0x80000000, -EINVAL),
    (0xFFFFFFFF, -EINVAL), (0xFFFFFE01, -EINVAL),
])
def test_a_gdt_has_7168_entries_at_most(agent: Agent, entries: int, result: int) -> None:
    page = table(agent)
    frames = (min(entries, 8192) + 511) // 512
    assert agent.hypercall("set_gdt", [page.mfn] * max(frames, 1), entries) == result
    assert frame(agent, page.mfn).uses == (frames if result == 0 else 0)
    assert agent.hypercall("set_gdt", 0, 0) == 0
    agent.give_back(page)


@pytest.mark.parametrize("address", [0, NOWHERE, HV_PRIVATE_START, 0xFFFFFFFC])
def test_the_list_of_a_gdts_frames_cannot_be_at(agent: Agent, address: int) -> None:
    assert agent.hypercall("set_gdt", address, 1) == -EFAULT


def test_the_list_of_a_gdts_frames_cannot_go_over_the_end_of_memory(agent: Agent) -> None:
    page = table(agent)
    agent.write(agent.edge - 4, page.mfn.to_bytes(4, "little"))
    assert agent.hypercall("set_gdt", agent.edge - 4, 513) == -EFAULT
    assert agent.hypercall("set_gdt", agent.edge - 4, 512) == 0
    assert agent.hypercall("set_gdt", 0, 0) == 0
    agent.give_back(page)


@pytest.mark.parametrize("mfn", [0xFFFFFFFF, 0x100000, 0x100, 0])
def test_a_gdt_is_of_the_guests_own_frames(agent: Agent, mfn: int) -> None:
    assert agent.hypercall("set_gdt", [mfn], 1) == -EINVAL


def test_segments_stay_loaded_when_the_gdt_changes(agent: Agent) -> None:
    page = gdt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    after = completed(agent.ring1(
        "movl $9, %eax\nmovl %eax, %gs\nxorl %ebx, %ebx\nxorl %ecx, %ecx\n"
        "movl $HYPERCALL_set_gdt, %eax\nint $0x82\nmovl %gs, %ebx\nmovl %gs:agent_scratch, %ecx"
    ))  # fmt: skip
    assert (after.eax, after.ebx & 0xFFFF) == (0, 9)
    agent.give_back(page)


# What can be loaded.


@pytest.mark.parametrize("selector", [0xE000, 0xE008, 0xE010, 0xE038, 0xE040, 0xE048, 0xE050, 0xEFF8, 0xF000, 0x8])
@pytest.mark.parametrize("ring", [1, 3])
def test_what_is_not_the_guests_cannot_be_loaded(agent: Agent, selector: int, ring: int) -> None:
    run = agent.ring1 if ring == 1 else agent.ring3
    for rpl in (0, ring):
        assert run(f"movl ${selector | rpl}, %eax\nmovl %eax, %es") == Fault(GP, selector)


@pytest.mark.parametrize("selector", [KERNEL_DS, USER_DS, KERNEL_CS, USER_CS])
def test_the_flat_segments_end_below_the_hypervisors_private_part(agent: Agent, selector: int) -> None:
    after = completed(agent.ring1("lsll %eax, %ebx", eax=selector))
    assert after.ebx == END - 1


def test_ring_3_cannot_load_the_segments_of_ring_1(agent: Agent) -> None:
    assert agent.ring3("movl $FLAT_KERNEL_DS, %eax\nmovl %eax, %ds") == Fault(GP, KERNEL_DS & ~3)


def test_a_segment_that_is_not_present_cannot_be_loaded(agent: Agent) -> None:
    page = gdt_with(agent, {1: descriptor(0, FLAT, S | WRITE | G | DB)})
    assert agent.ring1("movl $9, %eax\nmovl %eax, %es") == Fault(NP, 8)
    assert agent.ring1("movl $9, %eax\nmovl %eax, %ss") == Fault(SS, 8)
    agent.reset()
    agent.give_back(page)


def test_a_guests_cut_segment_ends_where_it_was_cut(agent: Agent) -> None:
    page = gdt_with(agent, {1: descriptor(0x10000, FLAT, P | S | WRITE | G | DB)})
    after = completed(agent.ring1("movl $9, %eax\nlsll %eax, %ebx"))
    assert after.ebx == END - 0x10000 - 1
    agent.reset()
    agent.give_back(page)


def test_a_call_gate_leads_from_ring_3_to_ring_1(agent: Agent) -> None:
    page = gdt_with(agent, {1: gate(KERNEL_CS, agent.address("agent_kernel_done"))})
    after = completed(agent.ring3("movl $0x77, %ebx\nlcall $0xb, $0"))
    assert after.ebx == 0x77
    agent.reset()
    agent.give_back(page)


def test_a_call_gate_of_ring_1_is_closed_to_ring_3(agent: Agent) -> None:
    page = gdt_with(agent, {1: gate(KERNEL_CS, agent.address("agent_kernel_done"), dpl=1)})
    assert agent.ring3("lcall $0xb, $0") == Fault(GP, 8)
    agent.reset()
    agent.give_back(page)


# The way back to a guest whose segments have become bad.


def spoil(page: Page, register: str) -> str:
    """Load a selector, then have a hypercall take its descriptor's presence away."""
    words = f"movl ${page.machine + 8}, %ebx\nxorl %ecx, %ecx\nxorl %edx, %edx\nxorl %esi, %esi\n"
    return f"movl $9, %eax\nmovl %eax, %{register}\n{words}movl $HYPERCALL_update_descriptor, %eax\nint $0x82"


@pytest.mark.parametrize("register", ["ds", "es"])
def test_a_segment_that_cannot_be_reloaded_is_the_failsafe_callback(agent: Agent, register: str) -> None:
    page = gdt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    outcome = agent.ring1(spoil(page, register))
    assert outcome == Fault(FAILSAFE)
    assert isinstance(outcome, Fault)
    trap = outcome.details
    assert trap.failed is not None
    assert trap.failed[("ds", "es").index(register)] & 0xFFFF == 9
    assert trap.selectors == (0, 0, 0, 0)
    assert trap.registers.eax == 0
    agent.reset()
    agent.give_back(page)


@pytest.mark.parametrize("flags, mask", [(0, 0), (1, 1)])
def test_the_failsafe_callback_masks_events_when_it_was_registered_so(agent: Agent, flags: int, mask: int) -> None:
    argument = CallbackRegister(1, flags, XenCallback(KERNEL_CS, agent.address("trap_stub_257")))
    assert agent.hypercall("callback_op", 0, argument) == 0
    page = gdt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    unmask = "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
    outcome = agent.ring1(unmask + spoil(page, "es"))
    completed(agent.ring1("movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"))
    assert isinstance(outcome, Fault)
    assert (outcome, outcome.details.saved_mask, outcome.details.handler_mask) == (Fault(FAILSAFE), 0, mask)
    agent.reset()
    agent.give_back(page)


# The LDT.


def ldt_with(agent: Agent, entries: dict[int, int], size: int = 512) -> Page:
    """Return a page that is the guest's LDT, with these descriptors."""
    page = table(agent, entries)
    assert extend(agent, "SET_LDT", page.va, size) == 0
    return page


def test_a_descriptor_of_the_ldt_gives_access_at_its_base(agent: Agent) -> None:
    target = agent.page()
    agent.write(target.va + 4, b"ldt!")
    page = ldt_with(agent, {3: descriptor(target.va, 0xFFF, P | S | WRITE | DB)})
    assert frame(agent, page.mfn).uses == 0
    after = completed(agent.ring1("movl $0x1d, %eax\nmovl %eax, %fs\nmovl %fs:4, %ebx"))
    assert after.ebx.to_bytes(4, "little") == b"ldt!"
    assert frame(agent, page.mfn)[:2] == ("segments", 1)
    agent.reset()
    assert frame(agent, page.mfn).uses == 0
    agent.give_back(page, target)


def test_an_ldts_page_is_checked_when_it_is_first_used(agent: Agent) -> None:
    page = ldt_with(agent, {3: descriptor(0, FLAT, P | S | WRITE | G | DB, 0)})
    completed(agent.ring1("movl $0x1d, %eax\nmovl %eax, %fs\nlsll %eax, %ebx"))
    assert entry(agent, page, 3) & ~ACCESSED == checked(descriptor(0, FLAT, P | S | WRITE | G | DB, 0))
    agent.reset()
    agent.give_back(page)


def test_a_bad_ldt_page_is_a_page_fault_at_the_guests_address(agent: Agent) -> None:
    page = ldt_with(agent, {3: descriptor(0, FLAT, P | S | WRITE | G | DB), 4: gate(0xE008, 0)})
    outcome = agent.ring1("movl $0x1d, %eax\nmovl %eax, %fs")
    assert isinstance(outcome, Fault)
    assert (outcome.vector, outcome.details.cr2) == (PF, page.va + 24)
    agent.reset()
    agent.give_back(page)


def test_a_writable_ldt_page_is_a_page_fault_at_the_guests_address(agent: Agent) -> None:
    page = agent.page()
    assert extend(agent, "SET_LDT", page.va, 512) == 0
    outcome = agent.ring1("movl $0xd, %eax\nmovl %eax, %fs")
    assert isinstance(outcome, Fault)
    assert (outcome.vector, outcome.details.cr2) == (PF, page.va + 8)
    agent.reset()
    agent.give_back(page)


def test_an_ldt_page_that_is_not_mapped_is_a_page_fault(agent: Agent) -> None:
    assert extend(agent, "SET_LDT", agent.edge, 512) == 0
    outcome = agent.ring1("movl $0xd, %eax\nmovl %eax, %es")
    assert isinstance(outcome, Fault)
    assert (outcome.vector, outcome.details.cr2) == (PF, agent.edge + 8)


@pytest.mark.parametrize("size, selector", [(0, 0xD), (1, 0xD), (4, 0x25), (512, 0x1005)])
def test_beyond_the_ldts_end_there_is_nothing(agent: Agent, size: int, selector: int) -> None:
    page = ldt_with(agent, {index: descriptor(0, FLAT, P | S | WRITE | G | DB) for index in range(8)}, size)
    assert agent.ring1(f"movl ${selector}, %eax\nmovl %eax, %fs") == Fault(GP, selector & ~3)
    agent.reset()
    agent.give_back(page)


def test_ldt_pages_are_given_back_when_the_base_pointer_changes(agent: Agent) -> None:
    page = ldt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    completed(agent.ring1("movl $0xd, %eax\nmovl %eax, %fs"))
    l3, l2 = base_tables(agent)
    old = agent.space.l3
    assert agent.switch_base(l3.mfn) == 0
    assert frame(agent, page.mfn).uses == 0
    assert agent.switch_base(old) == 0
    agent.reset()
    agent.give_back(page, l3, l2)


def test_an_ldt_page_in_use_stays_while_its_mapping_is_taken_away(agent: Agent) -> None:
    """Claim: the window holds its own reference. Danger: selectors of a page that has become something else."""
    page = ldt_with(agent, {1: descriptor(0, FLAT, P | S | WRITE | G | DB)})
    completed(agent.ring1("movl $0xd, %eax\nmovl %eax, %fs"))
    assert agent.map(page.va, 0) == 0
    assert frame(agent, page.mfn)[:2] == ("segments", 1)
    completed(agent.ring1("movl $0xd, %eax\nmovl %eax, %fs"))
    agent.reset()
    assert agent.map(page.va, page.machine | PRESENT) == 0
    agent.give_back(page)


def test_each_domain_has_an_ldt_of_its_own(two_agents: tuple[Agent, Agent]) -> None:
    pages = [
        ldt_with(one, {1: descriptor(one.address("agent_scratch"), FLAT - number, P | S | WRITE | DB)})
        for number, one in enumerate(two_agents)
    ]
    for _ in range(2):
        limits = [completed(one.ring1("movl $0xd, %eax\nmovl %eax, %fs\nlsll %eax, %ebx")).ebx for one in two_agents]
        assert limits == [FLAT, FLAT - 1]
    for one, page in zip(two_agents, pages, strict=True):
        one.reset()
        one.give_back(page)


def test_each_domain_has_a_gdt_of_its_own(two_agents: tuple[Agent, Agent]) -> None:
    pages = [
        gdt_with(one, {1: descriptor(0x1000, FLAT - number, P | S | WRITE | DB)})
        for number, one in enumerate(two_agents)
    ]
    for _ in range(2):
        limits = [completed(one.ring1("movl $9, %eax\nmovl %eax, %fs\nlsll %eax, %ebx")).ebx for one in two_agents]
        assert limits == [FLAT, FLAT - 1]
    for one, page in zip(two_agents, pages, strict=True):
        one.reset()
        one.give_back(page)


def test_the_reserved_descriptors_are_the_hypervisors_own(agent: Agent) -> None:
    hypervisor = hypervisor_of(agent.machine)
    machine = hypervisor.mfn(hypervisor.symbol("gdt_reserved")) << 12
    assert store(agent, machine + 8, DESCRIPTORS["flat data"]) == -EINVAL
