"""Keystone in its child process: what it does badly is noticed, placed, and survived."""

from __future__ import annotations

import os

import pytest

from tests.unit.toolchain.conftest import BASE, Tree
from xengen.toolchain.assemble import Piece, assemble_pieces
from xengen.toolchain.errors import BuildError
from xengen.toolchain.image import Origin
from xengen.toolchain.keystone import Answer, Assembler

CRASHING = ".text\nnop"
HANGING = ".skip 0x7fffffff"


def test_code_comes_back_as_bytes(assembler: Assembler) -> None:
    assert assembler.assemble("here: jmp here\n.long here", BASE) == Answer(bytes.fromhex("ebfe 000010c0"))


def test_nothing_is_kept_between_requests(assembler: Assembler) -> None:
    assert assembler.assemble("name: nop", BASE).code == b"\x90"
    assert assembler.assemble("name: nop", BASE).code == b"\x90"
    assert assembler.assemble("jmp name", BASE) == Answer(None, "cannot find a symbol")


def test_a_crash_is_an_answer_and_the_next_request_works(assembler: Assembler) -> None:
    assert assembler.assemble(CRASHING, BASE) == Answer(None, "the assembler crashed on this (signal 11)")
    assert assembler.assemble("nop", BASE) == Answer(b"\x90")


def test_a_hang_is_an_answer_and_the_next_request_works(assembler: Assembler) -> None:
    answer = assembler.assemble(HANGING, BASE, patience=0.3)
    assert answer == Answer(None, "the assembler hung on this (no answer in 0.3 s)")
    assert assembler.assemble("nop", BASE) == Answer(b"\x90")


def test_a_warning_is_a_refusal(assembler: Assembler) -> None:
    answer = assembler.assemble("cmpsl (%esi), %es:(%edi)", BASE)
    assert answer.code is None
    assert answer.reason.startswith("memory operand is only for determining the size")


def test_no_process_is_left_behind() -> None:
    with Assembler() as assembler:
        child = assembler.start().pid
        assert assembler.assemble("nop", BASE).code == b"\x90"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_source_that_crashes_keystone_is_reported_with_its_line(tree: Tree) -> None:
    """A negative .p2align by way of a constant passes our own checks, and Keystone divides by zero."""
    source = "_start: nop\n.set align, -1\n        nop\n        .p2align align\n        ret\n"
    assert tree.refusal(source) == (
        "asm/guests/g/g.s:4: the assembler crashed on this (signal 8)\n        .p2align align"
    )


def test_a_piece_that_crashes_keystone_is_reported_with_its_line(assembler: Assembler) -> None:
    pieces = [Piece("nop", (), Origin("a.s", number), "nop") for number in range(1, 4)]
    pieces.insert(2, Piece(CRASHING, (), Origin("a.s", 7), ".text"))
    with pytest.raises(BuildError, match=r"^a\.s:7: the assembler crashed on this"):
        assemble_pieces(assembler, BASE, pieces, [])


@pytest.mark.parametrize("culprit", [0, 1, 499, 998, 999])
def test_the_culprit_is_found_wherever_it_stands(assembler: Assembler, culprit: int) -> None:
    def piece(number: int) -> Piece:
        # Every statement needs a label that only a later one defines.
        text = "movl %eax, %cr9" if number == culprit else f"jmp l{(number + 500) % 1000}"
        return Piece(f"l{number}:\n{text}", (f"l{number}",), Origin("a.s", number), text, True)

    with pytest.raises(BuildError) as caught:
        assemble_pieces(assembler, BASE, [piece(number) for number in range(1000)], [])
    assert caught.value.origin == Origin("a.s", culprit)
    assert caught.value.rendered == "movl %eax, %cr9"


def test_values_of_expressions_come_back(assembler: Assembler) -> None:
    result = assemble_pieces(assembler, BASE, [Piece("a: nop\nb:")], ["a", "b", "b-a"])
    assert result.code == b"\x90"
    assert result.values == {"a": BASE, "b": BASE + 1, "b-a": 1}
