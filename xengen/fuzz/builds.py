"""Operations that make tables ready to be used: what random stores alone would hardly ever come to.

Invariants
  - They write only into frames that the domain could write itself: of its own, and no table at the moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from xengen.agent.names import PTE_A, PTE_P, PTE_RW, UVMF_INVLPG
from xengen.fuzz.calls import SKIPPED, Hypercall, named
from xengen.fuzz.contents import ENTRIES, PAGE
from xengen.fuzz.frame import Kind, Refused
from xengen.fuzz.frames import LOW_FRAME
from xengen.fuzz.mmu import Extend, MmuExtended
from xengen.fuzz.places import Pool, Value
from xengen.fuzz.world import Failure, World
from xengen.inspect import layout


@dataclass(frozen=True)
class Write:
    """A domain fills one of its spare pages with entries; the others become zero.

    writable: how it leaves it mapped. then: a command of mmuext_op that follows, such as a pin.
    """

    domain: int
    index: int
    entries: tuple[tuple[int, Value], ...] = ()
    writable: bool = False
    then: int | None = None

    def run(self, world: World) -> str:
        """Do it."""
        content = [0] * ENTRIES
        for index, what in self.entries:
            content[index] = world.value(what)
        result = fill(world, self.domain, self.index, content, writable=self.writable)
        return follow(world, self.domain, self.index, self.then, result)


@dataclass(frozen=True)
class BuildBase:
    """A domain makes an L3 and an L2 for its slot 3 that map what its own do, but for some slots of the L3."""

    domain: int
    l3: int
    l2: int
    slots: tuple[tuple[int, Value], ...] = ()
    then: int | None = None

    def run(self, world: World) -> str:
        """Do it."""
        if world.agent(self.domain) is None:
            return SKIPPED
        base = world.model.domains[self.domain].base
        content = list(world.contents.page(base))
        top = list(world.contents.page((content[3] & LOW_FRAME) >> 12)[: layout.ALIAS_L2_FIRST])
        first = fill(world, self.domain, self.l2, top + [0] * (ENTRIES - len(top)))
        content[3] = world.spare(self.domain, self.l2).mfn << 12 | PTE_P
        for slot, what in self.slots:
            content[slot] = world.value(what)
        second = fill(world, self.domain, self.l3, content)
        ready = "ready" if first == second == "read-only" else "not ready"
        return follow(world, self.domain, self.l3, self.then, ready)


def follow(world: World, domain: int, index: int, command: int | None, result: str) -> str:
    """Do a command of mmuext_op with the page that has been filled, and return what came of both."""
    if command is None or result == SKIPPED:
        return result
    world.settle()
    operation = Extend(command, Pool(domain, index))
    return f"{result}, {Hypercall(domain, MmuExtended((operation,))).run(world)}"


def fill(world: World, domain: int, index: int, content: list[int], *, writable: bool = False) -> str:
    """Write a spare page of a domain, if it is one that the domain can write, and map it read-only or not."""
    agent = world.agent(domain)
    page = None if agent is None else world.spare(domain, index)
    frame = None if page is None else world.model.frames.get(page.mfn)
    if agent is None or page is None or frame is None or frame.owner != domain:
        return SKIPPED
    if frame.uses and frame.kind != Kind.WRITABLE:
        return "a table"
    world.machine.memory.write(page.mfn * PAGE, b"".join(entry.to_bytes(8, "little") for entry in content))
    world.contents.fill(page.mfn, content)
    entry = page.mfn << 12 | PTE_P | PTE_A | (PTE_RW if writable else 0)
    expected = frozenset({0})
    try:
        world.model.map(domain, page.va, entry, domain)
    except Refused as refused:
        expected = refused.codes
    result = int(agent.map(page.va, entry, UVMF_INVLPG))
    if result not in expected:
        raise Failure(f"update_va_mapping returned {named(result)}, not one of {set(expected)}")
    return "writable" if writable else "read-only" if result == 0 else named(result)
