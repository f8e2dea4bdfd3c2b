"""What a guest does about events by itself, done for the agent; and what the hypervisor has on record of its ports.

Invariants
  - The order is a kernel's: the upcall's flag first, then the selector, then each word.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.boot.event_ports import bits
from tests.model.event_model import INTERDOMAIN, UNBOUND, VIRQ, Port
from xengen.agent.agent import Agent
from xengen.inspect.events import ports_of
from xengen.inspect.views import Domain, Hypervisor

OPEN = "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
SHUT = "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
CALL = "movl $HYPERCALL_{}, %eax\nint $0x82\n"
NULL = "xorl %ebx, %ebx\n" + CALL.format("xen_version")
SEND = "movl $EVTCHNOP_send, %ebx\n" + CALL.format("event_channel_op")
BLOCK = "movl $SCHEDOP_block, %ebx\n" + CALL.format("sched_op")


def consume(agent: Agent) -> set[int]:
    """Take the events as an upcall does: those of the selected words that are not masked. Return their ports."""
    shared = agent.shared_info
    vcpu = shared.vcpu_info[0]
    vcpu.evtchn_upcall_pending = 0
    words, vcpu.evtchn_pending_sel = vcpu.evtchn_pending_sel, 0
    heard: set[int] = set()
    for word in bits(words.to_bytes(4, "little")):
        taken = shared.evtchn_pending[word] & ~shared.evtchn_mask[word]
        shared.evtchn_pending[word] &= ~taken
        heard |= {32 * word + bit for bit in bits(taken.to_bytes(4, "little"))}
    return heard


def unmask_alone(agent: Agent, port: int) -> None:
    """Unmask a port without a hypercall: who finds it pending sets selector and upcall itself."""
    shared = agent.shared_info
    shared.evtchn_mask[port // 32] &= ~(1 << port % 32)
    if shared.evtchn_pending[port // 32] >> port % 32 & 1:
        vcpu = shared.vcpu_info[0]
        if not vcpu.evtchn_pending_sel >> port // 32 & 1:
            vcpu.evtchn_pending_sel |= 1 << port // 32
            vcpu.evtchn_upcall_pending = 1


def ports_found(hypervisor: Hypervisor, domain: Domain, numbers: Mapping[int, int]) -> dict[int, Port]:
    """Return the ports in use by the hypervisor's records. `numbers`: of the domains, by their addresses."""
    found: dict[int, Port] = {}
    for port, record in ports_of(hypervisor, domain).items():
        if record.state == INTERDOMAIN:
            found[port] = Port(record.state, numbers[record.remote], record.remote_port)
        elif record.state:
            dom = record.remote if record.state == UNBOUND else 0
            found[port] = Port(record.state, dom, virq=record.virq if record.state == VIRQ else 0)
    return found
