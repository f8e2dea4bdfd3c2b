"""`xengen dmesg`: what the hypervisor of a running host has said."""

from __future__ import annotations

import typer

from xengen.cli.hosts import AsJson, HostName, call, show
from xengen.control.places import DEFAULT_HOST


def dmesg(host: HostName = DEFAULT_HOST, as_json: AsJson = False) -> None:
    """Show what the hypervisor has written to its console.

    Example: xengen dmesg
    """
    text = call(host, "dmesg")
    if as_json:
        show({"text": text}, as_json)
    else:
        typer.echo(text, nl=False)
