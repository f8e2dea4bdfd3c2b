"""`xengen down`: ends a running host."""

from __future__ import annotations

from xengen.cli.hosts import AsJson, HostName, call, show
from xengen.control.places import DEFAULT_HOST


def down(host: HostName = DEFAULT_HOST, as_json: AsJson = False) -> None:
    """Shut a running host down, and all its domains.

    Example: xengen down
    """
    call(host, "down")
    show({"host": host, "running": False}, as_json, "the host is down")
