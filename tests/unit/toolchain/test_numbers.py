"""Decimal numbers mean decimal, wherever a number can stand: Keystone alone would read them as hexadecimal.

The expected bytes are those of the manual's encodings; test_gnu.py has GNU as's word for them, too.
"""

from __future__ import annotations

import pytest

from tests.unit.toolchain.conftest import Tree

PLACES = [
    ("immediate", "movl $10, %eax", "b80a000000"),
    ("negative immediate", "movl $-10, %eax", "b8f6ffffff"),
    ("byte immediate", "movb $100, %al", "b064"),
    ("word immediate", "movw $1000, %ax", "66b8e803"),
    ("immediate expression", "movl $(10 + 2 * 16), %eax", "b82a000000"),
    ("immediate beside an operator", "movl $10|16, %eax", "b81a000000"),
    ("immediate under ~", "movl $~10, %eax", "b8f5ffffff"),
    ("immediate divided", "movl $100/10, %eax", "b80a000000"),
    ("immediate shifted", "movl $1<<10, %eax", "b800040000"),
    ("second immediate", "imull $10, %eax, %ebx", "6bd80a"),
    ("shift count", "shll $12, %eax", "c1e00c"),
    ("double shift count", "shldl $12, %eax, %ebx", "0fa4c30c"),
    ("bit number", "btl $20, %eax", "0fbae014"),
    ("vector", "int $80", "cd50"),
    ("port", "outb %al, $80", "e650"),
    ("bytes to return over", "ret $16", "c21000"),
    ("frame size", "enter $16, $0", "c8100000"),
    ("pushed immediate", "pushl $64", "6a40"),
    ("pushed large immediate", "pushl $4096", "6800100000"),
    ("displacement", "movl 12(%ebx), %eax", "8b430c"),
    ("negative displacement", "movl -12(%ebp), %eax", "8b45f4"),
    ("large displacement", "movl 1000(%ebx), %eax", "8b83e8030000"),
    ("displacement expression", "movl 10+10(%ebx), %eax", "8b4314"),
    ("displacement without a base", "movl 100(,%ecx,4), %eax", "8b048d64000000"),
    ("scale", "movl (%ebx,%ecx,8), %eax", "8b04cb"),
    ("scale without a base", "movl (,%ecx,2), %eax", "8b044d00000000"),
    ("absolute address", "movl 1000, %eax", "a1e8030000"),
    ("segment offset", "movl %fs:16, %eax", "64a110000000"),
    ("indirect jump's table", "jmp *1000(,%eax,4)", "ff2485e8030000"),
    ("far selector and address", "ljmp $16, $1000", "eae80300001000"),
    ("byte", ".byte 10, 255, -10", "0afff6"),
    ("word", ".word 1000", "e803"),
    ("long", ".long 10, 4096", "0a00000000100000"),
    ("quad", ".quad 10000000000", "00e40b5402000000"),
    ("skip", ".skip 10", "00" * 10),
    ("zero", ".zero 10", "00" * 10),
    ("skip's fill", ".skip 3, 10", "0a0a0a"),
    ("fill's count", ".fill 10", "00" * 10),
    ("fill's size and value", ".fill 2, 4, 10", "0a0000000a000000"),
    ("balign", "nop; .balign 16; nop", "90" + "0f1f840000000000" + "0f1f8000000000" + "90"),
    ("p2align's fill", "nop; .p2align 3, 16; nop", "90" + "10" * 7 + "90"),
    ("set", ".set ten, 10; movl $ten, %eax", "b80a000000"),
    ("assignment", "ten = 10; movl $ten, %eax", "b80a000000"),
    ("constant plus number", ".set ten, 10; movl ten+10(%ebx), %eax", "8b4314"),
    ("distance from here", "jmp . + 10", "eb08"),
    ("character", "movb $'a', %al", "b061"),
    ("character without its second quote", "movb $'0, %al", "b030"),
    ("octal", "movl $010, %eax", "b808000000"),
    ("binary", "movl $0b101, %eax", "b805000000"),
    ("hexadecimal", "movl $0x10, %eax", "b810000000"),
    ("string", '.ascii "10"', "3130"),
    ("prefix", "rep movsl; movl $10, %eax", "f3a5b80a000000"),
]


@pytest.mark.parametrize(("place", "statement", "expected"), PLACES, ids=[place for place, _, _ in PLACES])
def test_a_number_means_what_gnu_as_reads(tree: Tree, place: str, statement: str, expected: str) -> None:
    assert tree.code(statement).hex() == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (".ascii \"\\n\\t\\\\\\\"\"", "0a095c22"),
        (".ascii \"\\101\\0\\x41\"", "410041"),
        (".asciz \"a\", \"b\"", "61006200"),
        (".string \"# ; /* 10 */\"", "23203b202f2a203130202a2f00"),
        (".ascii \"é\"", "c3a9"),
        (".ascii \"\"", ""),
    ],
)
def test_a_string_has_the_bytes_that_gnu_as_gives_it(tree: Tree, statement: str, expected: str) -> None:
    assert tree.code(statement).hex() == expected


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("movl $08, %eax", "bad number 08"),
        ("movl $10h, %eax", "bad number 10h"),
        ("movl $1_0, %eax", "bad number 1_0"),
        ("movl $0x100000000, %eax", "number 0x100000000 does not fit in 32 bits"),
        ("movb $300, %al", "the value 0x12c does not fit in 8 bits"),
        ("testb $256, (%eax)", "the value 0x100 does not fit in 8 bits"),
        ("movw $70000, %ax", "the value 0x11170 does not fit in 16 bits"),
        ("ret $65536", "the value 0x10000 does not fit in 16 bits"),
        (".set big, 300; movb $big, %al", "the value 0x12c does not fit in 8 bits"),
        (".byte 256", "literal value out of range for directive"),
        (".word 65536", "the assembler emitted 0 bytes where 2 were due: does every value fit?"),
        (".long 0x100000000", "number 0x100000000 does not fit in 32 bits"),
    ],
)
def test_a_number_that_does_not_fit_is_an_error(tree: Tree, statement: str, complaint: str) -> None:
    assert tree.refusal(f"_start: {statement}\n").splitlines()[0] == f"asm/guests/g/g.s:1: {complaint}"


@pytest.mark.parametrize("value", ["-128", "127", "128", "255", "-1", "0xff"])
def test_a_byte_takes_every_signed_and_unsigned_value(tree: Tree, value: str) -> None:
    assert tree.code(f"movb ${value}, %al") == bytes([0xB0, int(value, 0) & 0xFF])
