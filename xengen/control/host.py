"""A host: the hypervisor in a machine, the agent as its domain 0, and the toolstack that has the agent do things.

Invariants
  - One thread at a time has the agent: whoever calls it, or looks at what guests need, holds `lock`.
  - A domain is created whole or not at all: what was made before a refusal is taken back. What was uploaded for it is
    kept only until it is built.
  - A thread serves the guests' rings and sees their ends; the agent is asked only when there is something to say.
"""

from __future__ import annotations

import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from xengen.abi.control import DomctlInfo
from xengen.abi.symbols import assembler_symbols
from xengen.agent.agent import Agent
from xengen.control.calls import Control, Image, Scheduling
from xengen.control.devices import Devices
from xengen.control.guest import Guest, OnEnd, Recipe
from xengen.control.io_calls import IoCalls
from xengen.control.line import ConsoleWire, Line
from xengen.control.nic_shares import parse_nic
from xengen.control.own_ends import OwnEnds
from xengen.control.places import HostPlaces
from xengen.control.reach import PAGE, Far, Near, Reach
from xengen.control.services import serve_domain
from xengen.control.shares import parse_share
from xengen.control.uploads import upload
from xengen.errors import UserError, XengenError
from xengen.machine.disks import DiskSpec
from xengen.machine.machine import Machine
from xengen.machine.nics import NicSpec
from xengen.machine.spec import MachineSpec, Module
from xengen.machine.transcript import Transcript, domain_ends
from xengen.store.domain_nodes import DomainFacts
from xengen.store.server import Server
from xengen.toolchain.packed import unpacked

_VALUES = assembler_symbols()
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")
SERVE_SECONDS = 0.002
SERVE_SECONDS_OF_A_LINE = 0.05  # a look at a domain takes some requests, and others want the line, too
DOM0_MEMORY = "16M"
# Domain 0 is small and woken often: it comes first when it wakes.
DOM0_SCHEDULING = Scheduling(weight=100, warp_ms=20.0)


@dataclass
class Host:
    """The toolstack on `machine`, whose domain 0 is reached by `reach`: see `Host.boot`.

    shortest_life: a domain that ended sooner (in seconds) is not restarted, for it would do the same again. interval:
    seconds between two looks at the domains.
    """

    machine: Machine
    reach: Reach
    places: HostPlaces
    store: Server = field(default_factory=Server)
    guests: dict[int, Guest] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    shortest_life: float = 1.0
    interval: float = SERVE_SECONDS

    def __post_init__(self) -> None:
        self.control = Control(self.reach)
        self.devices = Devices(IoCalls(self.reach), self.store.tree, self.machine.spec.disks)
        self._stopping = threading.Event()
        self._ends_seen = 0
        self._ended = False
        self._on_end: Callable[[], None] = lambda: None
        self._heard = 0
        self._transcript = Transcript()
        self.store.introduce(0)
        self.control.schedule(0, DOM0_SCHEDULING)

    @classmethod
    @contextmanager
    def boot(
        cls,
        hypervisor: Path | None = None,
        agent: Path | None = None,
        *,
        memory: int = 256 << 20,
        places: HostPlaces | None = None,
        append: str = "",
        serial: bool = False,
        disks: Sequence[DiskSpec] = (),
        nics: Sequence[NicSpec] = (),
        icount_shift: int | None = None,
    ) -> Iterator[Host]:
        """Boot a machine of `memory` bytes, with these disks and network interfaces; be its toolstack in the block.

        `serial`: talk to domain 0 over a serial line, as to a real machine on a cable, not through its memory.
        Without images those of the source tree are built and taken, without places the consoles' logs go away in the
        end. `icount_shift`: the machine's time counts instructions of 2**icount_shift ns.
        """
        if hypervisor is None or agent is None:
            hypervisor, agent = _built()
        module = Module(agent, "wire=com2" if serial else "")
        spec = MachineSpec(
            hypervisor, f"dom0_mem={DOM0_MEMORY} {append}".strip(), (module,), memory=memory,
            serial_ports=2 if serial else 1, disks=tuple(disks), nics=tuple(nics),
            icount=icount_shift is not None, icount_shift=icount_shift or 0,
        )  # fmt: skip
        with (
            TemporaryDirectory(prefix="xengen-") as folder,
            cls._boot(spec, agent, places or HostPlaces(Path(folder)), serial) as host,
        ):
            yield host

    @classmethod
    @contextmanager
    def _boot(cls, spec: MachineSpec, agent: Path, places: HostPlaces, serial: bool) -> Iterator[Host]:
        with ExitStack() as stack:
            machine = stack.enter_context(Machine(spec))
            reach: Reach
            if serial:
                machine.console.expect("agent: mailbox at")
                reach = Far(Line(ConsoleWire(machine.consoles[1])), agent)
            else:
                reach = Near(stack.enter_context(Agent(machine, alone=False)))
            host = cls(machine, reach, places, interval=SERVE_SECONDS_OF_A_LINE if serial else SERVE_SECONDS)
            server = threading.Thread(target=host._serve, daemon=True)
            server.start()
            try:
                yield host
            finally:
                host._stopping.set()
                server.join()

    # Domains.

    def domains(self) -> list[DomctlInfo]:
        """Return what the hypervisor knows of all domains."""
        with self.lock:
            return list(self.control.domains())

    def find(self, name: str) -> DomctlInfo:
        """Return the domain of this name or number; UserError."""
        # One that is dying may have given its name to the next.
        for info in sorted(self.domains(), key=lambda info: bool(info.flags & _VALUES["DOMINF_dying"])):
            if name == str(info.domain) or name == info.name.decode("ascii", "replace"):
                return info
        raise UserError(f"no domain is called {name}: xengen list shows them")

    def guest(self, name: str) -> Guest:
        """Return a domain that this toolstack has made, by name or number; UserError."""
        number = int(self.find(name).domain)
        if number not in self.guests:
            raise UserError(f"domain {number} was not made by this host")
        return self.guests[number]

    def launch(
        self, name: str, image: str | Path, *, memory: int = 16 << 20, weight: int = 10, cmdline: str = "",
        disks: Sequence[str] = (), nics: Sequence[str] = (),
    ) -> Guest:  # fmt: skip
        """Create a domain of a kernel file (or an image of the host by its name), and let it run; UserError.

        disks, nics: as `xengen create` takes them (shares.py, nic_shares.py).
        """
        shares = tuple(parse_share(text) for text in disks), tuple(parse_nic(text) for text in nics)
        for _ in self.create(Recipe(name, str(image), memory, memory, weight, cmdline, "", OnEnd.DESTROY, *shares)):
            pass
        return self.guest(name)

    def weigh(self, name: str, scheduling: Scheduling) -> None:
        """Set how a domain shares the processor; UserError."""
        with self.lock:
            self.control.schedule(int(self.find(name).domain), scheduling)

    def create(self, recipe: Recipe, *, paused: bool = False) -> Generator[tuple[int, int], None, DomctlInfo]:
        """Create a domain and return what it is like; yields (bytes done, bytes) of an upload on the way. UserError."""
        self._check_name(recipe.name)
        with ExitStack() as uploaded:
            kernel = yield from upload(self.control, self.lock, recipe.image, uploaded, unpack=unpacked)
            initrd = (yield from upload(self.control, self.lock, recipe.initrd, uploaded)) if recipe.initrd else None
            return self._make(recipe, kernel, initrd, paused=paused)

    def _make(self, recipe: Recipe, kernel: Image, initrd: Image | None, *, paused: bool) -> DomctlInfo:
        with self.lock:
            handle = uuid.uuid4()
            number = self.control.create(recipe.name, handle.bytes, recipe.most_memory // PAGE)
            try:
                self.control.build(number, kernel, recipe.memory // PAGE, recipe.cmdline, initrd)
                self.guests[number] = self._connect(number, str(handle), recipe)
                self._equip(number, str(handle), recipe)
                self.control.schedule(number, Scheduling(recipe.weight))
                made = self.find(str(number))
                if not paused:
                    self.control.unpause(number)
            except BaseException:
                self._forget(number)
                self.control.destroy(number)
                raise
            return made

    def destroy(self, name: str) -> None:
        """End a domain and forget it; UserError."""
        with self.lock:
            number = int(self.find(name).domain)
            if number == 0:
                raise UserError("domain 0 ends with the host: xengen down")
            self.control.destroy(number)
            self._forget(number)

    # What a domain needs.

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name) or name.isdigit():
            raise UserError(f"{name!r} cannot be a domain's name: use up to 31 letters, digits, dots, - and _")
        if any(info.name.decode("ascii", "replace") == name for info in self.domains()):
            raise UserError(f"there is a domain called {name} already")

    def _connect(self, number: int, handle: str, recipe: Recipe) -> Guest:
        """Put the store and the console at the other ends of the domain's pages and ports."""
        info = next(info for info in self.control.domains() if info.domain == number)
        facts = DomainFacts(
            number, recipe.name, handle, recipe.memory >> 10, recipe.most_memory >> 10,
            info.store_mfn, info.store_port, info.console_mfn, info.console_port,
        )  # fmt: skip
        with ExitStack() as ends:
            own = OwnEnds(self.reach, number, ends)
            services = serve_domain(self.store, facts, own.page, own.bell, ends)
            log = self.places.console(recipe.name)
            log.write_bytes(b"")
            return Guest(number, handle, recipe, services, ends.pop_all(), log)

    def _equip(self, number: int, handle: str, recipe: Recipe) -> None:
        """Give the domain its virtual disks and interfaces."""
        self.guests[number].ends.callback(self.devices.release, number)
        for disk in recipe.disks:
            self.devices.attach_disk(number, disk)
        for nic in recipe.nics:
            self.devices.attach_nic(number, nic, handle)

    def _forget(self, number: int) -> None:
        guest = self.guests.pop(number, None)
        if guest is not None:
            guest.ends.close()

    # The thread.

    def _serve(self) -> None:
        try:
            while not self._stopping.wait(self.interval):
                if (ending := self.machine.ending()) is not None:
                    raise XengenError(f"the machine {ending.value}")
                with self.lock:
                    for guest in list(self.guests.values()):
                        guest.serve()
                    self.devices.look()
                    self._see_ends()
        except XengenError as error:
            print(error, file=sys.stderr, flush=True)
            with self.lock:
                self._ended = True
                self._on_end()

    def when_ended(self, action: Callable[[], None]) -> None:
        """Have `action` called when the machine ends by itself; at once if it has."""
        with self.lock:
            self._on_end = action
            if self._ended:
                action()

    def _see_ends(self) -> None:
        """Do with each domain that has ended since the last look what its recipe says."""
        fresh = self.machine.console.since(self._heard, 0.0)
        if not fresh:
            return
        self._heard += len(fresh)
        self._transcript.feed(fresh)
        ends = domain_ends(self._transcript.hypervisor)
        for end in ends[self._ends_seen :]:
            guest = self.guests.get(end.domain)
            if guest is None:
                continue
            guest.serve()
            action = guest.recipe.on_crash if end.died else OnEnd.RESTART if end.reason == "reboot" else OnEnd.DESTROY
            if action is OnEnd.PRESERVE:
                continue
            self.destroy(str(guest.number))
            if action is OnEnd.RESTART and time.monotonic() - guest.began >= self.shortest_life:
                self._again(guest.recipe)
        self._ends_seen = len(ends)

    def _again(self, recipe: Recipe) -> None:
        """Create a domain as it was; if that is not possible any more, it is the log that says why."""
        try:
            for _ in self.create(recipe):
                pass
        except UserError as error:
            print(f"{recipe.name} cannot be restarted: {error}", file=sys.stderr, flush=True)


def _built() -> tuple[Path, Path]:
    """Build the hypervisor and the agent of the source tree that this package is part of."""
    from xengen.toolchain.build import build

    tree = Path(__file__).resolve().parents[2]
    hypervisor, agent = build(tree, tree / "build", images=["hypervisor", "agent"])
    return hypervisor.elf, agent.elf
