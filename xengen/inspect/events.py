"""Rules about event channels: every port is what its record says, and the two ends of a channel name each other.

Invariants
  - What is pending or masked is in memory that the guest writes as it likes: no rule is about it.
  - Domains are told apart by the addresses of their DOMAINs, as PORT_remote has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ctypes import sizeof
from typing import TYPE_CHECKING

from xengen.abi.hypervisor import Port
from xengen.abi.symbols import assembler_symbols
from xengen.inspect.views import Domain, Hypervisor
from xengen.inspect.violation import Rule, Violation

if TYPE_CHECKING:
    from xengen.inspect.survey import Survey

_VALUES = assembler_symbols()
CLOSED, UNBOUND, INTERDOMAIN, VIRQ, IPI, DEVICE = (
    _VALUES[f"EVTCHNSTAT_{name}"] for name in ("closed", "unbound", "interdomain", "virq", "ipi", "hypervisor")
)
KNOWN = (CLOSED, UNBOUND, INTERDOMAIN, VIRQ, IPI, DEVICE)
VIRQS = _VALUES["NR_VIRQS"]
PER_BLOCK = _VALUES["PORTS_PER_BLOCK"]
FIRST_RESERVED = _VALUES["DOMID_FIRST_RESERVED"]

Ports = Mapping[int, Port]


def ports_of(hypervisor: Hypervisor, domain: Domain) -> Ports:
    """Return the records of a domain's ports by number: all those of each block that is there, free ones, too."""
    found: dict[int, Port] = {}
    for block, address in enumerate(domain.record.ports):
        if address:
            records = (Port * PER_BLOCK).from_buffer_copy(hypervisor.read(address, PER_BLOCK * sizeof(Port)))
            found.update(enumerate(records, block * PER_BLOCK))
    return found


def ports(survey: Survey) -> Iterator[Violation]:
    """A port has a known state and nothing that belongs to another one; a bound interrupt and its port agree."""
    for domain in survey.domains:
        found = ports_of(survey.hypervisor, domain)
        for number, port in found.items():
            fault = _fault(domain, number, port)
            if fault:
                yield Violation(Rule.PORT, f"port {number}: {fault}", domain=domain.id)
        for virq, number in enumerate(domain.record.virqs):
            bound = found.get(number)
            if number and (bound is None or (bound.state, bound.virq) != (VIRQ, virq)):
                detail = f"interrupt {virq} is bound to port {number}, which is not"
                yield Violation(Rule.PORT, detail, domain=domain.id)


def channels(survey: Survey) -> Iterator[Violation]:
    """The other end of an interdomain port is a port of a domain that is there, and has this one as its other end."""
    domains = {domain.address: domain for domain in survey.domains}
    tables = {address: ports_of(survey.hypervisor, domain) for address, domain in domains.items()}
    for address, domain in domains.items():
        for number, port in tables[address].items():
            if port.state != INTERDOMAIN:
                continue
            if port.remote not in domains:
                detail = f"port {number} leads to {int(port.remote):#x}, where no domain is"
                yield Violation(Rule.CHANNEL, detail, domain=domain.id)
                continue
            other = tables[port.remote].get(port.remote_port, Port())
            if (other.state, other.remote, other.remote_port) != (INTERDOMAIN, address, number):
                where = f"port {port.remote_port} of domain {domains[port.remote].id}"
                detail = f"port {number} leads to {where}, which does not lead back"
                yield Violation(Rule.CHANNEL, detail, domain=domain.id)


def _fault(domain: Domain, number: int, port: Port) -> str | None:
    """Say what is wrong with a port's own record."""
    rest = (port.virq, port.remote_port, port.remote)
    if port.state not in KNOWN:
        return f"its state is {port.state}"
    if number == 0 and port.state != CLOSED:
        return "it is in use"
    if port.state == CLOSED and any(rest):
        return "it is free, but its record is not empty"
    if port.state == UNBOUND and (port.virq or port.remote_port or port.remote >= FIRST_RESERVED << 1):
        return "its record has more than the number of a domain"
    if port.state == IPI and rest != (0, number, domain.address):
        return "it is an IPI that does not lead to itself"
    if port.state == INTERDOMAIN and port.virq:
        return "it is a channel with an interrupt"
    if port.state == VIRQ and (port.virq >= VIRQS or port.remote or port.remote_port):
        return "its record has more than the number of an interrupt"
    if port.state == VIRQ and domain.record.virqs[port.virq] != number:
        return f"it is for interrupt {port.virq}, which is bound to port {domain.record.virqs[port.virq]}"
    return None
