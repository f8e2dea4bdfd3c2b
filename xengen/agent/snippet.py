"""Snippets: a few instructions from a test, assembled by the project's own assembler for one place in the agent.

Invariants
  - The language is that of asm/ without the templates: GNU as in AT&T syntax; ABI names and the agent's own are known.
  - A text is assembled once for each place; the second time its bytes are at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from xengen.toolchain.image import Origin
from xengen.toolchain.keystone import Assembler
from xengen.toolchain.link import link, used_constants
from xengen.toolchain.lower import lower_lines
from xengen.toolchain.provenance import Line
from xengen.toolchain.spec import ImageSpec

NAME = "snippet"
PAGE = 4096


class SnippetAssembler:
    """Assembles snippets that may use `symbols`. `close` ends the assembler."""

    def __init__(self, symbols: Mapping[str, int]) -> None:
        self._symbols = symbols
        self._assembler = Assembler()
        self._made: dict[tuple[str, int], bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the assembler's process."""
        self._assembler.__exit__(None, None, None)

    def assemble(self, text: str, address: int) -> bytes:
        """Return the code of `text` at `address`; BuildError names the line of the snippet at fault."""
        if (text, address) not in self._made:
            self._made[text, address] = self._assemble(text, address)
        return self._made[text, address]

    def _assemble(self, text: str, address: int) -> bytes:
        base = address & -PAGE  # images begin on a page
        padding = ".byte " + ", ".join(["0"] * (address - base))
        lines = [Line(padding, Origin(NAME, 0))] if address > base else []
        lines.append(Line(f"{NAME}:", Origin(NAME, 0)))
        lines += [Line(line, Origin(NAME, number)) for number, line in enumerate(text.split("\n"), 1)]
        lines.append(Line(f"{NAME}_end:", Origin(NAME, 0)))
        spec = ImageSpec(NAME, NAME, base, 0, NAME, entry_is_physical=False, libs=(), macros=(), about="")
        program = lower_lines(lines)
        image = link(program, spec, used_constants(program, self._symbols, spec), self._assembler)
        end = image.symbol(f"{NAME}_end").address
        return image.sections[0].data[address - base : end - base]
