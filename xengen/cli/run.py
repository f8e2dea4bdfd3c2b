"""`xengen run`: boot the hypervisor with guests and show what they say.

Invariants
  - Results (console text, or the JSON object) go to stdout, words about the run to stderr.
  - The exit status is `ExitStatus`; see boot.py for which of several counts.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from xengen.cli import images
from xengen.cli.boot import boot, watch_for
from xengen.cli.machines import Disks, Nets
from xengen.cli.options import options_in_order
from xengen.cli.stream import Stream
from xengen.control.local import OPTION
from xengen.errors import UserError
from xengen.machine.options import parse_disk, parse_net
from xengen.machine.qemu import command, find_emulator, standalone
from xengen.machine.spec import CPU_64, MachineSpec

# Xen says nothing on a serial line unless it is told to.
OTHER_HYPERVISOR_LINE = "console=com1 com1=115200,8n1"
OTHER_EMULATOR = "qemu-system-x86_64"


def run(
    ctx: typer.Context,
    guest: Annotated[
        list[str] | None,
        typer.Option("--guest", metavar="FILE[,CMDLINE]", help="A guest kernel; the first is domain 0. Repeatable."),
    ] = None,
    initrd: Annotated[
        list[Path] | None,
        typer.Option("--initrd", metavar="FILE", help="An initrd for the last guest named (or domain 0). Repeatable."),
    ] = None,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="The machine's memory.")] = "128M",
    disk: Disks = None,
    net: Nets = None,
    hypervisor: Annotated[
        Path | None,
        typer.Option("--hypervisor", metavar="FILE", help="Boot this multiboot image (say, Xen) with the same guests."),
    ] = None,
    append: Annotated[str, typer.Option("--append", metavar="TEXT", help="The hypervisor's command line.")] = "",
    icount: Annotated[bool, typer.Option("--icount", help="Time counts instructions: runs repeat exactly.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="Give up after this time (status 5).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="REGEX", help="Stop when this is seen (status 0), else status 1.")
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace/--no-trace", help="Record exceptions for reports (8 microseconds each).")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one object at the end; the consoles go to stderr.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the QEMU command and do nothing.")] = False,
) -> int:
    """Boot the hypervisor under QEMU with guests, and show their consoles until the machine ends.

    Exit status: 0 shut down in order, or REGEX seen; 1 REGEX not seen;
    2 misuse (domain 0's kernel was refused, too); 3 a guest died;
    4 the hypervisor panicked; 5 time ran out.

    Example: xengen run --guest build/guests/hello.elf,verbose --timeout 10
    """
    if timeout is not None and timeout <= 0:
        raise UserError(f"--timeout wants a number of seconds above 0, not {timeout:g}")
    watch = watch_for(until) if until is not None else None
    own: list[str] = [] if hypervisor else [images.HYPERVISOR]
    own += [] if guest else [images.DEMO_GUEST]
    tree = images.source_tree() if own else Path()
    demo = images.image_path(tree, images.DEMO_GUEST)
    folder = Path(ctx.with_resource(TemporaryDirectory(prefix="xengen-")))
    modules = images.modules(options_in_order(ctx), guest or [], initrd or [], demo, folder)
    size = images.parse_memory(memory)
    devices = tuple(parse_disk(text) for text in disk or ()), tuple(parse_net(text) for text in net or ())
    # We serve in real time, so no run would repeat exactly; and what a dry run prints is carried out without us.
    serve = hypervisor is None and len(guest or []) > 1 and not icount and not dry_run
    if hypervisor is None:
        kernel = images.image_path(tree, images.HYPERVISOR)
        line = f"{OPTION} {append}".strip() if serve else append
        spec = MachineSpec(
            kernel, line, modules, memory=size, icount=icount, trace_exceptions=trace,
            disks=devices[0], nics=devices[1],
        )  # fmt: skip
    else:
        line = f"{OTHER_HYPERVISOR_LINE} {append}".strip()
        spec = MachineSpec(
            hypervisor, line, modules, memory=size, icount=icount, trace_exceptions=trace,
            cpu=CPU_64, emulator=OTHER_EMULATOR, disks=devices[0], nics=devices[1],
        )  # fmt: skip
    if dry_run:
        if any(folder in module.path.parents for module in modules):
            raise UserError("a guest is compressed, and what --dry-run prints cannot unpack it: unpack it first")
        print(shlex.join(command(spec, find_emulator(spec.emulator).path, standalone(spec))))
        return 0
    images.built(tree, own)
    stream = Stream(sys.stderr if as_json else sys.stdout)
    try:
        outcome = boot(spec, stream.show, watch=watch, timeout=timeout, serve=serve)
    finally:
        stream.finish()
    if as_json:
        print(json.dumps(outcome.as_json(), indent=1))
    elif outcome.report:
        print(f"{outcome.message}\n{outcome.report}", file=sys.stderr)
    if outcome.status or sys.stderr.isatty():
        print(f"xengen: {outcome.message} ({outcome.seconds:.2f} s)", file=sys.stderr)
    return int(outcome.status)
