"""`xengen create`: a new domain on a running host.

Invariants
  - A kernel that the host has is used by its name; any other is a file, which is uploaded, with a bar on a terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from xengen.cli.hosts import AsJson, HostName, client, show, size_in_bytes
from xengen.control.channel import Client
from xengen.control.places import DEFAULT_HOST


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new domain's name.")],
    image: Annotated[str, typer.Option("--image", metavar="FILE", help="Its kernel: a file, or an image of the host.")],
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="Its memory.")] = "16M",
    weight: Annotated[int, typer.Option("--weight", metavar="N", help="Its share of the processor.")] = 10,
    cmdline: Annotated[str, typer.Option("--cmdline", metavar="TEXT", help="The kernel's command line.")] = "",
    initrd: Annotated[str, typer.Option("--initrd", metavar="FILE", help="A file that the kernel finds.")] = "",
    max_memory: Annotated[str, typer.Option("--max-memory", metavar="SIZE", help="The most it may ever have.")] = "",
    on_crash: Annotated[
        str, typer.Option("--on-crash", metavar="POLICY", help="destroy, restart, preserve.")
    ] = "destroy",
    disk: Annotated[
        list[str] | None,
        typer.Option(
            "--disk", metavar="[xvda=]DISK[:START-END][:rw]",
            help="A stretch of a disk of the host, by its file's name: web.img:0-64M:rw. Repeatable.",
        ),
    ] = None,
    nic: Annotated[
        list[str] | None,
        typer.Option(
            "--nic", metavar="[mac=...,ip=...,allow=...]",
            help="A virtual interface: mac=, ip=, nic=N|none, allow=icmp+udp:7 (comes in), rate=1M. Repeatable.",
        ),
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Do not let it run yet.")] = False,
    host: HostName = DEFAULT_HOST,
    as_json: AsJson = False,
) -> None:
    """Create a domain on a running host, and let it run.

    Example: xengen create web --image build/guests/hello.elf --memory 16M --weight 20
    """
    arguments = {
        "name": name,
        "image": _absolute(image),
        "memory": size_in_bytes(memory, "--memory"),
        "weight": weight,
        "cmdline": cmdline,
        "initrd": _absolute(initrd),
        "paused": paused,
        "on_crash": on_crash,
        "disks": disk or [],
        "nics": nic or [],
        "most_memory": size_in_bytes(max_memory, "--max-memory") if max_memory else 0,
    }
    with client(host) as connection:
        made = _create(connection, arguments)
    show(made, as_json, f"domain {made['id']} ({made['name']}) is {'paused' if paused else 'running'}")


def _absolute(text: str) -> str:
    """Return a file's path as the host's process can use it; the name of an image of the host as it is."""
    path = Path(text)
    return str(path.resolve()) if text and path.exists() else text


def _create(connection: Client, arguments: dict[str, Any]) -> Any:
    answers = connection.stream("create", **arguments)
    if not sys.stderr.isatty():
        *_, made = answers
        return made
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("uploading", total=None)
        for made in answers:
            if isinstance(made, dict) and "uploaded" in made:
                progress.update(task, completed=made["uploaded"], total=made["bytes"])
    return made
