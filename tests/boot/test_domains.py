"""Several domains on one machine: turns, ends, and what becomes of the memory of one that is gone.

Invariants
  - An order of turns is read from the console, where each domain writes in each of its turns. Time counts instructions
    there: a turn is shorter than a slice (test_sched_*.py), and than what a yield is charged at least.
  - How machines end by domain 0's shutdown is in test_machine_end.py.
"""

from __future__ import annotations

import re

import pytest

from tests.boot.harness import Booter, GuestMaker
from tests.boot.snippets import IDLE, bytes_at, doing, stop_in_guest, turns, writing
from xengen.abi.sched import SchedShutdown
from xengen.agent.agent import Agent
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import value
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Ending, Machine
from xengen.machine.transcript import DomainEnd, domain_ends

PAGE = 4096


def ended(machine: Machine) -> Machine:
    """Wait for an orderly end."""
    assert machine.wait(20) is Ending.POWEROFF
    return machine


def speakers(machine: Machine) -> list[int]:
    """Return who wrote each line that a domain wrote."""
    return [int(number) for number in re.findall(r"^\(d(\d+)\) ", machine.console.text, re.MULTILINE)]


def talking(call: str, count: int) -> str:
    """Return a guest that writes a line and makes the scheduler call `call`, `count` times."""
    body = bytes_at("word", b"word\n") + f"""
        movl    ${count}, %ebp
next:
{writing("word", "5")}
        movl    ${call}, %ebx
        {{{{ hypercall("sched_op") }}}}
        decl    %ebp
        jnz     next
"""
    return doing(body)


# Turns.


def test_domains_take_turns(boot: Booter, guest: GuestMaker) -> None:
    talker = guest(talking("SCHEDOP_yield", 4))
    machine = ended(boot(talker, talker, talker, icount=True))
    assert speakers(machine) == [0, 1, 2] * 4


def test_the_old_form_of_yield_gives_the_turn_away_too(boot: Booter, guest: GuestMaker) -> None:
    talker = guest(talking("SCHEDOP_yield", 3).replace('"sched_op"', '"sched_op_compat"', 1))
    assert speakers(ended(boot(talker, talker, icount=True))) == [0, 1] * 3


def test_a_domain_that_does_not_give_its_turn_away_keeps_it(boot: Booter, guest: GuestMaker) -> None:
    # -1 is no command of the scheduler's.
    machine = ended(boot(guest(talking("SCHEDOP_yield", 2)), guest(talking("-1", 3)), icount=True))
    assert speakers(machine) == [0, 1, 1, 1, 0]


def test_the_turn_goes_on_when_a_domain_ends(boot: Booter, guest: GuestMaker) -> None:
    long, short = guest(talking("SCHEDOP_yield", 4)), guest(talking("SCHEDOP_yield", 1))
    machine = ended(boot(long, short, long, icount=True))
    assert speakers(machine) == [0, 1, 2, 0, 2, 0, 2, 0, 2]


def test_a_turn_of_others_leaves_all_registers_alone(boot: Booter, guest: GuestMaker) -> None:
    # Each domain fills its registers, its x87 stack and an SSE register with numbers of its own, and looks again.
    body = r"""
        movl    START_INFO_nr_pages(%esi), %ebp
        movl    %ebp, buffer
        fildl   buffer
        movd    %ebp, %xmm5
        leal    1(%ebp), %ecx
        leal    2(%ebp), %edx
        leal    3(%ebp), %esi
        leal    4(%ebp), %edi
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        subl    %ebp, %ecx
        subl    %ebp, %edx
        subl    %ebp, %esi
        subl    %ebp, %edi
        movd    %xmm5, %eax
        subl    %ebp, %eax
        fistpl  buffer + 4
        movl    buffer + 4, %ebx
        subl    %ebp, %ebx
{{ print("%u %u %u %u %u %u of %u\\n", "%eax", "%ebx", "%ecx", "%edx", "%esi", "%edi", "%ebp") }}
"""
    one = guest(doing(body + turns(2)))
    transcript = ended(boot(one, one, append="dom0_mem=16M dom1_mem=12M")).transcript
    assert [transcript.text(number) for number in (0, 1)] == [
        f"0 0 1 2 3 4 of {pages}\n" for pages in (4096, 3072)
    ]  # fmt: skip


def test_a_turn_of_others_leaves_segments_alone(boot: Booter, guest: GuestMaker) -> None:
    body = r"""
        movl    $FLAT_RING3_DS, %eax
        movl    %eax, %fs
        movl    START_INFO_nr_pages(%esi), %ebp
        cmpl    $4096, %ebp
        je      1f
        xorl    %eax, %eax
        movl    %eax, %fs
1:
        movl    $SCHEDOP_yield, %ebx
        {{ hypercall("sched_op") }}
        movl    %fs, %eax
        movl    %gs, %ebx
        movl    %es, %ecx
{{ print("%x %x %x\\n", "%eax", "%ebx", "%ecx") }}
"""
    one = guest(doing(body + turns(2)))
    transcript = ended(boot(one, one, append="dom0_mem=16M dom1_mem=12M")).transcript
    assert [transcript.text(number) for number in (0, 1)] == ["e033 e021 e021\n", "0 e021 e021\n"]


# Ends.


def test_a_domain_without_a_handler_dies_with_a_report(boot: Booter, guest: GuestMaker) -> None:
    body = r"""
        movl    $XENVER_version, %ebx
        {{ hypercall("xen_version") }}
        movl    $0x11111111, %ecx
        movl    $0x22222222, %edi
        movl    0xdead0000, %eax
"""
    machine = ended(boot(guest(doing(turns(3))), guest(doing(body))))
    text = machine.transcript.hypervisor
    report = text[text.index("domain 1 died: ") :].splitlines()
    assert report[0].startswith("domain 1 died: ")
    assert report[1:3] == ["exception 14 (page fault), error code 0x0", "cr2 0xdead0000"]
    assert re.match(r"eax 0x\w{8} ebx 0x00000000 ecx 0x11111111 edx 0x\w{8}$", report[3])
    assert re.match(r"esi 0x\w{8} edi 0x22222222 ebp 0x\w{8} esp 0xc0\w{6}$", report[4])
    assert re.match(r"eip 0xc01\w{5} cs e019 eflags 0x\w{8} ss e021 ds e021 es e021$", report[5])
    assert report[6] == "last hypercall 17 (xen_version)"
    assert domain_ends(text) == (DomainEnd(1, report[0].partition(": ")[2], True), DomainEnd(0, "poweroff", False))


def test_an_address_is_told_only_of_a_page_fault(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(doing("        ud2\n")))
    assert machine.wait(20) is Ending.DOM0_DIED
    lines = machine.transcript.hypervisor.splitlines()
    at = lines.index("exception 6 (invalid opcode), error code 0x0")
    assert lines[at + 1].startswith("eax ")


def test_the_others_go_on_when_a_domain_has_died(boot: Booter, guest: GuestMaker) -> None:
    talker = guest(talking("SCHEDOP_yield", 3))
    machine = ended(boot(talker, guest(doing("        ud2\n")), talker, icount=True))
    assert speakers(machine) == [0, 2] * 3


def test_all_memory_of_a_domain_that_has_ended_comes_back(boot: Booter) -> None:
    machine = boot("agent", "agent", trace=False)
    with Agent(machine, 0), Agent(machine, 1) as second:
        hypervisor = hypervisor_of(machine)
        before = hypervisor.word("free_frames")
        pages = hypervisor.domains()[1].record.nr_pages
        with pytest.raises(DomainDied):
            second.hypercall("sched_op", value("SCHEDOP_shutdown"), SchedShutdown(value("SHUTDOWN_poweroff")))
        machine.console.expect(r"^\(xengen\) domain 1 is gone$")
        stop_in_guest(machine)
        assert hypervisor.word("free_frames") == before + pages
        assert [domain.id for domain in hypervisor.domains()] == [0]
        assert check_machine(machine) == []


def test_a_domain_that_ended_leaves_its_structures_to_the_heap(boot: Booter, guest: GuestMaker) -> None:
    machine = boot(guest(IDLE), guest(doing("")), trace=False)
    machine.console.expect("entering domain 0")
    machine.console.expect(r"^\(xengen\) domain 1 is gone$")
    stop_in_guest(machine)
    hypervisor = hypervisor_of(machine)
    largest = hypervisor.symbol("heap_free_blocks") + 4 * 7
    blocks, block = 0, int.from_bytes(hypervisor.read(largest, 4), "little")
    while block:
        blocks, block = blocks + 1, int.from_bytes(hypervisor.read(block, 4), "little")
    # The vcpu, shared_info and the window's table.
    assert blocks == 3


def test_domains_end_in_any_order(boot: Booter, guest: GuestMaker) -> None:
    lengths = (9, 5, 1, 7, 3)
    talkers = [guest(talking("SCHEDOP_yield", length)) for length in lengths]
    waits = guest(doing(turns(4000)))
    machine = ended(boot(waits, *talkers, append="dom0_mem=8M domu_mem=8M", icount=True))
    text = machine.transcript.hypervisor
    assert [end.domain for end in domain_ends(text)] == [3, 5, 2, 4, 1, 0]
    assert sorted(re.findall(r"^domain (\d) is gone$", text, re.MULTILINE)) == ["1", "2", "3", "4", "5"]
    assert hypervisor_of(machine).word("domain_list") == hypervisor_of(machine).domains()[0].address


def test_as_many_domains_as_there_are_modules_run(boot: Booter, guest: GuestMaker) -> None:
    talker = guest(talking("SCHEDOP_yield", 1))
    sizes = "dom0_mem=8M domu_mem=8M"
    guests = (guest(talking("SCHEDOP_yield", 3)), *[talker] * 31)
    machine = ended(boot(*guests, memory=512 << 20, append=sizes, icount=True))
    assert speakers(machine)[:32] == [*range(32)]
