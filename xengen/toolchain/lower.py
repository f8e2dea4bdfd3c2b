"""GNU as text to what Keystone can take: sections apart, labels unique, numbers in hex (see docs/assembler.md).

Invariants
  - Nothing is guessed: a statement that is not understood is a `BuildError` at the author's place.
  - Every number outside of strings is rewritten as 0x..., because Keystone reads decimal digits as hexadecimal.
  - Equal statements are read once; what depends on its place (1b, `.`) or its section is read each time.
  - Strings become .byte lists, numeric labels unique names; the order within a section is that of the sources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xengen.toolchain import directives
from xengen.toolchain.errors import BuildError, suggestion
from xengen.toolchain.image import Origin
from xengen.toolchain.instructions import PREFIXES, REGISTERS, check, rewrite
from xengen.toolchain.lexer import (
    MAX_U32,
    NAME,
    Kind,
    SyntaxProblem,
    Token,
    character,
    number,
    split_operands,
    split_statements,
    squeeze,
    tokens,
)
from xengen.toolchain.program import Definition, Entry, Program, Role, SectionText, Use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xengen.toolchain.render import Line

_LABEL = re.compile(rf"({NAME}|[0-9]+)\s*:")
_ASSIGNMENT = re.compile(rf"({NAME})\s*=(?!=)\s*(.*)", re.DOTALL)
_WORD = re.compile(r"\S+")
_MNEMONIC = re.compile(r"[a-z][a-z0-9]*")
_ANYWHERE = frozenset([Role.INSTRUCTION, Role.DATA])  # the others depend on their section or place


@dataclass(frozen=True, slots=True)
class Known:
    """What a statement that means the same wherever it stands was lowered to, and the names that it needs."""

    entry: Entry
    names: tuple[str, ...]


class Lowering:
    """The state of one pass over an image's lines; `program` is its result."""

    def __init__(self) -> None:
        self.program = Program()
        self.origin = Origin("", 0)
        self.text = ""
        self.stack: list[tuple[SectionText, SectionText | None, Origin]] = []
        self.numeric: dict[str, int] = {}
        self.prefixes: list[str] = []
        self.known: dict[str, Known] = {}
        self.names: list[str] = []  # what the current statement needs
        self.is_bound = False  # whether the current statement means something else in another place
        self.previous: SectionText | None = None
        self.current = self.enter(".text")

    def run(self, lines: Iterable[Line]) -> Program:
        """Lower all lines; BuildError at the first that is not understood."""
        in_comment = False
        comment_origin = self.origin
        for line in lines:
            was_open = in_comment
            statements, in_comment = split_statements(line.text, in_comment)
            if in_comment and not was_open:
                comment_origin = line.origin
            for statement in statements:
                self.origin, self.text = line.origin, statement
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
        while match := _LABEL.match(text):
            self.label(match.group(1))
            text = text[match.end() :].lstrip()
        if not text:
            return
        self.names, self.is_bound = [], bool(self.prefixes)
        known = None if self.is_bound else self.known.get(text)
        if known is not None:
            for name in known.names:
                self.use(name)
            entry = known.entry
            self.emit(
                Entry(entry.text, entry.keystone, self.origin, entry.role, entry.expected, entry.repeated, entry.check)
            )
            return
        if "=" in text and (match := _ASSIGNMENT.match(text)):
            self.constant(match.group(1), match.group(2))
            return
        word = _WORD.match(text)
        assert word is not None
        name, rest = word.group(), text[word.end() :].strip()
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
            self.known[text] = Known(entries[-1], tuple(self.names))

    def instruction(self, name: str, rest: str) -> None:
        """Take an instruction; prefixes wait for the instruction that they belong to."""
        while name in PREFIXES:
            self.prefixes.append(name)
            word = _WORD.match(rest)
            if word is None:
                return
            name, rest = word.group(), rest[word.end() :].strip()
        if not _MNEMONIC.fullmatch(name):
            raise SyntaxProblem(f"bad statement {name!r}")
        found = split_operands(tokens(rest)) if rest else []
        if any(not operand for operand in found):
            raise SyntaxProblem("operand missing at a comma")
        operands = [self.lower(operand) for operand in found]
        has_here = any(token.kind is Kind.HERE for operand in found for token in operand)
        checked = check(name, [self.fixed(operand) for operand in found] if has_here else operands)
        text = " ".join([*self.prefixes, f"{name} {squeeze(rest)}".strip()])
        keystone = "\n".join([*self.prefixes, rewrite(name, operands)])
        self.prefixes = []
        self.emit(Entry(text, keystone, self.origin, Role.INSTRUCTION, check=checked))

    def lower(self, found: list[Token], limit: int = MAX_U32) -> str:
        """Return one operand or expression for Keystone, and note the names that it needs."""
        parts = []
        for token in found:
            match token.kind:
                case Kind.NUMBER:
                    parts.append(hex(number(token.text, limit)))
                case Kind.CHARACTER:
                    parts.append(hex(character(token.text)))
                case Kind.LOCAL:
                    self.is_bound = True
                    parts.append(self.local(token.text))
                case Kind.NAME:
                    self.use(token.text)
                    parts.append(token.text)
                case Kind.REGISTER:
                    name = token.text.removeprefix("%").partition("(")[0]
                    if name not in REGISTERS:
                        close = suggestion(token.text, sorted(f"%{register}" for register in REGISTERS))
                        raise SyntaxProblem(f"unknown register {token.text}{close}")
                    parts.append(token.text)
                case Kind.SPACE:
                    parts.append(" ")
                case Kind.STRING:
                    raise SyntaxProblem("a string cannot stand here")
                case Kind.HERE:
                    self.is_bound = True
                    parts.append(token.text)
                case Kind.OPERATOR:
                    parts.append(token.text)
        return "".join(parts)

    def fixed(self, found: list[Token]) -> str:
        """Like `lower`, for an expression that is evaluated elsewhere: `.` becomes the label of this place."""
        here = [Token(Kind.OPERATOR, self.current.here.label) if t.kind is Kind.HERE else t for t in found]
        return self.lower(here)

    def emit(self, entry: Entry) -> None:
        """Append a statement to the current section."""
        if self.prefixes:
            raise SyntaxProblem(f"{self.prefixes[-1]} without an instruction")
        if self.current.name == ".bss" and entry.role in (Role.INSTRUCTION, Role.DATA):
            raise SyntaxProblem(".bss has no contents: use .skip here, or .data")
        self.current.entries.append(entry)

    def use(self, name: str) -> None:
        """Note that the current statement needs `name`."""
        self.names.append(name)
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
        lowered = self.fixed(tokens(expression.strip()))
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
