"""The template files as text: which routines they hold, and the rules that a look at the text can decide.

Invariants
  - Lines are counted from 1, files are named relative to the tree, with forward slashes.
  - A routine is a block `{% call routine("name") %}` or `{% call entry("name") %}` up to its own `{% endcall %}`;
    blocks of other macros may be nested in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from xengen.lint.findings import Finding
from xengen.lint.header import Header, parse_header

FOLDERS = ("asm", "templates")
MAX_COLUMNS = 120
MAX_ROUTINE_LINES = 120

_CALL = re.compile(r"\{%-?\s*call(?:\([^)]*\))?\s+(\w+)\s*\(\s*([^,)]*)")
_ENDCALL = re.compile(r"\{%-?\s*endcall\b")
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)")
_LITERAL = re.compile(r"""["'](\w+)["']""")
MAKERS = ("routine", "entry")


@dataclass(frozen=True)
class Block:
    """One routine in a template: lines `first` (the call) to `last` (its endcall), and its contract."""

    name: str
    literal: bool
    first: int
    last: int
    header: Header


@dataclass(frozen=True)
class Source:
    """One template file: its routines, in the order of the file, and the findings of its text."""

    file: str
    blocks: tuple[Block, ...]
    findings: tuple[Finding, ...]

    def block(self, name: str, line: int) -> Block | None:
        """Return the block of the routine `name` whose code is at `line`: by name, else the one around the line."""
        for block in self.blocks:
            if block.literal and block.name == name:
                return block
        for block in self.blocks:
            if not block.literal and block.first <= line <= block.last:
                return block
        return None


def _comment_above(lines: list[str], index: int) -> list[tuple[int, str]]:
    """Return the `#` lines directly above the line with `index` (from 0), as (line from 1, text) in order."""
    start = index
    while start > 0 and lines[start - 1].startswith("#"):
        start -= 1
    return [(number + 1, lines[number]) for number in range(start, index)]


def _text_rules(file: str, lines: list[str]) -> list[Finding]:
    findings = []
    for number, text in enumerate(lines, start=1):
        if len(text) > MAX_COLUMNS:
            findings.append(Finding(file, number, None, f"is {len(text)} columns wide, more than {MAX_COLUMNS}"))
        if "\t" in text:
            findings.append(Finding(file, number, None, "holds a tab: use blanks"))
        if text != text.rstrip():
            findings.append(Finding(file, number, None, "ends in blanks"))
        macro = _MACRO.search(text)
        if macro is not None and file.startswith("templates/"):
            above = lines[number - 2].rstrip() if number > 1 else ""
            if not (above.endswith("#}") or above.startswith("#")):
                findings.append(Finding(file, number, None, f"macro {macro[1]} has no comment right above it"))
    return findings


def read_source(file: str, text: str) -> Source:
    """Read the text of one template. Findings: its lines, its macros' comments, its routines' headers and lengths."""
    lines = text.split("\n")
    findings = _text_rules(file, lines)
    blocks: list[Block] = []
    open_calls: list[tuple[str, str, int]] = []
    for number, line in enumerate(lines, start=1):
        for match in sorted((*_CALL.finditer(line), *_ENDCALL.finditer(line)), key=lambda found: found.start()):
            if match.re is _CALL:
                open_calls.append((match[1], match[2].strip(), number))
                continue
            if not open_calls:
                findings.append(Finding(file, number, None, "endcall without a call"))
                continue
            maker, argument, first = open_calls.pop()
            if maker not in MAKERS:
                continue
            literal = _LITERAL.fullmatch(argument)
            name = argument if literal is None else literal[1]
            header, problems = parse_header(
                name, file, first, _comment_above(lines, first - 1), literal=literal is not None
            )
            findings.extend(problems)
            body = number - first - 1
            if body > MAX_ROUTINE_LINES:
                findings.append(Finding(file, first, name, f"is {body} lines long, more than {MAX_ROUTINE_LINES}"))
            blocks.append(Block(name, literal is not None, first, number, header))
    for maker, _, first in open_calls:
        findings.append(Finding(file, first, None, f"call of {maker} without an endcall"))
    return Source(file, tuple(sorted(blocks, key=lambda block: block.first)), tuple(findings))


def read_tree(root: Path) -> dict[str, Source]:
    """Read every *.s below asm/ and templates/ of the tree `root`; the keys are the files' names."""
    sources = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.s")):
            file = path.relative_to(root).as_posix()
            sources[file] = read_source(file, path.read_text(encoding="utf-8"))
    return sources
