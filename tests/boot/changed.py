"""Hypervisors of which a test has changed a few lines: to reach what no machine of ours does by itself.

Invariants
  - A change replaces one piece of text that is there just once; so it says when the source no longer is what it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.boot.harness import TREE, Images
from xengen.toolchain.build import build


@dataclass(frozen=True)
class Change:
    """In a file below asm/hypervisor: `old`, which is there once, becomes `new`."""

    file: str
    old: str
    new: str


class ChangedImages(Images):
    """The project's images, but for the hypervisor, which is built in `folder` with changes and files of its own."""

    def __init__(self, folder: Path, changes: Sequence[Change], files: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._changes = changes
        self._files = files or {}

    def hypervisor(self, *, debug: bool = True) -> Path:
        """Return the ELF file of the hypervisor that was changed."""
        tree = self._folder / "tree"
        if not tree.exists():
            self._make(tree)
        (result,) = build(tree, self._folder / ("build" if debug else "release"), images=["hypervisor"], debug=debug)
        return result.elf

    def _make(self, tree: Path) -> None:
        shutil.copytree(TREE / "asm/hypervisor", tree / "asm/hypervisor")
        (tree / "asm/lib").symlink_to(TREE / "asm/lib")
        (tree / "templates").symlink_to(TREE / "templates")
        for change in self._changes:
            file = tree / "asm/hypervisor" / change.file
            source = file.read_text(encoding="utf-8")
            assert source.count(change.old) == 1, f"{change.file} has {change.old!r} {source.count(change.old)} times"
            file.write_text(source.replace(change.old, change.new), encoding="utf-8")
        for name, text in self._files.items():
            (tree / "asm/hypervisor" / name).write_text(text, encoding="utf-8")
