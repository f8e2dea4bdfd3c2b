"""ELF32 files: the image's pages as segments, its symbols, and line information.

Invariants
  - Same image, same bytes: no times, no paths of this machine.
  - The first byte of the image is at file offset 4096 (a multiboot header in it is within the first 8 KB), and every
    loaded byte keeps its offset within a page.
  - Physical addresses (p_paddr) are virtual ones minus the image's load offset.
Source of layouts and constants: System V ABI (gABI chapter 4, 5; Intel386 supplement).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.toolchain.dwarf import debug_sections
from xengen.toolchain.image import SymbolKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xengen.toolchain.image import Image, Section, Symbol

FIRST_OFFSET = 0x1000
PAGE = 0x1000
_EHDR = struct.Struct("<16sHHIIIIIHHHHHH")
_PHDR = struct.Struct("<8I")
_SHDR = struct.Struct("<10I")
_SYM = struct.Struct("<IIIBBH")
_IDENT = b"\x7fELF" + bytes((1, 1, 1)) + bytes(9)
ET_EXEC, EM_386 = 2, 3
PT_LOAD, PT_NOTE = 1, 4
PF_X, PF_W, PF_R = 1, 2, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS = 1, 2, 3, 7, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_ABS = 0xFFF1
_TYPES = {SymbolKind.LABEL: 0, SymbolKind.OBJECT: 1, SymbolKind.FUNCTION: 2}


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    sections: tuple[Section, ...]

    @property
    def flags(self) -> int:
        first = self.sections[0]
        return PF_R | (PF_W if first.writable else 0) | (PF_X if first.executable else 0)


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int = 0
    info: int = 0
    alignment: int = 1
    entry_size: int = 0


class StringTable:
    """NUL-terminated names and their offsets; offset 0 is the empty name."""

    def __init__(self) -> None:
        self.data = bytearray(1)
        self._offsets = {"": 0}

    def add(self, text: str) -> int:
        """Return the offset of `text`, entered when it is new."""
        if text not in self._offsets:
            self._offsets[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._offsets[text]


def segments(image: Image) -> Iterator[_Segment]:
    """Yield what the loader maps, in order of addresses, then the notes."""
    run: list[Section] = []
    for section in image.sections:
        if run and (section.writable, section.executable) != (run[-1].writable, run[-1].executable):
            yield _Segment(PT_LOAD, tuple(run))
            run = []
        run.append(section)
    if run:
        yield _Segment(PT_LOAD, tuple(run))
    for section in image.sections:
        if section.name.startswith(".note"):
            yield _Segment(PT_NOTE, (section,))


def write_elf(image: Image) -> bytes:
    """Return the bytes of an ELF32 executable for `image`, with .symtab and DWARF line information."""
    base = image.sections[0].address
    loads = list(segments(image))
    contents = [section for section in image.sections if section.has_contents]
    blob = bytearray(FIRST_OFFSET)
    for section in contents:
        offset = FIRST_OFFSET + section.address - base
        blob += bytes(offset - len(blob)) + section.data
    headers = [_Header("", 0, 0, 0, 0, 0, alignment=0)]
    indices: dict[str, int] = {}
    for section in image.sections:
        indices[section.name] = len(headers)
        offset = FIRST_OFFSET + section.address - base
        headers.append(_section_header(section, min(offset, len(blob))))
    for name, data in debug_sections(image):
        headers.append(_Header(name, SHT_PROGBITS, 0, 0, len(blob), len(data)))
        blob += data
    blob += bytes(-len(blob) % 4)
    symbols, first_global, strings = _symbol_table(image, indices)
    symtab = len(headers)
    headers.append(
        _Header(".symtab", SHT_SYMTAB, 0, 0, len(blob), len(symbols), symtab + 1, first_global, 4, _SYM.size)
    )
    blob += symbols
    headers.append(_Header(".strtab", SHT_STRTAB, 0, 0, len(blob), len(strings)))
    blob += strings
    names = StringTable()
    for header in headers:
        names.add(header.name)
    names.add(".shstrtab")
    headers.append(_Header(".shstrtab", SHT_STRTAB, 0, 0, len(blob), len(names.data)))
    blob += names.data
    blob += bytes(-len(blob) % 4)
    table = len(blob)
    for h in headers:
        blob += _SHDR.pack(
            names.add(h.name), h.kind, h.flags, h.address, h.offset, h.size, h.link, h.info, h.alignment, h.entry_size
        )
    head = _EHDR.pack(
        _IDENT, ET_EXEC, EM_386, 1, image.entry, _EHDR.size, table, 0,
        _EHDR.size, _PHDR.size, len(loads), _SHDR.size, len(headers), len(headers) - 1,
    )  # fmt: skip
    for segment in loads:
        head += _program_header(segment, image.load_offset, base)
    blob[: len(head)] = head
    return bytes(blob)


def _program_header(segment: _Segment, load_offset: int, base: int) -> bytes:
    start = segment.sections[0].address
    filled = [section.address + section.size for section in segment.sections if section.has_contents]
    file_size = max(filled, default=start) - start
    memory_size = segment.sections[-1].address + segment.sections[-1].size - start
    alignment = PAGE if segment.kind == PT_LOAD else 4
    # Without bytes there is no place in the file; 0 is one that every loader finds inside of it.
    offset = FIRST_OFFSET + start - base if file_size else 0
    return _PHDR.pack(
        segment.kind, offset, start, (start - load_offset) & 0xFFFFFFFF,
        file_size, memory_size, segment.flags, alignment,
    )  # fmt: skip


def _section_header(section: Section, offset: int) -> _Header:
    kind = SHT_PROGBITS if section.has_contents else SHT_NOBITS
    alignment = PAGE if section.address % PAGE == 0 else section.address & -section.address
    if section.name.startswith(".note"):
        kind, alignment = SHT_NOTE, 4
    flags = SHF_ALLOC | (SHF_WRITE if section.writable else 0) | (SHF_EXECINSTR if section.executable else 0)
    return _Header(section.name, kind, flags, section.address, offset, section.size, alignment=alignment)


def _containing(image: Image, indices: dict[str, int], address: int) -> int:
    """Return the index of a section that begins at, holds or ends at `address`: linker symbols bound empty groups."""
    for section in image.sections:
        if section.address <= address <= section.address + section.size:
            return indices[section.name]
    return SHN_ABS


def _symbol_table(image: Image, indices: dict[str, int]) -> tuple[bytes, int, bytes]:
    """Return (.symtab, index of the first global, .strtab)."""
    strings = StringTable()
    table = bytearray(_SYM.size)
    ordered: list[Symbol] = sorted(image.symbols, key=lambda symbol: symbol.is_global)
    for symbol in ordered:
        info = (symbol.is_global << 4) | _TYPES[symbol.kind]
        index = indices.get(symbol.section) or _containing(image, indices, symbol.address)
        table += _SYM.pack(strings.add(symbol.name), symbol.address, symbol.size, info, 0, index)
    local_count = sum(not symbol.is_global for symbol in ordered)
    return bytes(table), 1 + local_count, bytes(strings.data)
