"""Tables as the verbs print them.

Invariants
  - A row is one line where it is read by a program: only a terminal has a width.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

WIDE = 400


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], texts: Sequence[str]) -> None:
    """Print a table; the columns whose headings are among `texts` are texts, the others numbers."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in texts else "right")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)
