"""Stepping through operations (xengen/bench/trace.py, gdb.py), on tiny kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.bench.rows import IRET, PLAIN, SEGMENT, STI, steps
from tests.unit.machine.kernels import kernel
from xengen.bench.gdb import Gdb, GdbError
from xengen.bench.instruction import Instruction, Kind
from xengen.bench.trace import Step, Trace, TraceError, parse_log, trace_operations, undisturbed
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec, Module

# Ten rounds; the operation takes one instruction more in the second than in the first, and so on.
ROUNDS = """
    movl $0x1, %ebx
round:
    movl %ebx, %ecx
spin_begin:
    decl %ecx
    jnz spin_begin
spin_end:
    incl %ebx
    cmpl $0xa, %ebx
    jbe round
    jmp power_off
"""

LOG = """\
Trace 0: 0x7feddc000100 [00000000/c0100000/004002b1/ff020201]
Trace 0: 0x7feddc000240 [00000000/fc901765/004002b0/ff020201] hypercall_entry
some other line
Trace 0: 0x7feddc000240 [00000000/00000000c0400000/004002b3/ff020201] user_code
"""


def machine_for(folder: Path, source: str) -> MachineSpec:
    """Return a machine whose kernel is its own bench guest."""
    path = kernel(folder, source)
    return MachineSpec(path, "", (Module(path),), icount=True)


def test_a_log_gives_address_and_ring_of_each_instruction() -> None:
    assert list(parse_log(LOG)) == [(0xC0100000, 1), (0xFC901765, 0), (0xC0400000, 3)]


def test_interrupts_of_the_clockwork_are_taken_out_of_an_operation() -> None:
    def step(ring: int, routine: str) -> Step:
        return Step(0x1000, ring, PLAIN, routine, "a.s:1")

    guest, call = step(1, "start"), step(0, "hypercall_entry")
    interrupt = [step(0, "exception_stubs"), step(0, "interrupt_entry"), step(0, "exit_to_guest")]
    assert list(undisturbed([guest, *interrupt, guest, call, call, guest, *interrupt])) == [
        guest, guest, call, call, guest,
    ]  # fmt: skip


def test_the_fourth_operation_is_stepped_through_instruction_by_instruction(tmp_path: Path) -> None:
    (found,) = trace_operations(machine_for(tmp_path, ROUNDS), ["spin"])
    # A jump to its own beginning is a new operation to whoever counts beginnings: 1, then 1 and 2, then 1.
    assert [step.instruction.text for step in found.steps[:2]] == ["decl    %ecx", found.steps[1].instruction.text]
    assert {step.instruction.text.split()[0] for step in found.steps} == {"decl", "jne"}
    assert {(step.ring, step.routine) for step in found.steps} == {(0, "spin_begin")}
    assert len(found.steps) == 2 * 3


def test_an_operation_that_does_not_come_often_enough_is_an_error(tmp_path: Path) -> None:
    source = "spin_begin:\n nop\nspin_end:\n jmp power_off\n"
    with pytest.raises(TraceError, match="the machine ended before operation 'spin' could be stepped through"):
        list(trace_operations(machine_for(tmp_path, source), ["spin"]))


def test_nothing_is_left_of_a_machine_that_was_stepped_through(tmp_path: Path) -> None:
    spec = machine_for(tmp_path, ROUNDS)
    before = set(Path("/tmp").glob("xengen-bench-*"))
    list(trace_operations(spec, ["spin"]))
    assert set(Path("/tmp").glob("xengen-bench-*")) <= before


def test_kinds_and_rings_are_counted() -> None:
    trace = Trace("x", steps((1, PLAIN), (0, SEGMENT), (0, SEGMENT), (0, IRET), (3, PLAIN)))
    assert trace.kinds() == {Kind.PLAIN: 2, Kind.SEGMENT: 2, Kind.RING: 1}
    assert trace.by_ring() == {0: 3, 1: 1, 3: 1}


@pytest.mark.parametrize(
    "executed, longest",
    [
        ([(1, PLAIN), (3, PLAIN)], 0),
        ([(1, PLAIN), (0, PLAIN), (0, IRET), (1, PLAIN)], 2),
        ([(0, PLAIN), (1, PLAIN), (0, PLAIN), (0, PLAIN), (0, PLAIN), (1, PLAIN), (0, PLAIN)], 3),
        ([(0, PLAIN), (0, STI), (0, PLAIN), (0, PLAIN)], 2),
    ],
)
def test_interrupts_are_off_in_ring_0_but_for_sti(executed: list[tuple[int, Instruction]], longest: int) -> None:
    assert Trace("x", steps(*executed)).interrupts_off() == longest


def test_a_gdb_server_that_is_not_there_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GdbError, match=r"^QEMU's gdb server cannot be reached: No such file or directory$"):
        Gdb(tmp_path / "nobody")


def test_a_breakpoint_is_hit_each_time_that_it_is_left_and_reached_again(tmp_path: Path) -> None:
    spec = machine_for(tmp_path, ROUNDS)
    with Machine(spec, start=False) as machine:
        machine.monitor(f"gdbserver unix:{tmp_path}/gdb,server=on,wait=off")
        with Gdb(tmp_path / "gdb") as gdb:
            assert machine.symbols is not None
            gdb.breakpoint(machine.symbols.address("round"))
            hits = 0
            while gdb.step() and gdb.proceed() if hits else gdb.proceed():
                hits += 1
            assert hits == 10
