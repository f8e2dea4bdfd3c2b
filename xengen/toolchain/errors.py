"""How the toolchain says what is wrong with a source.

Invariants
  - The first line of a `BuildError` is `file:line: what`; the rendered statement and the macro it came from follow.
  - Paths are those of `Origin`: relative to the tree, so the text is the same on every machine.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from xengen.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xengen.toolchain.image import Origin


class BuildError(UserError):
    """A source cannot be built. `origin` is the author's place, `what` one clause, `rendered` the statement."""

    def __init__(self, origin: Origin, what: str, rendered: str = "") -> None:
        lines = [f"{origin.file}:{origin.line}: {what}"]
        if rendered.strip():
            lines.append(f"        {rendered.strip()}")
        if origin.macro:
            lines.append(f"  in macro {origin.macro}")
        super().__init__("\n".join(lines))
        self.origin = origin
        self.what = what
        self.rendered = rendered


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean NAME?" for the known name closest to `name`, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""
