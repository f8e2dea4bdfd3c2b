"""What event channels must do: the ports and bits of several domains, and what each operation answers (ABI chapter 9).

Invariants
  - A domain has one vcpu. `selected` and `upcall` are its vcpu_info's, `pending` and `masked` its shared_info's.
  - `owed` is kept apart from all bits: the ports by which somebody has sent since the guest last heard of them. What
    a guest hears is held against it, so it is what says that no event is lost, doubled or late.
  - Errors are negative numbers; a port that is made is a positive one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xengen.agent.names import EINVAL, ENOENT, ESRCH, value

CLOSED, UNBOUND, INTERDOMAIN, VIRQ, IPI = (
    value(f"EVTCHNSTAT_{name}") for name in ("closed", "unbound", "interdomain", "virq", "ipi")
)
PORTS, VIRQS = value("EVTCHN_2L_NR_CHANNELS"), value("NR_VIRQS")
EEXIST, ENOSPC = value("EEXIST"), value("ENOSPC")
PER_VCPU = frozenset(value(f"VIRQ_{name}") for name in ("TIMER", "DEBUG", "XENOPROF", "XENPMU"))
DOM_EXC = value("VIRQ_DOM_EXC")


@dataclass(frozen=True)
class Port:
    """A port in use. dom: the domain at the other end, or that may bind; port: the other end; virq: the interrupt."""

    state: int
    dom: int = 0
    port: int = 0
    virq: int = 0


@dataclass
class Domain:
    """A domain's ports in use, and its bits."""

    ports: dict[int, Port] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    masked: set[int] = field(default_factory=set)
    selected: set[int] = field(default_factory=set)
    upcall: bool = False
    owed: set[int] = field(default_factory=set)

    def select(self, port: int) -> None:
        """Point at a port that is pending and not masked."""
        if port // 32 not in self.selected:
            self.selected.add(port // 32)
            self.upcall = True

    def set_pending(self, port: int) -> None:
        """An event has come by a port."""
        self.owed.add(port)
        if port not in self.pending:
            self.pending.add(port)
            if port not in self.masked:
                self.select(port)

    def consume(self) -> set[int]:
        """What a guest does in its upcall: return the ports that it hears of."""
        self.upcall = False
        heard = {port for port in self.pending - self.masked if port // 32 in self.selected}
        self.selected.clear()
        self.pending -= heard
        return heard

    def virq_port(self, virq: int) -> int:
        """The port that an interrupt is bound to, or 0."""
        return next((number for number, port in self.ports.items() if (port.state, port.virq) == (VIRQ, virq)), 0)

    def free(self) -> int:
        """The lowest free port, or -ENOSPC."""
        return next((number for number in range(1, PORTS) if number not in self.ports), -ENOSPC)


class Model:
    """Domains by number. Every method is an operation that domain `caller` makes, and returns what it is answered."""

    def __init__(self, domains: int) -> None:
        self.domains = {number: Domain() for number in range(domains)}

    def alloc_unbound(self, caller: int, remote: int) -> int:
        """A port that `remote` may bind to."""
        return self._make(caller, Port(UNBOUND, dom=remote))

    def bind_interdomain(self, caller: int, remote: int, port: int) -> int:
        """A port with an unbound one as its other end; it begins with an event."""
        if remote not in self.domains:
            return -ESRCH
        if (number := self.domains[caller].free()) < 0:
            return number
        if self.domains[remote].ports.get(port) != Port(UNBOUND, dom=caller):
            return -EINVAL
        self.domains[remote].ports[port] = Port(INTERDOMAIN, caller, number)
        self.domains[caller].ports[number] = Port(INTERDOMAIN, remote, port)
        self.domains[caller].set_pending(number)
        return number

    def bind_ipi(self, caller: int, vcpu: int) -> int:
        """A port to the domain itself."""
        return -ENOENT if vcpu else self._make(caller, Port(IPI))

    def bind_virq(self, caller: int, virq: int, vcpu: int) -> int:
        """A port for an interrupt."""
        if virq >= VIRQS or (vcpu and virq not in PER_VCPU):
            return -EINVAL
        if vcpu:
            return -ENOENT
        if self.domains[caller].virq_port(virq):
            return -EEXIST
        return self._make(caller, Port(VIRQ, virq=virq))

    def bind_vcpu(self, caller: int, port: int, vcpu: int) -> int:
        """Move a port to a vcpu."""
        if vcpu:
            return -ENOENT
        found = self.domains[caller].ports.get(port)
        fixed = found is None or found.state == IPI or (found.state == VIRQ and found.virq in PER_VCPU)
        return -EINVAL if fixed else 0

    def close(self, caller: int, port: int) -> int:
        """Give a port up; the other end waits for the caller again."""
        domain = self.domains[caller]
        found = domain.ports.pop(port, None)
        if found is None:
            return -EINVAL
        if found.state == INTERDOMAIN:
            self.domains[found.dom].ports[found.port] = Port(UNBOUND, dom=caller)
        domain.pending.discard(port)
        domain.owed.discard(port)
        return 0

    def reset(self, caller: int) -> int:
        """Close all ports."""
        for port in list(self.domains[caller].ports):
            self.close(caller, port)
        return 0

    def send(self, caller: int, port: int) -> int:
        """An event for the other end."""
        found = self.domains[caller].ports.get(port)
        if found is None or found.state == VIRQ:
            return -EINVAL
        if found.state == INTERDOMAIN:
            self.domains[found.dom].set_pending(found.port)
        elif found.state == IPI:
            self.domains[caller].set_pending(port)
        return 0

    def unmask(self, caller: int, port: int) -> int:
        """Let events of a port through."""
        if port >= PORTS:
            return -EINVAL
        domain = self.domains[caller]
        if port in domain.masked:
            domain.masked.discard(port)
            if port in domain.pending:
                domain.select(port)
        return 0

    def virq(self, number: int, virq: int) -> None:
        """An interrupt happens."""
        if port := self.domains[number].virq_port(virq):
            self.domains[number].set_pending(port)

    def end(self, number: int) -> None:
        """A domain ends, and then nothing is left of it; domain 0 is told both times."""
        self.virq(0, DOM_EXC)
        self.reset(number)
        del self.domains[number]
        self.virq(0, DOM_EXC)

    def _make(self, caller: int, port: Port) -> int:
        number = self.domains[caller].free()
        if number > 0:
            self.domains[caller].ports[number] = port
        return number
