"""`xengen pause`: one call to a running host."""

from __future__ import annotations

from xengen.cli.hosts import AsJson, DomainName, HostName, call, show
from xengen.control.places import DEFAULT_HOST


def pause(domain: DomainName, host: HostName = DEFAULT_HOST, as_json: AsJson = False) -> None:
    """Stop a domain until it is unpaused; pauses are counted.

    Example: xengen pause web
    """
    found = call(host, "pause", domain=domain)
    show(found, as_json, f"domain {found['id']} ({found['name']}) is paused")
