"""Machines with disks on files of the host, and a front end for each disk: what tests of the drivers share.

Invariants
  - Disk N is called "diskN" (its serial number): tests find it by that, for drivers find disks in the bus's order.
  - A front end has one extent: the whole disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.harness import Booter
from tests.boot.rings import io_op
from tests.boot.vbds import HANDLE, BlockFront, pattern
from xengen.abi.vbd import DiskInfo
from xengen.agent.agent import Agent
from xengen.inspect.live import check_machine
from xengen.machine.disks import SECTOR, DiskSpec, Fault
from xengen.machine.machine import Machine
from xengen.machine.nics import NicSpec
from xengen.machine.spec import CPU, MIB

SECTORS = 2048


@dataclass(frozen=True)
class DiskMachine:
    """A machine, and the agents of its two domains."""

    machine: Machine
    back: Agent
    agent: Agent

    def info(self, number: int) -> DiskInfo | None:
        """What the hypervisor knows of disk `number`, None when there is none."""
        found = DiskInfo(number=number)
        return found if io_op(self.back, "disk_info", found) == 0 else None

    def disks(self) -> dict[str, DiskInfo]:
        """All disks by their names."""
        found: dict[str, DiskInfo] = {}
        while (info := self.info(len(found))) is not None:
            found[bytes(info.name).rstrip(b"\0").decode()] = info
        return found

    def front(self, name: str) -> BlockFront:
        """A connected front end whose VBD is the whole disk called `name`."""
        info = self.disks()[name]
        front = BlockFront(self.back, self.agent, HANDLE + 16 * info.number)
        front.create()
        assert front.extent(0, info.sectors, disk=info.number) == 0
        front.connect()
        return front


def image(folder: Path, number: int = 0, sectors: int = SECTORS) -> Path:
    """The file of disk `number`: in each sector its own number, plus a million for each disk before this one."""
    path = folder / f"disk{number}.img"
    path.write_bytes(b"".join(contents(number, sector) for sector in range(sectors)))
    return path


def contents(number: int, sector: int) -> bytes:
    """What `image` has put into a sector."""
    return pattern(1_000_000 * number + sector)


def sparse(folder: Path, sectors: int) -> Path:
    """A large disk's file that takes no room: all zero, until somebody writes."""
    path = folder / "large.img"
    with path.open("wb") as file:
        file.truncate(sectors * SECTOR)
    return path


def sector_of(path: Path, sector: int) -> bytes:
    """What the host finds in a sector of a file."""
    with path.open("rb") as file:
        file.seek(sector * SECTOR)
        return file.read(SECTOR)


class DiskBooter:
    """Boots machines with disks and an agent in each of two domains; `close` ends them all."""

    def __init__(self, boot: Booter) -> None:
        self._boot = boot
        self.machines: list[DiskMachine] = []

    def __call__(
        self,
        disks: Sequence[DiskSpec],
        *,
        nics: Sequence[NicSpec] = (),
        append: str = "",
        icount: bool = False,
        cpu: str = CPU,
    ) -> DiskMachine:
        """Boot one."""
        machine = self._boot(
            "agent", "agent", memory=128 * MIB, disks=disks, nics=nics, append=append, icount=icount, cpu=cpu
        )
        self.machines.append(DiskMachine(machine, Agent(machine, 0), Agent(machine, 1)))
        return self.machines[-1]

    def one(self, folder: Path, model: str, *faults: Fault, append: str = "") -> tuple[BlockFront, Path]:
        """Boot a machine with one disk; a front end of it, and its file."""
        path = image(folder)
        return self([DiskSpec(path, model, faults=faults)], append=append).front("disk0"), path

    def settle(self) -> None:
        """Every agent must answer, and the checker find nothing."""
        for machine in self.machines:
            assert machine.back.hypercall("xen_version", 0) > 0
            violations = check_machine(machine.machine)
            assert violations == [], "\n".join(str(violation) for violation in violations)

    def close(self) -> None:
        """Let go of the agents; their machines are the Booter's."""
        for machine in self.machines:
            machine.back.close()
            machine.agent.close()


@pytest.fixture
def boot_disks(boot: Booter) -> Iterator[DiskBooter]:
    """Machines with disks; behind the test each of them must be whole."""
    booter = DiskBooter(boot)
    try:
        yield booter
        booter.settle()
    finally:
        booter.close()
