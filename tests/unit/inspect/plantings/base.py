"""One broken rule each: what is done to a consistent memory, and what the checker must say about it.

Invariants
  - A planting breaks one rule only: counts and records are kept right where they are not what is broken.
  - What is expected is the rule, and of one of its violations the frame, the domain, the path, and words of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.inspect.image_memory import ABI
from tests.unit.inspect.synthetic import Guest, Synthetic
from xengen.inspect.violation import Rule


@dataclass
class World:
    """A machine with a privileged domain 0, and domain 1 whose M2P is at the alias."""

    machine: Synthetic
    zero: Guest
    one: Guest


@dataclass(frozen=True)
class Expected:
    """What a violation must say."""

    rule: Rule
    frame: int | None = None
    domain: int | None = None
    path: str = ""
    text: str = ""


@dataclass(frozen=True)
class Planting:
    """A way to break a rule, with a name that reads after "the checker finds"."""

    name: str
    break_it: Callable[[World], Expected]


def make_world() -> World:
    """Return a consistent world."""
    machine = Synthetic()
    zero = machine.add_domain(0, flags=ABI["DOMAIN_PRIVILEGED"])
    return World(machine, zero, machine.add_domain(1, virt_start=ABI["M2P_ALIAS"]))


def way(guest: Guest, *, index: int, top: bool = False) -> str:
    """The path to an entry of the L1 in entry 0 of slot 0, or of slot 3."""
    if top:
        return f"L3 {guest.l3:#x}[3] -> L2 {guest.l2_reserved:#x}[0] -> L1 {guest.top_l1:#x}[{index}]"
    return f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[0] -> L1 {guest.l1:#x}[{index}]"
