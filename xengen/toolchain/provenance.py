"""Line marks: how a rendered line knows the template line that it came from.

Invariants
  - `mark` changes no line number and no visible character: it puts an invisible mark (file number, first line, number
    of lines) in front of each run of whole lines without a tag, and in front of each line with one that begins outside
    of a tag; and it takes the blanks before a leading tag, which lstrip_blocks would take anyway.
  - A mark inside a macro's body says what macro; so the reader can tell the call (last mark outside of macros) from
    the macro line (last mark of all).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from xengen.toolchain.image import Origin
from xengen.toolchain.tags import Part

_OPEN, _CLOSE = "\ue000", "\ue001"
_MACRO = re.compile(r"\{%[-+]?\s*(?:macro\s+(\w+)|(endmacro))")


class Line(NamedTuple):
    """One rendered line of GNU as text and where it was written."""

    text: str
    origin: Origin


@dataclass
class Provenance:
    """The files of a build's renderings with marks, and which of their lines are inside which macro."""

    files: list[str] = field(default_factory=list)
    macros: list[dict[int, str]] = field(default_factory=list)
    _outside: dict[str, tuple[Origin, ...]] = field(default_factory=dict, repr=False)
    _inside: dict[tuple[str, Origin], tuple[Origin, ...]] = field(default_factory=dict, repr=False)

    def mark(self, file: str, parts: Sequence[Part]) -> Iterator[Part]:
        """Yield the parts of a template with marks in them; the file, a new one, gets a number."""
        number = len(self.files)
        self.files.append(file)
        macro_lines: dict[int, str] = {}
        self.macros.append(macro_lines)
        macro, first = "", 0
        for index, part in enumerate(parts):
            line, text, is_tag = part
            if not is_tag:
                tag = parts[index + 1].text[:2] if index + 1 < len(parts) else ""
                yield Part(line, _marked(number, line, text, index == 0, tag), False)
                continue
            yield part
            kind = _MACRO.match(text)
            if kind is None:
                continue
            if kind.group(1):
                # A macro's first line is its own only after the tag, where no mark stands.
                macro, first = kind.group(1), line + text.count("\n") + 1
            elif macro:
                macro_lines.update((inside, macro) for inside in range(first, line + 1))
                macro = ""

    def macro_at(self, file: str, line: int) -> str | None:
        """Return the name of the macro whose body holds this line, or None."""
        return self.macros[self.files.index(file)].get(line) if file in self.files else None

    def split(self, rendered: str, file: str) -> list[Line]:
        """Return the lines of `rendered` without marks, each with its origin; `file` is the template's own name."""
        lines: list[Line] = []
        call = origin = Origin(file, 1)
        first, *pieces = rendered.split(_OPEN)
        *others, line = first.split("\n")
        lines += [Line(text, origin) for text in others]
        for piece in pieces:
            mark, _, text = piece.partition(_CLOSE)
            places = self._outside.get(mark)
            if places is None:
                call, places = self._places(mark, call)
            else:
                call = places[-1]
            # What comes after the line's first visible character belongs to the lines that follow.
            if not line or line.isspace():
                origin = places[0]
            first, *others = text.split("\n")
            line += first
            if not others:
                continue
            lines.append(Line(line, origin))
            line = others.pop()
            lines.extend(map(Line, others, places[1:]))
            # What a run of lines does not count comes from values with newlines in them.
            lines += [Line(other, places[-1]) for other in others[len(places) - 1 :]]
            origin = places[min(len(others) + 1, len(places) - 1)]
        lines.append(Line(line, origin))
        return lines

    def _places(self, mark: str, call: Origin) -> tuple[Origin, tuple[Origin, ...]]:
        """Return the call and the origins of the lines behind `mark`; `call` was the last line outside of macros."""
        known = self._inside.get((mark, call))
        if known is not None:
            return call, known
        number, first, count = map(int, mark.split(":"))
        file, lines = self.files[number], range(first, first + count)
        name = self.macros[number].get(first)
        if name is None:
            known = self._outside[mark] = tuple([Origin(file, line) for line in lines])
            return known[-1], known
        known = tuple([Origin(call.file, call.line, f"{name}, {file}:{line}") for line in lines])
        self._inside[mark, call] = known
        return call, known


def _marked(number: int, line: int, text: str, is_first: bool, tag: str) -> str:
    """Return the text before a tag that begins with `tag`, or before the end of the file, with marks."""
    start = 0 if is_first else text.find("\n") + 1
    if not (start or is_first):
        return text
    line += not is_first
    end = text.rfind("\n") + 1
    count = text.count("\n", start, end)
    run = f"{_OPEN}{number}:{line}:{count}{_CLOSE}" if count else ""
    own = f"{_OPEN}{number}:{line + count}:1{_CLOSE}"
    rest = text[end:]
    if not rest.strip(" \t"):
        rest = "" if tag != "{{" else rest
        own = own if tag != "{#" else ""
    return f"{text[:start]}{run}{text[start:end]}{own}{rest}"
