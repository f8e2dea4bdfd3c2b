"""Trees of a few routines, made into images by the toolchain.

Invariants
  - The macros are the project's own; the image has no other source than what a test gives.
  - All cases are one image, assembled once for each worker.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.unit.lint.cases import CASES
from xengen.lint.check import Report, check_tree
from xengen.lint.sources import read_tree
from xengen.toolchain.build import make
from xengen.toolchain.keystone import Assembler
from xengen.toolchain.spec import select_images

ROOT = Path(__file__).parents[3]
Check = Callable[[Mapping[str, str]], Report]


@pytest.fixture(scope="session")
def assembler() -> Iterator[Assembler]:
    with Assembler() as running:
        yield running


def write_tree(tree: Path, files: Mapping[str, str], entry: str) -> None:
    """Write a hypervisor of `files` (name below the tree, text) that begins at the symbol `entry`."""
    (tree / "templates").mkdir()
    shutil.copy(ROOT / "templates" / "macros.s", tree / "templates")
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    toml = f'base = 0xFC900000\nload_offset = 0xFC800000\nentry = "{entry}"\nentry_is_physical = true\n'
    (tree / "asm" / "hypervisor" / "image.toml").write_text(toml, encoding="utf-8")


def check(tree: Path, assembler: Assembler) -> Report:
    """Make the tree's image and check it."""
    return check_tree(read_tree(tree), [make(tree, select_images(tree, None)[0], assembler, debug=True).image])


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory, assembler: Assembler) -> Report:
    """What the checker says about all of `CASES`."""
    tree = tmp_path_factory.mktemp("cases")
    write_tree(tree, {case.file: case.text for case in CASES}, CASES[0].name)
    return check(tree, assembler)


@pytest.fixture
def check_files(tmp_path: Path, assembler: Assembler) -> Check:
    """A function that checks a hypervisor of the given files; it begins at `start`."""

    def run(files: Mapping[str, str]) -> Report:
        write_tree(tmp_path, files, "start")
        return check(tmp_path, assembler)

    return run
