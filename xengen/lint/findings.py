"""What the checker says: one record for each broken rule, and how it is written.

Invariants
  - A finding names the author's place (template file relative to the tree, and line), never an address.
  - Findings are ordered by file and line, and each is said once, however many images the file is part of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule: `message` is a clause about the routine, or about the file when `routine` is None."""

    file: str
    line: int
    routine: str | None
    message: str

    def __str__(self) -> str:
        subject = "" if self.routine is None else f"routine {self.routine}: "
        return f"{self.file}:{self.line}: {subject}{self.message}"


def unique(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings sorted by place, each once."""
    return tuple(sorted(set(findings), key=lambda f: (f.file, f.line, f.routine or "", f.message)))
