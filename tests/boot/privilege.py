"""I/O privilege for tests: what a vcpu may do with ports, for as long as a block lasts.

Invariants
  - Behind every block the vcpu is as the domain builder made it: no privilege, no bitmap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xengen.abi.physdev import PhysdevSetIobitmap, PhysdevSetIopl
from xengen.agent.agent import Agent, Outcome
from xengen.agent.names import GP, value
from xengen.agent.outcome import Fault

REFUSED = Fault(GP, 0)


@contextmanager
def iopl(agent: Agent, level: int) -> Iterator[None]:
    """Inside the block the virtual IOPL is `level`."""
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iopl"), PhysdevSetIopl(level)) == 0
    yield
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iopl"), PhysdevSetIopl(0)) == 0


@contextmanager
def bitmap(agent: Agent, address: int, ports: int) -> Iterator[None]:
    """Inside the block the guest's I/O bitmap is there."""
    argument = PhysdevSetIobitmap(address, ports)
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iobitmap"), argument) == 0
    yield
    assert agent.hypercall("physdev_op", value("PHYSDEVOP_set_iobitmap"), PhysdevSetIobitmap()) == 0


def run(agent: Agent, ring: int, text: str, **registers: int) -> Outcome:
    """Run a snippet in ring 1 or ring 3."""
    return agent.ring1(text, **registers) if ring == 1 else agent.ring3(text, **registers)


def is_refused(outcome: Outcome) -> bool:
    """Whether it was a protection fault with error code 0."""
    return outcome == REFUSED
