"""`xengen bench isolation`: what a domain keeps of processor, disk and network while three others misbehave.

Invariants
  - Results go to stdout; status 1 means that the domain lost more of its share than the tolerance.
  - The release build is measured.
"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from xengen.cli.images import source_tree
from xengen.cli.status import ExitStatus


def isolation_bench(*, as_json: bool, plot: Path | None) -> int:
    """Carry out the experiment, print what came of it, and draw it where `plot` says."""
    from dataclasses import asdict

    from xengen.bench.isolation import GUESTS, Files, measure_isolation
    from xengen.bench.isolation_plot import plot as draw
    from xengen.toolchain.build import build

    tree = source_tree()
    made = {
        one.spec.name: one.elf
        for one in build(tree, tree / "build" / "release", images=["hypervisor", "agent", *GUESTS], debug=False)
    }
    found = measure_isolation(Files(made["hypervisor"], made["agent"], {name: made[name] for name in GUESTS}))
    if plot is not None:
        draw(found, plot)
    if as_json:
        typer.echo(json.dumps([{**asdict(kept), "missed": kept.missed} for kept in found], indent=1))
    else:
        typer.echo("one floods the disk, one the network, one dies again and again; a fourth keeps")
        for kept in found:
            verdict = "less than its share" if kept.missed else f"its share of {kept.wanted:.0%}"
            typer.echo(f"{kept.what:>9}: {kept.got:.1%}, {verdict} ({kept.deaths} deaths meanwhile)")
    return int(ExitStatus.NO if any(kept.missed for kept in found) else ExitStatus.YES)
