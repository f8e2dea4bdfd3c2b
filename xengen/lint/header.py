"""The header of a routine: the comment block that is its contract, read and held against its form.

Invariants
  - A header that breaks the form gives findings, and the contract that can still be read: one mistake in it does
    not make every instruction below a finding.
  - The lines come in the order of `FIELDS`; a continuation is indented deeper than the field that it continues.
  - `in`, `out` and `clob` name registers; behind an equals sign is prose: `%eax = length of %esi` is %eax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from xengen.lint import registers
from xengen.lint.findings import Finding

FIELDS = ("in", "out", "clob", "errs", "calls", "depth", "frame", "why")
REQUIRED = ("in", "out", "clob", "errs")
REQUIRED_OF_ENTRIES = ("in", "out")

INTERRUPT_FRAME = 24
"""Bytes that the processor pushes for an exception in ring 1: ss, esp, eflags, cs, eip and an error code."""

_FIELD = re.compile(rf"#( +)({'|'.join(FIELDS)}): *(.*)")
_TITLE = re.compile(r"# ((?:\w|\{\{.*?\}\})+)(\([^()]*\))?: +\S")
_OUT = re.compile(r"[^;,]+")


@dataclass(frozen=True)
class Header:
    """A routine's contract. `line` is the template line of its title; registers are folded (see `registers`).

    `takes` are the registers that its line `in` gives a meaning; other registers in that line are in `fields` only.
    """

    name: str
    file: str
    line: int
    takes: frozenset[str] = frozenset()
    out: frozenset[str] = frozenset()
    clobbers: frozenset[str] = frozenset()
    returns: bool = True
    calls: tuple[str, ...] = ()
    depth: int | None = None
    frame: int = INTERRUPT_FRAME
    fields: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def changes(self) -> frozenset[str]:
        """The registers that a caller must not count on: named in `out` or `clob`."""
        return self.out | self.clobbers

    def may_call(self, name: str) -> bool:
        """Return whether the line `calls` names the routine `name`, by itself or by a pattern like do_*."""
        return any(fnmatchcase(name, pattern) for pattern in self.calls)


def meant(text: str) -> frozenset[str]:
    """Return the registers that an `out` or `in` line gives a meaning: those that no equals sign before makes prose."""
    text = re.sub(r"\([^()]*\)", "", text)
    found: set[str] = set()
    for clause in _OUT.findall(text):
        for match in registers.TOKEN.finditer(clause):
            is_value = "=" in clause[: match.start()] and not re.match(r"\s*=", clause[match.end() :])
            if match[1] in registers.FOLD and not is_value:
                found.add(registers.FOLD[match[1]])
    return frozenset(found)


def _number(fields: dict[str, str], name: str, problems: list[str]) -> int | None:
    if name not in fields:
        return None
    match = re.match(r"\d+", fields[name])
    if match is None:
        problems.append(f"its header's line `{name}:` must begin with a decimal number")
        return None
    return int(match[0])


def _fields(comment: list[tuple[int, str]], problems: list[tuple[int, str]]) -> dict[str, str]:
    """Collect the fields below the title; a problem is (line, message)."""
    fields: dict[str, str] = {}
    last: str | None = None
    indent = 0
    for line, text in comment:
        match = _FIELD.match(text)
        if match is not None:
            name = match[2]
            if name in fields:
                problems.append((line, f"its header has two lines `{name}:`"))
            elif last is not None and FIELDS.index(name) < FIELDS.index(last):
                problems.append((line, f"its header's line `{name}:` must stand before `{last}:`"))
            if not match[3]:
                problems.append((line, f"its header's line `{name}:` is empty: write `none`"))
            fields[name] = match[3]
            last, indent = name, len(match[1])
        elif last is not None:
            body = text[1:]
            if len(body) - len(body.lstrip()) <= indent:
                problems.append((line, f"its header goes on after `{last}:` with a line that is neither a field nor"
                                       " indented deeper"))
            fields[last] += " " + body.strip()
    return fields


def parse_header(
    name: str, file: str, line: int, comment: list[tuple[int, str]], *, literal: bool = True
) -> tuple[Header, list[Finding]]:
    """Read the comment block `comment` ((line, text) pairs) above the routine `name`, which is made at `line`.

    `literal` is False where the name is computed by the template: then the title is not compared with it.
    """
    if not comment:
        return Header(name, file, line), [Finding(file, line, name, "has no header: the comment right above it")]
    problems: list[tuple[int, str]] = []
    title_line, title = comment[0]
    match = _TITLE.match(title)
    if match is None:
        problems.append((title_line, f"its header must begin with `# {name}(arguments): what it does`"))
    elif literal and name not in (match[1], f"do_{match[1]}"):
        problems.append((title_line, f"its header is that of {match[1]}"))
    fields = _fields(comment[1:], problems)
    returns = not fields.get("out", "").startswith("does not return")
    for wanted in REQUIRED if returns else REQUIRED_OF_ENTRIES:
        if wanted not in fields:
            problems.append((title_line, f"its header has no line `{wanted}:`"))
    plain: list[str] = []
    clob = fields.get("clob", "none")
    clobbers = registers.named(clob)
    if re.match(r"all\b", clob):
        clobbers |= registers.ALL
    elif not clobbers and not re.match(r"(none|-|flags)(\W|$)", clob):
        plain.append("its header's line `clob:` names no register: write `%eax, %edx`, `all` or `none`")
    if "esp" in clobbers | meant(fields.get("out", "")):
        plain.append("its header names %esp, which a routine always gives back")
    frame = _number(fields, "frame", plain)
    header = Header(
        name=name,
        file=file,
        line=title_line,
        takes=meant(fields.get("in", "")),
        out=meant(fields.get("out", "")) if returns else frozenset(),
        clobbers=clobbers,
        returns=returns,
        calls=tuple(word for word in re.split(r"[,\s]+", fields.get("calls", "")) if word),
        depth=_number(fields, "depth", plain),
        frame=INTERRUPT_FRAME if frame is None else frame,
        fields=fields,
    )
    problems.extend((title_line, text) for text in plain)
    return header, [Finding(file, at, name, text) for at, text in problems]
