"""Where everything goes: sections in their order, groups of pages with their permissions, the linker's own symbols.

Invariants
  - Sections are contiguous from the image's base: text; rodata with tables and notes; init; data; bss. Each group
    starts on a page of its own, so that it can have its own permissions.
  - A section starts at a multiple of every alignment in it, as an object file's does.
  - The assembler sees one text without sections; section and group bounds are labels in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.toolchain.assemble import Piece
from xengen.toolchain.program import Role, SectionText

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xengen.toolchain.program import Program

PAGE = 4096


@dataclass(frozen=True, slots=True)
class Group:
    """Sections that share pages and permissions; `name` is the stem of __NAME_start and __NAME_end."""

    name: str
    sections: tuple[str, ...]
    writable: bool = False
    executable: bool = False


GROUPS = (
    Group("text", (".text",), executable=True),
    Group("rodata", (".rodata", ".ex_table", ".where", ".note.*")),
    Group("init", (".init",), executable=True),
    Group("data", (".data",), writable=True),
    Group("bss", (".bss",), writable=True),
)
TABLE_SECTIONS = (".ex_table",)
LOAD_OFFSET = "__load_offset"
IMAGE_START, IMAGE_END = "__image_start", "__image_end"
LINKER_SYMBOLS: Mapping[str, str] = {
    IMAGE_START: ".text",
    **{f"__{group.name}_{end}": group.sections[0] for group in GROUPS for end in ("start", "end")},
    "__ex_table_start": ".ex_table",
    "__ex_table_end": ".ex_table",
    IMAGE_END: ".bss",
}
EXECUTABLE = frozenset(name for group in GROUPS if group.executable for name in group.sections)
_ALIGNMENT = {".note.*": 4}


@dataclass(frozen=True, slots=True)
class Placed:
    """A section in its group; `labels` stand before each statement and at its end."""

    section: SectionText
    group: Group
    labels: tuple[str, ...]
    alignment: int


def place_sections(program: Program) -> tuple[Placed, ...]:
    """Return all non-empty sections in layout order, notes by name."""
    return tuple(
        Placed(
            section,
            group,
            section.position_labels(),
            PAGE if pattern == group.sections[0] else _ALIGNMENT.get(pattern, 16),
        )
        for group in GROUPS
        for pattern in group.sections
        for section in _matching(program, pattern)
        if section.entries or section.labels
    )


def _matching(program: Program, pattern: str) -> list[SectionText]:
    if not pattern.endswith("*"):
        return [program.sections[pattern]] if pattern in program.sections else []
    return [program.sections[name] for name in sorted(program.sections) if name.startswith(pattern[:-1])]


def definitions(program: Program, constants: Mapping[str, int]) -> Iterator[Piece]:
    """Yield a piece `.set NAME, EXPRESSION` for each constant: those of the ABI, then the program's own."""
    for name, value in constants.items():
        yield Piece(f".set {name}, {value:#x}", (name,))
    for name, definition in program.constants():
        yield Piece(f".set {name}, {definition.expression}", (name,), definition.origin, definition.text)


def pieces(program: Program, placed: tuple[Placed, ...], constants: Mapping[str, int]) -> Iterator[Piece]:
    """Yield the whole text in assembly order: constants, then each group with its sections."""
    yield from definitions(program, constants)
    yield _labels(IMAGE_START)
    for group in GROUPS:
        yield Piece(f".balign {PAGE:#x}, 0x0")
        for pattern in group.sections:
            members = [item for item in placed if item.group is group and _is(item, pattern)]
            for item in members:
                yield from _alignments(item)
            if pattern == group.sections[0]:
                yield _labels(f"__{group.name}_start")
            if pattern in TABLE_SECTIONS:
                yield Piece(".balign 0x10, 0x0")
                yield _labels(f"_{pattern.replace('.', '_')}_start")
            for item in members:
                yield from _section(item)
            if pattern in TABLE_SECTIONS:
                yield _labels(f"_{pattern.replace('.', '_')}_end")
        yield _labels(f"__{group.name}_end")
    yield Piece(f".balign {PAGE:#x}, 0x0")
    yield _labels(IMAGE_END)


def _is(item: Placed, pattern: str) -> bool:
    return item.section.name == pattern or (pattern.endswith("*") and item.section.name.startswith(pattern[:-1]))


def _alignments(item: Placed) -> Iterator[Piece]:
    """Yield each alignment of a section once, to stand before it."""
    amounts = {e.keystone.partition(",")[0]: e for e in reversed(item.section.entries) if e.role is Role.ALIGN}
    for amount, entry in amounts.items():
        yield Piece(f"{amount}, 0x0", (), entry.origin, entry.text)


def _section(item: Placed) -> Iterator[Piece]:
    yield Piece(f".balign {item.alignment:#x}, 0x0")
    entries, labels = item.section.entries, item.section.labels
    for index, (entry, here) in enumerate(zip(entries, item.labels, strict=False)):
        text, keystone, origin, role, *_ = entry
        names = (*labels[index], here) if index in labels else (here,)
        yield Piece(":\n".join((*names, keystone)), names, origin, text, role is Role.INSTRUCTION)
    yield _labels(*labels.get(len(entries), ()), item.labels[-1])


def _labels(*names: str) -> Piece:
    return Piece("\n".join(f"{name}:" for name in names), names)
