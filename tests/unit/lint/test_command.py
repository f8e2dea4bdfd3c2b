"""`xengen lint`: its text, its object, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.lint.cases import routine
from tests.unit.lint.conftest import write_tree
from xengen.cli.app import run_command_line

HOLDS = routine("start", "pushl %eax; popl %eax; hlt; jmp start", out="does not return")
BROKEN = HOLDS + routine("forgets", "movl $1, %edx; ret")
MAIN = "asm/hypervisor/main.s"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("xengen.cli.lint.source_tree", lambda: tmp_path)
    return tmp_path


def fill(tree: Path, text: str) -> None:
    write_tree(tree, {MAIN: "        .text\n" + text}, "start")
    (tree / "templates" / "macros.s").write_text(
        "{# A routine. #}\n{% macro routine(name) %}\n.type {{ name }}, @function\n{{ name }}:\n{{ caller() }}\n"
        ".size {{ name }}, .-{{ name }}\n{% endmacro %}\n",
        encoding="utf-8",
    )


def test_contracts_that_hold_give_a_summary_and_status_0(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, HOLDS)
    assert run_command_line(["lint"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "hypervisor (debug): 28 bytes of stack: start (24)",
        "hypervisor (release): 28 bytes of stack: start (24)",
        "1 routine, deepest stack 28 bytes: no findings",
    ]


def test_a_broken_contract_is_said_once_and_gives_status_1(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, BROKEN)
    assert run_command_line(["lint"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{MAIN}:21: routine forgets: writes %edx, which its header does not name"
    assert lines[-1] == "2 routines, deepest stack 28 bytes: 1 finding"


def test_sources_that_cannot_be_built_give_status_2(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, routine("start", "jmp nowhere", out="does not return"))
    assert run_command_line(["lint"]) == 2
    assert capsys.readouterr().err.startswith(f"{MAIN}:9: ")


def test_the_object_has_findings_and_depths(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tree, BROKEN)
    assert run_command_line(["lint", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["routines"] == 2
    assert found["findings"] == [
        {"file": MAIN, "line": 21, "routine": "forgets", "message": "writes %edx, which its header does not name"}
    ]
    assert found["images"][0] == {
        "name": "hypervisor (debug)",
        "routines": 2,
        "stack": None,
        "needed": 56,
        "deepest": {"bytes": 28, "routines": [{"name": "start", "bytes": 24}]},
        "fault": {"bytes": 28, "routines": [{"name": "start", "bytes": 24}]},
    }
