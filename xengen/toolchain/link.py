"""From a lowered program to an `Image`: names resolved, everything assembled in one go, results taken apart.

Invariants
  - Every name that is used is defined exactly once: in the sources, by the ABI, or by the linker.
  - Every statement has the size that it must have; an instruction has at least one byte.
  - The sizes of space that depend on no label are found out first: then one assembly of it all is enough.
  - The image's text is one name space; local labels (.L...) are not among its symbols.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from xengen.toolchain import where
from xengen.toolchain.assemble import Assembled, Piece, assemble_pieces
from xengen.toolchain.errors import BuildError, suggestion
from xengen.toolchain.image import Image, Origin, Section, Statement, Symbol, SymbolKind
from xengen.toolchain.layout import EXECUTABLE, LINKER_SYMBOLS, LOAD_OFFSET, definitions, pieces, place_sections
from xengen.toolchain.lexer import NAME
from xengen.toolchain.program import Entry, Program, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xengen.toolchain.keystone import Assembler
    from xengen.toolchain.layout import Placed
    from xengen.toolchain.spec import ImageSpec

Located: TypeAlias = "tuple[Placed, list[int]]"  # a section, the addresses of its statements and of its end
BSS = ".bss"
_ROUNDS = 5  # two when a size of space depends on labels; more only when such sizes depend on each other
_NAMES = re.compile(rf"\b{NAME}")
_MAX_SPACE = 64 << 20
# Intel's recommended multi-byte NOPs (SDM, volume 2, NOP), the 32-bit forms.
_NOPS = (
    b"",
    b"\x90",
    b"\x66\x90",
    b"\x0f\x1f\x00",
    b"\x0f\x1f\x40\x00",
    b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00",
    b"\x0f\x1f\x84\x00\x00\x00\x00\x00",
)


def used_constants(program: Program, symbols: Mapping[str, int], spec: ImageSpec) -> dict[str, int]:
    """Return the ABI's symbols that the program uses, by name; BuildError when a name is unknown or taken."""
    reserved = {*LINKER_SYMBOLS, LOAD_OFFSET}
    for name, definition in program.names.items():
        if name in symbols:
            raise BuildError(definition.origin, f"{name} is a symbol of the ABI: choose another name", definition.text)
        if name in reserved:
            raise BuildError(definition.origin, f"{name} is the linker's own symbol", definition.text)
        if name.startswith(".L_") and not name.startswith(".L_n"):
            raise BuildError(definition.origin, "labels that begin with .L_ are the toolchain's own", definition.text)
    for name, use in program.uses.items():
        if name not in program.names and name not in symbols and name not in reserved and name not in where.NAMES:
            if name.startswith(".L_n"):
                number = name.removeprefix(".L_n").partition("_")[0]
                raise BuildError(use.origin, f"no label {number}: after this", use.text)
            known = {*program.names, *symbols, *reserved, *where.NAMES}
            raise BuildError(use.origin, f"unknown symbol {name}{suggestion(name, known)}", use.text)
    for what, table in (("type", program.kinds), ("size", program.sizes)):
        for name, (_, use) in table.items():
            if name not in program.names:
                raise BuildError(use.origin, f".{what} of {name}, which is not defined", use.text)
    for name, use in program.exported.items():
        if name not in program.names:
            raise BuildError(use.origin, f".globl of {name}, which is not defined", use.text)
    constants = {name: symbols[name] & 0xFFFFFFFF for name in sorted(program.uses) if name in symbols}
    if LOAD_OFFSET in program.uses:
        constants[LOAD_OFFSET] = spec.load_offset
    return constants


def link(program: Program, spec: ImageSpec, constants: Mapping[str, int], assembler: Assembler) -> Image:
    """Assemble and link; `constants` come from `used_constants`. BuildError names the statement at fault."""
    tables = where.reserve(program)
    placed = place_sections(program)
    if spec.entry not in program.names or program.names[spec.entry].place is None:
        what = f"the entry {spec.entry!r} is no label{suggestion(spec.entry, program.labels())}"
        raise BuildError(Origin(f"{spec.folder}/image.toml", spec.entry_line), what)
    _size_spaces(program, placed, spec.base, constants, assembler)
    asked = [label for item in placed for label in item.labels]
    asked += [*program.labels(), *LINKER_SYMBOLS]
    first = {piece.text: piece for piece in reversed(list(_own_expressions(program, placed)))}
    own = list(reversed(first.values()))
    for _ in range(_ROUNDS):
        result = assemble_pieces(assembler, spec.base, list(pieces(program, placed, constants)), asked, own)
        located = [(item, [result.values[label] for label in item.labels]) for item in placed]
        if not _settle(located, result):
            break
    code = bytearray(result.code)
    statements = tuple(_statements(located, result))
    _pad(code, located, spec.base)
    if tables is not None:
        start = result.values[where.NAMES[0]]
        code[start - spec.base : start - spec.base + tables.size] = tables.contents(start, result.values)
    entry = result.values[spec.entry] - (spec.load_offset if spec.entry_is_physical else 0)
    return Image(
        name=spec.name,
        entry=entry,
        load_offset=spec.load_offset,
        sections=tuple(_sections(located, bytes(code), spec.base)),
        symbols=tuple(_symbols(program, placed, result)),
        statements=statements,
    )


def _size_spaces(
    program: Program, placed: tuple[Placed, ...], base: int, constants: Mapping[str, int], assembler: Assembler
) -> None:
    """Give each .skip whose size depends on no label that size as a number."""
    known: set[str] = set()
    settled: list[Piece] = []
    for piece in definitions(program, constants):
        name, _, expression = piece.text.removeprefix(".set ").partition(", ")
        if known.issuperset(_NAMES.findall(expression)):
            known.add(name)
            settled.append(piece)
    spaces: list[tuple[list[Entry], int, Piece]] = []
    for item in placed:
        for index, entry in enumerate(item.section.entries):
            size = entry.expected
            if entry.repeated is not None and size is not None and known.issuperset(_NAMES.findall(size)):
                spaces.append((item.section.entries, index, Piece(size, (), entry.origin, entry.text)))
    if spaces:
        result = assemble_pieces(assembler, base, settled, (), [piece for _, _, piece in spaces])
        for entries, index, piece in spaces:
            entries[index] = _sized(entries[index], result.values[piece.text])


def _sized(entry: Entry, size: int) -> Entry:
    """Return space with a number as its size; BuildError when it cannot be that large."""
    assert entry.repeated is not None
    if size > _MAX_SPACE:
        signed = size - (1 << 32) if size >= 1 << 31 else size
        raise BuildError(entry.origin, f"a size of {signed} bytes: 0 to {_MAX_SPACE} can be", entry.text)
    return entry._replace(keystone=entry.repeated.keystone(size))


def _settle(located: Sequence[Located], result: Assembled) -> bool:
    """Give each .skip that has another size than it must have that size as a number; return whether one had."""
    changed = False
    for item, addresses in located:
        entries = item.section.entries
        for index, entry in enumerate(entries):
            if entry.repeated is None or entry.expected is None:
                continue
            wanted = result.values[entry.expected]
            if wanted != addresses[index + 1] - addresses[index]:
                entries[index] = _sized(entry, wanted)
                changed = True
    return changed


def _own_expressions(program: Program, placed: tuple[Placed, ...]) -> Iterator[Piece]:
    for expression, use in program.sizes.values():
        yield Piece(expression, (), use.origin, use.text)
    for item in placed:
        for entry in item.section.entries:
            if entry.expected is not None:
                yield Piece(entry.expected, (), entry.origin, entry.text)
            if entry.check is not None:
                yield Piece(entry.check.expression, (), entry.origin, entry.text)


def _statements(located: Sequence[Located], result: Assembled) -> Iterator[Statement]:
    for item, addresses in located:
        name = item.section.name
        for start, end, entry in zip(addresses, addresses[1:], item.section.entries, strict=False):
            size = end - start
            if entry.role is Role.INSTRUCTION and size <= 0:
                raise BuildError(entry.origin, "the assembler emitted nothing for this", entry.text)
            if entry.expected is not None and size != result.values[entry.expected]:
                expected = result.values[entry.expected]
                what = f"the assembler emitted {size} bytes where {expected} were due: does every value fit?"
                raise BuildError(entry.origin, what, entry.text)
            if entry.check is not None:
                complaint = entry.check.complaint(result.values[entry.check.expression], start + size)
                if complaint:
                    raise BuildError(entry.origin, complaint, entry.text)
            yield Statement(start, size, name, entry.text, entry.origin)


def _pad(code: bytearray, located: Sequence[Located], base: int) -> None:
    """Fill alignment in code, which has no fill of its own, with the NOPs that processors like."""
    for item, addresses in located:
        if item.section.name not in EXECUTABLE:
            continue
        for start, end, entry in zip(addresses, addresses[1:], item.section.entries, strict=False):
            if entry.role is Role.ALIGN and "," not in entry.text:
                code[start - base : end - base] = _nops(end - start)


def _nops(size: int) -> bytes:
    longest = len(_NOPS) - 1
    return _NOPS[longest] * (size // longest) + _NOPS[size % longest]


def _sections(located: Sequence[Located], code: bytes, base: int) -> Iterator[Section]:
    for item, addresses in located:
        start, end = addresses[0], addresses[-1]
        has_contents = item.section.name != BSS
        yield Section(
            name=item.section.name,
            address=start,
            size=end - start,
            data=code[start - base : end - base] if has_contents else b"",
            writable=item.group.writable or item.section.writable,
            executable=item.group.executable,
            has_contents=has_contents,
        )


def _symbols(program: Program, placed: tuple[Placed, ...], result: Assembled) -> Iterator[Symbol]:
    by_number = {item.section.number: item.section.name for item in placed}
    found = []
    for name, definition in program.names.items():
        if definition.place is None or name.startswith(".L"):
            continue
        kind = program.kinds[name][0] if name in program.kinds else SymbolKind.LABEL
        size = result.values[program.sizes[name][0]] if name in program.sizes else 0
        section = by_number[definition.place.section]
        found.append(Symbol(name, result.values[name], size, kind, section, name in program.exported))
    for name, section in LINKER_SYMBOLS.items():
        found.append(Symbol(name, result.values[name], 0, SymbolKind.LABEL, section, True))
    yield from sorted(found, key=lambda symbol: (symbol.address, symbol.name))
