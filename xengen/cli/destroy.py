"""`xengen destroy`: one call to a running host."""

from __future__ import annotations

from xengen.cli.hosts import AsJson, DomainName, HostName, call, show
from xengen.control.places import DEFAULT_HOST


def destroy(domain: DomainName, host: HostName = DEFAULT_HOST, as_json: AsJson = False) -> None:
    """End a domain and take back all that it has.

    Example: xengen destroy web
    """
    found = call(host, "destroy", domain=domain)
    show(found, as_json, f"domain {found['id']} ({found['name']}) is destroyed")
