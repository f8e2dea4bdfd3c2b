"""`xengen store`: looks into a running host's store, and writes to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from xengen.cli.hosts import AsJson, HostName, call, show
from xengen.control.places import DEFAULT_HOST
from xengen.errors import UserError


class Action(StrEnum):
    """What to do with a node of the store."""

    LS = "ls"
    READ = "read"
    WRITE = "write"
    RM = "rm"


def store(
    action: Annotated[Action, typer.Argument(help="ls: names below; read, write: its value; rm: remove it.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="A node, such as /local/domain/1/name.")],
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="What to write.")] = None,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Look into the store of a running host, or change it, as domain 0 may.

    Example: xengen store read /local/domain/1/memory/target
    """
    if (value is None) == (action is Action.WRITE):
        raise UserError("write wants a path and a value" if action is Action.WRITE else f"{action} wants a path only")
    arguments = {"path": path} if value is None else {"path": path, "value": value}
    found = call(host, f"store_{action}", **arguments)
    if as_json:
        show(found, as_json)
    elif isinstance(found, list):
        for name in found:
            typer.echo(name)
    elif found is not None:
        typer.echo(found)
