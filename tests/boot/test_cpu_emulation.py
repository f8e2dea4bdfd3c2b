"""Privileged instructions that the hypervisor carries out for a guest (ABI 6.11), and those that it does not.

Invariants
  - What a register must read is the ABI's or the processor manual's. Ports: test_cpu_ports.py.
"""

from __future__ import annotations

import pytest

from tests.boot.privilege import REFUSED, iopl, is_refused, run
from xengen.agent.agent import Agent, completed
from xengen.agent.names import DB, GP, HV_PRIVATE_START, UD, value
from xengen.agent.outcome import Fault

NOWHERE = 0xDEAD0000
CR0_TS, CR4_TSD, CR4_DE = value("CR0_TS"), value("CR4_TSD"), value("CR4_DE")
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")


# Who may.

FLAG_RULE = [(1, 0, False), (1, 1, True), (1, 3, True), (3, 0, False), (3, 1, False), (3, 2, False), (3, 3, True)]


@pytest.mark.parametrize("ring, level, allowed", FLAG_RULE)
@pytest.mark.parametrize("instruction", ["cli", "sti"])
def test_the_interrupt_flag_is_for_those_with_the_privilege(
    agent: Agent, instruction: str, ring: int, level: int, allowed: bool
) -> None:
    with iopl(agent, level):
        outcome = run(agent, ring, f"{instruction}\npushfl\npopl %eax")
    assert is_refused(outcome) is not allowed
    if allowed:
        assert completed(outcome).eax & value("EFLAGS_IF")


@pytest.mark.parametrize("ring, level, allowed", FLAG_RULE)
@pytest.mark.parametrize("instruction", ["inb $0x80, %al", "outb %al, $0x80", "inw %dx, %ax", "outl %eax, %dx",
                                         "insb", "outsb", "rep outsb"])
def test_ports_are_for_those_with_the_privilege(
    agent: Agent, instruction: str, ring: int, level: int, allowed: bool
) -> None:
    data = agent.address("agent_user_data")
    with iopl(agent, level):
        outcome = run(agent, ring, instruction, edx=0x80, ecx=2, esi=data, edi=data)
    assert is_refused(outcome) is not allowed


KERNEL_ONLY = {
    "clts": "clts", "wbinvd": "wbinvd", "read cr0": "movl %cr0, %eax", "read cr2": "movl %cr2, %eax",
    "read cr3": "movl %cr3, %eax", "read cr4": "movl %cr4, %eax", "read dr0": "movl %dr0, %eax",
    "read dr7": "movl %dr7, %eax", "write dr0": "xorl %eax, %eax\nmovl %eax, %dr0", "rdmsr": "movl $0x10, %ecx\nrdmsr",
    "wrmsr": "movl $0x10, %ecx\nwrmsr", "write cr2": "xorl %eax, %eax\nmovl %eax, %cr2",
}  # fmt: skip


@pytest.mark.parametrize("what", KERNEL_ONLY)
def test_only_the_kernel_may(agent: Agent, what: str) -> None:
    with iopl(agent, 3):
        assert not isinstance(agent.ring1(KERNEL_ONLY[what]), Fault)
        assert is_refused(agent.ring3(KERNEL_ONLY[what]))


RDPMC, READ_CR1, READ_CR8 = ".byte 0x0f, 0x33", ".byte 0x0f, 0x20, 0xc8", ".byte 0xf0, 0x0f, 0x20, 0xc0"


@pytest.mark.parametrize("ring", [1, 3])
@pytest.mark.parametrize("instruction", ["hlt", "lmsw %ax", "invlpg (%eax)", "invd", "lgdt (%esp)", "lidt (%esp)",
                                         "lldt %ax", "ltr %ax", RDPMC])
def test_an_instruction_that_is_not_emulated_is_the_guests_own_fault(agent: Agent, instruction: str, ring: int) -> None:
    with iopl(agent, 3):
        outcome = run(agent, ring, instruction)
    assert outcome == REFUSED
    assert isinstance(outcome, Fault)
    assert outcome.details.eip == agent.address("agent_code" if ring == 1 else "agent_user_code")


@pytest.mark.parametrize("code", [READ_CR1, READ_CR8])
def test_a_control_register_that_is_not_there_is_a_fault(agent: Agent, code: str) -> None:
    outcome = agent.ring1(code)
    assert isinstance(outcome, Fault) and outcome.vector in (UD, GP)  # the processor may see to it first


# Control registers.


def test_cr0_reads_with_the_virtual_task_switched_flag(agent: Agent) -> None:
    completed(agent.ring1("fninit"))
    clear = completed(agent.ring1("movl %cr0, %esi")).esi
    assert clear & (value("CR0_PE") | value("CR0_PG") | value("CR0_WP")) and not clear & CR0_TS
    assert agent.hypercall("fpu_taskswitch", 1) == 0
    assert completed(agent.ring1("movl %cr0, %esi")).esi == clear | CR0_TS
    completed(agent.ring1("clts\nfnop"))


def test_of_cr0_only_task_switched_can_be_written(agent: Agent) -> None:
    text = "movl %cr0, %eax\norl $CR0_TS, %eax\nmovl %eax, %cr0\nfnop"
    assert agent.ring1(text) == Fault(value("VECTOR_NM"))
    completed(agent.ring1("movl %cr0, %eax\nandl $~CR0_TS, %eax\nmovl %eax, %cr0\nfnop"))
    for bit in range(32):
        if 1 << bit != CR0_TS:
            assert is_refused(agent.ring1(f"movl %cr0, %eax\nxorl ${1 << bit:#x}, %eax\nmovl %eax, %cr0")), bit


def test_cr2_is_the_virtual_one(agent: Agent) -> None:
    agent.load(NOWHERE)
    assert completed(agent.ring1("movl %cr2, %ebp")).ebp == NOWHERE
    assert completed(agent.ring1("movl %ebx, %cr2\nmovl %cr2, %edi", ebx=0x1234)).edi == 0x1234
    assert agent.shared_info.vcpu_info[0].arch.cr2 == 0x1234


def test_cr3_is_the_base_pointer_in_its_own_format(agent: Agent) -> None:
    cr3 = completed(agent.ring1("movl %cr3, %edx")).edx
    assert cr3 == (agent.space.l3 << 12 | agent.space.l3 >> 20) & 0xFFFFFFFF
    completed(agent.ring1("movl %edx, %cr3", edx=cr3))
    assert is_refused(agent.ring1("movl %edx, %cr3", edx=agent.page().machine))
    assert is_refused(agent.ring1("movl %edx, %cr3", edx=0xFFFFF000))


def test_cr4_shows_what_concerns_the_guest(agent: Agent) -> None:
    found = completed(agent.ring1("movl %cr4, %eax")).eax
    assert found & value("CR4_PAE") and found & value("CR4_OSFXSR")
    assert not found & (value("CR4_PGE") | value("CR4_PSE"))


def test_of_cr4_the_guest_changes_its_own_bits_and_no_others(agent: Agent) -> None:
    before = completed(agent.ring1("movl %cr4, %eax")).eax
    after = completed(agent.ring1("movl $-1, %eax\nmovl %eax, %cr4\nmovl %cr4, %eax")).eax
    assert after == before | CR4_TSD | CR4_DE
    assert completed(agent.ring1("xorl %eax, %eax\nmovl %eax, %cr4\nmovl %cr4, %eax")).eax == before


def test_the_guests_cr4_keeps_ring_3_from_the_time_stamp_counter(agent: Agent) -> None:
    completed(agent.ring3("rdtsc"))
    completed(agent.ring1("movl %eax, %cr4", eax=CR4_TSD))
    outcomes = agent.ring1("rdtsc\nrdtsc"), agent.ring3("rdtsc")
    completed(agent.ring1("movl %eax, %cr4", eax=0))
    assert not isinstance(outcomes[0], Fault) and outcomes[1] == REFUSED
    completed(agent.ring3("rdtsc"))


def test_the_time_stamp_counter_goes_on_when_it_is_emulated(agent: Agent) -> None:
    completed(agent.ring1("movl %eax, %cr4", eax=CR4_TSD))
    after = completed(agent.ring1("rdtsc\nmovl %eax, %esi\nmovl %edx, %edi\nrdtsc"))
    completed(agent.ring1("movl %eax, %cr4", eax=0))
    assert 0 < (after.edx << 32 | after.eax) - (after.edi << 32 | after.esi) < 1 << 32


def test_the_guests_cr4_is_its_own_while_domains_take_turns(two_agents: tuple[Agent, Agent]) -> None:
    first, second = two_agents
    completed(first.ring1("movl %eax, %cr4", eax=CR4_TSD))
    outcomes = [(second.ring3("rdtsc"), first.ring3("rdtsc")) for _ in range(2)]
    completed(first.ring1("movl %eax, %cr4", eax=0))
    assert [(isinstance(a, Fault), b) for a, b in outcomes] == [(False, REFUSED)] * 2


@pytest.mark.parametrize("number, register", [*enumerate(REGISTERS)])
def test_every_general_register_can_be_moved(agent: Agent, number: int, register: str) -> None:
    text = f"movl %esp, %edi\nmovl %cr2, %{register}\nmovl %{register}, %eax\nmovl %edi, %esp"
    if register == "edi":
        text = "movl %cr2, %edi\nmovl %edi, %eax"
    completed(agent.ring1("movl %eax, %cr2", eax=0xABC0 + number))
    assert completed(agent.ring1(text)).eax == 0xABC0 + number
    if register != "esp":
        completed(agent.ring1(f"movl %{register}, %cr2", **{register: 0x77}))
        assert completed(agent.ring1("movl %cr2, %eax")).eax == 0x77


@pytest.mark.parametrize("register", [0, 3, 6, 7])
def test_debug_registers_can_be_moved_as_the_hypercalls_do(agent: Agent, register: int) -> None:
    after = completed(agent.ring1(f"movl %ebx, %dr{register}\nmovl %dr{register}, %ebx", ebx=0))
    assert after.ebx == agent.hypercall("get_debugreg", register) & 0xFFFFFFFF
    assert is_refused(agent.ring1("movl %ebx, %dr0", ebx=HV_PRIVATE_START))
    assert is_refused(agent.ring1("movl %ebx, %dr7", ebx=0x2000))


def test_breakpoints_on_ports_are_for_guests_with_debugging_extensions(agent: Agent) -> None:
    control = 0x00020001  # breakpoint 0, I/O, one byte
    completed(agent.ring1("movl %eax, %cr4", eax=CR4_DE))
    assert is_refused(agent.ring1("movl %eax, %dr4"))
    assert agent.hypercall("set_debugreg", 0, 0x80) == 0
    assert agent.hypercall("set_debugreg", 6, 0) == 0
    assert agent.hypercall("set_debugreg", 7, control) == 0
    with iopl(agent, 1):
        outcome = agent.ring1("outb %al, $0x80\nnop")
    assert agent.hypercall("set_debugreg", 7, 0) == 0
    completed(agent.ring1("movl %eax, %cr4", eax=0))
    assert outcome == Fault(DB)
    assert isinstance(outcome, Fault) and outcome.details.eip == agent.address("agent_code") + 2


# Model-specific registers.


def rdmsr(agent: Agent, register: int) -> int | None:
    """The value, or None when it is a protection fault."""
    outcome = agent.ring1("rdmsr", ecx=register)
    if isinstance(outcome, Fault):
        assert outcome == REFUSED
        return None
    return outcome.edx << 32 | outcome.eax


@pytest.mark.parametrize("register, expected", [
    (0x1B, 0xFEE00900), (0x277, 0x0000050100070406),
    (0x345, 0), (0x179, 0), (0x17A, 0), (0x40000000, 0), (0x40000001, None), (0x2A, None),
    (0x174, None), (0x176, None), (0xC0000081, None), (0xC0000100, None), (0xFFFFFFFF, None), (0x400, None),
])  # fmt: skip
def test_a_model_specific_register_reads(agent: Agent, register: int, expected: int | None) -> None:
    assert rdmsr(agent, register) == expected


def test_efer_shows_no_long_mode(agent: Agent) -> None:
    found = rdmsr(agent, 0xC0000080)
    assert found == value("EFER_NXE")


def test_the_counter_is_a_model_specific_register_too(agent: Agent) -> None:
    first, second = rdmsr(agent, 0x10), rdmsr(agent, 0x10)
    assert first is not None and second is not None and 0 < second - first < 1 << 34


@pytest.mark.parametrize("register, accepted", [
    (0x10, True), (0x1B, True), (0x277, True), (0x1A0, True), (0xC0000080, True), (0x345, False), (0x174, False),
    (0xC0000081, False), (0x2FF, False), (0x40000001, False),
])  # fmt: skip
def test_a_write_of_a_model_specific_register_is_ignored_or_refused(
    agent: Agent, register: int, accepted: bool
) -> None:
    before = rdmsr(agent, register)
    assert is_refused(agent.ring1("wrmsr", ecx=register, eax=0x12345678, edx=0)) is not accepted
    if register != 0x10:
        assert rdmsr(agent, register) == before


def test_a_hypercall_page_can_be_asked_for(agent: Agent) -> None:
    page = agent.page()
    completed(agent.ring1("wrmsr", ecx=0x40000000, eax=page.machine, edx=0))
    stub = agent.read(page.va + 32 * 17, 8)
    assert stub == bytes((0xB8, 17, 0, 0, 0, 0xCD, 0x82, 0xC3))
    assert completed(agent.ring1("call *%esi", esi=page.va + 32 * 17, ebx=0)).eax >> 16 == value("XENGEN_MAJOR")
    agent.give_back(page)


def test_a_hypercall_page_is_a_frame_that_the_guest_may_write(agent: Agent) -> None:
    table = agent.pte(agent.start_info.pt_base, 2) & 0xFFFFF000
    before = agent.read(agent.start_info.pt_base, 4096)
    for low, high in ((table, 0), (agent.space.l3 << 12, 0), (0, 0), (0xFFFFF000, 0), (agent.page().machine | 1, 0),
                      (agent.page().machine, 1)):  # fmt: skip
        assert is_refused(agent.ring1("wrmsr", ecx=0x40000000, eax=low, edx=high))
    assert agent.read(agent.start_info.pt_base, 4096) == before
