"""The options --disk and --net of the verbs that start a machine.

Invariants
  - What is wrong with them is said before anything starts, also with --dry-run; only the files are looked at later.
"""

from __future__ import annotations

from typing import Annotated

import typer

Disks = Annotated[
    list[str] | None,
    typer.Option("--disk", metavar="FILE[:virtio|ide][:ro]", help="A disk image that is a disk. Repeatable."),
]
Nets = Annotated[
    list[str] | None,
    typer.Option(
        "--net", metavar="user[,...]", help="A network interface: user,model=e1000,forward=udp:2007:7. Repeatable."
    ),
]
