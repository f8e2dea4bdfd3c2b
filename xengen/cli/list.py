"""`xengen list`: the domains of a running host."""

from __future__ import annotations

from xengen.cli.hosts import AsJson, HostName, call, domain_table, show
from xengen.control.places import DEFAULT_HOST


def list(host: HostName = DEFAULT_HOST, as_json: AsJson = False) -> None:
    """Show the domains of a running host.

    Example: xengen list
    """
    domains = call(host, "domains")
    if as_json:
        show(domains, as_json)
    else:
        domain_table(domains)
