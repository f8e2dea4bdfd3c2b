"""Privileged instructions that the hypervisor carries out for a guest (ABI 6.11), and those that it does not.

Invariants
  - What a register must read is the ABI's or the processor manual's; what a port holds is written there first.
  - Port 0x80 and the CMOS index are the playground: whatever is written there harms nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.boot.harness import Booter
from xengen.abi.physdev import PhysdevSetIobitmap, PhysdevSetIopl
from xengen.agent.agent import Agent, Outcome, completed
from xengen.agent.names import DB, GP, HV_PRIVATE_START, PF, PF_PRESENT, PF_USER, PF_WRITE, UD, value
from xengen.agent.outcome import Fault

NOWHERE = 0xDEAD0000
REFUSED = Fault(GP, 0)
CR0_TS, CR4_TSD, CR4_DE = value("CR0_TS"), value("CR4_TSD"), value("CR4_DE")
# Ports of the machine that answer what was written: the CMOS index does not, its data does (a byte of spare memory).
CMOS_SPARE = 0x50
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")


@contextmanager
def iopl(agent: Agent, level: int) -> Iterator[None]:
    """Inside the block the virtual IOPL is `level`."""
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iopl"), PhysdevSetIopl(level)) == 0
    yield
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iopl"), PhysdevSetIopl(0)) == 0


@contextmanager
def bitmap(agent: Agent, address: int, ports: int) -> Iterator[None]:
    """Inside the block the guest's I/O bitmap is there."""
    argument = PhysdevSetIobitmap(address, ports)
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iobitmap"), argument) == 0
    yield
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iobitmap"), PhysdevSetIobitmap()) == 0


def run(agent: Agent, ring: int, text: str, **registers: int) -> Outcome:
    """Run a snippet in ring 1 or ring 3."""
    return agent.ring1(text, **registers) if ring == 1 else agent.ring3(text, **registers)


def is_refused(outcome: Outcome) -> bool:
    """Whether it was a protection fault with error code 0."""
    return outcome == REFUSED


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
    (0x1B, 0xFEE00900), (0x345, 0), (0x179, 0), (0x17A, 0), (0x40000000, 0), (0x40000001, None), (0x2A, None),
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


# CPUID.

FORCED = ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2"


def cpuid(agent: Agent, leaf: int, ring: int = 1) -> tuple[int, int, int, int]:
    """The four registers of the forced form."""
    after = completed(run(agent, ring, FORCED, eax=leaf, ecx=0))
    return after.eax, after.ebx, after.ecx, after.edx


@pytest.mark.parametrize("ring", [1, 3])
def test_the_hypervisor_names_itself(agent: Agent, ring: int) -> None:
    leaf, *name = cpuid(agent, 0x40000000, ring)
    assert leaf == 0x40000002
    assert b"".join(word.to_bytes(4, "little") for word in name) == b"XenVMMXenVMM"
    assert cpuid(agent, 0x40000001, ring)[0] == value("XENGEN_MAJOR") << 16 | value("XENGEN_MINOR")
    assert cpuid(agent, 0x40000002, ring)[:3] == (1, 0x40000000, 1)


@pytest.mark.parametrize("leaf", [0x40000003, 0x40000100, 0x4000FF00, 5, 0xA, 0xD])
def test_a_leaf_that_guests_have_no_use_for_is_empty(agent: Agent, leaf: int) -> None:
    assert cpuid(agent, leaf) == (0, 0, 0, 0)


def test_features_that_a_guest_cannot_use_are_not_shown(agent: Agent) -> None:
    real = completed(agent.ring1("cpuid", eax=1, ecx=0))
    _, _, ecx, edx = cpuid(agent, 1)
    hidden = sum(1 << bit for bit in (1, 3, 11, 12, 13, 17, 21, 22, 31))
    assert edx == real.edx & ~hidden
    assert ecx >> 31 == 1
    assert not ecx & (1 << 3 | 1 << 5 | 1 << 6 | 1 << 13 | 1 << 21 | 1 << 26 | 1 << 27 | 1 << 28)


def test_features_that_a_guest_needs_are_shown(agent: Agent) -> None:
    edx = cpuid(agent, 1)[3]
    assert all(edx & 1 << bit for bit in (0, 4, 6, 8, 15, 24, 25))  # FPU, TSC, PAE, CX8, CMOV, FXSR, SSE
    assert cpuid(agent, 0x80000001)[3] & 1 << 20  # NX
    assert not cpuid(agent, 0x80000001)[3] & (1 << 11 | 1 << 29)


@pytest.mark.parametrize("wrong", range(5))
def test_another_byte_makes_it_an_undefined_instruction(agent: Agent, wrong: int) -> None:
    code = bytearray(bytes.fromhex("0f0b78656e0fa2"))
    code[2 + wrong] ^= 1
    text = ".byte " + ", ".join(f"{byte:#x}" for byte in code)
    assert agent.ring1(text) == Fault(UD)
    assert agent.ring3(text) == Fault(UD)


def test_a_prefix_that_ends_where_memory_ends_is_an_undefined_instruction(agent: Agent) -> None:
    code = bytes.fromhex("0f0b78656e0fa2")
    for length in range(2, 7):
        agent.write(agent.edge - length, code[:length])
        assert agent.ring1(f"jmp {agent.edge - length:#x}") == Fault(UD)


# Ports.


def test_a_privileged_domain_reaches_the_machine(agent: Agent) -> None:
    with iopl(agent, 1):
        completed(agent.ring1(f"movb ${CMOS_SPARE}, %al\noutb %al, $0x70\nmovb $0xa5, %al\noutb %al, $0x71"))
        after = completed(agent.ring1(f"movb ${CMOS_SPARE}, %al\noutb %al, $0x70\ninb $0x71, %al", eax=0xFFFFFF00))
    assert after.eax == 0xFFFFFFA5


@pytest.mark.parametrize("size, instruction, expected", [
    (1, "inb %dx, %al", 0x123456FF), (2, "inw %dx, %ax", 0x1234FFFF), (4, "inl %dx, %eax", 0xFFFFFFFF),
])  # fmt: skip
@pytest.mark.parametrize("port", [0x20, 0x21, 0xA1, 0x40, 0x43, 0x3F8, 0x3FD, 0x4D0, 0xE9, 0xF4])
def test_a_port_of_the_hypervisors_reads_as_ones(
    agent: Agent, port: int, size: int, instruction: str, expected: int
) -> None:
    with iopl(agent, 1):
        assert completed(agent.ring1(instruction, eax=0x12345678, edx=port)).eax == expected


@pytest.mark.parametrize("port", [0x1E, 0x1F, 0x3F5, 0xF1])
def test_an_access_that_reaches_into_a_port_of_the_hypervisors_is_none_at_all(agent: Agent, port: int) -> None:
    with iopl(agent, 1):
        assert completed(agent.ring1("inl %dx, %eax", eax=0, edx=port)).eax == 0xFFFFFFFF


def test_a_write_to_the_exit_port_does_not_end_the_machine(agent: Agent) -> None:
    with iopl(agent, 1):
        completed(agent.ring1("outl %eax, %dx\noutb %al, %dx", eax=0x10, edx=0xF4))
        completed(agent.ring1("outl %eax, %dx", eax=0x10101010, edx=0xF2))
    assert agent.hypercall("xen_version", 0) > 0


def test_an_unprivileged_domain_reads_ones_everywhere(two_agents: tuple[Agent, Agent]) -> None:
    _, second = two_agents
    with iopl(second, 1):
        for port in (0x61, 0x71, 0x80, 0xCFC, 0x42):
            assert completed(second.ring1("inl %dx, %eax\nmovl %eax, %ebx\ninb %dx, %al", edx=port)).ebx == 0xFFFFFFFF
        completed(second.ring1("movb $0xfe, %al\noutb %al, $0x64"))  # no reset
    assert second.hypercall("xen_version", 0) > 0


@pytest.mark.parametrize("port, size", [(0x80, 1), (0x80, 2), (0x84, 4), (0x87, 1), (0, 1), (0xFFFF, 1), (0xFFFC, 4)])
def test_a_bit_for_each_port_of_an_access_must_be_clear(agent: Agent, port: int, size: int) -> None:
    instruction = {1: "inb %dx, %al", 2: "inw %dx, %ax", 4: "inl %dx, %eax"}[size]
    page = agent.allocate(8193)
    with bitmap(agent, page, 65536):
        for spoiled in (None, *range(port, port + size)):
            bits = bytearray(8193)
            if spoiled is not None:
                bits[spoiled // 8] |= 1 << spoiled % 8
            agent.space.write_linear(page, bytes(bits))
            assert is_refused(agent.ring3(instruction, edx=port)) is (spoiled is not None)


@pytest.mark.parametrize("ports, allowed", [(0x80, False), (0x81, True), (0x83, False), (0x84, True)])
def test_a_port_beyond_the_bitmap_is_refused(agent: Agent, ports: int, allowed: bool) -> None:
    instruction = "inb %dx, %al" if ports < 0x83 else "inl %dx, %eax"
    page = agent.allocate(64)
    agent.space.write_linear(page, bytes(64))
    with bitmap(agent, page, ports):
        assert is_refused(agent.ring3(instruction, edx=0x80)) is not allowed


@pytest.mark.parametrize("address", [NOWHERE, HV_PRIVATE_START - 16, HV_PRIVATE_START, 0xFC900000, 0xFFFFFFF0])
def test_a_bitmap_that_cannot_be_read_refuses(agent: Agent, address: int) -> None:
    with bitmap(agent, address, 65536):
        assert is_refused(agent.ring3("inb %dx, %al", edx=0x80))


# Strings.


def test_bytes_go_out_one_after_the_other(agent: Agent) -> None:
    data = agent.put(bytes((CMOS_SPARE, CMOS_SPARE + 1, CMOS_SPARE + 2)))
    with iopl(agent, 1):
        after = completed(agent.ring1("rep outsb", edx=0x70, ecx=3, esi=data))
    assert (after.ecx, after.esi) == (0, data + 3)


def test_many_bytes_come_in_with_the_registers_of_a_string_instruction(agent: Agent) -> None:
    buffer = agent.allocate(1024)
    agent.space.write_linear(buffer, bytes(1024))
    with iopl(agent, 1):
        after = completed(agent.ring1("rep insl", edx=0x20, ecx=200, edi=buffer))
    assert (after.ecx, after.edi) == (0, buffer + 800)
    assert agent.space.read_linear(buffer, 804) == b"\xff" * 800 + bytes(4)


@pytest.mark.parametrize("instruction, size", [("insb", 1), ("insw", 2), ("insl", 4)])
def test_elements_come_in_downwards_when_the_direction_says_so(agent: Agent, instruction: str, size: int) -> None:
    buffer = agent.allocate(16)
    agent.space.write_linear(buffer, bytes(16))
    with iopl(agent, 1):
        after = completed(agent.ring1(f"std\nrep {instruction}\ncld", edx=0x20, ecx=2, edi=buffer + 8))
    assert after.edi == (buffer + 8 - 2 * size)
    assert agent.space.read_linear(buffer + 8, 4) == b"\xff" * size + bytes(4 - size)


def test_a_count_of_zero_does_nothing(agent: Agent) -> None:
    with iopl(agent, 1):
        after = completed(agent.ring1("rep insb", edx=0x20, ecx=0, edi=NOWHERE))
    assert (after.ecx, after.edi) == (0, NOWHERE)


def test_a_string_stops_at_the_page_that_is_missing(agent: Agent) -> None:
    with iopl(agent, 1):
        outcome = agent.ring1("rep insb", edx=0x20, ecx=10, edi=agent.edge - 4)
    assert outcome == Fault(PF, PF_WRITE)
    assert isinstance(outcome, Fault)
    trap = outcome.details
    assert (trap.cr2, trap.registers.ecx, trap.registers.edi) == (agent.edge, 6, agent.edge)
    assert trap.eip == agent.address("agent_code")


def test_an_element_across_the_edge_is_not_begun(agent: Agent) -> None:
    with iopl(agent, 1):
        outcome = agent.ring1("insl", edx=0x20, edi=agent.edge - 2)
    assert outcome == Fault(PF, PF_WRITE)
    assert isinstance(outcome, Fault) and outcome.details.registers.edi == agent.edge - 2


def test_read_only_memory_takes_no_bytes(agent: Agent) -> None:
    table = agent.start_info.pt_base
    before = agent.read(table, 8)
    with iopl(agent, 1):
        assert agent.ring1("insb", edx=0x20, edi=table) == Fault(PF, PF_WRITE | PF_PRESENT)
    assert agent.read(table, 8) == before


@pytest.mark.parametrize("instruction, error", [("insb", PF_WRITE), ("outsb", 0)])
def test_ring_3_cannot_have_the_hypervisor_touch_the_kernels_memory(agent: Agent, instruction: str, error: int) -> None:
    """Claim: an application with I/O privilege reaches only its own pages. Danger: ring 0 can write all of them."""
    target = agent.put(b"kernel")
    with iopl(agent, 3):
        outcome = agent.ring3(instruction, edx=0x80, esi=target, edi=target)
    assert outcome == Fault(PF, error | PF_PRESENT | PF_USER)
    assert agent.space.read_linear(target, 6) == b"kernel"


@pytest.mark.parametrize("ring", [1, 3])
@pytest.mark.parametrize("instruction", ["insb", "outsb", "insl", "outsl"])
@pytest.mark.parametrize("address", [HV_PRIVATE_START - 2, HV_PRIVATE_START, 0xFC900000, 0xFF000000, 0xFFFFFFFE])
def test_no_string_reaches_the_hypervisors_memory(agent: Agent, ring: int, instruction: str, address: int) -> None:
    with iopl(agent, 3):
        outcome = run(agent, ring, instruction, edx=0x80, esi=address, edi=address)
    assert isinstance(outcome, Fault) and outcome.vector in (GP, PF)


@pytest.mark.parametrize("segment", ["ss", "es", "fs", "gs", "cs"])
def test_a_segment_prefix_says_where_bytes_come_from(agent: Agent, segment: str) -> None:
    data = agent.put(b"x")
    prefix = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "fs": 0x64, "gs": 0x65}[segment]
    load = f"movl $FLAT_KERNEL_DS, %eax\nmovl %eax, %{segment}\n" if segment in ("fs", "gs") else ""
    with iopl(agent, 1):
        after = completed(agent.ring1(load + f".byte {prefix:#x}\noutsb", edx=0x80, esi=data))
    assert after.esi == data + 1


# Decoding.


@pytest.mark.parametrize("prefixes", ["0x66", "0x66, 0x66", "0x2e, 0x3e, 0x66", "0xf2, 0x66", "0x67, 0x66"])
def test_prefixes_may_come_in_any_number_and_order(agent: Agent, prefixes: str) -> None:
    with iopl(agent, 1):
        outcome = agent.ring1(f".byte {prefixes}, 0xed", eax=0x12345678, edx=0x20)
    assert completed(outcome).eax == 0x1234FFFF


@pytest.mark.parametrize("count, good", [(14, True), (15, False)])
def test_an_instruction_has_fifteen_bytes_at_most(agent: Agent, count: int, good: bool) -> None:
    prefixes = ", ".join(["0x3e"] * count)
    with iopl(agent, 1):
        assert is_refused(agent.ring1(f".byte {prefixes}, 0xfa")) is not good


@pytest.mark.parametrize("code, length", [("e480", 2), ("0f20d0", 3), ("3e3eec", 3), ("66e580", 3)])
def test_an_instruction_may_lie_across_two_pages(agent: Agent, code: str, length: int) -> None:
    # The last page of a pair that is mapped: agent_code has two.
    border = agent.address("agent_code") + 4096
    with iopl(agent, 1):
        for before in range(1, length):
            agent.write(border - before, bytes.fromhex(code) + b"\xf4")
            outcome = agent.ring1(f"jmp {border - before:#x}", edx=0x20)
            assert outcome == REFUSED  # at the hlt behind it
            assert isinstance(outcome, Fault) and outcome.details.eip == border - before + length


def test_an_instruction_that_ends_in_a_missing_page_is_a_fault_of_the_fetch(agent: Agent) -> None:
    agent.write(agent.edge - 1, b"\xe4")
    with iopl(agent, 1):
        outcome = agent.ring1(f"jmp {agent.edge - 1:#x}")
    assert isinstance(outcome, Fault) and outcome.vector == PF
    assert outcome.details.cr2 == agent.edge


def test_a_step_over_an_emulated_instruction_is_taken(agent: Agent) -> None:
    assert agent.hypercall("set_debugreg", 6, 0) == 0
    with iopl(agent, 1):
        outcome = agent.ring1("pushfl\norl $EFLAGS_TF, (%esp)\npopfl\ncli\nnop")
        # The first step ends behind popfl's successor: the cli.
    assert outcome == Fault(DB)
    assert isinstance(outcome, Fault) and outcome.details.eip == agent.address("agent_code") + 10
    assert agent.hypercall("get_debugreg", 6) & value("DR6_BS")


def test_each_element_of_a_string_is_a_step(agent: Agent) -> None:
    buffer = agent.allocate(8)
    with iopl(agent, 1):
        outcome = agent.ring1("pushfl\norl $EFLAGS_TF, (%esp)\npopfl\nrep insb", edx=0x20, ecx=3, edi=buffer)
    assert outcome == Fault(DB)
    assert isinstance(outcome, Fault)
    assert (outcome.details.registers.ecx, outcome.details.eip) == (2, agent.address("agent_code") + 9)


def test_a_poll_of_a_port_is_cheap(boot: Booter) -> None:
    """Linux waits for its timer in a loop of thousands of reads of a port: 60 instructions each are enough."""
    loop = "rdtsc\nmovl %eax, %esi\n1:\ninb $0x61, %al\ndecl %ecx\njnz 1b\nrdtsc\nsubl %esi, %eax"
    with Agent(boot("agent", icount=True, debug=False)) as agent, iopl(agent, 1):
        one, many = (completed(agent.ring1(loop, ecx=count)).eax for count in (1, 101))
    assert (many - one) / 100 <= 60
