"""The hypervisor's own failures: one report, and the machine stops with a status that says so.

Invariants
  - A failure is made by damaging the hypervisor's memory from outside. Code is damaged only where it never ran before:
    QEMU keeps what it has translated.
  - What a report must say comes from the symbols, the line table and the registers that were loaded, not from a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import Booter, GuestMaker, Images
from tests.boot.snippets import KEY, bytes_at, doing, writing
from xengen.abi.hypervisor import Frame
from xengen.abi.symbols import assembler_symbols
from xengen.agent.agent import Agent
from xengen.inspect import layout
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine
from xengen.machine.postmortem import HypervisorPanic, Report
from xengen.machine.qemu import CONFIGURATION

UD2 = bytes.fromhex("0f 0b")
LOAD_FROM_DEADBEEF = bytes.fromhex("a1 ef be ad de")
NO_STACK = bytes.fromhex("31 e4 50")  # xorl %esp, %esp; pushl %eax
TEST_EAX_UD2 = bytes.fromhex("85 c0 0f 0b")

# Makes one hypercall with known registers when a key is pressed.
CALLS = doing(KEY + r"""
        movl    $VMASST_CMD_enable, %ebx
        movl    $VMASST_TYPE_writable_pagetables, %ecx
        movl    $0x33333333, %edx
        movl    $0x44444444, %esi
        movl    $0x55555555, %edi
        movl    $0x66666666, %ebp
        {{ hypercall("vm_assist") }}
""")

# Sets a timer when a key is pressed, soon enough that the hypervisor has no timer of its own to look at before.
SETS_A_TIMER = doing(KEY + r"""
        movl    $-1, %ebx
        movl    $0x7fff, %ecx
        {{ hypercall("set_timer_op") }}
""")
TIMERS = assembler_symbols()["TIMERS"]


def ready(machine: Machine) -> Machine:
    """Wait until the guest waits for its key."""
    machine.console.expect(r"^\(d0\) ready$")
    return machine


def calling(boot: Booter, guest: GuestMaker) -> Machine:
    """Boot CALLS and wait until it waits for its key."""
    return ready(boot(guest(CALLS), trace=False))


def damage(machine: Machine, name: str, data: bytes, offset: int = 0) -> None:
    """Overwrite what is at a symbol of the hypervisor's."""
    hypervisor = hypervisor_of(machine)
    machine.memory.write(hypervisor.physical(hypervisor.symbol(name) + offset), data)


def panic_of(machine: Machine) -> str:
    """Press the key; return the report with which the machine must end."""
    machine.console.send(b"k")
    with pytest.raises(HypervisorPanic):
        machine.wait(20)
    text = machine.transcript.hypervisor
    return text[text.index("PANIC: ") :]


def place(machine: Machine, name: str, offset: int = 0) -> str:
    """Return the line of a report about a place in the hypervisor's code."""
    symbols = machine.symbols
    assert symbols is not None
    address = symbols.address(name) + offset
    return f"  0x{address:08x} {symbols.line(address)} ({name} + 0x{offset:x})"


# An unexpected exception.


@pytest.fixture(scope="module")
def broken(images: Images, guest: GuestMaker) -> Iterator[Machine]:
    """A machine that has run into an undefined instruction in do_vm_assist, the second one there."""
    booter = Booter(images)
    try:
        machine = ready(booter(guest(CALLS), trace=False))
        damage(machine, "do_vm_assist", TEST_EAX_UD2)
        panic_of(machine)
        yield machine
    finally:
        booter.close()


@pytest.fixture(scope="module")
def report(broken: Machine) -> str:
    """Its report."""
    text = broken.transcript.hypervisor
    return text[text.index("PANIC: ") :]


def test_a_report_begins_with_its_reason(report: str) -> None:
    reason = "PANIC: unexpected exception 6 (invalid opcode) in the hypervisor, error code 0x0"
    assert report.splitlines()[0] == reason


def test_a_report_names_the_place_by_template_file_line_and_routine(broken: Machine, report: str) -> None:
    line = report.splitlines()[1]
    assert line == place(broken, "do_vm_assist", 2)
    assert "asm/hypervisor/domain/vm_assist.s:" in line


def test_a_report_has_the_general_registers(broken: Machine, report: str) -> None:
    hypervisor = hypervisor_of(broken)
    handler, stack = hypervisor.symbol("do_vm_assist"), hypervisor.symbol("hypervisor_stack_top")
    (vcpu,) = hypervisor.vcpus
    # The frame of a hypercall, and the return address of the call of the handler.
    esp = stack - 17 * 4 - 4
    assert f"\neax 0x{handler:08x} ebx 0x00000000 ecx 0x00000002 edx 0x33333333\n" in report
    assert f"\nesi 0x44444444 edi 0x55555555 ebp 0x{vcpu.address:08x} esp 0x{esp:08x}\n" in report


def test_a_report_has_where_the_processor_was_and_its_segments(broken: Machine, report: str) -> None:
    eip = hypervisor_of(broken).symbol("do_vm_assist") + 2
    assert re.search(rf"^eip 0x{eip:08x} cs e008 eflags 0x\w{{8}} ss e010 ds e010 es e010$", report, re.MULTILINE)


def test_a_report_has_the_control_registers(broken: Machine, report: str) -> None:
    (vcpu,) = hypervisor_of(broken).vcpus
    match = re.search(r"^cr0 0x(\w{8}) cr2 0x(\w{8}) cr3 0x(\w{8}) cr4 0x(\w{8})$", report, re.MULTILINE)
    assert match is not None
    cr0, _, cr3, cr4 = (int(word, 16) for word in match.groups())
    assert cr0 & 0x80010001 == 0x80010001
    assert (cr3, cr4 & 0x20) == (vcpu.record.cr3, 0x20)


def test_a_report_has_the_domain_and_its_last_hypercall(report: str) -> None:
    assert "\ncurrent domain 0, last hypercall 21 (vm_assist)\n" in report


def test_a_report_ends_with_the_return_addresses_and_their_places(broken: Machine, report: str) -> None:
    *_, found = report.partition("return addresses on the stack:\n")
    lines = found.splitlines()
    assert [re.sub(r".*\((.*) \+ .*", r"\1", line) for line in lines] == ["full_hypercall", "hypercall_entry"]
    symbols = broken.symbols
    assert symbols is not None
    for line in lines:
        address = int(line.split()[0], 16)
        assert line.split()[1] == symbols.line(address)
        assert symbols.is_return_address(address + 1)


def test_the_machine_ends_with_the_status_of_a_panic_and_the_harness_shows_its_reason(broken: Machine) -> None:
    with pytest.raises(HypervisorPanic, match=r"^the hypervisor panicked: unexpected exception 6") as caught:
        broken.wait()
    assert isinstance(caught.value.report, Report)


def test_a_page_fault_of_the_hypervisors_own_is_reported_with_its_address(boot: Booter, guest: GuestMaker) -> None:
    machine = calling(boot, guest)
    damage(machine, "do_vm_assist", LOAD_FROM_DEADBEEF)
    report = panic_of(machine)
    lines = report.splitlines()
    assert lines[0] == "PANIC: unexpected exception 14 (page fault) in the hypervisor, error code 0x0"
    assert lines[1] == place(machine, "do_vm_assist")
    assert " cr2 0xdeadbeef " in report


def test_only_the_damaged_machine_fails(boot: Booter, guest: GuestMaker) -> None:
    machine = calling(boot, guest)
    machine.console.send(b"k")
    machine.wait(20)
    assert "PANIC" not in machine.console.text


# What the hypervisor finds itself.


def test_an_inconsistency_is_reported_with_the_place_that_found_it(boot: Booter, guest: GuestMaker) -> None:
    machine = ready(boot(guest(SETS_A_TIMER), trace=False))
    hypervisor = hypervisor_of(machine)
    with machine.paused():
        count = hypervisor.physical(hypervisor.symbol("timer_count"))
        machine.memory.write(count, TIMERS.to_bytes(4, "little"))
        machine.console.send(b"k")
    report = panic_of(machine)
    assert report.splitlines()[0] == "PANIC: more timers are set than there may be"
    assert re.match(r"  0x\w{8} asm/hypervisor/time/timers\.s:\d+ \(timer_place \+ 0x\w+\)$", report.splitlines()[1])


def unmap_a_page_without_references(boot: Booter, *, debug: bool) -> None:
    """Have a guest unmap a page whose record says that nobody refers to it."""
    machine = boot("agent", debug=debug)
    with Agent(machine) as agent:
        page = agent.page()
        hypervisor = hypervisor_of(machine)
        record = hypervisor.physical(layout.FRAME_TABLE + 16 * (page.machine // 4096))
        machine.memory.write(record + Frame.count.offset, layout.FRAME_ALLOCATED.to_bytes(4, "little"))
        agent.map(page.va, 0)
        assert agent.hypercall("xen_version", 0, 0) > 0


def test_an_assertion_of_the_debug_build_stops_the_machine(boot: Booter) -> None:
    with pytest.raises(HypervisorPanic, match="panicked: assertion failed: frame_put: no reference is held"):
        unmap_a_page_without_references(boot, debug=True)


def test_a_release_build_does_not_make_that_check(boot: Booter) -> None:
    unmap_a_page_without_references(boot, debug=False)


def test_assertions_vanish_from_the_release_build(images: Images) -> None:
    debug, release = (images.hypervisor(debug=debug).read_bytes() for debug in (True, False))
    assert debug.count(b"assertion failed: ") >= 3
    assert b"assertion failed" not in release


# Double faults.


def test_a_double_fault_is_reported_with_the_state_that_led_to_it(boot: Booter, guest: GuestMaker) -> None:
    machine = calling(boot, guest)
    damage(machine, "do_vm_assist", NO_STACK)
    lines = panic_of(machine).splitlines()
    assert lines[:2] == ["PANIC: double fault", place(machine, "do_vm_assist", 2)]
    assert re.match(r"esi 0x44444444 edi 0x55555555 ebp 0x\w{8} esp 0x00000000$", lines[3])
    assert re.match(r"eip 0x\w{8} cs e008 eflags 0x\w{8} ss e010 ds e010 es e010$", lines[4])
    assert " cr2 0xfffffffc " in lines[5]


def test_a_double_fault_on_a_good_stack_shows_its_return_addresses(boot: Booter, guest: GuestMaker) -> None:
    machine = calling(boot, guest)
    damage(machine, "do_vm_assist", UD2)
    for vector in (6, 11):  # not present: neither the exception nor the one that says so can be delivered
        damage(machine, "idt", b"\x0e", offset=8 * vector + 5)
    report = panic_of(machine)
    assert report.startswith("PANIC: double fault\n" + place(machine, "do_vm_assist") + "\n")
    found = re.findall(r"\((\w+) \+ ", report.partition("return addresses on the stack:\n")[2])
    assert found == ["full_hypercall", "hypercall_entry"]


def test_a_lost_hypervisor_stack_is_reported_from_the_guests_state(boot: Booter, guest: GuestMaker) -> None:
    machine = calling(boot, guest)
    damage(machine, "tss", (0xFC700000).to_bytes(4, "little"), offset=4)
    report = panic_of(machine)
    assert report.startswith("PANIC: double fault\n  0xc01")
    assert re.search(r"^eip 0xc01\w{5} cs e019 eflags 0x\w{8} ss e021 ds e021 es e021$", report, re.MULTILINE)
    assert re.search(r" esp 0xc0\w{6}$", report, re.MULTILINE)


# Failures of the report.


def test_a_report_that_cannot_be_finished_says_so_and_stops(boot: Booter, guest: GuestMaker) -> None:
    machine = calling(boot, guest)
    damage(machine, "current_vcpu", (0xFC700000).to_bytes(4, "little"))
    lines = panic_of(machine).splitlines()
    assert lines[0].startswith("PANIC: unexpected exception 14 (page fault)")
    assert lines[-1] == "PANIC: while reporting a panic"


def test_a_panic_in_the_middle_of_a_line_begins_a_new_one(boot: Booter, guest: GuestMaker) -> None:
    machine = ready(boot(guest(doing(KEY + '{{ hypercall("tmem_op") }}')), append="log=debug", trace=False))
    damage(machine, "hypercall_names", (0xFC700000).to_bytes(4, "little"), offset=4 * 38)
    panic_of(machine)
    assert "\ndomain 0: hypercall \nPANIC: unexpected exception 14 " in machine.transcript.hypervisor


def test_a_domains_unfinished_line_does_not_hide_a_panic(boot: Booter, guest: GuestMaker) -> None:
    body = bytes_at("half", b"half a line") + writing("half", "11")
    machine = ready(boot(guest(doing(KEY + body + '{{ hypercall("vm_assist") }}')), trace=False))
    damage(machine, "do_vm_assist", UD2)
    panic_of(machine)
    assert "\n(d0) half a line\n(xengen) PANIC: unexpected exception 6" in machine.console.text


# Without the emulator's exit.


def test_without_the_exit_device_the_processor_halts_for_ever(
    boot: Booter, guest: GuestMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (CONFIGURATION / "pc.cfg").read_text(encoding="utf-8")
    (tmp_path / "pc.cfg").write_text(text[: text.index("[device")], encoding="utf-8")
    monkeypatch.setattr("xengen.machine.qemu.CONFIGURATION", tmp_path)
    machine = calling(boot, guest)
    damage(machine, "do_vm_assist", UD2)
    machine.console.send(b"k")
    machine.console.expect(r"\(hypercall_entry \+ 0x\w+\)$")
    registers = machine.registers()
    while not registers.halted:
        registers = machine.registers()
    assert (registers.cpl, registers.eflags & 0x200) == (0, 0)
    assert machine.ending() is None
