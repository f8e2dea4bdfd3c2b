"""What the tests of hypercalls have in common: pointers that are no good, and the hypervisor's own view of a vcpu.

Invariants
  - No guest can read or write at any of BAD_POINTERS.
"""

from __future__ import annotations

from xengen.abi.hypervisor import Vcpu
from xengen.agent.agent import Agent
from xengen.agent.names import HV_PRIVATE_START
from xengen.inspect.live import hypervisor_of

NOWHERE = 0xDEAD0000
BAD_POINTERS = {
    "null": 0,
    "an address without a page": NOWHERE,
    "the hypervisor's first private byte": HV_PRIVATE_START,
    "the hypervisor's text": 0xFC900000,
    "the last bytes of the address space": 0xFFFFFFFC,
}

PENDING_AND_UNMASKED = (
    "movb $1, agent_shared_info + VCPU_INFO_evtchn_upcall_pending\n"
    "movb $0, agent_shared_info + VCPU_INFO_evtchn_upcall_mask\n"
)


def vcpu(agent: Agent) -> Vcpu:
    """What the hypervisor itself holds of the agent's vcpu."""
    found = hypervisor_of(agent.machine).domains()[agent.domain].vcpu
    assert found is not None
    return found.record


def traps_of(agent: Agent) -> dict[int, tuple[int, int, int]]:
    """(flags, cs, address) of each vector that has a handler, by the hypervisor's own account."""
    return {
        vector: (trap.flags, trap.cs, trap.address)
        for vector, trap in enumerate(vcpu(agent).traps)
        if trap.cs or trap.address
    }
