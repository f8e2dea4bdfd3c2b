"""Two independent opinions on every byte: GNU as on the rendered source, and capstone on the text.

The comparison covers the hypervisor and every guest of the tree, debug and release (see gnu.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import capstone
import pytest

from tests.unit.toolchain.conftest import PROJECT, Tree
from tests.unit.toolchain.gnu import Comparison, Disagreement, gnu_image
from tests.unit.toolchain.test_numbers import PLACES
from xengen.abi.symbols import assembler_symbols
from xengen.toolchain.build import Made
from xengen.toolchain.image import Image
from xengen.toolchain.spec import list_images

FOLDERS = [spec.folder for spec in list_images(PROJECT)]
BUILDS = [(folder, debug) for folder in FOLDERS for debug in (True, False)]
NAMES = [f"{folder.rsplit('/', 1)[-1]}-{'debug' if debug else 'release'}" for folder, debug in BUILDS]
OwnImage = Callable[[str, bool], Made]

needs_binutils = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("as", "ld", "objcopy")),
    reason="the cross-check needs GNU binutils (Debian: apt install binutils)",
)


@needs_binutils
@pytest.mark.parametrize(("folder", "debug"), BUILDS, ids=NAMES)
def test_gnu_as_makes_the_same_instructions(
    folder: str, debug: bool, own_image: OwnImage, tmp_path: Path
) -> None:
    made = own_image(folder, debug)
    comparison = Comparison(made.image, gnu_image(made.source, made.image, tmp_path), assembler_symbols())
    assert comparison.check() > 0


@pytest.mark.parametrize(("folder", "debug"), BUILDS, ids=NAMES)
def test_capstone_reads_every_byte_of_code(folder: str, debug: bool, own_image: OwnImage) -> None:
    assert unreadable(own_image(folder, debug).image) == []


def unreadable(image: Image) -> list[str]:
    """Return the statements of code that are not whole instructions to capstone."""
    reader = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    bad = []
    for section in image.sections:
        for statement in image.statements if section.executable else ():
            is_code = not statement.text.startswith(".") or statement.text.startswith((".balign", ".p2align"))
            if statement.section == section.name and is_code:
                data = image.read(statement.address, statement.size)
                if sum(item.size for item in reader.disasm(data, statement.address)) != statement.size:
                    bad.append(f"{statement.origin}: {statement.text}: {data.hex(' ')}")
    return bad


@needs_binutils
def test_gnu_as_agrees_on_every_place_of_a_number(tree: Tree, tmp_path: Path) -> None:
    statements = [f"        {statement.replace('ten', f'ten{n}')}" for n, (_, statement, _) in enumerate(PLACES)]
    made = tree.make("\n".join(["_start: nop", *statements, ""]))
    Comparison(made.image, gnu_image(made.source, made.image, tmp_path), assembler_symbols()).check()


@needs_binutils
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("movl $1, %eax", "movl $2, %eax"),
        ("movl $1, %eax", "movl $1, %ecx"),
        ("movl 4(%eax), %eax", "movl 8(%eax), %eax"),
        ("movl %eax, (%ebx)", "movw %ax, (%ebx)"),
        ("movl (%eax), %ebx", "movl %es:(%eax), %ebx"),
        ("iretl", "iretw"),
        ("jmp _start", "jmp other"),
        (".long other", ".long _start"),
        ("rep movsl", "movsl"),
        ("nop", "nop; nop"),
    ],
)
def test_the_comparison_sees_a_difference(tree: Tree, tmp_path: Path, ours: str, theirs: str) -> None:
    made = tree.make(f"_start: cld\nother: std\n        {ours}\n")
    wrong = replace(made, source=made.source.replace(ours, theirs))
    with pytest.raises(Disagreement):
        Comparison(wrong.image, gnu_image(wrong.source, wrong.image, tmp_path), assembler_symbols()).check()


@needs_binutils
def test_the_comparison_allows_another_encoding_of_the_same(tree: Tree, tmp_path: Path) -> None:
    made = tree.make("_start: cmpl $_start, %eax\n        jmp after\n        movw %fs, 4(%ebp)\nafter: ret\n")
    theirs = gnu_image(made.source, made.image, tmp_path)
    assert theirs[".text"] != made.image.section(".text").data
    assert Comparison(made.image, theirs, assembler_symbols()).check() == 4
