"""A block front end in plain Python on an agent's memory, and the machines that have disks for it.

Invariants
  - `Disks` are files of the host: what a test finds in them is what the device was told.
  - Behind each test all VBDs are gone, the agents answer, and the checker finds nothing wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import Structure
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.boot import event_ports
from tests.boot.grants import PERMIT, READ_ONLY_GRANT, Granted, grant, write_entry
from tests.boot.harness import BOOTER, Booter, Images
from tests.boot.rings import FrontRing, io_op, until
from xengen.abi.blkif import BlkifRequest, BlkifSringEntry
from xengen.abi.devices import Disk
from xengen.abi.vbd import VbdConnect, VbdCreate, VbdExtent, VbdInfo, VbdNothing
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.inspect.devices import disks
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.vbd import Vbd, vbds
from xengen.machine.disks import DiskSpec, Fault
from xengen.machine.spec import MIB

SECTOR = 512
PAGE_SECTORS = 8
READ, WRITE, BARRIER, FLUSH = (
    value(f"BLKIF_OP_{name}") for name in ("READ", "WRITE", "WRITE_BARRIER", "FLUSH_DISKCACHE")
)
OKAY, ERROR, UNSUPPORTED = 0, -1, -2
READ_ONLY, SHARED = value("VBD_READ_ONLY"), value("VBD_SHARED")
CREATED, CONNECTED, SHUT = (value(f"IO_STATE_{name}") for name in ("CREATED", "CONNECTED", "SHUT"))
HANDLE = 51712


@dataclass(frozen=True)
class Segment:
    """A part of a granted page: sectors first to last of it, both included."""

    ref: int
    first: int = 0
    last: int = PAGE_SECTORS - 1


def request(operation: int, number: int, sector: int = 0, segments: Sequence[Segment] = ()) -> BlkifRequest:
    """A request, as a front end writes it."""
    made = BlkifRequest(operation=operation, nr_segments=len(segments), handle=HANDLE, id=number, sector_number=sector)
    for index, one in enumerate(segments[:11]):
        made.seg[index].gref, made.seg[index].first_sect, made.seg[index].last_sect = one.ref, one.first, one.last
    return made


class BlockFront:
    """The front end of VBD `handle` in `agent`'s domain; `back` is domain 0's agent, who decides about it."""

    def __init__(self, back: Agent, agent: Agent, handle: int = HANDLE) -> None:
        self.back, self.agent, self.handle = back, agent, handle
        self.ring = FrontRing(agent, BlkifSringEntry)
        self.ring_granted = grant(agent, back, page=self.ring.page)
        self.port = 0
        self._next_id = 1000
        self._pages: list[Granted] = []

    # Domain 0's part.

    def op(self, command: str, argument: Structure) -> int:
        """A command about this VBD."""
        return int(io_op(self.back, command, argument, self.agent.domain, self.handle))

    def create(self, flags: int = 0) -> None:
        """Make the VBD."""
        assert self.op("vbd_create", VbdCreate(flags)) == 0

    def extent(self, start: int, sectors: int, flags: int = 0, disk: int = 0) -> int:
        """Add an extent."""
        return self.op("vbd_extent", VbdExtent(0, disk, flags, start, sectors))

    def offer(self) -> VbdConnect:
        """Make a port, which is masked; what domain 0 connects the VBD with."""
        self.port = event_ports.alloc_unbound(self.agent, 0)
        event_ports.mask(self.agent, self.port)
        return VbdConnect(self.ring_granted.ref, self.port)

    def connect(self) -> None:
        """Offer ring and port, and have domain 0 connect them."""
        assert self.op("vbd_connect", self.offer()) == 0

    def info(self) -> VbdInfo:
        """What domain 0 sees of it."""
        found = VbdInfo()
        assert self.op("vbd_info", found) == 0
        return found

    def view(self) -> Vbd | None:
        """What the hypervisor holds of it; None when it has gone."""
        domain = event_ports.address(self.agent)
        found = [
            one for one in vbds(hypervisor_of(self.agent.machine))
            if (one.device.record.domain, one.device.record.handle) == (domain, self.handle)
        ]  # fmt: skip
        return found[0] if found else None

    def destroy(self) -> None:
        """Take it away, and what it had."""
        self.op("vbd_destroy", VbdNothing())
        until(lambda: self.view() is None, "a VBD to go")
        if self.port:
            event_ports.close(self.agent, self.port)
        event_ports.quiet(self.agent)
        for granted in self._pages:
            self.revoke(granted)
        self.revoke(self.ring_granted)
        self.agent.give_back(*(granted.page for granted in self._pages), self.ring.page)
        self._pages.clear()

    # The front end's part.

    def page(self, *, read_only: bool = False) -> Granted:
        """A new page of the domain's that is granted to domain 0."""
        self._pages.append(grant(self.agent, self.back, flags=PERMIT | (READ_ONLY_GRANT if read_only else 0)))
        return self._pages[-1]

    def pages(self, count: int) -> list[Granted]:
        """So many of them."""
        return [self.page() for _ in range(count)]

    def revoke(self, granted: Granted) -> None:
        """Take a grant back."""
        write_entry(self.agent, granted.ref, 0, 0, 0)

    def put(self, operation: int, sector: int = 0, segments: Sequence[Segment] = ()) -> int:
        """Put a request into the ring; its id."""
        self._next_id += 1
        self.ring.put(request(operation, self._next_id, sector, segments))
        return self._next_id

    def push(self) -> None:
        """Show the requests, and kick if the back end asks for it."""
        if self.ring.push():
            self.kick()

    def kick(self) -> None:
        """Notify the back end."""
        assert event_ports.send(self.agent, self.port) == 0

    def answers(self, count: int) -> list[Any]:
        """Wait for so many responses."""
        found: list[Any] = []

        def enough() -> bool:
            found.extend(self.ring.take())
            return len(found) >= count

        until(enough, f"{count} responses")
        return found

    def do(self, operation: int, sector: int = 0, segments: Sequence[Segment] = ()) -> int:
        """Have one request carried out; its status."""
        number = self.put(operation, sector, segments)
        self.push()
        (answer,) = self.answers(1)
        assert (answer.id, answer.operation) == (number, operation)
        return int(answer.status)

    def write(self, sector: int, data: bytes, granted: Granted) -> int:
        """Write whole sectors, a page at the most, by way of a granted page."""
        self.agent.machine.memory.write(granted.page.machine, data)
        return self.do(WRITE, sector, [Segment(granted.ref, 0, len(data) // SECTOR - 1)])

    def read(self, sector: int, sectors: int, granted: Granted) -> bytes:
        """Read sectors, a page at the most, by way of a granted page."""
        assert self.do(READ, sector, [Segment(granted.ref, 0, sectors - 1)]) == OKAY
        return self.memory(granted)[: sectors * SECTOR]

    def memory(self, granted: Granted) -> bytes:
        """What is in a granted page."""
        return bytes(self.agent.machine.memory.view(granted.page.machine, 4096))


class DiskHost:
    """A machine with an agent in each of `domains` domains, and a disk of `megabytes` on a file of the host."""

    def __init__(
        self, images: Images, folder: Path, *, domains: int = 2, megabytes: int = 8, model: str = "virtio",
        faults: tuple[Fault, ...] = (),
    ) -> None:  # fmt: skip
        self.path = folder / "disk.img"
        self.path.write_bytes(b"".join(pattern(sector) for sector in range(megabytes * MIB // SECTOR)))
        self.booter = Booter(images)
        self.sectors = megabytes * MIB // SECTOR
        disks = [DiskSpec(self.path, model, faults=faults)]
        machine = self.booter(*["agent"] * domains, memory=(64 + 32 * domains) * MIB, disks=disks)
        self.machine = machine
        self.agents = tuple(Agent(machine, domain) for domain in range(domains))
        self.fronts: list[BlockFront] = []

    def front(self, domain: int = 1, handle: int = HANDLE, flags: int = 0) -> BlockFront:
        """A front end in a domain, of a VBD that is there."""
        made = BlockFront(self.agents[0], self.agents[domain], handle)
        made.create(flags)
        self.fronts.append(made)
        return made

    def connected(self, start: int = 0, sectors: int = 1024, domain: int = 1, handle: int = HANDLE) -> BlockFront:
        """A front end whose VBD has one extent, to write."""
        made = self.front(domain, handle)
        assert made.extent(start, sectors) == 0
        made.connect()
        return made

    def blocks(self, start: int, sectors: int) -> bytes:
        """What the host finds in the disk's file."""
        with self.path.open("rb") as file:
            file.seek(start * SECTOR)
            return file.read(sectors * SECTOR)

    def fill(self, start: int, sectors: int) -> None:
        """Put the pattern of a new disk back."""
        with self.path.open("r+b") as file:
            file.seek(start * SECTOR)
            file.write(expected(start, sectors))

    def disk(self) -> Disk:
        """What the hypervisor has counted of the disk."""
        (found,) = disks(hypervisor_of(self.machine))
        return found.record

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block the device does one request (or several, where one goes on behind the other) and holds the
        next ones: it moves a byte a second. When the machine is stopped QEMU finishes them all.
        """
        self._throttle(1)
        try:
            yield
        finally:
            self._throttle(0)

    def check(self) -> None:
        """Have the checker look."""
        violations = check_machine(self.machine)
        assert violations == [], "\n".join(str(violation) for violation in violations)

    def _throttle(self, rate: int) -> None:
        (device,) = [one["qdev"] for one in self.machine.qmp("query-block") if one.get("inserted")]
        assert self.machine.monitor(f"block_set_io_throttle {device} {rate} 0 0 0 0 0") == ""

    def settle(self) -> None:
        """Take all VBDs away; the agents must answer, and the checker find nothing."""
        for front in self.fronts:
            front.destroy()
        self.fronts.clear()
        for agent in self.agents:
            agent.reset()
        self.check()

    def close(self) -> None:
        """End the machine."""
        for agent in self.agents:
            agent.close()
        self.booter.close()


def pattern(sector: int) -> bytes:
    """What is in a sector of a new disk: its number, again and again."""
    return sector.to_bytes(8, "little") * (SECTOR // 8)


def expected(start: int, sectors: int) -> bytes:
    """What is in these sectors of a new disk."""
    return b"".join(pattern(sector) for sector in range(start, start + sectors))


@pytest.fixture(scope="module")
def disk_machine(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiskHost]:
    """The machine that `disk_host` is on."""
    host = DiskHost(images, tmp_path_factory.mktemp("disk"))
    yield host
    host.close()


@pytest.fixture
def disk_host(request: pytest.FixtureRequest, disk_machine: DiskHost) -> Iterator[DiskHost]:
    """A machine with two domains and a disk, without VBDs."""
    request.node.stash[BOOTER] = disk_machine.booter
    yield disk_machine
    disk_machine.settle()
