"""`xengen top`: who uses the processor of a running host.

Invariants
  - Shares are differences of CPU time between two looks, by the host's own clock, so they add up to at most 100%.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from xengen.cli.hosts import AsJson, HostName, Record, client, megabytes, show, state_of
from xengen.control.channel import Client
from xengen.control.places import DEFAULT_HOST
from xengen.errors import UserError


def top(
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="Time between looks.")] = 1.0,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Show each domain's share of the processor, until Ctrl-C; once without a terminal.

    Example: xengen top --once
    """
    if interval <= 0:
        raise UserError(f"--interval wants a number of seconds above 0, not {interval:g}")
    console = Console(highlight=False)
    with client(host) as connection:
        before = connection.call("look")
        if once or as_json or not console.is_terminal:
            shares, _ = _next(connection, before, interval)
            if as_json:
                show(shares, as_json)
            else:
                console.print(_table(shares))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                shares, before = _next(connection, before, interval)
                live.update(_table(shares), refresh=True)


def _next(connection: Client, before: Record, interval: float) -> tuple[list[Record], Record]:
    time.sleep(interval)
    now = connection.call("look")
    return shares_between(before, now), now


def shares_between(before: Record, now: Record) -> list[Record]:
    """Return the domains of the later look with their `share` of the time since the earlier one, the largest first.

    A look is {"now_ns", "domains"}.
    """
    elapsed = now["now_ns"] - before["now_ns"]
    used = {one["id"]: one["cpu_ns"] for one in before["domains"]}
    found: list[dict[str, Any]] = [
        {**one, "share": (one["cpu_ns"] - used.get(one["id"], 0)) / elapsed if elapsed > 0 else 0.0}
        for one in now["domains"]
    ]
    return sorted(found, key=lambda one: -one["share"])


def _table(shares: list[Record]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "state", "share", "weight", "memory"):
        table.add_column(heading, justify="left" if heading in ("name", "state") else "right")
    for one in shares:
        numbers = (f"{100 * one['share']:.1f} %", str(one["weight"]), megabytes(one["memory"]))
        table.add_row(str(one["id"]), one["name"], state_of(one), *numbers)
    return table
