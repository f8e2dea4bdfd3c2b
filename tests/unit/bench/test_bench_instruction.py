"""Kinds of instructions (xengen/bench/instruction.py)."""

from __future__ import annotations

import pytest

from xengen.bench.instruction import Kind, decode

KINDS = {
    "90": Kind.PLAIN,
    "89 c3": Kind.PLAIN,  # movl %eax, %ebx
    "8c d8": Kind.PLAIN,  # movl %ds, %eax: a store
    "0f 20 d8": Kind.PLAIN,  # movl %cr3, %eax
    "ff 54 24 04": Kind.PLAIN,  # call *4(%esp)
    "f3 a5": Kind.PLAIN,  # rep movsl
    "cd 82": Kind.RING,
    "cc": Kind.RING,
    "cf": Kind.RING,
    "8e d8": Kind.SEGMENT,  # movl %eax, %ds
    "8e a5 00 01 00 00": Kind.SEGMENT,  # movw 256(%ebp), %fs
    "1f": Kind.SEGMENT,  # popl %ds
    "0f a9": Kind.SEGMENT,  # popl %gs
    "0f b2 20": Kind.SEGMENT,  # lssl (%eax), %esp
    "ea 00 00 00 00 08 e0": Kind.SEGMENT,  # ljmp
    "0f 22 d8": Kind.CR3,
    "0f 01 38": Kind.INVLPG,  # invlpg (%eax)
    "36 0f 01 3b": Kind.INVLPG,  # invlpg %ss:(%ebx)
    "0f 22 c0": Kind.OTHER,  # movl %eax, %cr0
    "0f 23 f8": Kind.OTHER,  # movl %eax, %dr7
    "0f 06": Kind.OTHER,  # clts
    "0f 30": Kind.OTHER,  # wrmsr
    "0f a2": Kind.OTHER,  # cpuid
    "0f 00 d0": Kind.OTHER,  # lldt %ax
    "0f ae 45 00": Kind.OTHER,  # fxsave (%ebp)
    "ee": Kind.OTHER,  # outb %al, %dx
    "f0 ff 00": Kind.OTHER,  # lock incl (%eax)
    "87 03": Kind.OTHER,  # xchgl %eax, (%ebx)
    "87 c3": Kind.PLAIN,  # xchgl %eax, %ebx
}


@pytest.mark.parametrize("code, kind", KINDS.items())
def test_an_instruction_has_the_kind_that_the_manual_gives_it(code: str, kind: Kind) -> None:
    assert decode(bytes.fromhex(code), 0x1000).kind is kind


def test_an_instruction_is_shown_as_gnu_as_reads_it() -> None:
    found = decode(bytes.fromhex("8b 45 08 90"), 0x1000)
    assert (found.text, found.size) == ("movl    8(%ebp), %eax", 3)


def test_a_jump_says_where_it_leads() -> None:
    assert decode(bytes.fromhex("eb fe"), 0x1000).text == "jmp     0x1000"


def test_only_sti_lets_interrupts_in() -> None:
    assert [decode(bytes([code]), 0).lets_interrupts_in for code in (0xFB, 0xFA, 0x90)] == [True, False, False]


def test_bytes_that_are_no_instruction_are_said_to_be_bad() -> None:
    assert decode(b"", 0x1000).text == "(bad)"
