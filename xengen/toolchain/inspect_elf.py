"""What is in an ELF file, ours or somebody else's: segments, notes, symbols, and code size by source file.

Invariants
  - Nothing of the file is believed: what lies outside of it, or makes no sense, is a `UserError` that names it.
  - A note that runs past its segment is no such damage: GRUB's images end in one. It is shown as far as it is there.
  - Xen notes are decoded by the public names of the ABI; the legacy section __xen_guest is read as text.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xengen.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

XEN = "Xen"
NOTE_PREFIX = "XEN_ELFNOTE_"
LEGACY_SECTION = "__xen_guest"
# Line tables beyond this are those of whole kernels, whose decoding takes minutes.
MAX_LINE_TABLE_BYTES = 8 << 20
ELFCLASS32 = b"\x01"
_HEADER_BYTES = {ELFCLASS32: 52, b"\x02": 64}
_NOTE_HEADER = struct.Struct("<III")
_TEXT_NOTES = frozenset({"GUEST_OS", "GUEST_VERSION", "XEN_VERSION", "LOADER", "PAE_MODE", "FEATURES", "BSD_SYMTAB"})


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header. Sizes in bytes."""

    kind: str
    address: int
    physical: int
    file_size: int
    memory_size: int
    flags: str


@dataclass(frozen=True, slots=True)
class SectionInfo:
    """A section header. Size in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note: its owner, its name (a public one for Xen's), and its value as text or number.

    `missing` is how many of its bytes lie behind the end of its segment or section; `value` is what is before it.
    """

    owner: str
    name: str
    value: str | int
    missing: int = 0


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """A symbol with a name. Size in bytes."""

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class ElfInfo:
    """Everything that `xengen info` says. `code_by_file` is bytes of code by source file, largest first."""

    path: str
    elf_class: int
    machine: str
    entry: int
    segments: tuple[Segment, ...]
    sections: tuple[SectionInfo, ...]
    notes: tuple[Note, ...]
    symbols: tuple[SymbolInfo, ...]
    code_by_file: dict[str, int]


def read_elf(path: Path) -> ElfInfo:
    """Read `path`; UserError when it is missing, no ELF, cut short or damaged."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            if stream.read(4) != b"\x7fELF":
                raise UserError(f"{path} is no ELF file: it does not begin with 7f 45 4c 46")
            header = _HEADER_BYTES.get(stream.read(1) or ELFCLASS32)
            if header is not None:
                _check_part(path, "header", 0, header, size)
            stream.seek(0)
            elf = ELFFile(stream)
            _check_bounds(path, elf, size)
            return ElfInfo(
                path=str(path),
                elf_class=elf.elfclass,
                machine=str(elf.get_machine_arch()),
                entry=elf["e_entry"],
                segments=tuple(_segments(elf)),
                sections=tuple(SectionInfo(s.name, s["sh_addr"], s["sh_size"]) for s in elf.iter_sections() if s.name),
                notes=tuple(_notes(elf)),
                symbols=tuple(_symbols(elf)),
                code_by_file=_code_by_file(elf),
            )
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UserError:
        raise
    except (ELFError, ValueError, KeyError, AttributeError, TypeError, AssertionError, IndexError) as error:
        # pyelftools answers damage with whatever its parser trips over.
        raise UserError(f"{path} is a damaged ELF file: {error or type(error).__name__}") from error


def _check_bounds(path: Path, elf: Any, size: int) -> None:
    header = elf.header
    tables = (
        ("program headers", header["e_phoff"], header["e_phentsize"] * header["e_phnum"]),
        ("section headers", header["e_shoff"], header["e_shentsize"] * header["e_shnum"]),
    )
    for name, offset, length in tables:
        _check_part(path, name, offset, length, size)
    for number, segment in enumerate(elf.iter_segments()):
        _check_part(path, f"segment {number}", segment["p_offset"], segment["p_filesz"], size)
    for number, section in enumerate(elf.iter_sections()):
        if section["sh_type"] not in ("SHT_NOBITS", "SHT_NULL"):
            _check_part(path, f"section {section.name or number}", section["sh_offset"], section["sh_size"], size)


def _check_part(path: Path, name: str, offset: int, length: int, size: int) -> None:
    if length and offset + length > size:
        raise UserError(f"{path} is cut short: its {name} would end at byte {offset + length}, the file at {size}")


def _segments(elf: Any) -> Iterator[Segment]:
    for segment in elf.iter_segments():
        bits = segment["p_flags"]
        flags = "".join(letter if bits & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        kind = segment["p_type"]
        yield Segment(
            kind.removeprefix("PT_") if isinstance(kind, str) else hex(kind),
            segment["p_vaddr"],
            segment["p_paddr"],
            segment["p_filesz"],
            segment["p_memsz"],
            flags,
        )


def _notes(elf: Any) -> Iterator[Note]:
    holders = [(segment, segment["p_align"]) for segment in elf.iter_segments() if segment["p_type"] == "PT_NOTE"]
    if not holders:
        holders = [(s, s["sh_addralign"]) for s in elf.iter_sections() if s["sh_type"] == "SHT_NOTE"]
    names = _note_names()
    for holder, alignment in holders:
        for owner, kind, raw, missing in _raw_notes(holder.data(), 8 if alignment == 8 else 4):
            if owner == XEN:
                name = names.get(kind, str(kind))
                yield Note(owner, name, _xen_value(name, raw, whole=missing == 0), missing)
            else:
                yield Note(owner, str(kind), raw.hex(), missing)
    for section in elf.iter_sections():
        if section.name == LEGACY_SECTION:
            text = section.data().rstrip(b"\0").decode("latin-1")
            yield from (Note(LEGACY_SECTION, *_pair(item)) for item in text.split(",") if item)


def _raw_notes(data: bytes, alignment: int) -> Iterator[tuple[str, int, bytes, int]]:
    """Yield (owner, type, descriptor, bytes of it that are missing) of each note (gABI, Note Section)."""
    position = 0
    while position + _NOTE_HEADER.size <= len(data):
        owner_size, size, kind = _NOTE_HEADER.unpack_from(data, position)
        owner_start = position + _NOTE_HEADER.size
        start = owner_start + owner_size
        start += -start % alignment
        owner = data[owner_start : owner_start + owner_size].rstrip(b"\0").decode("latin-1")
        yield owner, kind, data[start : start + size], max(0, start + size - len(data))
        position = start + size + -(start + size) % alignment


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value


def _note_names() -> dict[int, str]:
    from xengen.abi.symbols import assembler_symbols

    return {
        value: name.removeprefix(NOTE_PREFIX)
        for name, value in assembler_symbols().items()
        if name.startswith(NOTE_PREFIX) and not name.endswith("_MAX")
    }


def _xen_value(name: str, raw: bytes, *, whole: bool) -> str | int:
    if name in _TEXT_NOTES:
        return raw.partition(b"\0")[0].decode("latin-1")
    if whole and len(raw) in (1, 2, 4, 8):
        return int.from_bytes(raw, "little")
    return raw.hex()


def _symbols(elf: Any) -> Iterator[SymbolInfo]:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return
    for symbol in table.iter_symbols():
        kind = symbol["st_info"]["type"]
        if symbol.name and kind not in ("STT_SECTION", "STT_FILE"):
            kind = kind.removeprefix("STT_").lower() if isinstance(kind, str) else str(kind)
            yield SymbolInfo(symbol.name, symbol["st_value"], symbol["st_size"], kind)


def _code_by_file(elf: Any) -> dict[str, int]:
    table = elf.get_section_by_name(".debug_line")
    if table is None or table["sh_size"] > MAX_LINE_TABLE_BYTES or not elf.has_dwarf_info():
        return {}
    sizes: Counter[str] = Counter()
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        # Up to DWARF 4 files count from one.
        first = 1 if unit["version"] < 5 else 0
        names = [entry.name.decode(errors="replace") for entry in program["file_entry"]]
        before = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if before is not None and not before.end_sequence:
                sizes[names[before.file - first]] += state.address - before.address
            before = state
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
