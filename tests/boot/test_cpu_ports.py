"""IN, OUT, INS and OUTS: which ports a guest reaches, and what memory (ABI 6.11).

Invariants
  - What a port holds is written there first. Port 0x80 and the spare memory of the CMOS are the playground; a port of
    the hypervisor's own, such as 0x20, gives ones.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter
from tests.boot.privilege import bitmap, iopl, is_refused, run
from xengen.agent.agent import Agent, completed
from xengen.agent.names import GP, HV_PRIVATE_START, PF, PF_PRESENT, PF_USER, PF_WRITE
from xengen.agent.outcome import Fault

NOWHERE = 0xDEAD0000
CMOS_SPARE = 0x50


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


def test_a_poll_of_a_port_is_cheap(boot: Booter) -> None:
    """Linux waits for its timer in a loop of thousands of reads of a port: 60 instructions each are enough."""
    loop = "rdtsc\nmovl %eax, %esi\n1:\ninb $0x61, %al\ndecl %ecx\njnz 1b\nrdtsc\nsubl %esi, %eax"
    with Agent(boot("agent", icount=True, debug=False)) as agent, iopl(agent, 1):
        one, many = (completed(agent.ring1(loop, ecx=count)).eax for count in (1, 101))
    assert (many - one) / 100 <= 60
