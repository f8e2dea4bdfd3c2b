"""Line marks: how a rendered line knows the template line that it came from.

Invariants
  - `mark` changes no line number and no visible character: it puts an invisible mark (file number, line) in front of
    each line of a template that begins outside of a Jinja tag, and takes the blanks before a leading tag, which
    lstrip_blocks would take anyway.
  - A mark inside a macro's body says what macro; so the reader can tell the call (last mark outside of macros) from
    the macro line (last mark of all).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from xengen.toolchain.image import Origin

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+:\\d+){_CLOSE}")
_CONSTRUCT = re.compile(
    r"""\{\#.*?\#\}                                                       # comment
      | \{%\s*raw\s*%\}.*?\{%\s*endraw\s*%\}
      | \{%(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'])*?%\}             # tag
      | \{\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'])*?\}\}           # expression
    """,
    re.VERBOSE | re.DOTALL,
)
_MACRO = re.compile(r"\{%[-+]?\s*(?:macro\s+(\w+)|(endmacro))")
GLUE = re.compile(r"(\{[%{#]-)|(-[%}#]\})")


@dataclass
class Provenance:
    """The files of a build's renderings with marks, and which of their lines are inside which macro."""

    files: list[str] = field(default_factory=list)
    marked: dict[str, str] = field(default_factory=dict, repr=False)
    macros: list[dict[int, str]] = field(default_factory=list)
    _outside: dict[str, Origin] = field(default_factory=dict, repr=False)
    _inside: dict[tuple[str, Origin], Origin] = field(default_factory=dict, repr=False)

    def mark(self, file: str, source: str) -> str:
        """Return `source` with marks, and remember it in `marked`; the file, a new one, gets a number."""
        index = len(self.files)
        self.files.append(file)
        self.macros.append({})
        inside: set[int] = set()
        macro: str | None = None
        macro_lines = self.macros[index]
        line = 1
        position = 0
        for match in _CONSTRUCT.finditer(source):
            line += source.count("\n", position, match.start())
            position = match.start()
            end = line + match.group().count("\n")
            inside.update(range(line + 1, end + 1))
            kind = _MACRO.match(match.group())
            if kind:
                if kind.group(1):
                    # A macro's first line is its own only after the tag, where no mark stands.
                    macro = kind.group(1)
                    first = end + 1
                elif macro is not None:
                    macro_lines.update((number, macro) for number in range(first, line + 1))
                    macro = None
        lines = source.split("\n")
        for number, text in enumerate(lines, 1):
            if number in inside:
                continue
            body = text.lstrip(" \t")
            if body.startswith("{#"):
                continue
            lines[number - 1] = f"{_OPEN}{index}:{number}{_CLOSE}" + (body if body.startswith("{%") else text)
        self.marked[file] = "\n".join(lines)
        return self.marked[file]

    def macro_at(self, file: str, line: int) -> str | None:
        """Return the name of the macro whose body holds this line, or None."""
        return self.macros[self.files.index(file)].get(line) if file in self.files else None

    def split(self, rendered: str, file: str) -> list[tuple[str, Origin]]:
        """Return the lines of `rendered` without marks, each with its origin; `file` is the template's own name."""
        lines: list[tuple[str, Origin]] = []
        call = Origin(file, 1)
        origin = call
        for text in rendered.split("\n"):
            if text.startswith(_OPEN) and text.rfind(_OPEN) == 0:
                mark, _, plain = text[1:].partition(_CLOSE)
                call, origin = self._place(mark, call)
                lines.append((plain, origin))
                continue
            pieces = _MARK.split(text)
            plain = "".join(pieces[::2])
            settled = False
            # What comes after the line's first visible character belongs to the lines that follow.
            for index in range(1, len(pieces), 2):
                if not settled and "".join(pieces[:index:2]).strip():
                    lines.append((plain, origin))
                    settled = True
                call, origin = self._place(pieces[index], call)
            if not settled:
                lines.append((plain, origin))
        return lines

    def _place(self, mark: str, call: Origin) -> tuple[Origin, Origin]:
        """Return the call and the origin of what follows `mark`, when `call` was the last line outside of macros."""
        known = self._outside.get(mark)
        if known is not None:
            return known, known
        known = self._inside.get((mark, call))
        if known is not None:
            return call, known
        number, line = map(int, mark.split(":"))
        name = self.macros[number].get(line)
        if name is None:
            place = self._outside[mark] = Origin(self.files[number], line)
            return place, place
        origin = self._inside[mark, call] = Origin(call.file, call.line, f"{name}, {self.files[number]}:{line}")
        return call, origin
