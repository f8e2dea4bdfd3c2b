"""What the verbs that talk to a running host share: which host, calls to it, and how its domains are shown.

Invariants
  - A domain is named as the user likes: by name or by number; the host decides which it is.
  - With --json a verb prints what the host answered, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from xengen.cli.images import size_of
from xengen.control.channel import Client
from xengen.control.places import DEFAULT_HOST, places
from xengen.errors import UserError

HostName = Annotated[str, typer.Option("--host", metavar="NAME", help="Which host, when there are several.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
DomainName = Annotated[str, typer.Argument(metavar="DOMAIN", help="A domain's name or number.")]

Record = dict[str, Any]


def client(host: str = DEFAULT_HOST) -> Client:
    """Return a connection to the host; UserError when it does not run."""
    return Client(places(host).socket)


def call(host: str, method: str, **arguments: Any) -> Any:
    """Make one call to the host and return its result."""
    with client(host) as connection:
        return connection.call(method, **arguments)


def show(answer: Any, as_json: bool, *lines: str) -> None:
    """Print the answer as JSON, or the lines."""
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    for line in lines:
        typer.echo(line)


def megabytes(size: int) -> str:
    """Return a size in bytes for people."""
    return f"{size / (1 << 20):g} MB"


def seconds(nanoseconds: int) -> str:
    """Return a time for people."""
    return f"{nanoseconds / 1e9:.2f} s"


def domain_table(domains: Sequence[Record]) -> None:
    """Print the domains, one a line."""
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("id", "right"), ("name", "left"), ("state", "left"), ("memory", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for heading in ("CPU time", "weight", "upcalls", "hypercalls"):
        table.add_column(heading, justify="right")
    for one in domains:
        numbers = (seconds(one["cpu_ns"]), one["weight"], one["upcalls"], one["hypercalls"])
        table.add_row(
            str(one["id"]), one["name"], state_of(one), megabytes(one["memory"]), *(str(number) for number in numbers)
        )
    Console(highlight=False).print(table)


def state_of(domain: Record) -> str:
    """Return a domain's state, with the reason when it has ended."""
    return f"{domain['state']} ({domain['reason']})" if domain["reason"] else str(domain["state"])


def size_in_bytes(text: str, option: str) -> int:
    """Return a size such as 16M or 512K, 16 being megabytes; UserError."""
    size = size_of(text)
    if not size:
        raise UserError(f"{option} wants a size such as 16M, not {text!r}")
    return size
