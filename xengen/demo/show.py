"""The demonstration: one domain serves, one asks, both use one disk, and this computer pings both.

Invariants
  - Everything that is shown was measured in this run; what went wrong is in `Summary.wrong`, in words.
  - Nothing is left behind: the disk is a temporary file, the machine ends with the block that it is in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

from xengen.control.host import Host
from xengen.demo.neighbour import Neighbour
from xengen.machine.disks import DiskSpec
from xengen.machine.nics import Cable, NicSpec
from xengen.machine.transcript import Transcript
from xengen.store.errors import StoreError
from xengen.store.paths import home

MIB = 1 << 20
DISK = "disk.img"
DISK_MIB = 32
PINGS = 20
QUESTIONS = 2000
QUESTIONS_PER_SECOND = 1500
PATIENCE = 15.0
OURS = IPv4Address("10.0.2.2")


@dataclass(frozen=True)
class Role:
    """A domain of the demonstration: its guest, address, part of the disk (MiB), and command line."""

    name: str
    guest: str
    ip: IPv4Address
    start: int
    cmdline: str


SERVES = Role("serves", "echo", IPv4Address("10.0.2.15"), 0, "seed=1 request=88")
ASKS = Role(
    "asks", "traffic", IPv4Address("10.0.2.16"), 8,
    f"to={SERVES.ip} size=512 count={QUESTIONS} rate={QUESTIONS_PER_SECOND} seed=2 request=88",
)  # fmt: skip
PART_MIB = 8


@dataclass(frozen=True)
class Files:
    """The images: hypervisor, agent, and the guests by name."""

    hypervisor: Path
    agent: Path
    guests: dict[str, Path]


@dataclass(frozen=True)
class DomainFigures:
    """What a domain has used. cpu: seconds; read, written: bytes of its disk; pings: seconds each, None: no answer."""

    role: Role
    cpu: float
    requests: int
    disk_events: int
    read: int
    written: int
    bad: int
    sent: int
    received: int
    net_events: int
    pings: tuple[float | None, ...]


@dataclass(frozen=True)
class Summary:
    """The whole run. seconds: of the host's clock; answer_ns: what an answer took the domain that asks."""

    seconds: float
    domains: tuple[DomainFigures, ...]
    asked: int
    answered: int
    answer_ns: int

    @property
    def wrong(self) -> tuple[str, ...]:
        """Say what is not as it should be, one sentence each."""
        found = []
        for one in self.domains:
            if one.bad:
                found.append(f"{one.role.name}: {one.bad} sectors of the disk are not as they were written")
            lost = sum(took is None for took in one.pings)
            if lost:
                found.append(f"{one.role.name}: {lost} of {len(one.pings)} pings were not answered")
        if self.answered < self.asked:
            found.append(f"{self.asked - self.answered} of {self.asked} questions were not answered")
        return tuple(found)


@dataclass
class Show:
    """The host of a demonstration; `say` gets each line that anybody writes, with who it was."""

    host: Host
    say: Callable[[str, str], None]

    def __post_init__(self) -> None:
        self._transcript = Transcript()
        self._heard = 0
        self._told: dict[str, int] = {}

    @classmethod
    @contextmanager
    def boot(cls, files: Files, say: Callable[[str, str], None]) -> Iterator[Show]:
        """Boot a host with a disk and a network interface whose cable we hold."""
        with TemporaryDirectory(prefix="xengen-") as folder:
            disk = Path(folder) / DISK
            with disk.open("wb") as file:
                file.truncate(DISK_MIB * MIB)
            nics = [NicSpec("virtio", Cable())]
            with Host.boot(files.hypervisor, files.agent, memory=128 * MIB, disks=[DiskSpec(disk)], nics=nics) as host:
                yield cls(host, say)

    def run(self, files: Files) -> Summary:
        """Create both domains, ping them, wait until the one that asks has done so; TimeoutError."""
        began = time.monotonic()
        neighbour = Neighbour(self.host.machine.cables[0], OURS)
        self._create(SERVES, files)
        self._until(lambda: self._data(SERVES, "echo"), "the domain that serves")
        self._create(ASKS, files)
        self._until(lambda: self._data(ASKS, "sent"), "the domain that asks")
        pings: dict[Role, list[float | None]] = {SERVES: [], ASKS: []}
        for _ in range(PINGS):
            for role, found in pings.items():
                found.append(neighbour.ping(role.ip))
            self._listen()
        self._until(lambda: self._data(ASKS, "lost"), "the domain that asks")
        self._listen()
        figures = tuple(self._figures(role, tuple(found)) for role, found in pings.items())
        numbers = [int(self._data(ASKS, name) or 0) for name in ("sent", "answered", "nanoseconds")]
        return Summary(time.monotonic() - began, figures, *numbers)

    def _create(self, role: Role, files: Files) -> None:
        self.host.launch(
            role.name, files.guests[role.guest], memory=8 * MIB, cmdline=f"ip={role.ip} {role.cmdline}",
            disks=[f"{DISK}:{role.start}M-{role.start + PART_MIB}M:rw"], nics=[f"ip={role.ip}"],
        )  # fmt: skip

    def _until(self, true: Callable[[], object], who: str) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            self._listen()
            if time.monotonic() > end:
                raise TimeoutError(f"{who} does not come on")
            time.sleep(0.02)

    def _data(self, role: Role, name: str) -> str:
        with self.host.lock:
            guest = self.host.guest(role.name)
            try:
                return self.host.store.tree.read(0, (*home(guest.number), "data", name)).decode()
            except StoreError:
                return ""

    def _listen(self) -> None:
        """Pass on whole lines that the hypervisor and the domains have written."""
        fresh = self.host.machine.console.since(self._heard, 0.0)
        self._heard += len(fresh)
        self._transcript.feed(fresh)
        self._lines("xengen", self._transcript.hypervisor)
        with self.host.lock:
            said = [(one.recipe.name, bytes(one.services.console.written)) for one in self.host.guests.values()]
        for name, text in said:
            self._lines(name, text.decode("ascii", "replace").replace("\r\n", "\n"))

    def _lines(self, who: str, text: str) -> None:
        whole = text[: text.rfind("\n") + 1].splitlines()
        for line in whole[self._told.get(who, 0) :]:
            self.say(who, line)
        self._told[who] = len(whole)

    def _figures(self, role: Role, pings: tuple[float | None, ...]) -> DomainFigures:
        with self.host.lock:
            domain = self.host.find(role.name)
            disk = self.host.devices.vbds(int(domain.domain))[0].info()
            net = self.host.devices.vifs(int(domain.domain))[0].info()
        if disk is None or net is None:
            raise TimeoutError(f"the devices of {role.name} have gone")
        return DomainFigures(
            role, domain.run_time[0] / 1e9, disk.reads + disk.writes + disk.flushes, disk.events,
            disk.sectors_read * 512, disk.sectors_written * 512, int(self._data(role, "bad") or 0),
            net.tx_packets, net.rx_packets, net.events, pings,
        )  # fmt: skip
