"""What a linked image is: sections, symbols, and one record for every statement that was assembled.

Invariants
  - Addresses are virtual; a section's load (physical) address is its address minus `Image.load_offset`.
  - `statements` is sorted by address, and every byte of a section with contents belongs to at most one statement.
  - What there are ten thousands of is a named tuple: a frozen dataclass takes three times as long to make.
  - Nothing here depends on how the image was made: the linker fills these records, and the ELF writer, the
    listing, the map, the contract checker and the tests read them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class SymbolKind(Enum):
    """The ELF symbol types that we emit."""

    FUNCTION = "function"
    OBJECT = "object"
    LABEL = "label"


class Origin(NamedTuple):
    """Where a statement was written: template file (relative to the tree) and line, and the macro line it came from.

    `macro` is None for text written in the file itself, else "NAME, templates/FILE.s:LINE".
    """

    file: str
    line: int
    macro: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Statement(NamedTuple):
    """One assembled statement (instruction or data directive): its place, its GNU as text, and its origin."""

    address: int
    size: int
    section: str
    text: str
    origin: Origin


@dataclass(frozen=True)
class Symbol:
    """A named address; `size` is 0 where the source gave none."""

    name: str
    address: int
    size: int
    kind: SymbolKind
    section: str
    is_global: bool = False


@dataclass(frozen=True)
class Section:
    """A contiguous piece of the image. `size` is always right; `data` is empty for a section without contents."""

    name: str
    address: int
    size: int
    data: bytes
    writable: bool = False
    executable: bool = False
    allocated: bool = True
    has_contents: bool = True


@dataclass(frozen=True)
class Image:
    """A linked image in memory. `entry` is what e_entry will say (for the hypervisor a physical address)."""

    name: str
    entry: int
    load_offset: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    statements: tuple[Statement, ...]
    _by_name: dict[str, Symbol] = field(init=False, repr=False, compare=False)
    _starts: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {symbol.name: symbol for symbol in self.symbols})
        object.__setattr__(self, "_starts", [statement.address for statement in self.statements])

    def symbol(self, name: str) -> Symbol:
        """Return the symbol called `name`; KeyError when there is none."""
        return self._by_name[name]

    def section(self, name: str) -> Section:
        """Return the section called `name`; KeyError when there is none."""
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(name)

    def statement_at(self, address: int) -> Statement | None:
        """Return the statement that covers `address`, or None."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        statement = self.statements[index]
        return statement if address < statement.address + max(statement.size, 1) else None

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes of contents at `address`; ValueError when they are not all in one section."""
        for section in self.sections:
            if section.allocated and section.address <= address and address + size <= section.address + section.size:
                start = address - section.address
                data = section.data[start : start + size]
                return data + bytes(size - len(data))
        raise ValueError(f"{size} bytes at {address:#x} are not within one section of {self.name}")
