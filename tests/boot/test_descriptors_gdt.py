"""The GDT (ABI 6.12, 7): set_gdt, what can be loaded, gates, and segments that have become bad."""

from __future__ import annotations

import pytest

from tests.boot.segments import (
    DB,
    DESCRIPTORS,
    END,
    FLAT,
    NOWHERE,
    WRITE,
    G,
    P,
    S,
    descriptor,
    gate,
    gdt_with,
    store,
)
from tests.boot.tables import WRITABLE, frame, table
from xengen.abi.traps import CallbackRegister, XenCallback
from xengen.agent.agent import Agent, Page, completed
from xengen.agent.names import (
    EBUSY,
    EFAULT,
    EINVAL,
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

# set_gdt.



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
