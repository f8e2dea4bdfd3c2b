"""`xengen doctor` (xengen/cli/doctor.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Xengen
from xengen.cli.doctor import TOOLS, Tool, examine
from xengen.cli.status import ExitStatus


def program(folder: Path, name: str, script: str) -> str:
    """Put a program into `folder`; return the search path that finds it."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return str(folder)


def test_every_tool_has_a_line_with_its_purpose(xengen: Xengen) -> None:
    said = xengen("doctor", "--json")
    found = json.loads(said.out)
    assert [one["name"] for one in found] == [tool.name for tool in TOOLS]
    assert all(one["purpose"] and one["package"] for one in found)


def test_the_table_names_every_tool(xengen: Xengen) -> None:
    said = xengen("doctor")
    assert said.status == ExitStatus.YES
    heading, *rows = said.out.splitlines()
    assert heading.split()[:2] == ["tool", "found"]
    assert [row.split()[0] for row in rows] == [tool.name for tool in TOOLS], "a line for each, if nobody looks on"
    assert "\x1b" not in said.out


def test_a_missing_qemu_is_the_answer_no(xengen: Xengen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = xengen("doctor", "--json")
    assert said.status == ExitStatus.NO
    assert json.loads(said.out)[0]["path"] is None


@pytest.mark.parametrize(
    "script, version",
    [("echo GNU ld 2.40", "2.40"), ("echo 'x 1.5.4 : y' >&2; exit 1", "1.5.4"), ("echo none", None)],
)
def test_a_tools_version_is_what_it_says(tmp_path: Path, script: str, version: str | None) -> None:
    found = examine(Tool("some-tool", "some-package", "tests"), program(tmp_path, "some-tool", script))
    assert (found.version, found.good) == (version, True)


def test_a_qemu_that_is_too_old_is_no_good(tmp_path: Path) -> None:
    path = program(tmp_path, "qemu-system-i386", 'echo "QEMU emulator version 4.2.1"')
    found = examine(TOOLS[0], path)
    assert not found.good
    assert found.problem is not None
    assert "needs 7.0 or later" in found.problem


@pytest.mark.parametrize("script, good", [("echo socket; echo user", True), ("echo socket", False), ("exit 1", False)])
def test_a_network_backend_that_qemu_was_built_without_is_named(tmp_path: Path, script: str, good: bool) -> None:
    tool = Tool("qemu-netdev-user", "qemu-system-x86", "a network", backend="user")
    found = examine(tool, program(tmp_path, "qemu-system-i386", script))
    assert found.good == good
    assert found.problem == (
        None
        if good
        else "this qemu-system-i386 was built without the network backend user: install Debian's qemu-system-x86"
    )


def test_without_qemu_there_are_no_network_backends(tmp_path: Path) -> None:
    found = examine(Tool("qemu-netdev-user", "qemu-system-x86", "a network", backend="user"), str(tmp_path))
    assert (found.path, found.good) == (None, False)
