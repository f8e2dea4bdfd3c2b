"""Names and source lines for addresses, from an ELF file's symbol table and DWARF line table.

Invariants
  - Any ELF will do, somebody else's too: what a file does not have is simply not known (None), never an error.
  - An address may be virtual, or physical as a boot path has it: physical ones are found through the program headers.
  - Nothing is decoded before it is asked for; the line table is read once.
"""

from __future__ import annotations

import contextlib
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from xengen.errors import UserError

EXECUTABLE = 1
# The nearest symbol is not an explanation when it is farther away than this, unless its own size reaches the address.
FARTHEST = 1 << 16

# A call ends right before the address that it pushes: `call rel32`, or FF /2 with its addressing forms.
_CALL_ENDINGS = re.compile(
    rb"(?:\xe8....|\xff[\xd0-\xd7\x10-\x13\x16\x17]|\xff\x14.|\xff[\x50-\x53\x55-\x57].|\xff\x54.."
    rb"|\xff\x15....|\xff[\x90-\x93\x95-\x97]....|\xff\x14.....|\xff\x94.....)\Z",
    re.S,
)


@dataclass(frozen=True)
class Segment:
    """A loadable piece of the file: `data` are its bytes in the file, `size` what it takes in memory."""

    virtual: int
    physical: int
    size: int
    data: bytes
    executable: bool


@dataclass(frozen=True)
class Place:
    """A symbol and how far behind it an address is."""

    name: str
    offset: int

    def __str__(self) -> str:
        return f"{self.name}+{self.offset:#x}" if self.offset else self.name


@dataclass(frozen=True)
class _Symbol:
    address: int
    size: int
    is_function: bool
    name: str


class SymbolTable:
    """What an ELF file says about its addresses. Make one with `from_file` or `from_bytes`."""

    def __init__(self, elf: Any) -> None:
        self._elf = elf
        self.segments = tuple(
            Segment(s["p_vaddr"], s["p_paddr"], s["p_memsz"], s.data(), bool(s["p_flags"] & EXECUTABLE))
            for s in elf.iter_segments("PT_LOAD")
        )

    @classmethod
    def from_file(cls, path: Path) -> SymbolTable:
        """Read `path`; UserError when it is no ELF file."""
        try:
            return cls.from_bytes(path.read_bytes(), str(path))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "the image") -> SymbolTable:
        """Read the ELF file `data`, which messages call `name`; UserError when it is none."""
        try:
            return cls(ELFFile(BytesIO(data)))
        except ELFError as error:
            raise UserError(f"{name} is not an ELF file that can be read: {error}") from error

    @cached_property
    def _symbols(self) -> list[_Symbol]:
        found = []
        for section in self._elf.iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.iter_symbols():
                kind = symbol["st_info"]["type"]
                if symbol.name and kind in ("STT_NOTYPE", "STT_FUNC", "STT_OBJECT") and symbol["st_shndx"] != "SHN_ABS":
                    found.append(_Symbol(symbol["st_value"], symbol["st_size"], kind == "STT_FUNC", symbol.name))
        # Of several names for one address the last wins: a function's name, and the longer extent.
        return sorted(found, key=lambda symbol: (symbol.address, symbol.is_function, symbol.size, symbol.name))

    @cached_property
    def _starts(self) -> list[int]:
        return [symbol.address for symbol in self._symbols]

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {symbol.name: symbol.address for symbol in self._symbols}

    @cached_property
    def _lines(self) -> list[tuple[int, str | None]]:
        if not self._elf.has_dwarf_info():
            return []
        rows: list[tuple[int, str | None]] = []
        # A table that is broken, or of a kind that pyelftools does not know, gives what was read of it.
        with contextlib.suppress(ELFError, DWARFError, LookupError, ValueError):
            dwarf = self._elf.get_dwarf_info()
            for unit in dwarf.iter_CUs():
                program = dwarf.line_program_for_CU(unit)
                if program is not None:
                    rows += _line_rows(program)
        # At one address the end of a sequence comes before the start of the next.
        return sorted(rows, key=lambda row: (row[0], row[1] is not None))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [address for address, _ in self._lines]

    def address(self, name: str) -> int:
        """Return the address of the symbol called `name`; KeyError when there is none."""
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def virtual(self, address: int) -> int | None:
        """Return the virtual address for `address` (virtual, or physical); None when it is not in the image."""
        for segment in self.segments:
            if segment.virtual <= address < segment.virtual + segment.size:
                return address
        for segment in self.segments:
            if segment.physical <= address < segment.physical + segment.size:
                return address - segment.physical + segment.virtual
        return None

    def nearest(self, address: int) -> Place | None:
        """Return the last symbol at or before `address`, when the address is in the image."""
        virtual = self.virtual(address)
        if virtual is None:
            return None
        index = bisect_right(self._starts, virtual) - 1
        # A plain label inside a function explains less than the function around it.
        for candidate in reversed(self._symbols[max(0, index - 256) : index + 1]):
            if candidate.is_function and virtual < candidate.address + candidate.size:
                return Place(candidate.name, virtual - candidate.address)
        if index < 0 or virtual - self._starts[index] > max(FARTHEST, self._symbols[index].size):
            return None
        return Place(self._symbols[index].name, virtual - self._starts[index])

    def line(self, address: int) -> str | None:
        """Return "file:line" for the instruction at `address`, or None."""
        virtual = self.virtual(address)
        index = bisect_right(self._line_starts, virtual) - 1 if virtual is not None else -1
        return self._lines[index][1] if index >= 0 else None

    def describe(self, address: int) -> str:
        """Return what is known of `address` as "name+0x12 (file:line)", "" when nothing is."""
        return _described(self.nearest(address), self.line(address))

    def describe_caller(self, address: int) -> str:
        """Return the same for a return address: the routine and line of the call, maybe its routine's very end."""
        place = self.nearest(address - 1)
        return _described(Place(place.name, place.offset + 1) if place else None, self.line(address - 1))

    def code_before(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes of the code right before `address`; empty when it is not in executable code."""
        for segment in self.segments:
            offset = address - segment.virtual
            if segment.executable and 0 < offset <= len(segment.data):
                return segment.data[max(0, offset - size) : offset]
        return b""

    def is_return_address(self, address: int) -> bool:
        """Return whether a call instruction ends right before `address` (virtual or physical)."""
        virtual = self.virtual(address)
        return virtual is not None and _CALL_ENDINGS.search(self.code_before(virtual, 7)) is not None


def _described(place: Place | None, line: str | None) -> str:
    if place is None:
        return line or ""
    return f"{place} ({line})" if line else str(place)


def _line_rows(program: Any) -> list[tuple[int, str | None]]:
    header = program.header
    base = 0 if header["version"] >= 5 else 1
    files = header["file_entry"]
    directories = header["include_directory"]
    rows: list[tuple[int, str | None]] = []
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if state.end_sequence:
            rows.append((state.address, None))
            continue
        file = files[state.file - base]
        name = file.name.decode("utf-8", "replace")
        # Directory 0 is the compilation's own in every version: the name is relative to it as it is.
        if file.dir_index > 0 and not name.startswith("/"):
            name = f"{directories[file.dir_index - base].decode('utf-8', 'replace')}/{name}"
        rows.append((state.address, f"{name}:{state.line}"))
    return rows
