"""What the tests of event channels are written with: each operation as a function, and a domain's bits as sets.

Invariants
  - A function that makes a port returns it, and asserts that it was made; the others return what the hypercall did.
  - Behind a test that has taken `ends` no port of its domains is in use, and no bit is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import Structure, addressof, memset
from dataclasses import dataclass

import pytest

from xengen.abi.event import (
    EvtchnAllocUnbound,
    EvtchnBindInterdomain,
    EvtchnBindIpi,
    EvtchnBindVcpu,
    EvtchnBindVirq,
    EvtchnClose,
    EvtchnReset,
    EvtchnSend,
    EvtchnStatus,
    EvtchnUnmask,
)
from xengen.abi.hypervisor import Domain
from xengen.abi.shared import SharedInfo
from xengen.agent.agent import Agent
from xengen.agent.names import DOMID_SELF, value
from xengen.agent.outcome import Result
from xengen.inspect.live import hypervisor_of

CLOSED, UNBOUND, INTERDOMAIN, VIRQ, IPI = (
    value(f"EVTCHNSTAT_{name}") for name in ("closed", "unbound", "interdomain", "virq", "ipi")
)
PORTS = value("EVTCHN_2L_NR_CHANNELS")
ENOSPC, EEXIST = value("ENOSPC"), value("EEXIST")


def operate(agent: Agent, name: str, argument: Structure | int | None) -> Result:
    """Make one operation."""
    return agent.hypercall("event_channel_op", value(f"EVTCHNOP_{name}"), argument)


def alloc_unbound(agent: Agent, remote: int, dom: int = DOMID_SELF) -> int:
    """Make a port that `remote` may bind to."""
    argument = EvtchnAllocUnbound(dom, remote)
    assert operate(agent, "alloc_unbound", argument) == 0
    return int(argument.port)


def bind_interdomain(agent: Agent, remote: int, port: int) -> int:
    """Make a port whose other end is `port` of domain `remote`."""
    argument = EvtchnBindInterdomain(remote, 0, port)
    assert operate(agent, "bind_interdomain", argument) == 0
    return int(argument.local_port)


def bind_virq(agent: Agent, name: str) -> int:
    """Make a port for a virtual interrupt."""
    argument = EvtchnBindVirq(value(f"VIRQ_{name}"))
    assert operate(agent, "bind_virq", argument) == 0
    return int(argument.port)


def bind_ipi(agent: Agent) -> int:
    """Make a port to the domain itself."""
    argument = EvtchnBindIpi()
    assert operate(agent, "bind_ipi", argument) == 0
    return int(argument.port)


def channel(first: Agent, second: Agent) -> tuple[int, int]:
    """Make a channel between two domains and return both ports; no event is on either."""
    there = alloc_unbound(first, second.domain)
    here = bind_interdomain(second, first.domain, there)
    quiet(second)
    return there, here


def send(agent: Agent, port: int) -> Result:
    """Send an event."""
    return operate(agent, "send", EvtchnSend(port))


def unmask(agent: Agent, port: int) -> Result:
    """Unmask a port."""
    return operate(agent, "unmask", EvtchnUnmask(port))


def close(agent: Agent, port: int) -> Result:
    """Close a port."""
    return operate(agent, "close", EvtchnClose(port))


def bind_vcpu(agent: Agent, port: int, vcpu: int = 0) -> Result:
    """Move a port to a vcpu."""
    return operate(agent, "bind_vcpu", EvtchnBindVcpu(port, vcpu))


def reset(agent: Agent, dom: int = DOMID_SELF) -> Result:
    """Close all ports of a domain."""
    return operate(agent, "reset", EvtchnReset(dom))


@dataclass(frozen=True)
class Status:
    """What a port is: its state, and the domain, port or interrupt that goes with it."""

    state: int
    dom: int | None = None
    port: int | None = None
    virq: int | None = None


def status(agent: Agent, port: int, dom: int = DOMID_SELF) -> Status:
    """Ask what a port is."""
    argument = EvtchnStatus(dom, 0, port, vcpu=77)
    assert operate(agent, "status", argument) == 0
    assert argument.vcpu == 0
    state = int(argument.status)
    return Status(
        state,
        argument.u.unbound.dom if state in (UNBOUND, INTERDOMAIN) else None,
        argument.u.interdomain.port if state == INTERDOMAIN else None,
        argument.u.virq if state == VIRQ else None,
    )


def bits(words: object) -> set[int]:
    """The numbers of the bits that are set in an array of words."""
    whole = int.from_bytes(bytes(words), "little")  # type: ignore[call-overload]
    return {number for number in range(whole.bit_length()) if whole >> number & 1}


def pending(agent: Agent) -> set[int]:
    """The ports with an event."""
    return bits(agent.shared_info.evtchn_pending)


def selected(agent: Agent) -> set[int]:
    """The words that the vcpu is to look at."""
    return bits(agent.shared_info.vcpu_info[0].evtchn_pending_sel.to_bytes(4, "little"))


def upcall(agent: Agent) -> bool:
    """Whether an upcall is due."""
    return bool(agent.shared_info.vcpu_info[0].evtchn_upcall_pending)


def mask(agent: Agent, *ports: int) -> None:
    """Mask ports, as a guest does: in memory."""
    for port in ports:
        agent.shared_info.evtchn_mask[port // 32] |= 1 << port % 32


def quiet(agent: Agent) -> None:
    """Take back all bits of events, and mask the upcall."""
    shared = agent.shared_info
    start = SharedInfo.evtchn_pending.offset
    memset(addressof(shared) + start, 0, SharedInfo.evtchn_mask.offset + SharedInfo.evtchn_mask.size - start)
    shared.vcpu_info[0].evtchn_pending_sel = 0
    shared.vcpu_info[0].evtchn_upcall_pending = 0
    shared.vcpu_info[0].evtchn_upcall_mask = 1


def record(agent: Agent) -> Domain:
    """What the hypervisor holds of the agent's domain."""
    (found,) = (domain for domain in hypervisor_of(agent.machine).domains() if domain.id == agent.domain)
    return found.record


def address(agent: Agent) -> int:
    """Where the hypervisor has the DOMAIN of the agent's domain."""
    (found,) = (domain for domain in hypervisor_of(agent.machine).domains() if domain.id == agent.domain)
    return found.address


@pytest.fixture
def ends(two_agents: tuple[Agent, Agent]) -> Iterator[tuple[Agent, Agent]]:
    """The agents of domains 0 and 1, which have no ports."""
    for agent in two_agents:
        clear(agent)
    yield two_agents
    for agent in two_agents:
        clear(agent)


def clear(agent: Agent) -> None:
    """Close all ports of an agent and take back all bits."""
    assert reset(agent) == 0
    quiet(agent)
