"""`xengen bench net`: what a packet of a virtual interface costs, how often its front end is told, how fair it is.

Invariants
  - Results go to stdout; status 1 means that a packet costs more, or a sender gets less, than it may.
  - The release build is measured.
"""

from __future__ import annotations

import json

import typer

from xengen.cli.images import source_tree
from xengen.cli.status import ExitStatus


def net_bench(*, as_json: bool) -> int:
    """Measure and print."""
    from dataclasses import asdict

    from xengen.bench.net import Files, measure_costs, measure_fairness, measure_notified, measure_runs
    from xengen.toolchain.build import build

    tree = source_tree()
    hypervisor, agent = build(tree, tree / "build" / "release", images=["hypervisor", "agent"], debug=False)
    files = Files(hypervisor.elf, agent.elf)
    costs, runs = list(measure_costs(files)), list(measure_runs(files))
    notified, shares = list(measure_notified(files)), measure_fairness(files)
    if as_json:
        found = {
            "costs": [{**asdict(cost), "missed": cost.missed} for cost in costs],
            "runs": [{**asdict(run), "missed": run.missed} for run in runs],
            "notified": [{**asdict(one), "missed": one.missed} for one in notified],
            "shares": [{**asdict(share), "missed": share.missed} for share in shares],
        }
        typer.echo(json.dumps(found, indent=1))
    else:
        for cost in costs:
            typer.echo(f"{cost.title:>28}: {cost.instructions:5.0f} instructions a packet{_verdict(cost.missed)}")
        for run in runs:
            typer.echo(f"{run.way:>28}: {run.instructions:5} instructions in one run of work{_verdict(run.missed)}")
        for one in notified:
            typer.echo(f"{one.way:>28}: {one.packets_per_event:5.1f} packets an event under load{_verdict(one.missed)}")
        for share in shares:
            said = f"{share.part:.2%} of the bytes of three senders"
            typer.echo(f"{f'packets of {share.size} bytes':>28}: {said}{_verdict(share.missed)}")
    missed = [*(cost.missed for cost in costs), *(run.missed for run in runs)]
    missed += [*(one.missed for one in notified), *(share.missed for share in shares)]
    return int(ExitStatus.NO if any(missed) else ExitStatus.YES)


def _verdict(missed: bool) -> str:
    return "  MISSED" if missed else ""
