"""What the tests of memory_op have in common: frames to give away, reservations, and the records of both.

Invariants
  - The frames that are given away are ones behind the initial mapping: the domain owns them, and nothing maps them.
  - No two tests on one machine get the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from weakref import WeakKeyDictionary

from xengen.abi.hypervisor import Domain
from xengen.abi.memory import (
    XenMemoryReservation,
)
from xengen.agent.agent import Agent
from xengen.agent.names import (
    DOMID_SELF,
    value,
)
from xengen.inspect.live import hypervisor_of

NOWHERE = 0xDEAD0000
INVALID = value("INVALID_M2P_ENTRY")
FIRST_SPARE_PFN = 1024  # the initial mapping of the agent is 4 MB
_spare: WeakKeyDictionary[Agent, Iterator[int]] = WeakKeyDictionary()


def spare_pfns(agent: Agent, number: int) -> list[int]:
    """Take `number` pfns whose frames no test has used."""
    source = _spare.setdefault(agent, count(FIRST_SPARE_PFN))
    return [next(source) for _ in range(number)]


def spare_mfns(agent: Agent, number: int) -> list[int]:
    """Take that many of the domain's frames, mapped by nobody."""
    return [agent.mfn(pfn) for pfn in spare_pfns(agent, number)]


def record(agent: Agent) -> Domain:
    """What the hypervisor itself holds of the agent's domain."""
    return hypervisor_of(agent.machine).domains()[agent.domain].record


def m2p(agent: Agent, mfn: int) -> int:
    """The M2P entry of a frame, as the guest reads it."""
    return int.from_bytes(agent.read(value("MACH2PHYS_VIRT_START_PAE") + 4 * mfn, 4), "little")


def memory_op(agent: Agent, command: str, argument: object, start: int = 0) -> int:
    """memory_op XENMEM_command, from extent `start` on."""
    return agent.hypercall("memory_op", value(f"XENMEM_{command}") | start << 6, argument)  # type: ignore[arg-type]


def reservation(
    agent: Agent,
    extents: Sequence[int] | int,
    *,
    order: int = 0,
    flags: int = 0,
    domid: int = DOMID_SELF,
    size: int = -1,
) -> XenMemoryReservation:
    """A reservation of these extents, or of the array at an address, of `size` elements."""
    address = extents if isinstance(extents, int) else agent.put(extents)
    number = size if isinstance(extents, int) or size >= 0 else len(extents)
    return XenMemoryReservation(address, number, order, flags, domid)


def array(agent: Agent, argument: XenMemoryReservation) -> list[int]:
    """The extents of a reservation as they are in the guest's memory."""
    data = agent.space.read(argument.extent_start, 4 * argument.nr_extents)
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def take(agent: Agent, pfns: Sequence[int], order: int = 0) -> list[int]:
    """Populate pfns; return the frames."""
    argument = reservation(agent, pfns, order=order)
    assert memory_op(agent, "populate_physmap", argument) == len(pfns)
    return array(agent, argument)


def give(agent: Agent, mfns: Sequence[int], order: int = 0) -> int:
    """Decrease the reservation by frames; return how many extents were done."""
    return memory_op(agent, "decrease_reservation", reservation(agent, mfns, order=order))


def free_an_extent(agent: Agent, order: int) -> None:
    """Give back so many neighbouring frames that an aligned extent of that order is among them."""
    mfns = spare_mfns(agent, (2 << order) - 1)
    assert mfns == list(range(mfns[0], mfns[0] + len(mfns)))
    assert give(agent, mfns) == len(mfns)
