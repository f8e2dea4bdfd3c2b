"""The generated reference page and the command that writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xengen.abi.reference import CHAPTERS, render_reference
from xengen.abi.symbols import MODULES
from xengen.cli.abi import abi
from xengen.errors import UserError

PAGE = Path(__file__).parents[3] / "docs" / "abi-reference.md"


def test_the_committed_page_is_what_the_model_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_reference(), (
        "docs/abi-reference.md is out of date: run `xengen abi --write docs/abi-reference.md`"
    )


def test_the_first_line_of_the_page_says_what_made_it() -> None:
    assert "xengen abi --write docs/abi-reference.md" in render_reference().splitlines()[0]


def test_every_module_of_the_model_has_a_chapter() -> None:
    assert sorted(id(module) for _, module in CHAPTERS) == sorted(id(module) for module in MODULES)


def test_every_structure_and_every_group_of_constants_has_one_heading() -> None:
    headings = [line for line in render_reference().splitlines() if line.startswith("### ")]
    structures = [f"### {declaration.c_name}" for module in MODULES for declaration in module.STRUCTURES]
    groups = {f"### Constants: {constant.group}" for module in MODULES for constant in module.CONSTANTS}
    assert sorted(headings) == sorted([*structures, *groups])


def test_a_hypercall_is_one_row_with_its_registers_entry_and_errors() -> None:
    assert (
        "| 18 | console_io | ebx cmd, ecx count, edx buffer | full | EFAULT EPERM ENOSYS "
        "| Writes to or reads from the hypervisor's console. |"
    ) in render_reference().splitlines()


def test_a_hypercall_that_is_not_there_yet_is_called_absent() -> None:
    assert "| 37 | kexec_op | ebx cmd, ecx arg | absent | ENOSYS | Loads a kernel to run after a crash. |" in (
        render_reference().splitlines()
    )


@pytest.mark.parametrize("row", [
    "| 516 | 68 | cpu_user_regs | user_regs |",
    "| 584 | 2048 | trap_info[256] | trap_ctxt |",
    "| 4 | 36 | union | u |",
    "| 8 | 8 | u64 | tsc_timestamp |",
    "| GNTST_bad_page | -9 | -0x9 |",
])
def test_a_field_or_constant_is_one_row(row: str) -> None:
    assert row in render_reference().splitlines()


def test_padding_is_not_on_the_page() -> None:
    assert "| _pad" not in render_reference()


def test_the_command_writes_the_page_to_the_file_that_it_is_given(tmp_path: Path) -> None:
    abi(write=tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == render_reference()


def test_the_command_prints_the_page_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    abi()
    assert capsys.readouterr().out == render_reference()


def test_the_command_prints_hypercalls_and_symbols_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    abi(as_json=True)
    model = json.loads(capsys.readouterr().out)
    assert model["symbols"]["START_INFO_nr_pages"] == 32
    assert model["hypercalls"][3]["arguments"] == ["ss", "esp"]


def test_a_file_that_cannot_be_written_is_a_sentence_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*page\.md \(No such file or directory\): name a file"):
        abi(write=tmp_path / "missing" / "page.md")


def test_a_file_and_json_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exclude each other"):
        abi(write=tmp_path / "page.md", as_json=True)
    assert not (tmp_path / "page.md").exists()
