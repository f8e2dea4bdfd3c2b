"""Disks measured: what a request of a VBD costs, how often its front end is told, and how fast it is beside the driver.

Invariants
  - Costs are counted on a machine where an instruction takes a nanosecond, while the front end spins, so that nothing
    but the hypervisor's and the front end's instructions passes. The least of ROUNDS is taken: timers come between.
  - Speeds are of the emulator, in its own time: only their ratio says something.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from xengen.abi.vbd import DiskInfo, DiskScan
from xengen.agent.agent import Agent
from xengen.bench.front import PAGE_SECTORS, SEGMENTS, BenchFront
from xengen.errors import XengenError
from xengen.inspect.live import hypervisor_of
from xengen.machine.disks import DiskSpec
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB, MachineSpec, Module

DISK_BYTES = 64 * MIB
SECTORS = DISK_BYTES // 512
ROUNDS = 24
DEPTHS = (1, 8, 32)
STREAM_REQUESTS = 1024
PATIENCE_SECONDS = 60.0
# Requests and their segments: one of the ring has 11 pages at the most, so 64 KB are two of 8 pages.
SIZES = {"4 KB": (1, 1), "44 KB": (1, 11), "64 KB": (2, 8)}
# What they may cost. A disk of 500 MB/s takes 131 microseconds for 64 KB, 18 times what a processor takes for 7000
# instructions of one nanosecond: even if nothing overlapped, a VBD would be at 95% of the disk's speed.
MOST = {"4 KB": 1500, "44 KB": 4800, "64 KB": 7000}
LEAST_RATIO = 0.9
DISK_MB = 128
TRIES = 3


@dataclass(frozen=True)
class Cost:
    """The hypervisor's instructions to read or write so much, with `depth` such in flight; not the front end's."""

    size: str
    operation: str
    depth: int
    instructions: float

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{self.operation} of {self.size}, {self.depth} in flight"

    @property
    def missed(self) -> bool:
        """Whether it is more than it may be."""
        return self.instructions > MOST[self.size]


@dataclass(frozen=True)
class Notified:
    """How often a front end that reads one stretch after the other was told, and had to kick, for each request."""

    depth: int
    events: float
    kicks: float


@dataclass(frozen=True)
class Speed:
    """Reading one stretch after the other at the greatest depth: MB/s by a VBD, and by its driver without rings.

    disk: how fast QEMU lets the disk be, in MB/s; 0: as fast as the host has it.
    """

    disk: int
    vbd: float
    driver: float

    @property
    def ratio(self) -> float:
        """The VBD's part of the driver's."""
        return self.vbd / self.driver

    @property
    def title(self) -> str:
        """What was measured, in words."""
        return f"reading from a disk of {self.disk} MB/s" if self.disk else "reading from a file in the host's memory"

    @property
    def missed(self) -> bool:
        """Whether the VBD is too slow for a disk. A file in memory is none: it measures the emulated processor."""
        return bool(self.disk) and self.ratio < LEAST_RATIO


@dataclass(frozen=True)
class Copies:
    """What was counted while `sectors` were read: pages that were pinned, sectors that the device moved itself."""

    sectors: int
    pinned_pages: int
    moved_by_device: int

    @property
    def is_without(self) -> bool:
        """Whether the device has put every sector where the front end found it."""
        return self.moved_by_device == self.sectors == self.pinned_pages * PAGE_SECTORS


@dataclass(frozen=True)
class Files:
    """The images that are measured."""

    hypervisor: Path
    agent: Path


@contextmanager
def machine(files: Files, *, counting: bool) -> Iterator[tuple[Machine, BenchFront]]:
    """A machine with a disk and a front end in domain 0; `counting`: an instruction takes a nanosecond."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "disk.img"
        path.write_bytes(bytes(DISK_BYTES))
        spec = MachineSpec(
            files.hypervisor, "", (Module(files.agent),), icount=counting, disks=(DiskSpec(path),),
        )  # fmt: skip
        with Machine(spec) as running, Agent(running) as agent:
            yield running, BenchFront(agent, SECTORS)


def measure_costs(files: Files) -> list[Cost]:
    """Return what each size costs to read and to write, alone and with a ring full of them."""
    found = []
    with machine(files, counting=True) as (_, front):
        for size, (requests, segments) in SIZES.items():
            for depth in (1, 8):
                for operation in ("read", "write"):
                    counts = [
                        front.once(requests * depth, segments, write=operation == "write") / depth
                        for _ in range(ROUNDS)
                    ]
                    found.append(Cost(size, operation, depth, min(counts)))
    return found


def measure_notified(files: Files) -> list[Notified]:
    """Return how often a front end is told at each depth."""
    found = []
    for depth in DEPTHS:
        with machine(files, counting=False) as (_, front):
            streamed = front.stream(STREAM_REQUESTS, depth, 1)
        found.append(Notified(depth, streamed.events / STREAM_REQUESTS, streamed.kicks / STREAM_REQUESTS))
    return found


def measure_copies(files: Files) -> Copies:
    """Read one stretch by a VBD; what was counted."""
    with machine(files, counting=False) as (_, front):
        before, moved = front.info(), _moved(front)
        front.stream(STREAM_REQUESTS, DEPTHS[-1], SEGMENTS)
        after = front.info()
        read, pinned = after.sectors_read - before.sectors_read, after.segments - before.segments
        return Copies(int(read), int(pinned), _moved(front) - moved)


def measure_speed(files: Files) -> list[Speed]:
    """Read the same stretch by a VBD and by its driver alone, in requests of 44 KB."""
    chunk = SEGMENTS * PAGE_SECTORS
    wanted = DiskScan(1, 0, DEPTHS[-1], chunk, 0, STREAM_REQUESTS * chunk)
    found = []
    with machine(files, counting=False) as (running, front):
        khz = hypervisor_of(running).word("tsc_khz")
        for speed in (DISK_MB, 0):
            throttle(running, speed * 1_000_000)
            _scan(front, wanted)  # a disk that was idle is faster at first
            pairs = [
                (front.stream(STREAM_REQUESTS, DEPTHS[-1], SEGMENTS).ticks / khz / 1000, _scan(front, wanted))
                for _ in range(TRIES)
            ]
            size = int(wanted.sectors) * 512 / 1e6
            found.append(Speed(speed, *(size / median(seconds) for seconds in zip(*pairs, strict=True))))
    return found


def throttle(running: Machine, speed: int) -> None:
    """Let the disk be so fast, in bytes a second; 0: as fast as it is."""
    (device,) = [one["qdev"] for one in running.qmp("query-block") if one.get("inserted")]
    running.monitor(f"block_set_io_throttle {device} {speed} 0 0 0 0 0")


def _scan(front: BenchFront, wanted: DiskScan) -> float:
    """Read by the driver alone; the seconds that it took."""
    front.io_op("disk_scan", wanted)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        told = DiskScan()
        front.io_op("disk_scan", told)
        if not told.in_flight:
            break
        if time.monotonic() > deadline:
            raise XengenError(f"a scan of the disk has {told.left} sectors left after {PATIENCE_SECONDS:g} s")
    if told.errors or told.left:
        raise XengenError(f"a scan of the disk has {told.errors} errors, and {told.left} sectors left")
    return int(told.ns) / 1e9


def _moved(front: BenchFront) -> int:
    info = DiskInfo(number=0)
    front.io_op("disk_info", info)
    return int(info.sectors_moved)
