"""Tiny multiboot kernels for the tests of the harness: a few instructions, no hypervisor.

Invariants
  - Numbers in a source are hexadecimal (0x...): Keystone reads others so anyway.
  - `print` waits until the serial port can take a character (a port without such a register reads as all ones): on a
    busy host the other end is slow, and what is sent all the same is lost.
  - Every label is a function symbol. The ELF writer here is the tests' own: it can disagree with the toolchain's.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from keystone import KS_ARCH_X86, KS_MODE_32, KS_OPT_SYNTAX_ATT, Ks

BASE = 0x100000

HEADER = """
.long 0x1badb002, 0x3, 0xe4524ffb
print:
    movw $0x3f8, %dx
print_next:
    lodsb
    testb %al, %al
    jz print_done
    movb %al, %ah
    addw $0x5, %dx
print_busy:
    inb %dx, %al
    testb $0x20, %al
    jz print_busy
    subw $0x5, %dx
    movb %ah, %al
    outb %al, %dx
    jmp print_next
print_done:
    ret
power_off:
    movw $0x604, %dx
    movw $0x2000, %ax
    outw %ax, %dx
halt:
    cli
    hlt
    jmp halt
debug_exit:
    outb %al, $0xf4
    jmp halt
start:
    movl $0x80000, %esp
"""


def kernel(folder: Path, source: str, name: str = "kernel.elf") -> Path:
    """Assemble `source` behind the routines above (entry: `start`, stack set up); return the ELF file."""
    text = HEADER + source
    labels = re.findall(r"^(\w+):", text, re.M)
    assembler = Ks(KS_ARCH_X86, KS_MODE_32)
    assembler.syntax = KS_OPT_SYNTAX_ATT
    code, _ = assembler.asm(f"{text}\nend_of_code: .long {', '.join(labels)}\n", BASE, as_bytes=True)
    assert code, "Keystone gave nothing"
    addresses = struct.unpack(f"<{len(labels)}I", code[-4 * len(labels) :])
    path = folder / name
    path.write_bytes(elf(code[: -4 * len(labels)], BASE, dict(zip(labels, addresses, strict=True))))
    return path


def elf(code: bytes, base: int, symbols: dict[str, int], virtual: int | None = None) -> bytes:
    """Return an ELF file with one segment at physical `base` (virtual address `virtual`), entered at `start`."""
    at = base if virtual is None else virtual
    ordered = sorted(symbols.items(), key=lambda item: item[1])
    ends = [address for _, address in ordered[1:]] + [base + len(code)]
    names, table = b"\0", bytes(16)
    for (name, address), end in zip(ordered, ends, strict=True):
        table += struct.pack("<IIIBBH", len(names), address - base + at, end - address, 0x12, 0, 1)
        names += name.encode() + b"\0"
    section_names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    text_at = 0x1000
    table_at = text_at + len(code)
    names_at = table_at + len(table)
    section_names_at = names_at + len(names)
    headers_at = section_names_at + len(section_names)
    header = b"\x7fELF\1\1\1" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, symbols["start"], 52, headers_at, 0, 52, 32, 1, 40, 5, 4)
    program = struct.pack("<8I", 1, text_at, at, base, len(code), len(code), 5, 0x1000)
    sections = bytes(40)
    sections += struct.pack("<10I", 1, 1, 6, at, text_at, len(code), 0, 0, 16, 0)
    sections += struct.pack("<10I", 7, 2, 0, 0, table_at, len(table), 3, 1, 4, 16)
    sections += struct.pack("<10I", 15, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    sections += struct.pack("<10I", 23, 3, 0, 0, section_names_at, len(section_names), 0, 0, 1, 0)
    return (header + program).ljust(text_at, b"\0") + code + table + names + section_names + sections
