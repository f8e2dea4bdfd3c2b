"""The fuzzer is tested on hypervisors that are wrong: each has one line changed, and must be found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import Images
from tests.model.mutants import Mutant, built_wrong, but
from xengen.fuzz.campaign import machine_of
from xengen.fuzz.rules import Runs, fuzz

RUNS = 30
STEPS = 100
EVERY = 25


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
    "a second pin keeps its reference": Mutant("mm/mmuext_frames.s", *but(
        '        call    type_put\n        movl    $-EINVAL, %eax\n{{ L("drop") }}:\n', "        call    type_put\n"
    )),
    "a refused table keeps what its first entries took": Mutant("mm/l1.s", *but(
        "        pushl   %eax\n        call    l1_entries_drop\n        popl    %eax\n",
        "        call    l1_entries_drop\n",
    )),
    "a page that was written to by a grant stays writable": Mutant("grant/acquire.s", *but(
        "        call    type_put\n{{ L(\"not_written\") }}:\n", "        call    type_put\n"
    )),
    "an unmapped grant keeps its marks": Mutant("grant/acquire.s", *but(
        '{{ L("counted") }}:\n        call    grant_unmark\n', "        call    grant_unmark\n"
    )),
    "a grant is unmapped where something else is mapped": Mutant("grant/unmap.s", *but(
        "        testl   $(~PAGE_OFFSET_MASK | PTE_P | PTE_RW), %eax\n        jnz     {{ L(\"another\") }}\n",
        "        jnz     {{ L(\"another\") }}\n",
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_hypervisor_with_one_line_wrong_is_found_out(name: str, images: Images, tmp_path: Path) -> None:
    elf = built_wrong(MUTANTS[name], tmp_path)
    runs = Runs(machine_of(elf, images.guest("agent")), 1, EVERY)
    problem = fuzz(runs, RUNS, STEPS)
    assert problem is not None, f"not found in {runs.steps} steps"
