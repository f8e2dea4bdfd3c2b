"""GNU as text to what Keystone can take: sections apart, labels unique, numbers in hex (see docs/assembler.md).

Invariants
  - Nothing is guessed: a statement that is not understood is a `BuildError` at the author's place.
  - Every number outside of strings is rewritten as 0x..., because Keystone reads decimal digits as hexadecimal.
  - Equal statements, and equal operands, are read once; what depends on its place (1b, `.`) or its section is read
    each time.
  - Strings become .byte lists, numeric labels unique names; the order within a section is that of the sources.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xengen.toolchain import directives
from xengen.toolchain.errors import BuildError, suggestion
from xengen.toolchain.image import Origin
from xengen.toolchain.instructions import PREFIXES, REGISTERS, check, rewrite
from xengen.toolchain.lexer import (
    MAX_U32,
    NAME,
    SyntaxProblem,
    character,
    cut_operands,
    number,
    split_statements,
    squeeze,
    tokens,
)
from xengen.toolchain.program import Definition, Entry, Program, Role, SectionText, Use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xengen.toolchain.provenance import Line

_SYMBOL = re.compile(NAME)
_LABEL = re.compile(rf"({NAME}|[0-9]+)\s*:")
_ASSIGNMENT = re.compile(rf"({NAME})\s*=(?!=)\s*(.*)", re.DOTALL)
_MNEMONIC = re.compile(r"[a-z][a-z0-9]*")
_ANYWHERE = frozenset([Role.INSTRUCTION, Role.DATA])  # the others depend on their section or place


def _cut(text: str) -> tuple[str, str]:
    """Return the first word of a statement and the rest."""
    name, *rest = text.split(None, 1)
    return name, rest[0] if rest else ""


class Lowering:
    """The state of one pass over an image's lines; `program` is its result."""

    def __init__(self) -> None:
        self.program = Program()
        self.origin = Origin("", 0)
        self.text = ""
        self.stack: list[tuple[SectionText, SectionText | None, Origin]] = []
        self.numeric: dict[str, int] = {}
        self.prefixes: list[str] = []
        self.known: dict[str, Entry] = {}  # what statements that mean the same everywhere were lowered to
        self.operands: dict[tuple[str, int], str] = {}  # the same for operands with a limit for their numbers
        self.is_bound = False  # whether the current statement means something else in another place
        self.has_here = False  # whether it says `.`
        self.previous: SectionText | None = None
        self.current = self.enter(".text")

    def run(self, lines: Iterable[Line]) -> Program:
        """Lower all lines; BuildError at the first that is not understood."""
        in_comment = False
        comment_origin = self.origin
        for text, origin in lines:
            was_open = in_comment
            statements, in_comment = split_statements(text, in_comment)
            if in_comment and not was_open:
                comment_origin = origin
            for statement in statements:
                self.origin, self.text = origin, statement
                try:
                    self.statement(statement)
                except SyntaxProblem as problem:
                    raise BuildError(self.origin, str(problem), self.text) from problem
        if in_comment:
            raise BuildError(comment_origin, "comment without an end")
        if self.prefixes:
            raise BuildError(self.origin, f"{self.prefixes[-1]} without an instruction", self.text)
        if self.stack:
            raise BuildError(self.stack[-1][2], ".pushsection without .popsection")
        return self.program

    def statement(self, text: str) -> None:
        """Take one statement: labels, then an assignment, a directive or an instruction."""
        while ":" in text and (match := _LABEL.match(text)):
            self.label(match.group(1))
            text = text[match.end() :].lstrip()
        if not text:
            return
        known = None if self.prefixes else self.known.get(text)
        if known is not None:
            plain, keystone, _, role, expected, repeated, checked = known
            self.emit(Entry(plain, keystone, self.origin, role, expected, repeated, checked))
            return
        self.is_bound, self.has_here = bool(self.prefixes), False
        if "=" in text and (match := _ASSIGNMENT.match(text)):
            self.constant(match.group(1), match.group(2))
            return
        name, rest = _cut(text)
        entries = self.current.entries
        count = len(entries)
        if name.startswith("."):
            handler = directives.DIRECTIVES.get(name)
            if handler is None:
                raise SyntaxProblem(f"unknown directive {name}{suggestion(name, directives.DIRECTIVES)}")
            handler(self, name, rest)
        else:
            self.instruction(name, rest)
        if not self.is_bound and len(entries) > count and entries[-1].role in _ANYWHERE:
            self.known[text] = entries[-1]

    def instruction(self, name: str, rest: str) -> None:
        """Take an instruction; prefixes wait for the instruction that they belong to."""
        while name in PREFIXES:
            self.prefixes.append(name)
            if not rest:
                return
            name, rest = _cut(rest)
        if not _MNEMONIC.fullmatch(name):
            raise SyntaxProblem(f"bad statement {name!r}")
        found = cut_operands(rest) if rest else []
        if not all(found):
            raise SyntaxProblem("operand missing at a comma")
        operands = [self.lower(operand) for operand in found]
        checked = check(name, [self.fixed(operand) for operand in found] if self.has_here else operands)
        text = " ".join([*self.prefixes, f"{name} {squeeze(rest)}".strip()])
        keystone = "\n".join([*self.prefixes, rewrite(name, operands)])
        self.prefixes = []
        self.emit(Entry(text, keystone, self.origin, Role.INSTRUCTION, check=checked))

    def lower(self, text: str, limit: int = MAX_U32, here: str = ".") -> str:
        """Return one operand or expression for Keystone, with `here` for `.`, and note the names that it needs."""
        known = self.operands.get((text, limit))
        if known is not None:
            return known
        if text != "." and _SYMBOL.fullmatch(text):  # most of those that come once: where a jump or a call goes
            self.use(text)
            self.operands[text, limit] = text
            return text
        parts: list[str] = []
        is_bound = False
        for kind, word in tokens(text):
            match kind:
                case "operator":
                    parts.append(word)
                case "name":
                    self.use(word)
                    parts.append(word)
                case "register":
                    if word[1:].partition("(")[0] not in REGISTERS:
                        close = suggestion(word, sorted(f"%{register}" for register in REGISTERS))
                        raise SyntaxProblem(f"unknown register {word}{close}")
                    parts.append(word)
                case "space":
                    parts.append(" ")
                case "number":
                    parts.append(hex(number(word, limit)))
                case "character":
                    parts.append(hex(character(word)))
                case "here":
                    is_bound = self.has_here = True
                    parts.append(here)
                case "local":
                    is_bound = True
                    parts.append(self.local(word))
                case _:
                    raise SyntaxProblem("a string cannot stand here")
        lowered = "".join(parts)
        if is_bound:
            self.is_bound = True
        else:
            self.operands[text, limit] = lowered
        return lowered

    def fixed(self, text: str) -> str:
        """Like `lower`, for an expression that is evaluated elsewhere: `.` becomes the label of this place."""
        return self.lower(text, here=self.current.here.label)

    def emit(self, entry: Entry) -> None:
        """Append a statement to the current section."""
        if self.prefixes:
            raise SyntaxProblem(f"{self.prefixes[-1]} without an instruction")
        if self.current.name == ".bss" and entry.role in (Role.INSTRUCTION, Role.DATA):
            raise SyntaxProblem(".bss has no contents: use .skip here, or .data")
        self.current.entries.append(entry)

    def use(self, name: str) -> None:
        """Note that the current statement needs `name`: the first one that does is told when there is none."""
        if name not in self.program.uses:
            self.program.uses[name] = Use(self.origin, self.text)

    def label(self, name: str) -> None:
        """Define a label at this place."""
        if self.prefixes:
            raise SyntaxProblem(f"{self.prefixes[-1]} without an instruction")
        if name.isdigit():
            count = self.numeric[name] = self.numeric.get(name, 0) + 1
            name = f".L_n{name}_{count}"
        place = self.current.here
        self.define(name, Definition(self.origin, self.text, place=place))
        self.current.labels.setdefault(place.index, []).append(name)

    def local(self, text: str) -> str:
        """Return the unique name for 1b or 1f."""
        digits, forward = text[:-1], text[-1] == "f"
        count = self.numeric.get(digits, 0) + forward
        if count == 0:
            raise SyntaxProblem(f"no label {digits}: before this")
        name = f".L_n{digits}_{count}"
        self.use(name)
        return name

    def constant(self, name: str, expression: str) -> None:
        """Define a constant: NAME = EXPRESSION."""
        if name == ".":
            raise SyntaxProblem("the location counter cannot be set: use .skip or .balign")
        lowered = self.fixed(expression.strip())
        if not lowered:
            raise SyntaxProblem(f"{name} has no value")
        self.define(name, Definition(self.origin, self.text, expression=lowered))

    def define(self, name: str, definition: Definition) -> None:
        """Enter a name; a second definition is an error that names both places."""
        before = self.program.names.get(name)
        if before is not None:
            raise SyntaxProblem(f"{name} is defined twice: first at {before.origin}")
        self.program.names[name] = definition

    def enter(self, name: str, writable: bool = False) -> SectionText:
        """Return the section called `name`, made when it is new."""
        sections = self.program.sections
        section = sections.setdefault(name, SectionText(name, len(sections)))
        section.writable |= writable
        return section

    def switch(self, section: SectionText) -> None:
        """Make `section` the current one."""
        self.previous, self.current = self.current, section


def lower_lines(lines: Iterable[Line]) -> Program:
    """Lower the rendered lines of an image."""
    return Lowering().run(lines)
