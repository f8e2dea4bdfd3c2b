"""`xengen up`: a host in the background: the hypervisor, with the control agent as domain 0.

Invariants
  - The host is a process of its own: it outlives the terminal and is ended by `xengen down`.
  - When `up` returns the host takes calls. What went wrong otherwise is said here, not only in a log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xengen.cli import images
from xengen.cli.hosts import AsJson, HostName, call, megabytes, show, size_in_bytes
from xengen.cli.machines import Disks, Nets
from xengen.control.places import DEFAULT_HOST, places
from xengen.machine.disks import check as check_disks
from xengen.machine.options import parse_disk, parse_net


def up(
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="The machine's memory.")] = "256M",
    disk: Disks = None,
    net: Nets = None,
    append: Annotated[str, typer.Option("--append", metavar="TEXT", help="The hypervisor's command line.")] = "",
    log: Annotated[bool, typer.Option("--log", help="Only print the log of the host, also of one that died.")] = False,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Start a host in the background; then create domains on it.

    Example: xengen up --memory 512M --disk web.img --net user
    """
    if log:
        path = places(host).log
        typer.echo(path.read_text(errors="replace") if path.exists() else "", nl=False)
        return
    from xengen.control.process import HostSpec, start

    check_disks([parse_disk(text) for text in disk or ()], with_cd=False)
    for text in net or ():
        parse_net(text).check()
    tree = images.source_tree()
    images.built(tree, [images.HYPERVISOR, "agent"])
    hypervisor, agent = images.image_path(tree, images.HYPERVISOR), images.image_path(tree, "agent")
    size, devices = size_in_bytes(memory, "--memory"), (tuple(disk or ()), tuple(net or ()))
    spec = HostSpec(Path(hypervisor), Path(agent), size, append, *devices)
    start(spec, places(host))
    found = call(host, "machine")
    show(found, as_json, f"the host is up: {megabytes(found['free'])} of {megabytes(found['memory'])} free")
