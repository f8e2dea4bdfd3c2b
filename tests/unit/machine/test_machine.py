"""One QEMU, from start to end (xengen/machine/machine.py, console.py)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.machine.conftest import Boot
from tests.unit.machine.kernels import BASE, kernel
from tests.unit.machine.sources import BREAKPOINT_PER_BYTE, ECHO, RESET, SPIN, exiting, saying
from tests.unit.machine.waiting import wait_until
from xengen.errors import XengenError
from xengen.machine.machine import Ending, Machine
from xengen.machine.pump import MonitorLost
from xengen.machine.spec import MIB, MachineSpec, Module

HELLO = "(xengen) hello\r\n(d0) greetings\r\n"


@pytest.mark.parametrize(
    "source, ending",
    [
        (saying(HELLO), Ending.POWEROFF),
        (RESET, Ending.REBOOT),
        (exiting(0x11), Ending.DOM0_DIED),
        (exiting(0x12), Ending.NO_DOM0),
    ],
)
def test_a_machine_ends_as_its_kernel_says(boot: Boot, source: str, ending: Ending) -> None:
    assert boot(source).wait() is ending


def test_the_transcript_is_complete_when_the_machine_has_ended(boot: Boot) -> None:
    machine = boot(saying(HELLO * 50))
    machine.wait()
    assert machine.transcript.text(0) == "greetings\n" * 50
    assert machine.console.raw == HELLO.encode() * 50


def test_the_console_is_complete_when_qemu_ended_itself(boot: Boot) -> None:
    machine = boot(saying(HELLO, exiting(0x11)))
    machine.wait()
    assert machine.console.text == "(xengen) hello\n(d0) greetings\n"


def test_expect_looks_behind_what_it_found_before(boot: Boot) -> None:
    console = boot(saying("one two\r\ntwo three é\r\nfour\r\n")).console
    assert console.expect("two").start() == 4
    assert console.expect(r"two (\w+)")[1] == "three"
    assert console.expect(r"é\n(.*)\n")[1] == "four"


def test_expect_finds_what_arrives_later(boot: Boot) -> None:
    console = boot(ECHO).console
    console.send(b"knock")
    assert console.expect("knock")
    console.send(b"again")
    assert console.expect("again")


def test_lines_come_until_the_end(boot: Boot) -> None:
    assert list(boot(saying("a\r\n\r\nb")).console.lines(timeout=10)) == ["a", "", "b"]


def test_memory_is_read_while_the_machine_runs(boot: Boot) -> None:
    machine = boot("count: incl 0x300000\n    jmp count\n")
    first = machine.memory.u32(0x300000)
    assert wait_until(lambda: machine.memory.u32(0x300000) > first)


def test_what_is_written_to_memory_the_machine_sees(boot: Boot) -> None:
    machine = boot("poll: cmpl $0x5, 0x300000\n    jne poll\n    jmp power_off\n")
    machine.memory.write(0x300000, b"\x05\0\0\0")
    assert machine.wait() is Ending.POWEROFF


def test_registers_are_those_of_the_stopped_processor(boot: Boot) -> None:
    machine = boot(f"movl $0x12345678, %ebp\n{saying('ready')}")
    machine.wait()
    found = machine.registers()
    assert found.ebp == 0x12345678
    assert found.cs.selector == 8


def test_reading_registers_lets_the_machine_go_on(boot: Boot) -> None:
    machine = boot(ECHO)
    machine.registers()
    machine.console.send(b"alive")
    assert machine.console.expect("alive")


def test_a_machine_that_was_not_started_waits_for_resume(boot: Boot) -> None:
    machine = boot(saying(HELLO), start=False)
    assert machine.registers().eip == 0xFFF0
    assert machine.ending() is None
    machine.resume()
    assert machine.wait() is Ending.POWEROFF


def test_addresses_are_walked_with_the_processors_own_tables(boot: Boot) -> None:
    # One 4 MiB page at 0xc0000000 for physical 0x400000, and the kernel's own.
    machine = boot(
        "movl $0x83, 0x200000\n    movl $0x400083, 0x200c00\n    movl $0x10, %eax\n    movl %eax, %cr4\n"
        "    movl $0x200000, %eax\n    movl %eax, %cr3\n    movl %cr0, %eax\n    orl $0x80000000, %eax\n"
        "    movl %eax, %cr0\n    movl $0x2a, 0xc0000004\n    jmp power_off\n"
    )
    machine.wait()
    assert machine.translate(0xC0000004) == 0x400004
    assert machine.translate(0xD0000000) is None
    assert machine.read_virtual(0xC0000004, 4) == b"\x2a\0\0\0"
    with pytest.raises(XengenError, match="d0000000 is not mapped"):
        machine.read_virtual(0xD0000000, 1)


def test_without_paging_an_address_is_its_own(boot: Boot) -> None:
    machine = boot(saying(HELLO))
    machine.wait()
    assert machine.translate(BASE) == BASE


def test_symbols_are_those_of_the_kernel(boot: Boot) -> None:
    machine = boot(SPIN)
    assert machine.symbols is not None
    assert machine.symbols.describe(machine.symbols.address("spin")) == "spin"


def test_modules_and_their_command_lines_reach_the_kernel(boot: Boot, tmp_path: Path) -> None:
    folder = tmp_path / "a folder, with both"
    folder.mkdir()
    (folder / "guest").write_bytes(b"contents")
    machine = boot("movl %ebx, 0x300000\n    jmp power_off\n", modules=(Module(folder / "guest", "x=1,2"),))
    machine.wait()
    memory = machine.memory
    info = memory.u32(0x300000)
    count, first = memory.u32(info + 20), memory.u32(info + 24)
    assert count == 1
    start, end, name = memory.words(first, 3)
    assert memory.read(start, end - start) == b"contents"
    assert memory.read(name, 64).split(b"\0")[0].endswith(b" x=1,2")


def test_a_compressed_kernel_is_unpacked(tmp_path: Path) -> None:
    path = kernel(tmp_path, saying(HELLO))
    path.write_bytes(gzip.compress(path.read_bytes()))
    with Machine(MachineSpec(kernel=path)) as machine:
        assert machine.wait() is Ending.POWEROFF
        assert machine.symbols is not None


def test_the_machine_has_the_memory_that_was_asked_for(boot: Boot) -> None:
    machine = boot("movl 0x8(%ebx), %eax\n    movl %eax, 0x300000\n    jmp power_off\n", memory=64 * MIB)
    machine.wait()
    assert 62 * 1024 <= machine.memory.u32(0x300000) <= 63 * 1024  # KiB above 1 MiB, less the firmware's
    assert machine.memory.size == 64 * MIB


COUNTING = """
    rdtsc
    movl %eax, %esi
    movl $0x1000, %ecx
count:
    decl %ecx
    jnz count
    rdtsc
    subl %esi, %eax
    movl %eax, 0x300000
    jmp power_off
"""


def test_with_icount_time_counts_instructions(boot: Boot) -> None:
    machine = boot(COUNTING, icount=True)
    machine.wait()
    # 0x1000 times dec and jnz, and mov, mov, and one rdtsc.
    assert machine.memory.u32(0x300000) == 2 * 0x1000 + 3


def test_the_processor_has_what_the_hypervisor_needs(boot: Boot) -> None:
    machine = boot(
        "movl $0x1, %eax\n    cpuid\n    movl %edx, 0x300000\n"
        "    movl $0x80000001, %eax\n    cpuid\n    movl %edx, 0x300004\n    jmp power_off\n"
    )
    machine.wait()
    features, extended = machine.memory.words(0x300000, 2)
    wanted = {"fpu": 0, "pse": 3, "tsc": 4, "pae": 6, "cx8": 8, "apic": 9, "pge": 13, "cmov": 15, "sse2": 26}
    assert [name for name, bit in wanted.items() if not features >> bit & 1] == []
    assert extended >> 20 & 1, "NX"


def test_exceptions_are_recorded_when_asked_for(boot: Boot) -> None:
    machine = boot("movl $0x1, %eax\n    lidt table\n    int $0x3\ntable:\n    .long 0x0, 0x0\n", trace_exceptions=True)
    with pytest.raises(XengenError):
        machine.wait()
    assert [one.vector for one in machine.exceptions()][:1] == [3]


def test_recording_can_be_switched_while_the_machine_runs(boot: Boot) -> None:
    machine = boot(BREAKPOINT_PER_BYTE)
    for recorded in (False, True, False):
        machine.trace(recorded)
        before = len(machine.exceptions())
        machine.console.send(b"go")
        machine.console.expect("go")
        assert len(machine.exceptions()) - before == (2 if recorded else 0)


def test_a_command_that_qemu_refuses_is_an_error(boot: Boot) -> None:
    with pytest.raises(MonitorLost, match="no-such-command"):
        boot(SPIN).qmp("no-such-command")
