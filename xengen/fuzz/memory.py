"""Operations of memory_op: more memory, less, other memory (ABI 8).

Invariants
  - Which frames a domain gets is the hypervisor's choice: the model learns it from the array that the call fills, and
    holds against it that they were nobody's, lie as asked, and are zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from xengen.abi.memory import XenMemoryExchange as MemoryExchange
from xengen.abi.memory import XenMemoryReservation as MemoryReservation
from xengen.agent.names import DOMID_SELF, EINVAL, ENOMEM, EPERM, value
from xengen.fuzz.calls import OK, UNTOUCHED, Call, Prepared, words
from xengen.fuzz.contents import ENTRIES
from xengen.fuzz.frame import Frame, Refused
from xengen.fuzz.places import Place
from xengen.fuzz.world import Failure, World

HIGHEST_ORDER = 9
PAGE_BITS = 12
PLENTY = 4096  # with so many free frames there is surely an extent of the highest order
FIRST_PFN = 0x4000  # where populate_physmap puts what it is asked for


@dataclass(frozen=True)
class Increase(Call):
    """increase_reservation or, with `populate`, populate_physmap. bits: the greatest address, 0 for any."""

    count: int
    order: int = 0
    populate: bool = False
    bits: int = 0
    owner: int = DOMID_SELF

    allocates: ClassVar[bool] = True

    def prepare(self, world: World, domain: int) -> Prepared:
        """See Call."""
        agent, model = world.agents[domain], world.model
        pfns = [FIRST_PFN + (index << min(self.order, HIGHEST_ORDER)) for index in range(self.count)]
        array = agent.put(pfns if self.populate else [UNTOUCHED] * self.count) if self.count else 0
        name = "XENMEM_populate_physmap" if self.populate else "XENMEM_increase_reservation"
        argument = agent.put(MemoryReservation(array, self.count, self.order, self.bits, self.owner))
        arguments = (value(name), argument)
        try:
            owner = model.named(domain, self.owner)
        except Refused:
            return Prepared("memory_op", arguments)
        if self.order > HIGHEST_ORDER or 0 < self.bits <= PAGE_BITS:
            return Prepared("memory_op", arguments)
        room = max(0, model.domains[owner].most_pages - model.pages(owner)) >> self.order
        most = min(self.count, room)
        sure = not self.bits and int(world.hypervisor.free.sum()) - (self.count << self.order) > PLENTY
        expected = frozenset({most} if sure else range(most + 1))
        finish = partial(self._finish, world, domain, owner, array)
        return Prepared("memory_op", arguments, expected, finish)

    def _finish(self, world: World, domain: int, owner: int, array: int, done: int) -> None:
        for index, first in enumerate(words(world.agents[domain], array, done)):
            take(world, owner, first, self.order, self.bits)
            for offset in range(1 << self.order if self.populate else 0):
                world.model.m2p[first + offset] = FIRST_PFN + (index << self.order) + offset


@dataclass(frozen=True)
class Decrease(Call):
    """decrease_reservation."""

    places: tuple[Place, ...]
    order: int = 0
    owner: int = DOMID_SELF

    def prepare(self, world: World, domain: int) -> Prepared:
        """See Call."""
        agent, frames = world.agents[domain], world.model.frames
        firsts = [world.mfn(place) for place in self.places]
        argument = agent.put(MemoryReservation(agent.put(firsts), len(firsts), self.order, 0, self.owner))
        arguments = (value("XENMEM_decrease_reservation"), argument)
        try:
            owner = world.model.named(domain, self.owner)
        except Refused:
            return Prepared("memory_op", arguments)
        if self.order > HIGHEST_ORDER:
            return Prepared("memory_op", arguments)
        done = 0
        for first in firsts:
            for mfn in range(first, first + (1 << self.order)):
                if not frames.owned_by(mfn, owner) or not frames[mfn].allocated:
                    return Prepared("memory_op", arguments, frozenset({done}))
                frames.give_up(mfn)
            done += 1
        return Prepared("memory_op", arguments, frozenset({done}))


@dataclass(frozen=True)
class Exchange(Call):
    """exchange: the extents that begin at `places` for `count` others."""

    places: tuple[Place, ...]
    order: int = 0
    count: int = 1
    new_order: int = 0
    owner: int = DOMID_SELF

    allocates: ClassVar[bool] = True

    def prepare(self, world: World, domain: int) -> Prepared | None:
        """See Call."""
        agent = world.agents[domain]
        firsts = [world.mfn(place) for place in self.places]
        if self._depends(world, firsts):
            return None
        pfns = [FIRST_PFN + (index << self.new_order) for index in range(self.count)]
        given = MemoryReservation(agent.put(firsts), len(firsts), self.order, 0, self.owner)
        array = agent.put(pfns)
        wanted = MemoryReservation(array, self.count, self.new_order, 0, self.owner)
        argument = agent.put(MemoryExchange(given, wanted, 0))
        arguments = (value("XENMEM_exchange"), argument)
        expected, chunks, owner = self._predict(world, domain, firsts)
        finish = partial(self._finish, world, domain, owner, array, argument, chunks)
        return Prepared("memory_op", arguments, expected, finish)

    def _depends(self, world: World, firsts: list[int]) -> bool:
        """Whether the result depends on which frames the first chunks are exchanged for."""
        free = any(world.model.frames.hardware.is_ram(mfn) and mfn not in world.model.frames for mfn in firsts)
        return len(firsts) > 1 and (free or len(set(firsts)) < len(firsts))

    def _predict(self, world: World, domain: int, firsts: list[int]) -> tuple[frozenset[int], int, int]:
        """Have the model give the old frames up; return the results, how many chunks are exchanged, and whose."""
        if max(self.order, self.new_order) > HIGHEST_ORDER:
            return frozenset({-EPERM}), 0, domain
        if len(firsts) << self.order != self.count << self.new_order:
            return frozenset({-EINVAL}), 0, domain
        try:
            owner = world.model.named(domain, self.owner)
        except Refused as refused:
            return refused.codes, 0, domain
        frames = world.model.frames
        extents = 1 << max(0, self.new_order - self.order)
        for chunk in range(len(firsts) // extents):
            old = [
                mfn
                for first in firsts[chunk * extents : (chunk + 1) * extents]
                for mfn in range(first, first + (1 << self.order))
            ]
            if len(set(old)) < len(old) or not all(_only_allocated(frames.get(mfn), owner) for mfn in old):
                return frozenset({-EINVAL}), chunk, owner
            for mfn in old:
                frames.give_up(mfn)
        return OK, len(firsts) // extents, owner

    def _finish(
        self, world: World, domain: int, owner: int, array: int, argument: int, chunks: int, result: int
    ) -> None:
        agent = world.agents[domain]
        extents = max(1, (1 << self.new_order) >> self.order)
        done = MemoryExchange.from_buffer_copy(agent.space.read_linear(argument, 44)).nr_exchanged
        if done != chunks * extents:
            raise Failure(f"{done} extents are said to be exchanged, not {chunks * extents}")
        new = chunks * max(1, (1 << self.order) >> self.new_order)
        found = words(agent, array, self.count)
        for index, first in enumerate(found[:new]):
            take(world, owner, first, self.new_order)
            for offset in range(1 << self.new_order):
                world.model.m2p[first + offset] = FIRST_PFN + (index << self.new_order) + offset
        untouched = [FIRST_PFN + (index << self.new_order) for index in range(new, self.count)]
        if found[new:] != untouched:
            raise Failure(f"elements that were not exchanged are {found[new:]}, not {untouched}")


def take(world: World, owner: int, first: int, order: int, bits: int = 0) -> None:
    """A domain was given an extent: see that it could be, and have the model know."""
    if first % (1 << order):
        raise Failure(f"an extent of order {order} begins at frame {first:#x}")
    if bits and first + (1 << order) > 1 << bits - PAGE_BITS:
        raise Failure(f"an extent below {bits} bits begins at frame {first:#x}, order {order}")
    for mfn in range(first, first + (1 << order)):
        if mfn in world.model.frames:
            raise Failure(f"frame {mfn:#x} was given away, but it is domain {world.model.frames[mfn].owner}'s")
        if world.contents.now(mfn) != [0] * ENTRIES:
            raise Failure(f"frame {mfn:#x} was given to domain {owner} with something in it")
        world.model.frames.add(mfn, Frame(owner))
    if order <= 2:
        world.extra[owner].append(first)


def _only_allocated(frame: Frame | None, owner: int) -> bool:
    return frame is not None and frame.owner == owner and frame.allocated and not frame.references and not frame.uses


__all__ = ["ENOMEM", "Decrease", "Exchange", "Increase"]
