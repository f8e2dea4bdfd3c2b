"""One text for Keystone per image, and who is to blame when it is refused.

Invariants
  - Every statement is a `Piece`; labels around it give its address and size afterwards, because Keystone tells neither.
  - Values come back as `.long NAME` words after everything else, in the order in which they were asked for.
  - A refusal, crash or hang is blamed on the last piece of the shortest prefix that shows it; names which that prefix
    does not define are given some value by .set.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from xengen.toolchain.errors import BuildError
from xengen.toolchain.image import Origin
from xengen.toolchain.instructions import explain
from xengen.toolchain.lexer import cut_operands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xengen.toolchain.keystone import Answer, Assembler

_PER_LINE = 64
_BLAME_SECONDS = 2.0


class Piece(NamedTuple):
    """Some lines of Keystone text, the names that they define, and the statement that they came from."""

    text: str
    defines: tuple[str, ...] = ()
    origin: Origin | None = None
    rendered: str = ""
    is_instruction: bool = False


@dataclass(frozen=True, slots=True)
class Assembled:
    """The image's bytes from its base on, and the value of every expression that was asked for."""

    code: bytes
    values: dict[str, int]


def assemble_pieces(
    assembler: Assembler, base: int, pieces: Sequence[Piece], asked: Sequence[str], own: Sequence[Piece] = ()
) -> Assembled:
    """Assemble `pieces` at `base` and evaluate the expressions `asked`; BuildError names the culprit.

    `own` are further expressions, one word each, that have a place in the sources: piece text is the expression.
    """
    expressions = [*asked, *(piece.text for piece in own)]
    words = [
        Piece(".long " + ", ".join(asked[start : start + _PER_LINE])) for start in range(0, len(asked), _PER_LINE)
    ]
    words += [Piece(f".long {piece.text}", (), piece.origin, piece.rendered) for piece in own]
    everything = [*pieces, *words]
    answer = assembler.assemble(_join(everything), base)
    size = 4 * len(expressions)
    if answer.code is None or len(answer.code) < size:
        raise _blame(assembler, base, everything, answer)
    table = struct.unpack(f"<{len(expressions)}I", answer.code[len(answer.code) - size :])
    return Assembled(answer.code[: len(answer.code) - size], dict(zip(expressions, table, strict=True)))


def _join(pieces: Sequence[Piece]) -> str:
    return "\n".join(piece.text for piece in pieces)


def _blame(assembler: Assembler, base: int, pieces: Sequence[Piece], whole: Answer) -> BuildError:
    """Return the error of the first piece that Keystone refuses, found by halving prefixes."""

    def attempt(count: int) -> Answer:
        names = [name for piece in pieces[count:] for name in piece.defines]
        assumed = [f".set {name}, {base:#x}" for name in names]
        # Halving may hang as often as not; what takes longer than this has hung, for a whole image takes 0.1 s.
        return assembler.assemble("\n".join([*assumed, _join(pieces[:count])]), base, _BLAME_SECONDS)

    good, bad, answer = 0, len(pieces), whole
    while bad - good > 1:
        middle = (good + bad) // 2
        tried = attempt(middle)
        if tried.code is None:
            bad, answer = middle, tried
        else:
            good = middle
    piece = pieces[bad - 1]
    reason = answer.reason or "the assembler's output is too short"
    if piece.origin is None:
        what = f"{reason}: {piece.text.splitlines()[-1]}"
        return BuildError(Origin("the assembler's own text", 0), what)
    if piece.is_instruction:
        mnemonic, _, operands = piece.text.splitlines()[-1].partition(" ")
        reason = explain(mnemonic, cut_operands(operands), reason)
    return BuildError(piece.origin, reason, piece.rendered)

