"""Console and store of the domains that `xengen run` boots: the toolstack's services without a toolstack.

Domain 0 may be anything, so it is not asked: rings are found and served in the machine's memory, and the domains hear
of it through the hypervisor's doorbell (asm/hypervisor/event/doorbell.s; the option services=1 switches it on).

Invariants
  - Who is served is decided once: the domains that are there when the doorbell is ready. Domain 0 serves what it makes.
  - A domain whose ports domain 0 has bound is domain 0's from then on.
  - A ring is touched only while its domain has not been let go of: the hypervisor keeps the frames until then.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import sizeof
from dataclasses import dataclass, field
from functools import partial

from xengen.abi import hypervisor as abi
from xengen.abi.doorbell import DOORBELL_RINGS, Doorbell, DoorbellRing
from xengen.abi.symbols import assembler_symbols
from xengen.control.reach import PAGE
from xengen.control.services import DomainServices, serve_domain
from xengen.inspect.live import Stoppable, hypervisor_of
from xengen.inspect.views import BadStructure, Domain, Hypervisor
from xengen.store.domain_nodes import DomainFacts
from xengen.store.server import Server

_VALUES = assembler_symbols()
OPTION = "services=1"
LOOK_SECONDS = 0.002


class Bell:
    """The doorbell at `address` of the machine's memory: what is rung goes out as there is room, each only once."""

    def __init__(self, machine: Stoppable, address: int) -> None:
        self._memory = machine.memory
        self._address = address
        self._waiting: dict[tuple[int, int], None] = {}

    @property
    def ready(self) -> bool:
        """Whether the hypervisor listens."""
        return self._counter("ready") == 1

    def ring(self, domain: int, port: int) -> None:
        """Ask for an event by a port of a domain."""
        self._waiting[domain, port] = None

    def go_out(self) -> None:
        """Hand over as many as there is room for."""
        produced, consumed = self._counter("produced"), self._counter("consumed")
        room = DOORBELL_RINGS - (produced - consumed) % (1 << 32)
        for domain, port in list(self._waiting)[:room]:
            place = Doorbell.rings.offset + produced % DOORBELL_RINGS * sizeof(DoorbellRing)
            self._memory.write(self._address + place, bytes(DoorbellRing(domain, port)))
            produced += 1
            del self._waiting[domain, port]
        self._memory.write(self._address + Doorbell.produced.offset, (produced % (1 << 32)).to_bytes(4, "little"))

    def _counter(self, name: str) -> int:
        return self._memory.u32(self._address + getattr(Doorbell, name).offset)


@dataclass(frozen=True)
class Served:
    """A domain and its services. `ends`: closed when it is not served any more."""

    address: int
    number: int
    services: DomainServices
    ports: tuple[int, int]
    ends: ExitStack


@dataclass
class LocalServices:
    """The services of the domains of `machine`; `look` has to be called again and again."""

    machine: Stoppable
    store: Server = field(default_factory=Server)

    def __post_init__(self) -> None:
        self._hypervisor = hypervisor_of(self.machine)
        self._bell = Bell(self.machine, self._hypervisor.physical(self._hypervisor.symbol("doorbell")))
        self._served: dict[int, Served] | None = None
        self.store.introduce(0)

    def look(self) -> list[tuple[int, bytes]]:
        """Serve each domain once; return what each has written to its console since the last look, if anything."""
        if self._served is None:
            if not self._bell.ready:
                return []
            self._served = {domain.id: self._begin(domain) for domain in self._hypervisor.domains() if domain.id}
        said = [(number, self._serve(served)) for number, served in list(self._served.items())]
        self._bell.go_out()
        return [(number, text) for number, text in said if text]

    @property
    def served(self) -> tuple[int, ...]:
        """The numbers of the domains that are served."""
        return tuple(self._served or ())

    def _begin(self, domain: Domain) -> Served:
        record = domain.record
        facts = DomainFacts(
            domain.id, f"domain-{domain.id}", str(uuid.UUID(int=domain.id)),
            record.nr_pages * PAGE >> 10, record.max_pages * PAGE >> 10,
            record.store_mfn, record.store_port, record.console_mfn, record.console_port,
        )  # fmt: skip
        with ExitStack() as ends:
            services = serve_domain(self.store, facts, self._page, partial(self._ringer, domain.id), ends)
            ports = (record.store_port, record.console_port)
            return Served(domain.address, domain.id, services, ports, ends.pop_all())

    def _page(self, mfn: int) -> memoryview:
        return self.machine.memory.view(mfn * PAGE, PAGE)

    def _ringer(self, domain: int, port: int) -> Callable[[], object]:
        return partial(self._bell.ring, domain, port)

    def _serve(self, served: Served) -> bytes:
        record = self._record(served)
        if record is None:
            self._end(served)
            return b""
        if any(_is_bound(self._hypervisor, record, port) for port in served.ports):
            self._let_go(served)
            return b""
        text = served.services.look()
        if record.flags & _VALUES["DOMAIN_SHUTDOWN"]:
            self._let_go(served)
        return text

    def _record(self, served: Served) -> abi.Domain | None:
        """Return the DOMAIN as it is now, None when its memory is being given back or somebody else is there."""
        try:
            record = self._hypervisor.structure(abi.Domain, served.address)
        except BadStructure:
            return None
        return record if record.id == served.number and not record.flags & _VALUES["DOMAIN_DYING"] else None

    def _let_go(self, served: Served) -> None:
        """Have the hypervisor do with the domain what it does without us."""
        self._bell.ring(served.number, _VALUES["DOORBELL_LET_GO"])
        self._end(served)

    def _end(self, served: Served) -> None:
        assert self._served is not None
        del self._served[served.number]
        served.ends.close()


def _is_bound(hypervisor: Hypervisor, domain: abi.Domain, port: int) -> bool:
    """Whether a port of the domain has another end."""
    block = domain.ports[port // _VALUES["PORTS_PER_BLOCK"]]
    if not block:
        return False
    try:
        found = hypervisor.structure(abi.Port, block + port % _VALUES["PORTS_PER_BLOCK"] * sizeof(abi.Port))
    except BadStructure:
        return False
    return bool(found.state == _VALUES["EVTCHNSTAT_interdomain"])
