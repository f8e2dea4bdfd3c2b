"""Measurements and traces made by hand, for the tests of reports and tables."""

from __future__ import annotations

from xengen.bench.instruction import Instruction, Kind
from xengen.bench.measure import Measurement
from xengen.bench.operations import LONG_OPERATIONS, NAMES, OPERATIONS
from xengen.bench.trace import Step, Trace

PLAIN = Instruction("nop", 1, Kind.PLAIN)
STI = Instruction("sti", 1, Kind.PLAIN, lets_interrupts_in=True)
IRET = Instruction("iretl", 1, Kind.RING)
SEGMENT = Instruction("movl    %eax, %ds", 2, Kind.SEGMENT)

TARGETS = {op.name: op.target for op in OPERATIONS} | {op.name: 1 for op in LONG_OPERATIONS}


def steps(*executed: tuple[int, Instruction]) -> tuple[Step, ...]:
    """Return steps, each given as (ring, instruction)."""
    return tuple(Step(0x1000 + at, ring, what, "here", f"a.s:{at}") for at, (ring, what) in enumerate(executed))


def trace(name: str, in_ring_0: int = 3) -> Trace:
    """Return a trace that is in ring 0 for so many instructions."""
    return Trace(name, steps((1, PLAIN), *([(0, SEGMENT)] * (in_ring_0 - 1)), (0, IRET), (1, PLAIN)))


def measurements(**changes: int | None) -> dict[str, Measurement]:
    """Return a measurement of everything, right at its target; but for `changes`: instructions, None: not there."""
    return {name: Measurement(name, changes.get(name, TARGETS[name])) for name in NAMES}
