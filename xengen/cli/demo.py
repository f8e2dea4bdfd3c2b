"""`xengen demo`: two domains on one disk and one network, which this computer pings, and a table of what they used.

Invariants
  - What machine and domains say, and progress, go to stderr line by line; the result goes to stdout.
  - Status 0: every ping and question was answered, and the disk holds what was written; 1: not so, with the reasons; 5:
    a domain did not come on in time.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from xengen.cli import images
from xengen.cli.hosts import AsJson
from xengen.cli.status import ExitStatus

if TYPE_CHECKING:
    from xengen.demo.show import DomainFigures, Summary

WIDTH = 140
MIB = 1 << 20
HEADINGS = (
    "domain", "guest", "address", "cpu", "disk requests", "per event", "written", "read", "packets out", "in",
    "per event", "pings", "each",
)  # fmt: skip
TEXTS = 3  # so many columns are no numbers


def demo(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the table, not what the domains say.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show two domains on one disk and one network: one serves, one asks, and this computer pings both.

    Exit status: 0 all was answered, and the disk is as it was written; 1 not so; 5 it took too long.

    Example: xengen demo
    """
    from xengen.demo.show import ASKS, SERVES, Files, Show

    tree = images.source_tree()
    guests = [SERVES.guest, ASKS.guest]
    images.built(tree, [images.HYPERVISOR, "agent", *guests])
    files = Files(
        images.image_path(tree, images.HYPERVISOR), images.image_path(tree, "agent"),
        {name: images.image_path(tree, name) for name in guests},
    )  # fmt: skip
    try:
        with Show.boot(files, (lambda who, line: None) if quiet else _say) as show:
            summary = show.run(files)
    except TimeoutError as error:
        print(f"xengen demo: {error}", file=sys.stderr)
        return int(ExitStatus.TIME_OUT)
    if as_json:
        typer.echo(json.dumps({**asdict(summary), "wrong": summary.wrong}, indent=1, default=str))
    else:
        console = Console(highlight=False, markup=False, emoji=False)
        console = console if console.is_terminal else Console(highlight=False, width=WIDTH)
        console.print(table(summary))
        for sentence in sentences(summary):
            console.print(sentence)
    return int(ExitStatus.NO if summary.wrong else ExitStatus.YES)


def table(summary: Summary) -> Table:
    """Return a row for each domain."""
    found = Table(title="one disk, one network", title_justify="left", box=None, pad_edge=False)
    for number, heading in enumerate(HEADINGS):
        found.add_column(heading, justify="left" if number < TEXTS else "right")
    for one in summary.domains:
        found.add_row(*row(one))
    return found


def row(one: DomainFigures) -> tuple[str, ...]:
    """Return a domain's row."""
    answered = [took for took in one.pings if took is not None]
    each = f"{1000 * sum(answered) / len(answered):.2f} ms" if answered else "-"
    return (
        one.role.name, one.role.guest, str(one.role.ip), f"{1000 * one.cpu:.0f} ms", str(one.requests),
        _per(one.requests, one.disk_events), f"{one.written / MIB:.0f} MB", f"{one.read / MIB:.0f} MB", str(one.sent),
        str(one.received), _per(one.sent + one.received, one.net_events), f"{len(answered)}/{len(one.pings)}", each,
    )  # fmt: skip


def sentences(summary: Summary) -> tuple[str, ...]:
    """Return what the table does not say."""
    asked = f"{summary.answered} of {summary.asked} questions were answered, {summary.answer_ns / 1000:.0f} us each"
    return (f"{asked}; {summary.seconds:.1f} s in all", *summary.wrong)


def _per(number: int, events: int) -> str:
    return f"{number / events:.1f}" if events else "-"


def _say(who: str, line: str) -> None:
    print(f"({who}) {line.removeprefix('(xengen) ')}", file=sys.stderr, flush=True)
