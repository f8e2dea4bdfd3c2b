"""The agent guest and its Python side: that they do and say what happens, also when it goes wrong."""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter
from xengen.abi.version import XenFeatureInfo
from xengen.agent.agent import RETURN, Agent, completed
from xengen.agent.command import Command, hypercall_command
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import EFAULT, EINVAL, ENOSYS, GP, PF, PF_PRESENT, PF_USER, PF_WRITE, PTE_P, PTE_RW, UD, value
from xengen.agent.outcome import EVENT, Fault, Registers, Result, UnexpectedFault
from xengen.machine.postmortem import EndedEarly, Hang
from xengen.toolchain.errors import BuildError

NOWHERE = 0xDEAD0000
LOAD = value("AGENT_LOAD")


def test_a_result_is_a_number_and_names_its_error() -> None:
    assert [repr(Result(number)) for number in (0, 0x40002, -22, -14)] == ["0x0", "0x40002", "-EINVAL", "-EFAULT"]


@pytest.mark.parametrize("fault, text", [
    (Fault(GP, 0), "#GP[0000]"),
    (Fault(PF, 5), "#PF[0005]"),
    (Fault(UD), "#UD"),
    (Fault(0x80), "int 0x80"),
    (Fault(EVENT), "event"),
])
def test_a_fault_is_printed_by_its_mnemonic_and_error_code(fault: Fault, text: str) -> None:
    assert repr(fault) == text


def test_the_agent_finds_its_start_info(agent: Agent) -> None:
    assert agent.start_info.magic == b"xen-3.0-x86_32p"


def test_a_hypercall_returns_its_result(agent: Agent) -> None:
    assert agent.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096


def test_a_hypercall_by_number_without_a_meaning_is_refused(agent: Agent) -> None:
    assert agent.hypercall(63) == -ENOSYS


def test_an_argument_structure_holds_what_the_hypervisor_wrote(agent: Agent) -> None:
    features = XenFeatureInfo(submap_idx=0, submap=0)
    assert agent.hypercall("xen_version", value("XENVER_get_features"), features) == 0
    assert features.submap & 1 << value("XENFEAT_dom0")


def test_registers_that_are_no_results_come_back_as_they_were(agent: Agent) -> None:
    after = agent.registers_of_hypercall("xen_version", 0, 0x11, 0x22, 0x33, 0x44, 0x55)
    assert (after.ebx, after.ecx, after.edx, after.esi, after.edi, after.ebp) == (0, 0x11, 0x22, 0x33, 0x44, 0x55)


def test_memory_that_ring_1_writes_it_reads_back(agent: Agent) -> None:
    page = agent.page()
    agent.write(page.va + 100, b"some bytes")
    assert agent.read(page.va + 98, 14) == b"\0\0some bytes\0\0"
    agent.give_back(page)


def test_what_ring_1_writes_is_in_the_frame_that_the_p2m_names(agent: Agent) -> None:
    page = agent.page()
    completed(agent.store(page.va, 0x12345678))
    assert agent.machine.memory.u32(agent.mfn(agent.pfn(page.va)) * 4096) == 0x12345678
    agent.give_back(page)


def test_an_entry_found_by_a_walk_maps_the_frame_that_the_p2m_names(agent: Agent) -> None:
    page = agent.page()
    assert agent.pte(page.va) & 0xFFFFF000 == page.machine
    assert agent.pte(page.va) & (PTE_P | PTE_RW) == PTE_P | PTE_RW
    agent.give_back(page)


def test_a_read_of_nothing_is_a_page_fault_with_its_address(agent: Agent) -> None:
    fault = agent.load(NOWHERE)
    assert fault == Fault(PF, 0)
    assert isinstance(fault, Fault)
    assert fault.details.cr2 == NOWHERE


def test_a_write_to_nothing_is_a_page_fault(agent: Agent) -> None:
    assert agent.store(NOWHERE, 1) == Fault(PF, PF_WRITE)


def test_a_read_that_must_work_says_what_was_wrong(agent: Agent) -> None:
    with pytest.raises(UnexpectedFault, match=r"^a read of 4 bytes at 0xdead0000 raised #PF\[0000\] at e019:"):
        agent.read(NOWHERE, 4)


def test_a_snippet_in_ring_1_computes_with_the_registers_given(agent: Agent) -> None:
    after = completed(agent.ring1("addl %ebx, %eax\nmovl %cs, %ecx", eax=2, ebx=3))
    assert (after.eax, after.ecx) == (5, value("FLAT_KERNEL_CS"))


def test_a_snippet_in_ring_3_computes_with_the_registers_given(agent: Agent) -> None:
    after = completed(agent.ring3("addl %ebx, %eax\nmovl %cs, %ecx", eax=2, ebx=3))
    assert (after.eax, after.ecx) == (5, value("FLAT_USER_CS"))


def test_ring_3_reads_and_writes_its_own_data(agent: Agent) -> None:
    after = completed(agent.ring3("movl %eax, agent_user_data + 8\nmovl agent_user_data + 8, %ebx", eax=77))
    assert after.ebx == 77


def test_ring_3_cannot_read_what_belongs_to_ring_1(agent: Agent) -> None:
    assert agent.ring3("movl agent_scratch, %eax") == Fault(PF, PF_PRESENT | PF_USER)


def test_ring_3_cannot_write_what_belongs_to_ring_1(agent: Agent) -> None:
    assert agent.ring3("movl $0, agent_scratch") == Fault(PF, PF_PRESENT | PF_USER | PF_WRITE)


def test_registers_at_a_fault_are_recorded(agent: Agent) -> None:
    fault = agent.ring1("movl $0x1111, %esi\nud2")
    assert isinstance(fault, Fault)
    assert fault.details.registers.esi == 0x1111


def test_after_a_fault_the_next_command_finds_everything_in_order(agent: Agent) -> None:
    for text in ("std\nud2", "xorl %eax, %eax\nmovl %eax, %ds\nmovl %eax, %es\nud2", "movl %esp, %ebp\nud2"):
        assert agent.ring1(text) == Fault(UD)
        assert agent.read(agent.start_info.mfn_list, 8) == agent.space.read(agent.start_info.mfn_list, 8)


def test_a_handler_can_return_to_where_the_trap_came_from(agent: Agent) -> None:
    with agent.action(0x80, RETURN):
        after = completed(agent.ring3("movl $1, %eax\nint $0x80\nincl %eax\nint $0x80\nincl %eax"))
    assert after.eax == 3
    assert [trap.vector for trap in agent.traps] == [0x80, 0x80]


def test_a_handler_can_go_on_somewhere_else(agent: Agent) -> None:
    with agent.action(UD, agent.address("agent_kernel_done")):
        after = completed(agent.ring1("movl $5, %ecx\nud2\nmovl $6, %ecx"))
    assert after.ecx == 5
    assert [trap.vector for trap in agent.traps] == [UD]


def test_a_handler_of_any_vector_can_be_registered(agent: Agent) -> None:
    assert agent.ring3("int $0x33") == Fault(GP, 0x33 << 3 | 2)
    assert agent.trap_table({0x33: 3}) == 0
    assert agent.ring3("int $0x33") == Fault(0x33)


def test_an_event_is_recorded_and_the_code_goes_on(agent: Agent) -> None:
    completed(agent.ring1(
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
        "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
        "xorl %ebx, %ebx\nmovl $HYPERCALL_xen_version, %eax\nint $0x82\n"
        "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask"
    ))  # fmt: skip
    (trap,) = agent.traps
    assert (trap.vector, trap.saved_mask, trap.handler_mask) == (EVENT, 0, 1)


def test_a_batch_gives_each_result_in_order(agent: Agent) -> None:
    calls = [("xen_version", 7, 0), ("xen_version", 7, 1), ("xen_version", 1, NOWHERE), (63,)]
    assert agent.batch(calls) == [4096, -EINVAL, -EFAULT, -ENOSYS]


def test_a_fault_in_a_batch_stops_only_its_own_command(agent: Agent) -> None:
    outcomes = agent.do_all([Command(LOAD, (0, address)) for address in (NOWHERE, agent.start_info.mfn_list, NOWHERE)])
    first, second, third = outcomes
    assert (first, third) == (Fault(PF, 0), Fault(PF, 0))
    assert isinstance(second, Registers)
    assert second.eax == agent.mfn(0)


def test_a_snippet_that_cannot_be_assembled_names_its_line(agent: Agent) -> None:
    with pytest.raises(BuildError, match=r"^snippet:2: unknown symbol agent_cod; did you mean agent_code\?"):
        agent.ring1("nop\nmovl agent_cod, %eax")


def test_two_agents_answer_in_turn(two_agents: tuple[Agent, Agent]) -> None:
    for _ in range(3):
        for one in two_agents:
            assert one.hypercall("xen_version", value("XENVER_pagesize"), 0) == 4096


def test_each_of_two_agents_has_a_memory_of_its_own(two_agents: tuple[Agent, Agent]) -> None:
    for number, one in enumerate(two_agents):
        completed(one.store(one.address("agent_scratch") + 0xFF00, 0x1000 + number))
    assert [one.read(one.address("agent_scratch") + 0xFF00, 4)[0] for one in two_agents] == [0, 1]


def test_only_the_first_domain_is_privileged(two_agents: tuple[Agent, Agent]) -> None:
    flags = [one.start_info.flags & value("SIF_PRIVILEGED") for one in two_agents]
    assert [bool(flag) for flag in flags] == [True, False]


def test_a_snippet_without_an_end_is_a_hang_that_says_where(boot: Booter) -> None:
    agent = Agent(boot("agent"))
    agent.mailbox.timeout = 3
    with agent, pytest.raises(Hang) as error:
        agent.ring1("1: jmp 1b")
    text = str(error.value)
    assert text.startswith("waited in vain for the agent in domain 0 for 3 s")
    assert "agent.elf: agent_code" in text


def test_the_death_of_the_agents_domain_is_said(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 1) as agent, pytest.raises(DomainDied, match=r"^domain 1 died: "):
        agent.ring1("xorl %esp, %esp\nud2")


def test_a_machine_without_an_agent_is_said(boot: Booter) -> None:
    machine = boot("hello")
    with pytest.raises(EndedEarly, match=r"^the machine powered off, and there was no agent in domain 0"):
        Agent(machine)


def test_the_agent_spends_few_instructions_on_a_hypercall_of_a_batch(boot: Booter) -> None:
    """At 50,000 hypercalls a second that is 25 million instructions, of which TCG does several times as many."""
    number = 200
    with Agent(boot("agent", trace=False, icount=True)) as agent:
        agent.ring1("rdtsc")  # which leaves the snippet in its place
        clock = Command(value("AGENT_KERNEL"))
        call, _ = hypercall_command("xen_version", [0, 0], agent.put_bytes)
        first, *_, last = agent.do_all([clock, *[call] * number, clock])
    assert isinstance(first, Registers) and isinstance(last, Registers)
    assert (last.eax - first.eax) % (1 << 32) / number <= 500
