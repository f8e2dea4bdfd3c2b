"""The directives of GNU as that sources may use, and what each becomes.

Invariants
  - DIRECTIVES is the whole list; a directive that is not in it is an error.
  - A data directive says the size that it must have, so that output which Keystone drops in silence is noticed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xengen.toolchain.image import SymbolKind
from xengen.toolchain.lexer import (
    MAX_U32,
    MAX_U64,
    NAME,
    SyntaxProblem,
    cut_operands,
    squeeze,
    tokens,
    unescape,
)
from xengen.toolchain.program import Entry, Repeated, Role, Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from xengen.toolchain.lower import Lowering

SECTIONS = (".text", ".rodata", ".ex_table", ".where", ".init", ".data", ".bss")
CODE_SECTIONS = (".text", ".init")
_MAX_POWER = 12
_GENERATED = ".where"
_WIDTHS = {
    ".byte": 1, ".word": 2, ".short": 2, ".hword": 2, ".value": 2, ".2byte": 2,
    ".long": 4, ".int": 4, ".4byte": 4, ".quad": 8, ".8byte": 8,
}  # fmt: skip
_KEYSTONE = {1: ".byte", 2: ".word", 4: ".long", 8: ".quad"}
_KINDS = {"function": SymbolKind.FUNCTION, "object": SymbolKind.OBJECT, "notype": SymbolKind.LABEL}
_SYMBOL = re.compile(NAME)
_TYPE = re.compile(rf"({NAME})\s*,\s*[@%](\w+)")
_PAIR = re.compile(rf"({NAME})\s*,(.+)")
_SECTION = re.compile(rf'({NAME})\s*(?:,\s*"([a-zA-Z]*)"\s*(?:,\s*[@%](?:progbits|nobits|note))?)?')


def _emit(low: Lowering, text: str, keystone: str, role: Role, expected: str | None = None) -> None:
    low.emit(Entry(text, keystone, low.origin, role, expected))


def _data(low: Lowering, name: str, rest: str) -> None:
    width = _WIDTHS[name]
    limit = MAX_U64 if width == 8 else MAX_U32
    items = [low.lower(item, limit) for item in cut_operands(rest)]
    if any(not item for item in items):
        raise SyntaxProblem(f"value missing in {name}")
    _emit(low, f"{name} {squeeze(rest)}", f"{_KEYSTONE[width]} {', '.join(items)}", Role.DATA, hex(width * len(items)))


def _string(low: Lowering, name: str, rest: str) -> None:
    data = b""
    for item in cut_operands(rest):
        if [kind for kind, _ in tokens(item)] != ["string"]:
            raise SyntaxProblem(f'{name} takes strings: {name} "text"')
        data += unescape(item[1:-1]) + (b"" if name == ".ascii" else b"\0")
    text = ".byte 0x" + data.hex(",").replace(",", ", 0x") if data else ""
    _emit(low, f"{name} {squeeze(rest)}", text, Role.DATA, hex(len(data)))


def _arguments(low: Lowering, name: str, rest: str, at_most: int) -> list[str]:
    items = [low.lower(item) for item in cut_operands(rest)]
    if not 1 <= len(items) <= at_most or not items[0]:
        raise SyntaxProblem(f"{name} takes 1 to {at_most} values")
    return items


def _skip(low: Lowering, name: str, rest: str) -> None:
    _, *value = _arguments(low, name, rest, 2)
    _space(low, name, rest, low.fixed(cut_operands(rest)[0]), Repeated(value[0] if value else "0x0"))


def _fill(low: Lowering, name: str, rest: str) -> None:
    items = _arguments(low, name, rest, 3)
    _, unit, value = items + ["", "0x1", "0x0"][len(items) :]
    if unit not in map(hex, range(1, 9)):
        raise SyntaxProblem(f"the second value of {name} is a number from 1 to 8: bytes in each unit")
    count = low.fixed(cut_operands(rest)[0])
    _space(low, name, rest, f"({count})*{unit}", Repeated(value, int(unit, 16)))


def _space(low: Lowering, name: str, rest: str, size: str, repeated: Repeated) -> None:
    if low.current.name == ".bss" and repeated.value != "0x0":
        raise SyntaxProblem(".bss has no contents: fill with zero")
    text = f"{name} {squeeze(rest)}"
    low.emit(Entry(text, repeated.keystone(0), low.origin, Role.SPACE, size, repeated))


def _align(low: Lowering, name: str, rest: str) -> None:
    items = _arguments(low, name, rest, 3)
    directive = ".p2align" if name == ".p2align" else ".balign"
    amount = tokens(items[0])
    if [kind for kind, _ in amount] == ["number"]:
        value = int(items[0], 16)
        if (value > _MAX_POWER) if directive == ".p2align" else (value & (value - 1) or value > 1 << _MAX_POWER):
            raise SyntaxProblem(f"{name} goes up to a page, {1 << _MAX_POWER} bytes, by powers of two")
    if len(items) == 1 and low.current.name not in CODE_SECTIONS:
        items.append("0x0")
    elif len(items) > 1 and not items[1] and low.current.name not in CODE_SECTIONS:
        items[1] = "0x0"
    _emit(low, f"{name} {squeeze(rest)}", f"{directive} {', '.join(items)}", Role.ALIGN)


def _section(low: Lowering, name: str, rest: str) -> None:
    match = _SECTION.fullmatch(name if not rest and name in SECTIONS else rest)
    if match is None:
        raise SyntaxProblem(f'{name} takes a name and flags: {name} .init, "ax"')
    section, flags = match.group(1), match.group(2) or ""
    if section not in SECTIONS and not section.startswith(".note."):
        raise SyntaxProblem(f"unknown section {section}: there are {', '.join(SECTIONS)} and .note.*")
    if section == _GENERATED:
        raise SyntaxProblem(f"{_GENERATED} is made by the linker")
    entered = low.enter(section, "w" in flags)
    if name == ".pushsection":
        low.stack.append((low.current, low.previous, low.origin))
    low.switch(entered)


def _popsection(low: Lowering, name: str, rest: str) -> None:
    if not low.stack:
        raise SyntaxProblem(f"{name} without .pushsection")
    low.current, low.previous, _ = low.stack.pop()


def _previous(low: Lowering, name: str, rest: str) -> None:
    if low.previous is None:
        raise SyntaxProblem(f"{name} without a section before")
    low.switch(low.previous)


def _globl(low: Lowering, name: str, rest: str) -> None:
    for symbol in rest.split(","):
        if not _SYMBOL.fullmatch(symbol.strip()):
            raise SyntaxProblem(f"{name} takes a symbol")
        low.program.exported.setdefault(symbol.strip(), Use(low.origin, low.text))


def _type(low: Lowering, name: str, rest: str) -> None:
    match = _TYPE.fullmatch(rest)
    if match is None or match.group(2) not in _KINDS:
        raise SyntaxProblem(f"{name} takes a symbol and one of {', '.join('@' + kind for kind in _KINDS)}")
    low.program.kinds[match.group(1)] = (_KINDS[match.group(2)], Use(low.origin, low.text))


def _size(low: Lowering, name: str, rest: str) -> None:
    match = _PAIR.fullmatch(rest)
    if match is None:
        raise SyntaxProblem(f"{name} takes a symbol and its size: {name} name, .-name")
    low.program.sizes[match.group(1)] = (low.fixed(match.group(2).strip()), Use(low.origin, low.text))


def _set(low: Lowering, name: str, rest: str) -> None:
    match = _PAIR.fullmatch(rest)
    if match is None:
        raise SyntaxProblem(f"{name} takes a name and a value: {name} NAME, 1")
    low.constant(match.group(1), match.group(2))


DIRECTIVES: dict[str, Callable[[Lowering, str, str], None]] = {
    **dict.fromkeys(_WIDTHS, _data),
    **dict.fromkeys((".ascii", ".asciz", ".string"), _string),
    **dict.fromkeys((".skip", ".space", ".zero"), _skip),
    **dict.fromkeys((".balign", ".align", ".p2align"), _align),
    **dict.fromkeys((".text", ".data", ".bss", ".section", ".pushsection"), _section),
    **dict.fromkeys((".globl", ".global"), _globl),
    **dict.fromkeys((".set", ".equ"), _set),
    ".fill": _fill,
    ".popsection": _popsection,
    ".previous": _previous,
    ".type": _type,
    ".size": _size,
}
