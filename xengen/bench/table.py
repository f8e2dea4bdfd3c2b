"""The tables that people read: costs, and the listing of one operation.

Invariants
  - That a row is over its target is said in words, not by colour alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from xengen.bench.instruction import EXPENSIVE, Kind
from xengen.bench.operations import INTERRUPTS_OFF
from xengen.bench.report import LongRow, Report, Row, Verdict
from xengen.bench.trace import Trace

STYLES = {Verdict.WITHIN: "green", Verdict.OVER: "bold red", Verdict.NOT_THERE: "dim", Verdict.FAILED: "bold red"}
KIND_TITLES = {
    Kind.RING: "int, iret", Kind.SEGMENT: "segment", Kind.CR3: "cr3", Kind.INVLPG: "invlpg", Kind.OTHER: "other",
}  # fmt: skip


def cost_table(found: Report, other: str | None = None) -> Table:
    """Return the table of all operations; `other` is the name of the hypervisor that the report compares with."""
    table = _table("instructions per operation", "Xen 4.17", "Xen 4.2", "target", "measured")
    table.add_column("")
    traced = any(row.trace for row in found.rows)
    if traced:
        for kind in EXPENSIVE:
            table.add_column(KIND_TITLES[kind], justify="right")
    _compare(table, other)
    for row in found.rows:
        operation, measured = row.operation, row.measured.instructions
        cells: list[str | Text] = [operation.title, *map(str, (operation.xen417, operation.xen42, operation.target))]
        cells += [_styled(row, measured), _in_words(row)]
        if traced:
            kinds = row.trace.kinds() if row.trace else Counter()
            cells += [f"{kinds[kind] / operation.units:.2g}" if kinds[kind] else "" for kind in EXPENSIVE]
        table.add_row(*cells, *_compared(row, other))
    return table


def long_table(found: Report, other: str | None = None) -> Table:
    """Return the table of long operations."""
    table = _table("instructions in all", "first time", "repeated", "interrupts off", "target")
    table.add_column("")
    _compare(table, other)
    for row in found.long_rows:
        measured = row.measured.instructions
        table.add_row(
            row.operation.title,
            str(len(row.trace.steps)) if row.trace else "",
            "" if measured is None else str(measured),
            _styled(row, row.interrupts_off),
            str(INTERRUPTS_OFF),
            _in_words(row),
            *_compared(row, other),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for title in others:
        table.add_column(title, justify="right")
    return table


def _compare(table: Table, other: str | None) -> None:
    if other is not None:
        table.add_column(other, justify="right")
        table.add_column("ratio", justify="right")


def _compared(row: Row | LongRow, other: str | None) -> list[str]:
    if other is None:
        return []
    theirs = row.other.instructions if row.other else None
    return ["" if theirs is None else str(theirs), "" if row.ratio is None else f"{row.ratio:.1f}"]


def _styled(row: Row | LongRow, counted: int | None) -> Text:
    return Text("" if counted is None else str(counted), STYLES[row.verdict])


def _in_words(row: Row | LongRow) -> Text:
    words = {Verdict.FAILED: f"error {row.measured.error}", Verdict.WITHIN: ""}
    return Text(words.get(row.verdict, row.verdict.value), STYLES[row.verdict])


def summary(found: Report, *, strict: bool) -> Iterator[str]:
    """Yield the sentences below the tables."""
    worst = found.worst_interrupts_off()
    if worst is not None:
        yield f"interrupts off for {worst.interrupts_off()} instructions at the most, in {worst.name}"
    absent, missed = found.not_there(), found.missed(strict=strict)
    if absent:
        yield f"not there: {', '.join(absent)}"
    yield f"targets missed: {', '.join(missed)}" if missed else "no target is missed"


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
