"""`xengen unpause`: one call to a running host."""

from __future__ import annotations

from xengen.cli.hosts import AsJson, DomainName, HostName, call, show
from xengen.control.places import DEFAULT_HOST


def unpause(domain: DomainName, host: HostName = DEFAULT_HOST, as_json: AsJson = False) -> None:
    """Let a paused domain run again.

    Example: xengen unpause web
    """
    found = call(host, "unpause", domain=domain)
    show(found, as_json, f"domain {found['id']} ({found['name']}) is unpaused")
