"""`xengen abi`: the ABI reference page, or the model as JSON.

Invariants
  - The text is `xengen.abi.reference.render_reference()` and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xengen.abi.hypercalls import HYPERCALLS
from xengen.abi.reference import render_reference
from xengen.abi.symbols import assembler_symbols
from xengen.errors import UserError


def abi(
    write: Annotated[Path | None, typer.Option("--write", metavar="FILE", help="Write the page to FILE.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print hypercalls and assembler symbols as JSON.")] = False,
) -> None:
    """Print the ABI reference: hypercalls, structures, constants.

    Example: xengen abi --write docs/abi-reference.md
    """
    if write is not None and as_json:
        raise UserError("--write and --json exclude each other: give one of them")
    if as_json:
        typer.echo(json.dumps(model(), indent=1))
    elif write is None:
        typer.echo(render_reference(), nl=False)
    else:
        try:
            write.write_text(render_reference(), encoding="utf-8")
        except OSError as error:
            reason = error.strerror
            raise UserError(f"cannot write {write} ({reason}): name a file in a folder that you may write") from error


def model() -> dict[str, object]:
    """The model as plain data: `hypercalls`, a list of rows in order of their numbers, and `symbols`, name to value."""
    return {
        "hypercalls": [
            {
                "number": call.number,
                "name": call.name,
                "arguments": list(call.arguments),
                "entry": call.entry.value if call.entry else None,
                "errors": list(call.errors),
                "about": call.about,
            }
            for call in HYPERCALLS
        ],
        "symbols": assembler_symbols(),
    }
