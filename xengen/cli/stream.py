"""Console output for people: each line with the prefix that it has on the wire, in its domain's colour.

Invariants
  - Without a terminal the text is the wire's, byte for byte as text, with LF as line end and no colour.
  - Nothing is held back but what may still be a line's prefix: a prompt without a line end appears.
"""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from xengen.machine.transcript import HYPERVISOR, Piece

COLOURS = ("green", "cyan", "magenta", "yellow", "blue", "bright_green", "bright_cyan", "bright_magenta")


def style_of(source: int) -> str:
    """Return the style in which what `source` says is shown."""
    if source == HYPERVISOR:
        return "bold"
    return COLOURS[source % len(COLOURS)] if source >= 0 else "dim"


class Stream:
    """Writes the pieces of a transcript to `file` as they come."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._console = Console(file=file, highlight=False, markup=False, emoji=False)
        self._open = False

    def show(self, pieces: list[Piece]) -> None:
        """Write `pieces`, and let them be seen."""
        for piece in pieces:
            text = piece.data.decode("utf-8", "backslashreplace")
            self._write((piece.prefix if piece.opens else "") + text + ("\n" if piece.closes else ""), piece.source)
            self._open = not piece.closes
        self._file.flush()

    def finish(self) -> None:
        """End an unfinished line."""
        if self._open:
            self._file.write("\n")
            self._file.flush()
            self._open = False

    def _write(self, text: str, source: int) -> None:
        if self._console.is_terminal:
            self._console.print(Text(text, style_of(source)), end="", soft_wrap=True)
        else:
            self._file.write(text)
