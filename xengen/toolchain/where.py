"""Tables in the image that lead its own code from an address to a routine, a template file and a line.

Invariants
  - The tables exist only in an image whose text mentions one of NAMES.
  - Their size is known before assembly: space is reserved, and filled once addresses are known.
  - where_lines: rows of u32 address, u16 file, u16 line, sorted; a row holds until the next. where_files: u32 pointers
    to NUL-terminated names. where_symbols: rows of u32 address, u32 pointer to a name, for functions, sorted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.toolchain.errors import BuildError
from xengen.toolchain.image import SymbolKind
from xengen.toolchain.layout import EXECUTABLE, GROUPS
from xengen.toolchain.program import Definition, Entry, Position, Role, SectionText, position_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xengen.toolchain.program import Program, Use

SECTION = ".where"
NAMES = ("where_lines", "where_lines_end", "where_files", "where_symbols", "where_symbols_end")
_MAX_LINE = 0xFFFF
_ROW = struct.Struct("<IHH")


@dataclass(frozen=True, slots=True)
class WhereTables:
    """What will be in the tables: (label of the place, file number, line), file names, names of functions."""

    rows: tuple[tuple[str, int, int], ...]
    files: tuple[str, ...]
    functions: tuple[str, ...]

    @property
    def size(self) -> int:
        """All bytes of the section."""
        strings = sum(len(text.encode()) + 1 for text in (*self.files, *self.functions))
        return 8 * len(self.rows) + 4 * len(self.files) + 8 * len(self.functions) + strings

    def contents(self, base: int, values: Mapping[str, int]) -> bytes:
        """Return the section's bytes at address `base`; `values` gives every label's address."""
        strings = base + 8 * len(self.rows) + 4 * len(self.files) + 8 * len(self.functions)
        pool = b""
        lines = b"".join([_ROW.pack(values[label], file, line) for label, file, line in self.rows])
        files = b""
        for name in self.files:
            files += struct.pack("<I", strings + len(pool))
            pool += name.encode() + b"\0"
        symbols = b""
        for name in sorted(self.functions, key=lambda name: (values[name], name)):
            symbols += struct.pack("<II", values[name], strings + len(pool))
            pool += name.encode() + b"\0"
        return lines + files + symbols + pool


def reserve(program: Program) -> WhereTables | None:
    """Plan the tables and reserve their space in the program; None when nothing needs them."""
    wanted: Use | None = next((program.uses[name] for name in NAMES if name in program.uses), None)
    if wanted is None:
        return None
    rows: list[tuple[str, int, int]] = []
    files: dict[str, int] = {}
    before: tuple[int, int] | None = None
    for group in GROUPS:
        for name in group.sections:
            section = program.sections.get(name)
            if name not in EXECUTABLE or section is None:
                continue
            for index, entry in enumerate(section.entries):
                if entry.role is not Role.INSTRUCTION:
                    continue
                row = files.setdefault(entry.origin.file, len(files)), entry.origin.line
                if row[1] > _MAX_LINE:
                    raise BuildError(entry.origin, f"a file of code has at most {_MAX_LINE} lines")
                if row != before:
                    rows.append((position_label(section.number, index), *row))
                before = row
    functions = tuple(
        name for name, (kind, _) in program.kinds.items() if kind is SymbolKind.FUNCTION and name in program.names
    )
    tables = WhereTables(tuple(rows), tuple(files), functions)
    lines, pointers, symbols = 8 * len(rows), 4 * len(files), 8 * len(functions)
    section = program.sections[SECTION] = SectionText(SECTION, len(program.sections))
    parts = ((lines, NAMES[0], NAMES[1]), (pointers, NAMES[2], ""), (symbols, NAMES[3], NAMES[4]))
    for size, start, end in parts:
        _label(program, start, section.here, wanted)
        section.entries.append(Entry(f".skip {size}", f".skip {size:#x}", wanted.origin, Role.SPACE))
        if end:
            _label(program, end, section.here, wanted)
    pool = tables.size - lines - pointers - symbols
    section.entries.append(Entry(f".skip {pool}", f".skip {pool:#x}", wanted.origin, Role.SPACE))
    return tables


def _label(program: Program, name: str, place: Position, wanted: Use) -> None:
    if name in program.names:
        raise BuildError(program.names[name].origin, f"{name} is the linker's own symbol", program.names[name].text)
    program.names[name] = Definition(wanted.origin, wanted.text, place=place)
    program.sections[SECTION].labels.setdefault(place.index, []).append(name)
