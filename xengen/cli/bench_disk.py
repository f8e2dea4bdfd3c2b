"""`xengen bench disk`: what requests of virtual disks cost, how often a front end is told, and how fast they are.

Invariants
  - Results go to stdout; status 1 means that a number is not held.
  - The release build is measured.
"""

from __future__ import annotations

import json

import typer

from xengen.cli.images import source_tree
from xengen.cli.status import ExitStatus


def disk_bench(*, as_json: bool) -> int:
    """Measure, and print what was found."""
    from dataclasses import asdict

    from xengen.bench.disk import LEAST_RATIO, Files, measure_copies, measure_costs, measure_notified, measure_speed
    from xengen.toolchain.build import build

    tree = source_tree()
    hypervisor, agent = build(tree, tree / "build" / "release", images=["hypervisor", "agent"], debug=False)
    files = Files(hypervisor.elf, agent.elf)
    costs, notified = measure_costs(files), measure_notified(files)
    speeds, copies = measure_speed(files), measure_copies(files)
    missed = [cost.title for cost in costs if cost.missed]
    missed += [speed.title for speed in speeds if speed.missed]
    if not copies.is_without:
        missed.append("no copy")
    if as_json:
        found = {
            "costs": [asdict(cost) for cost in costs],
            "notified": [asdict(one) for one in notified],
            "speeds": [{**asdict(speed), "ratio": speed.ratio} for speed in speeds],
            "copies": {**asdict(copies), "is_without": copies.is_without},
            "missed": missed,
        }
        typer.echo(json.dumps(found, indent=1))
        return int(ExitStatus.NO if missed else ExitStatus.YES)
    typer.echo("size   operation  in flight  instructions, front end excluded")
    for cost in costs:
        typer.echo(f"{cost.size:<6} {cost.operation:<10} {cost.depth:>9}  {cost.instructions:>12.0f}")
    for one in notified:
        typer.echo(f"{one.depth} in flight: {one.events:.3f} events and {one.kicks:.3f} kicks for each request")
    for speed in speeds:
        typer.echo(f"{speed.title}: {speed.vbd:.0f} MB/s by a VBD, {speed.driver:.0f} by its driver: {speed.ratio:.1%}")
    typer.echo(
        f"{copies.sectors} sectors were read into {copies.pinned_pages} pinned pages; "
        f"the device moved {copies.moved_by_device} itself"
    )
    wanted = f"no number is missed (a VBD has {LEAST_RATIO:.0%} of its driver's speed at least)"
    typer.echo(f"missed: {', '.join(missed)}" if missed else wanted)
    return int(ExitStatus.NO if missed else ExitStatus.YES)
