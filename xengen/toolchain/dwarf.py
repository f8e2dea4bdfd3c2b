"""DWARF 4 for an image: one compilation unit whose line table leads to template files and lines.

Invariants
  - File names are those of `Origin`, relative to the tree; the compilation directory is ".".
  - Each section of code is one sequence of the line table and one range of the unit; a row holds until the next.
Source of numbers: DWARF Debugging Information Format, version 4, section 7.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from xengen import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xengen.toolchain.image import Image, Section, Statement

VERSION = 4
DW_TAG_compile_unit = 0x11
DW_AT_name, DW_AT_stmt_list, DW_AT_low_pc, DW_AT_language = 0x03, 0x10, 0x11, 0x13
DW_AT_comp_dir, DW_AT_producer, DW_AT_ranges = 0x1B, 0x25, 0x55
DW_FORM_addr, DW_FORM_data2, DW_FORM_string, DW_FORM_sec_offset = 0x01, 0x05, 0x08, 0x17
DW_LANG_Mips_Assembler = 0x8001
DW_LNS_copy, DW_LNS_advance_pc, DW_LNS_advance_line, DW_LNS_set_file = 1, 2, 3, 4
DW_LNE_end_sequence, DW_LNE_set_address = 1, 2
LINE_BASE, LINE_RANGE, OPCODE_BASE = -5, 14, 13
_OPERANDS = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))


def debug_sections(image: Image) -> Iterator[tuple[str, bytes]]:
    """Yield (name, contents) of the debug sections; nothing for an image without code."""
    code = [section for section in image.sections if section.executable and section.size]
    rows = {section.name: [s for s in image.statements if s.section == section.name and s.size] for section in code}
    code = [section for section in code if rows[section.name]]
    if not code:
        return
    files = list(dict.fromkeys(s.origin.file for section in code for s in rows[section.name]))
    yield ".debug_line", _lines(code, rows, files)
    yield ".debug_info", _info(files[0])
    yield ".debug_abbrev", _abbreviations()
    yield ".debug_ranges", b"".join(struct.pack("<II", s.address, s.address + s.size) for s in code) + bytes(8)
    yield ".debug_aranges", _address_ranges(code)


def _info(name: str) -> bytes:
    body = struct.pack("<HIB", VERSION, 0, 4)
    body += uleb(1)
    body += name.encode() + b"\0" + b".\0" + f"xengen {__version__}\0".encode()
    body += struct.pack("<HIII", DW_LANG_Mips_Assembler, 0, 0, 0)
    return struct.pack("<I", len(body)) + body


def _abbreviations() -> bytes:
    pairs = (
        (DW_AT_name, DW_FORM_string),
        (DW_AT_comp_dir, DW_FORM_string),
        (DW_AT_producer, DW_FORM_string),
        (DW_AT_language, DW_FORM_data2),
        (DW_AT_stmt_list, DW_FORM_sec_offset),
        (DW_AT_low_pc, DW_FORM_addr),
        (DW_AT_ranges, DW_FORM_sec_offset),
    )
    attributes = b"".join(uleb(attribute) + uleb(form) for attribute, form in pairs)
    return uleb(1) + uleb(DW_TAG_compile_unit) + b"\0" + attributes + b"\0\0" + b"\0"


def _address_ranges(code: list[Section]) -> bytes:
    body = struct.pack("<HIBB", 2, 0, 4, 0)
    body += bytes(-(len(body) + 4) % 8)
    body += b"".join(struct.pack("<II", section.address, section.size) for section in code) + bytes(8)
    return struct.pack("<I", len(body)) + body


def _lines(code: list[Section], rows: dict[str, list[Statement]], files: list[str]) -> bytes:
    header = struct.pack("<BBBbBB", 1, 1, 1, LINE_BASE, LINE_RANGE, OPCODE_BASE) + _OPERANDS
    header += b"\0"  # no include directories: names are relative to the compilation directory
    header += b"".join(name.encode() + b"\0" + bytes(3) for name in files) + b"\0"
    numbers = {name: number for number, name in enumerate(files, 1)}
    program = b"".join(_sequence(section, rows[section.name], numbers) for section in code)
    body = struct.pack("<HI", VERSION, len(header)) + header + program
    return struct.pack("<I", len(body)) + body


def _sequence(section: Section, rows: list[Statement], numbers: dict[str, int]) -> bytes:
    out = bytearray()
    address, file, line = section.address, 1, 1
    out += _extended(DW_LNE_set_address, struct.pack("<I", address))
    before: tuple[str, int] | None = None
    for statement in rows:
        place = (statement.origin.file, statement.origin.line)
        if place == before:
            continue
        before = place
        if numbers[statement.origin.file] != file:
            file = numbers[statement.origin.file]
            out += bytes((DW_LNS_set_file,)) + uleb(file)
        out += _advance(statement.address - address, statement.origin.line - line)
        address, line = statement.address, statement.origin.line
    out += bytes((DW_LNS_advance_pc,)) + uleb(section.address + section.size - address)
    out += _extended(DW_LNE_end_sequence, b"")
    return bytes(out)


def _advance(addresses: int, lines: int) -> bytes:
    """Return the shortest opcodes that move both registers and append a row."""
    prefix = b""
    if not LINE_BASE <= lines < LINE_BASE + LINE_RANGE:
        prefix += bytes((DW_LNS_advance_line,)) + sleb(lines)
        lines = 0
    special = (lines - LINE_BASE) + LINE_RANGE * addresses + OPCODE_BASE
    if special > 255:
        prefix += bytes((DW_LNS_advance_pc,)) + uleb(addresses)
        special = (lines - LINE_BASE) + OPCODE_BASE
    return prefix + bytes((special,))


def _extended(opcode: int, operand: bytes) -> bytes:
    return b"\0" + uleb(1 + len(operand)) + bytes((opcode,)) + operand


def uleb(value: int) -> bytes:
    """Return `value` (not negative) as unsigned LEB128."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def sleb(value: int) -> bytes:
    """Return `value` as signed LEB128."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        done = (value == 0 and not low & 0x40) or (value == -1 and low & 0x40)
        out.append(low | (0 if done else 0x80))
        if done:
            return bytes(out)
