"""One domain as the toolstack keeps it: what it was made of, and what serves it.

Invariants
  - A guest's services exist from its creation until it is destroyed; its console log stays after that.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from xengen.control.nic_shares import NicShare
from xengen.control.services import DomainServices
from xengen.control.shares import DiskShare


class OnEnd(StrEnum):
    """What the toolstack does with a domain that has ended."""

    DESTROY = "destroy"
    RESTART = "restart"
    PRESERVE = "preserve"


@dataclass(frozen=True)
class Recipe:
    """What a domain is made of. image, initrd: a file, or the name of an image of the host. memory: bytes.

    disks, nics: what it has of the host's disks and networks, in the order in which it sees them.
    """

    name: str
    image: str
    memory: int
    most_memory: int
    weight: int
    cmdline: str
    initrd: str
    on_crash: OnEnd
    disks: tuple[DiskShare, ...] = ()
    nics: tuple[NicShare, ...] = ()


@dataclass
class Guest:
    """A domain that runs, or has ended and is kept.

    ends: closed when it is forgotten, takes back what was made for it. began: by time.monotonic.
    """

    number: int
    uuid: str
    recipe: Recipe
    services: DomainServices
    ends: ExitStack
    log: Path
    began: float = field(default_factory=time.monotonic)

    def serve(self) -> None:
        """Serve its rings once, and keep what it wrote."""
        text = self.services.look()
        if text:
            with self.log.open("ab") as log:
                log.write(text)
