"""The harness's own failures: what a person sees when a machine goes wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.unit.machine.conftest import Boot
from tests.unit.machine.kernels import kernel
from tests.unit.machine.sources import SPIN, TRIPLE_FAULT, exiting, saying
from tests.unit.machine.waiting import wait_until
from xengen.errors import UserError
from xengen.machine.machine import Machine
from xengen.machine.postmortem import EndedEarly, Hang, HypervisorPanic, MachineError, QemuExited, TripleFault
from xengen.machine.spec import MachineSpec

BANNER = "(xengen) banner\r\n"


def shown(error: pytest.ExceptionInfo[MachineError]) -> list[str]:
    """Return the lines of the text that a person sees."""
    return str(error.value).splitlines()


def test_a_triple_fault_shows_exceptions_registers_stack_and_console(boot: Boot) -> None:
    machine = boot(saying(BANNER, TRIPLE_FAULT), trace_exceptions=True)
    with pytest.raises(TripleFault) as caught:
        machine.wait()
    lines = shown(caught)
    assert machine.symbols is not None
    fall, where = machine.symbols.address("fall"), "stack 0010:0007fffc  fall+0x7"
    call = machine.symbols.address("start") + 0x14
    assert lines[0] == "triple fault: the processor could not deliver a double fault"
    assert re.fullmatch(r"  after \d+\.\d\d s", lines[1])
    assert lines[2:6] == [
        "last exceptions, the newest at the end:",
        f"  #UD at 0008:{fall + 7:08x}, cpl 0, {where}",
        f"  #GP[0032] at 0008:{fall + 7:08x}, cpl 0, {where}",
        f"  #DF[0000] at 0008:{fall + 7:08x}, cpl 0, {where}",
    ]
    assert lines[6] == "registers:"
    assert "esp=0007fffc" in lines[7]
    assert lines[8] == f"  eip=0008:{fall + 7:08x} eflags=00000046 cpl=0"
    assert lines[11:] == [
        "  eip is in fall+0x7",
        "backtrace (what look like return addresses on the stack):",
        f"  0007fffc: {call:08x}  start+0x14",
        "console, its last lines:",
        "  | (xengen) banner",
    ]


def test_a_triple_fault_without_a_trace_still_shows_registers_and_stack(boot: Boot) -> None:
    with pytest.raises(TripleFault) as caught:
        boot(TRIPLE_FAULT).wait()
    text = str(caught.value)
    assert "last exceptions" not in text
    assert "eip is in fall+0x7" in text
    assert "console: nothing was written" in text


def test_a_hang_shows_what_was_waited_for_and_where_the_processor_is(boot: Boot) -> None:
    machine = boot(saying(BANNER, SPIN))
    assert machine.symbols is not None
    spin = machine.symbols.address("spin")
    assert wait_until(lambda: machine.registers().eip == spin)
    with pytest.raises(Hang) as caught:
        machine.console.expect("ready", timeout=0.1)
    lines = shown(caught)
    assert lines[0] == "waited in vain for 'ready' on the console for 0.1 s"
    assert "  eip is in spin" in lines
    assert any(line.endswith("start+0x14") for line in lines)
    assert lines[-1] == "  | (xengen) banner"


def test_a_machine_that_does_not_end_is_a_hang(boot: Boot) -> None:
    with pytest.raises(Hang, match=r"^the machine did not end within 0\.1 s\n"):
        boot(SPIN).wait(timeout=0.1)


def test_a_chatty_machine_that_does_not_end_is_a_hang_too(boot: Boot) -> None:
    machine = boot("movw $0x3f8, %dx\nchat: outb %al, %dx\n    jmp chat\n")
    with pytest.raises(Hang, match=r"^waited in vain for the machine's end for 0\.2 s\n"):
        for _ in machine.console.follow(timeout=0.2):
            pass


def test_a_killed_qemu_is_said_to_be_killed(boot: Boot) -> None:
    machine = boot(saying(BANNER, SPIN))
    machine.console.expect("banner")
    os.kill(machine.pid, signal.SIGKILL)
    with pytest.raises(QemuExited) as caught:
        machine.wait()
    lines = shown(caught)
    assert lines[0] == "QEMU ended unexpectedly: killed by signal 9 (SIGKILL)"
    assert lines[-1] == "  | (xengen) banner"


def test_a_killed_qemu_ends_a_wait_for_the_console(boot: Boot) -> None:
    machine = boot(SPIN)
    os.kill(machine.pid, signal.SIGKILL)
    with pytest.raises(QemuExited, match="SIGKILL"):
        machine.console.expect("never", timeout=30)


def test_a_qemu_that_is_told_to_quit_ended_unexpectedly(boot: Boot) -> None:
    machine = boot(SPIN)
    os.kill(machine.pid, signal.SIGTERM)
    with pytest.raises(QemuExited) as caught:
        machine.wait()
    assert shown(caught)[0] == "QEMU ended unexpectedly: exit status 0"
    assert "QEMU said:" in str(caught.value)


def test_an_exit_status_that_nobody_knows_is_shown(boot: Boot) -> None:
    with pytest.raises(QemuExited, match=r"^QEMU ended unexpectedly: exit status 133\n"):
        boot(exiting(0x42)).wait()


def test_a_panic_shows_its_reason_and_the_console(boot: Boot) -> None:
    machine = boot(saying(f"{BANNER}(xengen) PANIC: out of frames\r\n", exiting(0x10)))
    with pytest.raises(HypervisorPanic) as caught:
        machine.wait()
    lines = shown(caught)
    assert lines[0] == "the hypervisor panicked: out of frames"
    assert lines[-2:] == ["  | (xengen) banner", "  | (xengen) PANIC: out of frames"]


def test_a_panic_shows_the_registers_of_the_last_exception(boot: Boot) -> None:
    # Port 0xf4 ends QEMU at once: what the processor held is known from the trace only.
    gate = (
        "lidt table\n    movl $handler, %eax\n    movw %ax, 0x200018\n    movw $0x8, 0x20001a\n"
        "    movw $0x8e00, 0x20001c\n    shrl $0x10, %eax\n    movw %ax, 0x20001e\n    movl $0x77, %ebp\n    int3\n"
        f"handler:\n    {exiting(0x10)}\ntable:\n    .word 0x7ff\n    .long 0x200000\n"
    )
    with pytest.raises(HypervisorPanic) as caught:
        boot(gate, trace_exceptions=True).wait()
    assert caught.value.report.registers is not None
    assert caught.value.report.registers.ebp == 0x77


def test_a_machine_that_ended_before_the_text_came_says_how(boot: Boot) -> None:
    machine = boot(saying(BANNER))
    with pytest.raises(EndedEarly) as caught:
        machine.console.expect("ready")
    assert shown(caught)[0] == "the machine powered off, and there was no 'ready' on the console"


def test_a_panic_ends_a_wait_for_the_console(boot: Boot) -> None:
    with pytest.raises(HypervisorPanic):
        boot(exiting(0x10)).console.expect("ready", timeout=30)


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as caught:
            Machine(MachineSpec(kernel=kernel(tmp_path, SPIN), gdb_port=port)).__enter__()
    assert str(caught.value) == f"port {port} for gdb is in use: give another one, or end who has it"


def test_a_missing_qemu_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kernel(tmp_path, SPIN)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^no QEMU found \(looked for qemu-system-i386\): install qemu-system-x86 "):
        Machine(MachineSpec(kernel=path)).__enter__()


def test_a_missing_kernel_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        Machine(MachineSpec(kernel=tmp_path / "gone.elf")).__enter__()
    assert str(caught.value) == f"no such file: {tmp_path}/gone.elf"
