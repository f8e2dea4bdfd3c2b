"""Verdicts, ratios and the tables (xengen/bench/report.py, table.py)."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tests.unit.bench.rows import measurements, trace
from xengen.bench.measure import Measurement
from xengen.bench.operations import INTERRUPTS_OFF, NAMES
from xengen.bench.report import Report, Verdict, as_object, report
from xengen.bench.table import cost_table, listing, long_table, summary


def shown(found: Report, other: str | None = None) -> list[str]:
    """Return the lines of both tables."""
    console = Console(width=200, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(cost_table(found, other))
    console.print(long_table(found, other))
    console.file.close()
    return [line.rstrip() for line in console.export_text().splitlines()]


def line_of(lines: list[str], title: str) -> list[str]:
    """Return the cells behind `title`."""
    (line,) = (line for line in lines if line.strip().startswith(title))
    return line.strip().removeprefix(title).split()


@pytest.mark.parametrize(
    "instructions, verdict", [(30, Verdict.WITHIN), (31, Verdict.OVER), (0, Verdict.WITHIN), (None, Verdict.NOT_THERE)]
)
def test_a_measurement_is_held_against_its_target(instructions: int | None, verdict: Verdict) -> None:
    assert report(measurements(null=instructions)).rows[0].verdict is verdict


def test_an_operation_that_fails_misses_its_target() -> None:
    found = report(measurements() | {"null": Measurement("null", None, -22)}, [trace(name) for name in NAMES])
    assert found.missed() == ("null",)


@pytest.mark.parametrize("length, missed", [(INTERRUPTS_OFF, ()), (INTERRUPTS_OFF + 1, ("pin_l1",))])
def test_a_long_operation_is_judged_by_its_longest_run(length: int, missed: tuple[str, ...]) -> None:
    traces = [trace(name, length if name == "pin_l1" else 3) for name in NAMES]
    assert report(measurements(pin_l1=10**6), traces).missed() == missed


def test_what_is_not_there_is_missed_only_by_the_strict() -> None:
    found = report(measurements(event=None), [trace(name) for name in NAMES])
    assert (found.missed(), found.missed(strict=True), found.not_there()) == ((), ("event",), ("event",))


def test_the_longest_run_of_all_is_found() -> None:
    worst = report(measurements(), [trace("null", 5), trace("yield", 9), trace("pin_l1", 7)]).worst_interrupts_off()
    assert worst is not None
    assert (worst.name, worst.interrupts_off()) == ("yield", 9)


def test_a_ratio_says_how_many_times_more_the_other_takes() -> None:
    other = measurements(null=252, event=None)
    rows = {row.operation.name: row for row in report(measurements(null=20), other=other).rows}
    assert (rows["null"].ratio, rows["event"].ratio, rows["yield"].ratio) == (12.6, None, 1.0)


def test_a_row_says_numbers_verdict_and_expensive_instructions() -> None:
    traces = [trace("null", 4), trace("mmu_update_batch", 129)]
    lines = shown(report(measurements(null=31), traces))
    assert line_of(lines, "null hypercall, guest to guest") == ["252", "99", "30", "31", "over", "1", "3"]
    # A batch's are shares of one entry.
    assert line_of(lines, "mmu_update, per entry in a batch of 128")[-2:] == ["0.0078", "1"]


def test_a_row_of_a_comparison_ends_with_the_other_and_the_ratio() -> None:
    lines = shown(report(measurements(null=20), other=measurements(null=252)), "xen.gz")
    assert line_of(lines, "null hypercall, guest to guest")[-2:] == ["252", "12.6"]
    assert any("xen.gz" in line for line in lines)


def test_the_sentences_name_what_is_missed_and_what_is_not_there() -> None:
    found = report(measurements(null=31, event=None), [trace(name) for name in NAMES if name != "event"])
    assert list(summary(found, strict=False)) == [
        "interrupts off for 3 instructions at the most, in null", "not there: event", "targets missed: null",
    ]  # fmt: skip
    assert list(summary(found, strict=True))[-1] == "targets missed: null, event"


def test_nothing_missed_is_said_too() -> None:
    assert list(summary(report(measurements()), strict=False))[-1] != "targets missed: "
    within = report(measurements(), [trace(name) for name in NAMES])
    assert list(summary(within, strict=True))[-1] == "no target is missed"


def test_the_object_is_plain_data_with_every_number() -> None:
    found = json.loads(json.dumps(as_object(report(measurements(null=31), [trace("null")], measurements(null=62)))))
    assert found["operations"][0] == {
        "name": "null", "title": "null hypercall, guest to guest", "instructions": 31, "error": None,
        "verdict": "over", "interrupts_off": 3, "other": 62, "ratio": 2.0, "xen_4_17": 252, "xen_4_2": 99, "target": 30,
        "expensive": {"ring": 1, "segment": 2, "cr3": 0, "invlpg": 0, "other": 0},
    }  # fmt: skip
    assert found["interrupts_off"] == {"operation": "null", "instructions": 3}
    assert "null" in found["missed"]


def test_a_listing_has_a_line_for_each_instruction_with_its_place() -> None:
    lines = list(listing(trace("null")))
    assert lines[0] == "here:"
    assert lines[2].split() == ["2", "r0", "00001001", "movl", "%eax,", "%ds", "a.s:1", "<-", "segment"]
    assert lines[-3:] == [
        "null: 5 instructions: 3 in ring 0, 2 in ring 1",
        "expensive ones: 1 int, iret, 2 segment",
        "interrupts off for 3 instructions at a time",
    ]
