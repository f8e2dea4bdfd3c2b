"""`xengen memory`: how much memory a domain of a running host has (ballooning)."""

from __future__ import annotations

from typing import Annotated

import typer

from xengen.cli.hosts import AsJson, DomainName, HostName, call, megabytes, show, size_in_bytes
from xengen.control.places import DEFAULT_HOST


def memory(
    domain: DomainName,
    size: Annotated[str, typer.Argument(metavar="[SIZE]", help="What it is to have.")] = "",
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Show a domain's memory, or ask the domain to give some back or take more.

    The domain's balloon driver does it, in its own time; `xengen list` shows how far it is.

    Example: xengen memory web 8M
    """
    wanted = {"size": size_in_bytes(size, "SIZE")} if size else {}
    found = call(host, "memory", domain=domain, **wanted)
    show(found, as_json, f"has {megabytes(found['memory'])}, is to have {megabytes(found['target'])}")
