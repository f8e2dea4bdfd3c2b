"""Agents and the model of their event channels: each operation is done by both, and what comes of it is compared.

Invariants
  - Behind each step the ports and bits of every domain are what the model says, read from the hypervisor's records and
    from the shared pages.
  - A guest masks, unmasks and takes events in its own memory, as kernels do; Python does it for the agent, which never
    does so itself. The upcall itself is real: it comes on the way out of a hypercall of the agent's.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ctypes import Structure

from tests.boot import event_ports
from tests.model.event_guest import BLOCK, NULL, OPEN, SEND, SHUT, consume, ports_found, unmask_alone
from tests.model.event_model import INTERDOMAIN, IPI, UNBOUND, Model, Port
from xengen.abi.event import (
    EvtchnAllocUnbound,
    EvtchnBindInterdomain,
    EvtchnBindIpi,
    EvtchnBindVcpu,
    EvtchnBindVirq,
    EvtchnClose,
    EvtchnSend,
    EvtchnUnmask,
)
from xengen.abi.sched import SchedPoll, SchedShutdown
from xengen.agent.agent import Agent, completed
from xengen.agent.mailbox import DomainDied
from xengen.agent.names import DOMID_SELF, value
from xengen.agent.outcome import EVENT
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.machine.machine import Machine

PATIENCE = 5.0
WILD = 64
NUMBERS = (0, 40, 1023, 1024, 0xFFFFFFFF)
FILLER = Port(UNBOUND, dom=99)
BLOCKED = value("RUNSTATE_blocked")


class Difference(AssertionError):
    """The hypervisor and the model do not agree."""


class EventWorld:
    """`count` agents on a machine, none of which has a port in use. `outcomes`: how often what came of which step."""

    def __init__(self, machine: Machine, count: int) -> None:
        self.machine = machine
        self.agents = {number: Agent(machine, number, alone=False) for number in range(count)}
        self.outcomes: Counter[str] = Counter()
        self._sleepers = ThreadPoolExecutor(1)
        self.begin()

    def begin(self) -> None:
        """Close all ports and take back all bits."""
        for agent in self.agents.values():
            event_ports.clear(agent)
        self.model = Model(len(self.agents))

    def close(self) -> None:
        """Let go of the agents."""
        self._sleepers.shutdown()
        for agent in self.agents.values():
            agent.close()

    def port(self, pick: int, *states: int) -> tuple[int, int]:
        """The domain and port that a pick means: below WILD one in use, in one of `states` if there is such a port."""
        if pick >= WILD:
            return (pick - WILD) % len(self.model.domains), NUMBERS[(pick - WILD) % len(NUMBERS)]
        used = [
            (domain, number, port.state)
            for domain, model in sorted(self.model.domains.items())
            for number, port in sorted(model.ports.items())
            if port != FILLER
        ]
        found = [(domain, number) for domain, number, state in used if state in states or not states] or used
        return found[pick % len(found)][:2] if found else (0, 0)

    # Operations.

    def answered(self, domain: int, name: str, argument: Structure, expected: int, field: str | None = None) -> None:
        """Make an operation whose answer, the new port or an error, is known."""
        found = int(event_ports.operate(self.agents[domain], name, argument))
        if found == 0 and field is not None:
            found = getattr(argument, field)
        self.same(f"the answer of {name}", found, expected)
        self.outcomes[f"{name} {min(expected, 1)}"] += 1

    def alloc_unbound(self, domain: int, remote: int) -> None:
        """Make a port that waits."""
        expected = self.model.alloc_unbound(domain, remote)
        self.answered(domain, "alloc_unbound", EvtchnAllocUnbound(DOMID_SELF, remote), expected, "port")

    def fill(self, domain: int, count: int) -> None:
        """Use up ports, so that those that follow are in other words."""
        wanted = [EvtchnAllocUnbound(DOMID_SELF, FILLER.dom) for _ in range(count)]
        calls = [("event_channel_op", value("EVTCHNOP_alloc_unbound"), argument) for argument in wanted]
        expected = [self.model.alloc_unbound(domain, FILLER.dom) for _ in wanted]
        results = self.agents[domain].batch(calls)
        found = [argument.port if result == 0 else result for argument, result in zip(wanted, results, strict=True)]
        self.same("the new ports", found, expected)

    def connect(self, domain: int, remote: int) -> None:
        """Make a channel."""
        if remote in self.model.domains:
            self.alloc_unbound(domain, remote)
            self.bind_interdomain(remote, domain, 0)

    def bind_interdomain(self, domain: int, remote: int, pick: int) -> None:
        """Bind to a port of another domain, preferably to one that waits for us."""
        waiting = sorted(
            number
            for number, port in (self.model.domains[remote].ports if remote in self.model.domains else {}).items()
            if port == Port(UNBOUND, dom=domain)
        )
        number = waiting[pick % len(waiting)] if waiting and pick < WILD else NUMBERS[pick % len(NUMBERS)]
        expected = self.model.bind_interdomain(domain, remote, number)
        argument = EvtchnBindInterdomain(remote, 0, number)
        self.answered(domain, "bind_interdomain", argument, expected, "local_port")

    def bind_ipi(self, domain: int, vcpu: int) -> None:
        """Make a port to the domain itself."""
        self.answered(domain, "bind_ipi", EvtchnBindIpi(vcpu), self.model.bind_ipi(domain, vcpu), "port")

    def bind_virq(self, domain: int, virq: int, vcpu: int) -> None:
        """Make a port for an interrupt."""
        expected = self.model.bind_virq(domain, virq, vcpu)
        self.answered(domain, "bind_virq", EvtchnBindVirq(virq, vcpu), expected, "port")

    def bind_vcpu(self, pick: int, vcpu: int) -> None:
        """Move a port."""
        domain, port = self.port(pick)
        self.answered(domain, "bind_vcpu", EvtchnBindVcpu(port, vcpu), self.model.bind_vcpu(domain, port, vcpu))

    def close_port(self, pick: int) -> None:
        """Close a port."""
        domain, port = self.port(pick)
        self.answered(domain, "close", EvtchnClose(port), self.model.close(domain, port))

    def send(self, pick: int) -> None:
        """Send an event."""
        domain, port = self.port(pick, INTERDOMAIN, IPI)
        self.answered(domain, "send", EvtchnSend(port), self.model.send(domain, port))

    def unmask(self, pick: int) -> None:
        """Unmask a port by hypercall."""
        domain, port = self.port(pick)
        self.answered(domain, "unmask", EvtchnUnmask(port), self.model.unmask(domain, port))

    def reset(self, domain: int) -> None:
        """Close all ports."""
        self.same("the answer of reset", event_ports.reset(self.agents[domain]), self.model.reset(domain))

    # What a guest does by itself.

    def mask(self, pick: int) -> None:
        """Mask a port, in memory."""
        domain, port = self.port(pick)
        port %= 1024
        self.model.domains[domain].masked.add(port)
        event_ports.mask(self.agents[domain], port)

    def unmask_alone(self, pick: int) -> None:
        """Unmask a port without a hypercall: who finds it pending sets selector and upcall itself."""
        domain, port = self.port(pick)
        port %= 1024
        self.model.unmask(domain, port)
        unmask_alone(self.agents[domain], port)

    def let_in(self, domain: int) -> None:
        """Open events at a hypercall: the upcall comes exactly if something is to be heard, and all of it is heard."""
        completed(self.agents[domain].ring1(OPEN + NULL + SHUT))
        self.hear(domain)

    def send_open(self, pick: int) -> None:
        """Send with events open: what is due comes on the way out of this very call."""
        domain, port = self.port(pick, INTERDOMAIN, IPI)
        self.model.send(domain, port)
        agent = self.agents[domain]
        completed(agent.ring1(OPEN + SEND + SHUT, ecx=agent.put(EvtchnSend(port))))
        self.hear(domain)

    def sleep(self, pick: int, polls: bool) -> None:
        """A domain sleeps, and another one's event wakes it: by an upcall when it blocks, by the port when it polls."""
        ways = [
            (sender, number, port)
            for sender, model in sorted(self.model.domains.items())
            for number, port in sorted(model.ports.items())
            if port.state == INTERDOMAIN and port.dom != sender
        ]
        if not ways:
            return
        sender, port, way = ways[pick % len(ways)]
        domain, number = way.dom, way.port
        if not self._wakes(way, polls):
            self.let_in(domain)  # what it has not heard of yet
        if not self._wakes(way, polls):
            return
        agent = self.agents[domain]
        if polls:
            argument = SchedPoll(agent.put([number]), 1, 0)
            asleep = self._sleepers.submit(agent.hypercall, "sched_op", value("SCHEDOP_poll"), argument)
        else:
            asleep = self._sleepers.submit(lambda: completed(agent.ring1(BLOCK + SHUT)).result)
        self._await_sleep(domain)
        self.answered(sender, "send", EvtchnSend(port), self.model.send(sender, port))
        self._until(f"domain {domain} is woken", asleep.done)
        self.same("what sleeping was answered", asleep.result(), 0)
        self.outcomes["slept"] += 1
        if not polls:
            self.hear(domain)

    def hear(self, domain: int) -> None:
        """The agent had its events open a moment ago: what its guest heard is what it was owed."""
        model = self.model.domains[domain]
        due = model.owed - model.masked
        upcalls = [trap.vector for trap in self.agents[domain].traps]
        self.same("the upcalls", upcalls, [EVENT] if model.upcall else [])
        if not model.upcall:
            self.same("what is due without an upcall", due, set())
            return
        heard = consume(self.agents[domain])
        self.same("what is heard", heard, due)
        self.same("what the model hears", heard, model.consume())
        model.owed -= heard
        self.outcomes["heard"] += len(heard)

    def end(self, domain: int) -> None:
        """A domain ends; waits until nothing is left of it."""
        self.model.end(domain)
        agent = self.agents.pop(domain)
        with suppress(DomainDied):
            agent.hypercall("sched_op", value("SCHEDOP_shutdown"), SchedShutdown(value("SHUTDOWN_poweroff")))
        domains = hypervisor_of(self.machine).domains
        self._until(f"domain {domain} is gone", lambda: domain not in {one.id for one in domains()})
        agent.close()

    # Comparing.

    def compare(self) -> None:
        """Hold every domain's ports and bits against the model."""
        hypervisor = hypervisor_of(self.machine)
        domains = {domain.id: domain for domain in hypervisor.domains()}
        numbers = {domain.address: domain.id for domain in domains.values()}
        self.same("the domains", sorted(domains), sorted(self.model.domains))
        for number, model in self.model.domains.items():
            agent = self.agents[number]
            found = ports_found(hypervisor, domains[number], numbers)
            who = f" of domain {number}"
            self.same("the ports" + who, found, model.ports)
            self.same("the pending ports" + who, event_ports.pending(agent), model.pending)
            self.same("the masked ports" + who, event_ports.bits(agent.shared_info.evtchn_mask), model.masked)
            self.same("the selected words" + who, event_ports.selected(agent), model.selected)
            self.same("the upcall" + who, event_ports.upcall(agent), model.upcall)

    def finish(self) -> None:
        """The end of a run: every domain opens everything, and nothing is owed any more; the checker has its say."""
        for number, model in self.model.domains.items():
            for port in sorted(model.masked):
                self.answered(number, "unmask", EvtchnUnmask(port), self.model.unmask(number, port))
            self.let_in(number)
            self.same(f"what domain {number} is owed in the end", model.owed, set())
        self.compare()
        violations = check_machine(self.machine)
        self.same("what the checker says", [str(violation) for violation in violations], [])

    def same(self, what: str, found: object, expected: object) -> None:
        """Raise when the hypervisor does not do what the model says."""
        if found != expected:
            raise Difference(f"{what}: {found}, not {expected}")

    def _wakes(self, way: Port, polls: bool) -> bool:
        """Whether an event through a port wakes the domain at the other end when it sleeps."""
        model = self.model.domains[way.dom]
        if polls:
            return way.port not in model.pending
        known = {*model.pending, *model.masked}
        return not model.upcall and way.port not in known and way.port // 32 not in model.selected

    def _await_sleep(self, domain: int) -> None:
        def asleep() -> bool:
            vcpu = next(one.vcpu for one in hypervisor_of(self.machine).domains() if one.id == domain)
            return vcpu is not None and vcpu.record.runstate.state == BLOCKED

        self._until(f"domain {domain} sleeps", asleep)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise Difference(f"{what}: not within {PATIENCE:g} s")
            time.sleep(0.0005)
