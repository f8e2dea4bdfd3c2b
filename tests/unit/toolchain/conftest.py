"""Small trees to build, and the project's own tree.

Invariants
  - A test's tree is its own; the assembler's process is shared, because it keeps nothing between requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xengen.toolchain.build import Made, make
from xengen.toolchain.errors import BuildError
from xengen.toolchain.keystone import Assembler
from xengen.toolchain.spec import read_spec

PROJECT = Path(__file__).resolve().parents[3]
BASE = 0xC0100000
LOAD_OFFSET = 0xC0000000
IMAGE_TOML = f"""about = "A test's guest."
base = {BASE:#x}
load_offset = {LOAD_OFFSET:#x}
entry = "_start"
entry_is_physical = false
"""


class Tree:
    """A project tree with one guest, `g`, whose source is asm/guests/g/g.s."""

    def __init__(self, root: Path, assembler: Assembler) -> None:
        self.root = root
        self.assembler = assembler
        self.write("asm/guests/g/image.toml", IMAGE_TOML)
        self.write("asm/guests/g/g.s", "_start: ret\n")
        self.write("templates/.keep", "")

    def write(self, path: str, text: str) -> Path:
        """Write a file of the tree; `path` is relative to it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def make(self, text: str | None = None, *, debug: bool = True) -> Made:
        """Make the guest in memory, from `text` when there is any."""
        if text is not None:
            self.write("asm/guests/g/g.s", text)
        return make(self.root, read_spec(self.root, "asm/guests/g"), self.assembler, debug=debug)

    def code(self, statements: str) -> bytes:
        """Return the bytes of statements that stand in .text, from the entry on."""
        return self.make(f"_start: {statements}\n").image.section(".text").data

    def refusal(self, text: str) -> str:
        """Return the text of the error that the guest's source `text` must cause."""
        with pytest.raises(BuildError) as caught:
            self.make(text)
        return str(caught.value)


@pytest.fixture(scope="session")
def assembler() -> Iterator[Assembler]:
    """A Keystone process."""
    with Assembler() as found:
        yield found


@pytest.fixture
def tree(tmp_path: Path, assembler: Assembler) -> Tree:
    """A tree with one guest."""
    return Tree(tmp_path / "tree", assembler)


@pytest.fixture(scope="session")
def own_image(assembler: Assembler) -> Callable[[str, bool], Made]:
    """A function from (image folder, debug) to the project's own image, made once."""
    made: dict[tuple[str, bool], Made] = {}

    def find(folder: str, debug: bool) -> Made:
        if (folder, debug) not in made:
            made[folder, debug] = make(PROJECT, read_spec(PROJECT, folder), assembler, debug=debug)
        return made[folder, debug]

    return find
