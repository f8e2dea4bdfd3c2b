"""Hypervisors that are wrong in one place, for tests of what is to find that out.

Invariants
  - A mutant is built from a copy of the sources; what is replaced must be there exactly once, or the test has an error.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.boot.harness import TREE
from xengen.toolchain.build import build


@dataclass(frozen=True)
class Mutant:
    """A file below asm/hypervisor, what stands there, and what stands there in its place."""

    file: str
    right: str
    wrong: str = ""


def but(text: str, wrong: str) -> tuple[str, str]:
    """Return a piece of assembly, and the same with `wrong` left out."""
    return text, text.replace(wrong, "")


def built_wrong(mutant: Mutant, folder: Path) -> Path:
    """Build a mutant in an empty folder and return its ELF file."""
    shutil.copytree(TREE / "asm/hypervisor", folder / "asm/hypervisor")
    for shared in ("asm/lib", "templates"):
        (folder / shared).symlink_to(TREE / shared)
    file = folder / "asm/hypervisor" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant.right) == 1, f"{mutant.file} has changed: {mutant.right!r} is not there once"
    file.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
    (built,) = build(folder, folder / "build", images=["hypervisor"])
    return built.elf
