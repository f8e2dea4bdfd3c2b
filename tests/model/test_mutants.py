"""The fuzzer is tested on hypervisors that are wrong: each has one line changed, and must be found out.

Invariants
  - A mutant is built from a copy of the sources; what is replaced must be there exactly once, or the test has an error.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.harness import TREE, Images
from xengen.fuzz.campaign import machine_of
from xengen.fuzz.rules import Runs, fuzz
from xengen.toolchain.build import build

RUNS = 30
STEPS = 100
EVERY = 25


@dataclass(frozen=True)
class Mutant:
    """A file below asm/hypervisor, what stands there, and what stands there in its place."""

    file: str
    right: str
    wrong: str = ""


def but(text: str, wrong: str) -> tuple[str, str]:
    """Return a piece of assembly, and the same with `wrong` left out."""
    return text, text.replace(wrong, "")


MUTANTS = {
    "a change of flags may make a mapping writable": Mutant(
        "mm/l1_fast.s",
        "        testl   $(~PAGE_OFFSET_MASK | PTE_P | PTE_RW), %edx\n        jz ",
        "        testl   $(~PAGE_OFFSET_MASK | PTE_P), %edx\n        jz ",
    ),
    "a new type is taken without a flush": Mutant("mm/frame_types.s", *but(
        '        jne     {{ L("not_in_tlb") }}\n        call    tlb_flush\n', "        call    tlb_flush\n"
    )),
    "a long entry of a multicall is not gone on with": Mutant(
        "entry/multicall.s",
        '        cmpl    $0, continuation + CONTINUATION_new_edx\n        je      {{ L("give_way") }}\n',
        '        cmpl    $0, continuation + CONTINUATION_new_edx\n        je      {{ L("bad_number") }}\n',
    ),
    "a second pin keeps its reference": Mutant("mm/mmuext_op.s", *but(
        '        call    type_put\n        movl    $-EINVAL, %eax\n{{ L("drop") }}:\n', "        call    type_put\n"
    )),
    "a refused table keeps what its first entries took": Mutant("mm/l1.s", *but(
        '        call    l1_entry_put\n        jmp     {{ L("next_undo") }}\n', "        call    l1_entry_put\n"
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_hypervisor_with_one_line_wrong_is_found_out(name: str, images: Images, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    shutil.copytree(TREE / "asm/hypervisor", tmp_path / "asm/hypervisor")
    for folder in ("asm/lib", "templates"):
        (tmp_path / folder).symlink_to(TREE / folder)
    file = tmp_path / "asm/hypervisor" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant.right) == 1, f"{mutant.file} has changed: {name}"
    file.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
    (built,) = build(tmp_path, tmp_path / "build", images=["hypervisor"])
    runs = Runs(machine_of(built.elf, images.guest("agent")), 1, EVERY)
    problem = fuzz(runs, RUNS, STEPS)
    assert problem is not None, f"not found in {runs.steps} steps"
