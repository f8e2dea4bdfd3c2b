"""`xengen bench`: what operations cost, in instructions.

Invariants
  - Results go to stdout; status 1 means that a target is missed.
  - The release build is measured: asserts and counters are not part of the cost.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from xengen.cli.bench_disk import disk_bench
from xengen.cli.bench_isolation import isolation_bench
from xengen.cli.bench_net import net_bench
from xengen.cli.images import source_tree
from xengen.cli.run import OTHER_EMULATOR, OTHER_HYPERVISOR_LINE
from xengen.cli.status import ExitStatus
from xengen.errors import UserError
from xengen.machine.spec import CPU_64, MIB, MachineSpec, Module

if TYPE_CHECKING:
    from xengen.bench.measure import Measurement
    from xengen.bench.sched import Files

OTHER_MEMORY = 512 * MIB
# Wide enough for every column: tables for people must not depend on how wide a pipe is.
WIDTH = 180


def bench(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="operations, sched (shares, latency, switches), domains, isolation, disk, net."
        ),
    ] = "operations",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Run the same guest on this multiboot image (Xen, say), too."),
    ] = None,
    append: Annotated[
        str, typer.Option("--append", metavar="TEXT", help="The command line of the image that --against names.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="What is not there counts as missed.")] = False,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="NAME", help="List one operation, instruction by instruction, and no more."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="With sched or isolation: draw it (png, svg, pdf)."),
    ] = None,
) -> int:
    """Measure operations of the hypervisor in instructions, and hold them against their targets.

    Exit status: 0 no target is missed; 1 one is; 2 misuse.

    Example: xengen bench --trace null

    Example: xengen bench sched --plot sched.svg

    Example: xengen bench domains

    Example: xengen bench net

    Example: xengen bench isolation --plot isolation.svg

    Example: xengen bench disk
    """
    if what == "sched":
        if against is not None or append or strict or trace is not None:
            raise UserError("--against, --append, --strict and --trace are for operations, not for sched")
        return _sched(as_json, plot)
    if what == "isolation":
        if against is not None or append or strict or trace is not None:
            raise UserError("--against, --append, --strict and --trace are for operations, not for isolation")
        return isolation_bench(as_json=as_json, plot=plot)
    if what == "disk":
        if against is not None or append or strict or trace is not None or plot is not None:
            raise UserError("--against, --append, --strict, --trace and --plot are not for disk")
        return disk_bench(as_json=as_json)
    if what == "net":
        if against is not None or append or strict or trace is not None or plot is not None:
            raise UserError("--against, --append, --strict, --trace and --plot are not for net")
        return net_bench(as_json=as_json)
    if plot is not None:
        raise UserError("--plot goes with sched and isolation")
    if what == "domains":
        if against is not None or append or strict or trace is not None:
            raise UserError("--against, --append, --strict and --trace are for operations, not for domains")
        return _domains(as_json)
    if what != "operations":
        raise UserError(f"{what!r} is nothing that can be measured: operations, sched, domains, isolation, disk or net")
    from xengen.bench.measure import measure
    from xengen.bench.operations import NAMES
    from xengen.bench.report import as_object, report
    from xengen.bench.table import cost_table, long_table, summary
    from xengen.bench.trace import trace_operations

    if trace is not None and trace not in NAMES:
        raise UserError(f"--trace: there is no operation {trace!r}: {', '.join(NAMES)}")
    if append and against is None:
        raise UserError("--append is for the image that --against names: give that as well")
    spec = own_machine(source_tree())
    measured = measure(spec)
    if trace is not None:
        return _listing(spec, measured[trace])
    there = [name for name in NAMES if measured[name].instructions is not None]
    traces = list(trace_operations(spec, there))
    other = measure(other_machine(against, spec.modules[0], append)) if against is not None else None
    found = report(measured, traces, other)
    if as_json:
        typer.echo(json.dumps(as_object(found, strict=strict), indent=1))
    else:
        console = Console(highlight=False, markup=False, emoji=False)
        console = console if console.is_terminal else Console(highlight=False, width=WIDTH)
        name = against.name if against is not None else None
        console.print(cost_table(found, name))
        console.print(long_table(found, name))
        for sentence in summary(found, strict=strict):
            typer.echo(sentence)
    return int(ExitStatus.NO if found.missed(strict=strict) else ExitStatus.YES)


def own_machine(tree: Path) -> MachineSpec:
    """Return the machine with the release build of our hypervisor and the bench guest, both brought up to date."""
    from xengen.bench.measure import GUEST
    from xengen.toolchain.build import build

    hypervisor, guest = build(tree, tree / "build" / "release", images=["hypervisor", GUEST], debug=False)
    return MachineSpec(hypervisor.elf, "", (Module(guest.elf),), icount=True)


def other_machine(hypervisor: Path, guest: Module, append: str) -> MachineSpec:
    """Return the machine with somebody else's hypervisor and the same guest."""
    line = f"{OTHER_HYPERVISOR_LINE} {append}".strip()
    return MachineSpec(
        hypervisor, line, (guest,), memory=OTHER_MEMORY, icount=True, cpu=CPU_64, emulator=OTHER_EMULATOR
    )


def _toolstack_files() -> Files:
    """Return the release builds of the hypervisor, the agent and the guest that spins, brought up to date."""
    from xengen.bench.sched import Files
    from xengen.toolchain.build import build

    tree = source_tree()
    images = ["hypervisor", "agent", "spin"]
    hypervisor, agent, spin = build(tree, tree / "build" / "release", images=images, debug=False)
    return Files(hypervisor.elf, agent.elf, spin.elf)


def _sched(as_json: bool, plot: Path | None) -> int:
    from dataclasses import asdict

    from xengen.bench.rounds import GUEST, measure_rounds, parts, trace_round
    from xengen.bench.sched import measure_latency, measure_shares, measure_switches
    from xengen.toolchain.build import build

    files = _toolstack_files()
    (guest,) = build(source_tree(), source_tree() / "build" / "release", images=[GUEST], debug=False)
    shares, samples = measure_shares(files)
    if plot is not None:
        from xengen.bench.plot import plot as draw

        draw(samples, shares, plot)
    latency, switches = measure_latency(files), measure_switches(files)
    rounds, where = measure_rounds(files.hypervisor, guest.elf), parts(trace_round(files.hypervisor, guest.elf))
    if as_json:
        found = {
            "shares": [asdict(share) for share in shares],
            "latency_ns": latency,
            "switches": [asdict(switch) for switch in switches],
            "rounds": [asdict(each) for each in rounds],
            "round": [asdict(part) for part in where],
        }
        typer.echo(json.dumps(found, indent=1))
    else:
        for share in shares:
            typer.echo(f"domain {share.domain}, weight {share.weight}: {share.got:.2%} of {share.wanted:.2%}")
        typer.echo(f"a warped domain runs {latency / 1000:.1f} microseconds after its time, against 16 that spin")
        for switch in switches:
            typer.echo(f"a switch with {switch.runnable} runnable: {switch.instructions:.0f} instructions")
        for each in rounds:
            typer.echo(f"{each.kind}: {each.instructions} instructions")
        typer.echo("of the first, there and back, are in")
        for part in where:
            typer.echo(f"  {part.routine}: {part.instructions}")
    return int(ExitStatus.YES)


def _domains(as_json: bool) -> int:
    from dataclasses import asdict

    from xengen.bench.domains import measure_domains
    from xengen.bench.sched import measure_switches

    files = _toolstack_files()
    costs = []
    if not as_json:
        typer.echo("domains  memory each  to create  to build  to destroy")
    for cost in measure_domains(files):
        costs.append(cost)
        if not as_json:
            typer.echo(
                f"{cost.domains:7}  {cost.bytes_each:5} bytes  {cost.create:9}  {cost.build:8}  {cost.destroy:10}"
            )
    switches = measure_switches(files)
    if as_json:
        found = {"domains": [asdict(cost) for cost in costs], "switches": [asdict(switch) for switch in switches]}
        typer.echo(json.dumps(found, indent=1))
    else:
        for switch in switches:
            typer.echo(f"a switch with {switch.runnable} runnable: {switch.instructions:.0f} instructions")
    return int(ExitStatus.NO if any(cost.missed for cost in costs) else ExitStatus.YES)


def _listing(spec: MachineSpec, measured: Measurement) -> int:
    from xengen.bench.table import listing
    from xengen.bench.trace import trace_operations

    if measured.instructions is None:
        raise UserError(f"the hypervisor has no {measured.name} yet: there is nothing to step through")
    for traced in trace_operations(spec, [measured.name]):
        for line in listing(traced):
            typer.echo(line)
    return int(ExitStatus.YES)
