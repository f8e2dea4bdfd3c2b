"""docs/memory-safety.md: each step of the argument points at routines and at tests, and all of them are there.

Invariants
  - What stands in backquotes is a path, a test, a routine of the hypervisor, a macro, or a command of ours.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

TREE = Path(__file__).resolve().parents[3]
PAGE = (TREE / "docs/memory-safety.md").read_text(encoding="utf-8")
ROUTINES = frozenset(
    name
    for path in (TREE / "asm/hypervisor").rglob("*.s")
    for name in re.findall(r'call routine\("(\w+)"\)', path.read_text(encoding="utf-8"))
)
MACROS = frozenset(re.findall(r"macro (\w+)\(", (TREE / "templates/macros.s").read_text(encoding="utf-8")))
TESTS = frozenset(
    name
    for path in (TREE / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
)


class Step(NamedTuple):
    """A step of the argument: its number, and what it names as its routines and its tests."""

    number: int
    routines: list[str]
    tests: list[str]


def names(text: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def steps() -> list[Step]:
    """Return all steps of the page in order."""
    found = []
    for match in re.finditer(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", PAGE, re.MULTILINE | re.DOTALL):
        claim, _, rest = match[2].partition("Routines:")
        routines, _, tests = rest.partition("Tests:")
        assert claim.startswith("*")
        found.append(Step(int(match[1]), names(routines), names(tests)))
    return found


def is_there(name: str) -> bool:
    """Whether a path, a test, a routine, a macro or a command exists."""
    if "/" in name or "." in name:
        return any((TREE / folder / name).exists() for folder in ("", "asm/hypervisor", "tests"))
    if name.startswith("xengen "):
        return (TREE / f"xengen/cli/{name.split()[1]}.py").exists()
    return name in TESTS | ROUTINES | MACROS or (TREE / name).is_dir()


def test_the_steps_are_numbered_from_1() -> None:
    assert [step.number for step in steps()] == list(range(1, len(steps()) + 1))
    assert len(steps()) > 20


@pytest.mark.parametrize("step", steps(), ids=lambda step: str(step.number))
def test_a_step_names_routines_and_tests(step: Step) -> None:
    assert step.routines and step.tests
    assert [name for name in step.tests if not name.startswith("test_")] == []
    assert [name for name in step.routines if name.startswith("test_")] == []


@pytest.mark.parametrize("name", sorted(set(names(PAGE))))
def test_what_the_page_names_is_there(name: str) -> None:
    assert is_there(name)


@pytest.mark.parametrize("name", ["mm/no_such_file.s", "no_such_routine", "test_no_such_thing", "xengen nonsense"])
def test_what_is_not_there_would_be_noticed(name: str) -> None:
    assert not is_there(name)
