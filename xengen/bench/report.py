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
from xengen.bench.operations import INTERRUPTS_OFF, LONG_OPERATIONS, OPERATIONS, LongOperation, Operation
from xengen.bench.trace import Trace


class Verdict(Enum):
    """How a measurement stands against its target."""

    WITHIN = "within"
    OVER = "over"
    NOT_THERE = "not there"
    FAILED = "failed"


def _verdict(measured: Measurement, counted: int | None, target: int) -> Verdict:
    if measured.error is not None:
        return Verdict.FAILED
    if counted is None:
        return Verdict.NOT_THERE
    return Verdict.WITHIN if counted <= target else Verdict.OVER


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
        return _verdict(self.measured, self.measured.instructions, self.operation.target)

    @property
    def ratio(self) -> float | None:
        """How many times the other hypervisor's instructions are ours; None unless both were measured."""
        return _ratio(self.measured, self.other)


@dataclass(frozen=True)
class LongRow:
    """One long operation: what it costs (where it is repeated), and the first of it step by step."""

    operation: LongOperation
    measured: Measurement
    trace: Trace | None = None
    other: Measurement | None = None

    @property
    def interrupts_off(self) -> int | None:
        """The longest run of instructions with interrupts off; None when it was not stepped through."""
        return self.trace.interrupts_off() if self.trace else None

    @property
    def verdict(self) -> Verdict:
        """How its longest run stands."""
        return _verdict(self.measured, self.interrupts_off, INTERRUPTS_OFF)

    @property
    def ratio(self) -> float | None:
        """As Row.ratio."""
        return _ratio(self.measured, self.other)


def _ratio(ours: Measurement, theirs: Measurement | None) -> float | None:
    if not ours.instructions or theirs is None or theirs.instructions is None:
        return None
    return theirs.instructions / ours.instructions


@dataclass(frozen=True)
class Report:
    """All rows, in the order of OPERATIONS and LONG_OPERATIONS."""

    rows: tuple[Row, ...]
    long_rows: tuple[LongRow, ...]

    def missed(self, *, strict: bool = False) -> tuple[str, ...]:
        """Return the names of the rows that miss their target; with `strict` also of what is not there."""
        bad = {Verdict.OVER, Verdict.FAILED} | ({Verdict.NOT_THERE} if strict else set())
        return tuple(row.operation.name for row in self._all() if row.verdict in bad)

    def not_there(self) -> tuple[str, ...]:
        """Return the names of the operations that the hypervisor does not have."""
        return tuple(row.operation.name for row in self._all() if row.verdict is Verdict.NOT_THERE)

    def worst_interrupts_off(self) -> Trace | None:
        """Return the operation with the longest run of instructions with interrupts off; None without traces."""
        traces = [row.trace for row in self._all() if row.trace is not None]
        return max(traces, key=Trace.interrupts_off, default=None)

    def _all(self) -> list[Row | LongRow]:
        return [*self.rows, *self.long_rows]


def report(
    measured: Mapping[str, Measurement],
    traces: Sequence[Trace] = (),
    other: Mapping[str, Measurement] | None = None,
) -> Report:
    """Put measurements, traces and another hypervisor's measurements together."""
    traced = {trace.name: trace for trace in traces}
    theirs = other or {}
    return Report(
        tuple(Row(op, measured[op.name], traced.get(op.name), theirs.get(op.name)) for op in OPERATIONS),
        tuple(LongRow(op, measured[op.name], traced.get(op.name), theirs.get(op.name)) for op in LONG_OPERATIONS),
    )


def as_object(found: Report, *, strict: bool = False) -> dict[str, object]:
    """Return the report as plain data. All counts are instructions per operation."""
    worst = found.worst_interrupts_off()
    return {
        "operations": [_row(row) for row in found.rows],
        "long": [_long_row(row) for row in found.long_rows],
        "missed": list(found.missed(strict=strict)),
        "not_there": list(found.not_there()),
        "interrupts_off": None if worst is None else {"operation": worst.name, "instructions": worst.interrupts_off()},
    }


def _row(row: Row) -> dict[str, object]:
    facts = _common(row) | {
        "xen_4_17": row.operation.xen417,
        "xen_4_2": row.operation.xen42,
        "target": row.operation.target,
    }
    if row.trace is not None:
        kinds = row.trace.kinds()
        facts["expensive"] = {kind.value: kinds[kind] / row.operation.units for kind in EXPENSIVE}
    return facts


def _long_row(row: LongRow) -> dict[str, object]:
    return _common(row) | {"target": INTERRUPTS_OFF}


def _common(row: Row | LongRow) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": row.operation.name,
        "title": row.operation.title,
        "instructions": row.measured.instructions,
        "error": row.measured.error,
        "verdict": row.verdict.value,
        "interrupts_off": row.trace.interrupts_off() if row.trace else None,
    }
    if row.other is not None:
        facts |= {"other": row.other.instructions, "ratio": row.ratio}
    return facts
