"""Isolation under load, the paper's experiment: three domains misbehave, and a fourth keeps its share.

One domain reads the disk as fast as the ring takes requests, one sends packets as fast as the rings take them, one dies
of page faults and bad hypercalls and is restarted, again and again. The fourth uses the processor, then the disk, then
the network, as much as it can get: each time for a while, in a domain of its own.

Invariants
  - All domains have the same weight. What the fourth must get is a quarter of the processor (of all time that domain 0
    leaves, the hypervisor's included), half of the sectors that it and the other one move, half of the packets.
  - Processor time counts only as work that got done: rounds of a loop of three instructions, in a machine whose time
    counts instructions. Time that the hypervisor takes for others in its turn is no work.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from xengen.bench.isolation_look import Look, look
from xengen.control.guest import OnEnd, Recipe
from xengen.control.host import Host
from xengen.control.nic_shares import parse_nic
from xengen.control.reach import Near
from xengen.control.shares import parse_share
from xengen.errors import XengenError
from xengen.machine.cable import CableEnd
from xengen.machine.disks import DiskSpec
from xengen.machine.nics import Cable, NicSpec

MIB = 1 << 20
Found = TypeVar("Found")
SHIFT = 3
SPIN_INSTRUCTIONS = 3
DOMAIN_BYTES = 8 * MIB
DISK = "disk.img"
DISK_MIB = 16
PATIENCE_SECONDS = 120.0
NAP_SECONDS = 0.02
LOOKS = 10
BUSY_PACKETS = 100  # more than questions for an address
SETTLE_NS = 100_000_000
WINDOW_NS = 1_500_000_000
TOLERANCE = 0.05
NOBODY = IPv4Address("10.0.2.2")
NOBODYS_MAC = b"\x02\x00\x00\x00\x00\x01"
ARP_QUESTION = b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
FLOODS_DISK = "mode=flood depth=32 request=8"
FLOODS_NETWORK = f"to={NOBODY} count=0 rate=0 size=1000 report=0"
DIES = "rounds=3000"


@dataclass(frozen=True)
class Files:
    """The images: hypervisor, agent, and the guests by name."""

    hypervisor: Path
    agent: Path
    guests: dict[str, Path]


GUESTS = ("spin", "disk", "traffic", "rogue")


@dataclass(frozen=True)
class Sample:
    """A moment: ns since the window began, ns of them that domain 0 has used, what the fourth and its rival have got.

    That is sectors, or packets; of the processor ns, and the rival is whoever else has them.
    """

    at: int
    domain_0: int
    fourth: int
    rival: int


@dataclass(frozen=True)
class Kept:
    """What the fourth got of one thing, of 1: `wanted` is its share. deaths: of the domain that dies, meanwhile."""

    what: str
    wanted: float
    got: float
    deaths: int
    samples: tuple[Sample, ...]

    @property
    def missed(self) -> bool:
        """Whether it got less than its share by more than the tolerance."""
        return self.got < self.wanted * (1 - TOLERANCE)


@dataclass
class Experiment:
    """A host with the three that misbehave. window: ns of the machine's time that each measurement takes."""

    host: Host
    files: Files
    window: int = WINDOW_NS

    @classmethod
    @contextmanager
    def boot(cls, files: Files, window: int = WINDOW_NS) -> Iterator[Experiment]:
        """Boot the host, create the three and wait until they do what they are there for."""
        with TemporaryDirectory(prefix="xengen-") as folder:
            disk = Path(folder) / DISK
            with disk.open("wb") as file:
                file.truncate(DISK_MIB * MIB)
            nics = [NicSpec("virtio", Cable())]
            with Host.boot(
                files.hypervisor, files.agent, memory=96 * MIB, disks=[DiskSpec(disk)], nics=nics, icount_shift=SHIFT
            ) as host:
                host.shortest_life = 0.0
                if isinstance(host.reach, Near):  # time counts instructions: domain 0 must not wait for us in a loop
                    host.reach.agent.mailbox.spins = 1
                experiment = cls(host, files, window)
                experiment.create("floods-disk", "disk", FLOODS_DISK, disk="0-4M")
                experiment.create("floods-net", "traffic", f"ip=10.0.2.20 {FLOODS_NETWORK}", ip="10.0.2.20")
                experiment.create("dies", "rogue", DIES)
                experiment.until(experiment.busy)
                yield experiment

    def processor(self) -> Kept:
        """Measure how much of the processor the fourth gets."""
        self.create("spins", "spin", "")
        text = self.until(lambda: re.search(rb"spin: counter at machine address 0x([0-9a-f]+)", self._console()))
        place = int(text[1], 16) if text is not None else 0

        def counted() -> int:
            return self.host.machine.memory.u64(place) * SPIN_INSTRUCTIONS << SHIFT

        return self._measure("processor", 0.25, "spins", lambda one: (one.extra, 0), counted)

    def disk(self) -> Kept:
        """Measure how much of the disk the fourth gets, against the one that floods it."""
        self.create("reads", "disk", FLOODS_DISK, disk="4M-8M")
        pair = self.number("reads"), self.number("floods-disk")
        self.until(lambda: self.look().sectors.get(pair[0], 0))
        return self._measure("disk", 0.5, "reads", lambda one: (one.sectors[pair[0]], one.sectors[pair[1]]))

    def network(self) -> Kept:
        """Measure how much of the network the fourth gets, against the one that floods it."""
        self.create("sends", "traffic", f"ip=10.0.2.21 {FLOODS_NETWORK}", ip="10.0.2.21")
        pair = self.number("sends"), self.number("floods-net")
        self.until(lambda: self.look().packets.get(pair[0], 0) > BUSY_PACKETS)
        return self._measure("network", 0.5, "sends", lambda one: (one.packets[pair[0]], one.packets[pair[1]]))

    def _measure(
        self, what: str, wanted: float, name: str, of: Callable[[Look], tuple[int, int]],
        extra: Callable[[], int] = lambda: 0,
    ) -> Kept:  # fmt: skip
        """Look again and again for the window's time, `of` saying what counts; then the fourth goes."""
        self._wait(self.look().now + SETTLE_NS)
        first, deaths = self.look(extra), self.deaths()
        samples = [Sample(0, 0, 0, 0)]
        for number in range(1, LOOKS + 1):
            self._wait(first.now + self.window * number // LOOKS)
            one = self.look(extra)
            at, domain_0 = one.now - first.now, one.domain_0 - first.domain_0
            fourth, rival = (last - begin for last, begin in zip(of(one), of(first), strict=True))
            samples.append(Sample(at, domain_0, fourth, rival if rival else at - domain_0 - fourth))
        self.host.destroy(name)
        return Kept(what, wanted, share(samples[-1]), self.deaths() - deaths, tuple(samples))

    def _wait(self, moment: int) -> None:
        self.until(lambda: self.look().now >= moment)

    # What is looked at.

    def busy(self) -> bool:
        """Whether those that flood have begun."""
        now = self.look()
        return now.sectors.get(self.number("floods-disk"), 0) > 0 and (
            now.packets.get(self.number("floods-net"), 0) > BUSY_PACKETS
        )

    def look(self, extra: Callable[[], int] = lambda: 0) -> Look:
        """Look at everything that counts."""
        with self.host.lock:
            return look(self.host.machine, extra)

    def number(self, name: str) -> int:
        """Return the number of a domain."""
        return next(guest.number for guest in self.host.guests.values() if guest.recipe.name == name)

    def deaths(self) -> int:
        """Return how many domains have died so far."""
        return self._console().count(b" died: ")

    def _console(self) -> bytes:
        return self.host.machine.console.since(0, 0.0)

    # Domains.

    def create(self, name: str, guest: str, cmdline: str, *, disk: str = "", ip: str = "") -> None:
        """Create a domain; one that dies is restarted."""
        recipe = Recipe(
            name, str(self.files.guests[guest]), DOMAIN_BYTES, DOMAIN_BYTES, 10, cmdline, "", OnEnd.RESTART,
            (parse_share(f"{DISK}:{disk}:rw"),) if disk else (), (parse_nic(f"ip={ip}"),) if ip else (),
        )  # fmt: skip
        for _ in self.host.create(recipe):
            pass

    def until(self, true: Callable[[], Found]) -> Found:
        """Wait until something is true, and return it; whoever looks for NOBODY is answered. XengenError."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := true()):
            answer_arp(self.host.machine.cables[0])
            if time.monotonic() > end:
                raise XengenError("a domain of the experiment does not come on")
        return found


def answer_arp(cable: CableEnd) -> None:
    """Take all frames that have come, and answer those who ask for NOBODY's address as if somebody had it."""
    frame = cable.receive(NAP_SECONDS)
    while frame is not None:
        if frame[12:22] == ARP_QUESTION and frame[38:42] == NOBODY.packed:
            answer = ARP_QUESTION[2:-1] + b"\x02" + NOBODYS_MAC + NOBODY.packed + frame[22:32]
            cable.send(frame[6:12] + NOBODYS_MAC + ARP_QUESTION[:2] + answer + bytes(18))
        frame = cable.receive(0.0)


def measure_isolation(files: Files, window: int = WINDOW_NS) -> tuple[Kept, ...]:
    """Carry out the whole experiment."""
    with Experiment.boot(files, window) as experiment:
        return experiment.processor(), experiment.disk(), experiment.network()


def share(last: Sample) -> float:
    """Return what part of it and its rival's together the fourth has got; 0 when neither has got anything."""
    both = last.fourth + last.rival
    return last.fourth / both if both else 0.0
