"""GNU as source text, as far as lowering needs it: comments, statements, tokens, numbers, strings.

Invariants
  - Every character of an operand belongs to exactly one token; what is none of the known kinds is an error.
  - A number is a token of its own: it never hides in a name, a register, a string or a character literal.
  - Functions here raise `SyntaxProblem` with one clause; the caller knows the place.
"""

from __future__ import annotations

import re


class SyntaxProblem(Exception):
    """A statement cannot be read; the text is one clause without the place."""


Token = tuple[str, str]  # what it is, by the names in _TOKEN, and its text
NAME = r"[A-Za-z_.][\w.$]*"
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<character>'(?:\\(?:[0-7]{1,3}|x[0-9a-fA-F]+|.)|[^\\])'?)
      | (?P<register>%(?:st\(\s*[0-7]\s*\)|[a-zA-Z][a-zA-Z0-9]*))
      | (?P<local>[0-9]+[bf](?!\w))
      | (?P<number>[0-9]\w*)
      | (?P<here>\.(?![\w.$]))
      | (?P<name>[A-Za-z_.][\w.$]*)
      | (?P<operator><<|>>|==|!=|<=|>=|&&|\|\||[-+*/~!%&|^<>()$,:=@])""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"""[^"'#/;\\]*""")
_DELIMITER = re.compile(r"([(),])")
_PIECE = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:\\.|[^\\])|\#.*|/\*|;|\\""", re.DOTALL)
_STRINGS = re.compile(r'("(?:[^"\\]|\\.)*")')
_BLANKS = re.compile(r"\s+")
_ESCAPES = {"b": 8, "f": 12, "n": 10, "r": 13, "t": 9, '"': 34, "\\": 92, "'": 39}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]+|.)", re.DOTALL)
MAX_U32 = 0xFFFFFFFF
MAX_U64 = 0xFFFFFFFFFFFFFFFF


def tokens(text: str) -> list[Token]:
    """Return the tokens of `text` in order; joined they are `text` again."""
    found = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]
    if sum([len(word) for _, word in found]) < len(text):
        position = 0
        for _, word in found:
            if not text.startswith(word, position):
                break
            position += len(word)
        if text[position] == '"':
            raise SyntaxProblem("string without an end")
        raise SyntaxProblem(f"unexpected character {text[position]!r}")
    return found


def number(text: str, limit: int = MAX_U32) -> int:
    """Return the value of a GNU as integer: decimal, 0x, 0b, or octal with a leading zero; at most `limit`."""
    lowered = text.lower()
    try:
        is_octal = lowered.startswith("0") and lowered[1:2].isdigit()
        value = int(lowered, 8 if is_octal else 0)
    except ValueError:
        raise SyntaxProblem(f"bad number {text}") from None
    if "_" in text:
        raise SyntaxProblem(f"bad number {text}")
    if value > limit:
        raise SyntaxProblem(f"number {text} does not fit in {limit.bit_length()} bits")
    return value


def character(text: str) -> int:
    """Return the value of a character literal: 'a, 'a', '\\n."""
    body = text[1:]
    if len(body) > 1 and body.endswith("'") and body != "\\'":
        body = body[:-1]
    values = unescape(body)
    if len(values) != 1:
        raise SyntaxProblem(f"bad character {text}")
    return values[0]


def unescape(body: str) -> bytes:
    """Return the bytes of a string body (between its quotes), with GNU as's escapes; text is UTF-8."""

    def byte(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] in "01234567":
            return chr(0xDC00 + (int(code, 8) & 0xFF))
        if code[0] == "x" and len(code) > 1:
            return chr(0xDC00 + (int(code[1:], 16) & 0xFF))
        if code in _ESCAPES:
            return chr(0xDC00 + _ESCAPES[code])
        raise SyntaxProblem(f"unknown escape \\{code}")

    # Escaped bytes travel as lone surrogates, so that encoding the plain text cannot touch them.
    marked = _ESCAPE.sub(byte, body)
    return b"".join(bytes([ord(c) - 0xDC00]) if 0xDC00 <= ord(c) < 0xDD00 else c.encode() for c in marked)


def split_statements(line: str, in_comment: bool) -> tuple[list[str], bool]:
    """Return the statements of one line without comments, and whether a block comment is open at its end."""
    if not in_comment:
        plain = _PLAIN.match(line)
        assert plain is not None
        if plain.end() == len(line) or line[plain.end()] == "#":
            statement = plain.group().strip()
            return [statement] if statement else [], False
    statements: list[str] = []
    current: list[str] = []
    position = 0
    while position < len(line):
        if in_comment:
            end = line.find("*/", position)
            if end < 0:
                break
            position, in_comment = end + 2, False
            current.append(" ")
            continue
        match = _PIECE.search(line, position)
        if match is None:
            current.append(line[position:])
            break
        current.append(line[position : match.start()])
        piece = match.group()
        if piece == "/*":
            in_comment = True
        elif piece == ";":
            statements.append("".join(current).strip())
            current = []
        elif not piece.startswith("#"):
            current.append(piece)
        position = match.end()
    statements.append("".join(current).strip())
    return [statement for statement in statements if statement], in_comment


def cut_operands(text: str) -> list[str]:
    """Cut `text` at commas outside of parentheses and strings; blanks around an operand are dropped."""
    has_strings = '"' in text or "'" in text
    if not has_strings and "(" not in text and ")" not in text:
        return [operand.strip() for operand in text.split(",")]
    operands = [""]
    depth = 0
    for word in [word for _, word in tokens(text)] if has_strings else _DELIMITER.split(text):
        if word == "," and depth == 0:
            operands.append("")
            continue
        operands[-1] += word
        depth += (word == "(") - (word == ")")
        if depth < 0:
            break
    if depth:
        raise SyntaxProblem("parenthesis without its partner")
    return [operand.strip() for operand in operands]


def squeeze(text: str) -> str:
    """Return `text` with each run of blanks outside of strings as one blank."""
    if '"' not in text:
        return " ".join(text.split())
    parts = _STRINGS.split(text)
    return "".join(part if part.startswith('"') else _BLANKS.sub(" ", part) for part in parts).strip()
