"""The tables that people read: costs, and the listing of one operation.

Invariants
  - What a row is over its target is said in words, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from xengen.bench.instruction import EXPENSIVE, Kind
from xengen.bench.report import Report, Row, Verdict
from xengen.bench.trace import Trace

STYLES = {Verdict.WITHIN: "green", Verdict.OVER: "bold red", Verdict.NOT_THERE: "dim", Verdict.FAILED: "bold red"}
KIND_TITLES = {
    Kind.RING: "int, iret", Kind.SEGMENT: "segment", Kind.CR3: "cr3", Kind.INVLPG: "invlpg", Kind.OTHER: "other",
}  # fmt: skip


def cost_table(found: Report, other: str | None = None) -> Table:
    """Return the table of all operations; `other` is the name of the hypervisor that the report compares with."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("instructions per operation")
    for title in ("Xen 4.17", "Xen 4.2", "target", "measured"):
        table.add_column(title, justify="right")
    table.add_column("")
    traced = any(row.trace for row in found.rows)
    if traced:
        for kind in EXPENSIVE:
            table.add_column(KIND_TITLES[kind], justify="right")
    if other is not None:
        table.add_column(other, justify="right")
        table.add_column("ratio", justify="right")
    for row in found.rows:
        table.add_row(*_cells(row, traced, other is not None))
    return table


def _cells(row: Row, traced: bool, compared: bool) -> Iterator[str | Text]:
    operation, measured = row.operation, row.measured
    yield operation.title
    yield str(operation.xen417)
    yield str(operation.xen42)
    yield str(operation.target)
    style = STYLES[row.verdict]
    yield Text("" if measured.instructions is None else str(measured.instructions), style)
    yield Text(_in_words(row), style)
    if traced:
        kinds = row.trace.kinds() if row.trace else None
        for kind in EXPENSIVE:
            yield f"{kinds[kind] / operation.units:.2g}" if kinds and kinds[kind] else ""
    if compared:
        theirs = row.other.instructions if row.other else None
        yield "" if theirs is None else str(theirs)
        yield "" if row.ratio is None else f"{row.ratio:.1f}"


def _in_words(row: Row) -> str:
    if row.verdict is Verdict.FAILED:
        return f"error {row.measured.error}"
    return "" if row.verdict is Verdict.WITHIN else str(row.verdict.value)


def summary(found: Report, *, strict: bool) -> Iterator[str]:
    """Yield the sentences below the table."""
    worst = found.worst_interrupts_off()
    if worst is not None:
        yield f"interrupts off for {worst.interrupts_off()} instructions at the most, in {worst.name}"
    missed = found.missed(strict=strict)
    absent = sum(row.verdict is Verdict.NOT_THERE for row in found.rows)
    if absent:
        yield f"{absent} operations are not there"
    if missed:
        yield f"{len(missed)} of {len(found.rows)} targets missed: {', '.join(row.operation.name for row in missed)}"
    else:
        yield f"no target missed, {len(found.rows) - absent} held"


def listing(trace: Trace) -> Iterator[str]:
    """Yield the lines of one operation's listing: number, ring, address, instruction, its place, and an odd kind."""
    routine = ""
    for number, step in enumerate(trace.steps, 1):
        if step.routine != routine:
            routine = step.routine
            yield f"{routine}:"
        kind = "" if step.instruction.kind is Kind.PLAIN else f"  <- {KIND_TITLES[step.instruction.kind]}"
        yield f"{number:5} r{step.ring} {step.address:08x}  {step.instruction.text:<44} {step.place}{kind}"
    kinds = trace.kinds()
    expensive = ", ".join(f"{kinds[kind]} {KIND_TITLES[kind]}" for kind in EXPENSIVE if kinds[kind])
    rings = ", ".join(f"{count} in ring {ring}" for ring, count in sorted(trace.by_ring().items()))
    yield ""
    yield f"{trace.name}: {len(trace.steps)} instructions: {rings}"
    yield f"expensive ones: {expensive or 'none'}"
    yield f"interrupts off for {trace.interrupts_off()} instructions at a time"
