"""What was measured, held against the targets: rows, verdicts, and the same as plain data.

Invariants
  - A row is over its target, within it, not there, or failed; nothing is judged that was not measured.
  - What is not there is missed only when the caller is strict; what failed is always missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from xengen.bench.instruction import EXPENSIVE
from xengen.bench.measure import Measurement
from xengen.bench.operations import OPERATIONS, Operation
from xengen.bench.trace import Trace


class Verdict(Enum):
    """How a measurement stands against its target."""

    WITHIN = "within"
    OVER = "over"
    NOT_THERE = "not there"
    FAILED = "failed"


@dataclass(frozen=True)
class Row:
    """One operation: what it is, what was measured, one of it step by step, and what it costs on another hypervisor."""

    operation: Operation
    measured: Measurement
    trace: Trace | None = None
    other: Measurement | None = None

    @property
    def verdict(self) -> Verdict:
        """How the measurement stands."""
        if self.measured.error is not None:
            return Verdict.FAILED
        if self.measured.instructions is None:
            return Verdict.NOT_THERE
        return Verdict.WITHIN if self.measured.instructions <= self.operation.target else Verdict.OVER

    @property
    def ratio(self) -> float | None:
        """How many times the other hypervisor's instructions are ours; None unless both were measured."""
        ours, theirs = self.measured.instructions, self.other.instructions if self.other else None
        return theirs / ours if ours and theirs is not None else None


@dataclass(frozen=True)
class Report:
    """All rows, in the order of OPERATIONS."""

    rows: tuple[Row, ...]

    def missed(self, *, strict: bool = False) -> tuple[Row, ...]:
        """Return the rows that miss their target; with `strict` also what is not there."""
        bad = {Verdict.OVER, Verdict.FAILED} | ({Verdict.NOT_THERE} if strict else set())
        return tuple(row for row in self.rows if row.verdict in bad)

    def worst_interrupts_off(self) -> Trace | None:
        """Return the operation with the longest run of instructions with interrupts off; None without traces."""
        traces = [row.trace for row in self.rows if row.trace is not None]
        return max(traces, key=Trace.interrupts_off, default=None)


def report(
    measured: Mapping[str, Measurement],
    traces: Sequence[Trace] = (),
    other: Mapping[str, Measurement] | None = None,
    operations: Sequence[Operation] = OPERATIONS,
) -> Report:
    """Put measurements, traces and another hypervisor's measurements together."""
    traced = {trace.name: trace for trace in traces}
    return Report(
        tuple(
            Row(op, measured[op.name], traced.get(op.name), other[op.name] if other is not None else None)
            for op in operations
        )
    )


def as_object(found: Report, *, strict: bool = False) -> dict[str, object]:
    """Return the report as plain data. All counts are instructions per operation."""
    worst = found.worst_interrupts_off()
    return {
        "operations": [_row(row) for row in found.rows],
        "missed": [row.operation.name for row in found.missed(strict=strict)],
        "interrupts_off": None if worst is None else {"operation": worst.name, "instructions": worst.interrupts_off()},
    }


def _row(row: Row) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": row.operation.name,
        "title": row.operation.title,
        "xen_4_17": row.operation.xen417,
        "xen_4_2": row.operation.xen42,
        "target": row.operation.target,
        "instructions": row.measured.instructions,
        "error": row.measured.error,
        "verdict": row.verdict.value,
    }
    if row.trace is not None:
        kinds = row.trace.kinds()
        facts["expensive"] = {kind.value: kinds[kind] / row.operation.units for kind in EXPENSIVE}
        facts["interrupts_off"] = row.trace.interrupts_off()
    if row.other is not None:
        facts["other"] = row.other.instructions
        facts["ratio"] = row.ratio
    return facts
