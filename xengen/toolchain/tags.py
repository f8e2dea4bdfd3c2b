"""A template's parts, text and tags in turn, and its tokens as Jinja's parser takes them.

Jinja's own lexer tries rule after rule at every place of a tag, at blanks too, and to read the tags takes it as long as
all the rest of rendering. Here one expression reads a tag.

Invariants
  - Parts joined are the source. Text comes first and last, and between two tags; it may be empty.
  - Tokens are those of Jinja's lexer with trim_blocks. Whatever is not understood here gives no tokens at all: Jinja's
    lexer shall read that file, and has the words for what may be wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jinja2.lexer import Token, operators

_TAG = re.compile(
    r"""\{\#.*?\#\}                                                       # comment
      | \{%\s*raw\s*%\}.*?\{%\s*endraw\s*%\}
      | \{%(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'])*?%\}             # block
      | \{\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'])*?\}\}           # expression
    """,
    re.VERBOSE | re.DOTALL,
)
GLUE = ("{%-", "{{-", "{#-", "-%}", "-}}", "-#}")
_STRAYS = ("{{", "{%", "{#")
_WORD = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_]\w*)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<operator>//|\*\*|[=!<>]=|[-+*/%~<>=.:|,()\[\]{}])
      | (?P<integer>0x[0-9a-fA-F]+|[1-9][0-9]*|0)(?![\w.])
      | (?P<end>\Z))""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_KINDS = {"{%": ("block_begin", "block_end"), "{{": ("variable_begin", "variable_end")}


class Part(NamedTuple):
    """A tag, or the text between two; `line` is where it begins."""

    line: int
    text: str
    is_tag: bool


def parts(source: str) -> Iterator[Part]:
    """Yield the parts of a template."""
    line, position = 1, 0
    for match in _TAG.finditer(source):
        for end, is_tag in ((match.start(), False), (match.end(), True)):
            text = source[position:end]
            yield Part(line, text, is_tag)
            line += text.count("\n")
            position = end
    yield Part(line, source[position:], False)


def tokens(found: Sequence[Part]) -> list[Token] | None:
    """Return the tokens of a template whose block tags have no blanks before them in their lines; None: see above."""
    out: list[Token] = []
    trims = False
    for line, text, is_tag in found:
        kind = text[:2]
        if not is_tag:
            if any(stray in text for stray in _STRAYS):
                return None
            start = trims and text.startswith("\n")
            if len(text) > start:
                out.append(Token(line + start, "data", text[start:]))
        elif kind != "{#":
            words = _words(line, text)
            if words is None:
                return None
            begin, end = _KINDS[kind]
            out += [Token(line, begin, kind), *words, Token(line + text.count("\n"), end, text[-2:])]
        trims = is_tag and kind != "{{"
    return out


def _words(line: int, tag: str) -> list[Token] | None:
    """Return what is inside of a tag, or None."""
    out: list[Token] = []
    inside = tag[2:-2]
    position = 0
    for match in _WORD.finditer(inside):
        if match.start() != position:
            return None
        position = match.end()
        kind = match.lastgroup or ""
        text = match[kind]
        place = line + inside.count("\n", 0, match.start(kind))
        if kind == "name":
            out.append(Token(place, kind, text))
        elif kind == "operator":
            out.append(Token(place, operators[text], text))
        elif kind == "integer":
            number: Any = int(text, 0)  # Jinja's lexer gives a number, too, though Token says text
            out.append(Token(place, kind, number))
        elif kind == "string":
            string = _unescape(text[1:-1])
            if string is None:
                return None
            out.append(Token(place, kind, string))
    # A sign at either end of a tag is about the blanks around it; what is within `raw` are no words.
    has_signs = inside.startswith(("+", "-")) or inside.endswith(("+", "-"))
    is_raw = bool(out) and out[0].value == "raw"
    return None if position < len(inside) or has_signs or is_raw else out


def _unescape(text: str) -> str | None:
    """Return what a string means, read as Jinja does."""
    if "\\" not in text:
        return text
    try:
        return text.encode("ascii", "backslashreplace").decode("unicode-escape")
    except UnicodeDecodeError:
        return None
