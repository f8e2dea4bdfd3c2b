"""Every rule about instructions, on routines that keep it and on routines that break it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.lint.cases import BALANCE, CALLS, CASES, DEPTH, ENDS, INPUTS, REGISTERS, Case
from xengen.lint.check import Report


def table(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def said(report: Report, case: Case) -> tuple[str, ...]:
    found = (str(finding) for finding in report.images[0].findings if finding.file == case.file)
    return tuple(finding.removeprefix(f"{case.file}:") for finding in found)


@table(REGISTERS)
def test_a_register_that_changes_is_named(cases: Report, case: Case) -> None:
    assert said(cases, case) == case.says


@table(INPUTS)
def test_a_register_that_is_used_was_given_or_set(cases: Report, case: Case) -> None:
    assert said(cases, case) == case.says


@table(BALANCE)
def test_the_stack_is_balanced_on_every_path(cases: Report, case: Case) -> None:
    assert said(cases, case) == case.says


@table(CALLS)
def test_a_call_changes_what_the_callees_header_says(cases: Report, case: Case) -> None:
    assert said(cases, case) == case.says


@table(ENDS)
def test_a_routine_ends_as_its_header_says(cases: Report, case: Case) -> None:
    assert said(cases, case) == case.says


@table(DEPTH)
def test_recursion_is_declared(cases: Report, case: Case) -> None:
    assert said(cases, case) == case.says


def test_nothing_else_is_found(cases: Report) -> None:
    assert {finding.file for finding in cases.images[0].findings} == {case.file for case in CASES if case.says}
