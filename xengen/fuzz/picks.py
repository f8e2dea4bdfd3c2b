"""Frames, entries and numbers for operations, picked at random from the state of a world.

Invariants
  - Most picks are right for their use, as the model says, and a part of everything is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from xengen.agent.names import DOMID_SELF, PTE_P
from xengen.fuzz.frame import Frame, Kind, Refused
from xengen.fuzz.places import NOBODYS, OWN, Entry, Extra, Nobodys, Own, Place, Pool, Raw, Value
from xengen.fuzz.values import (
    BAD_VAS,
    FOREIGN,
    GOOD_DESCRIPTORS,
    ODD_DESCRIPTORS,
    ODD_ENTRIES,
    ODD_FLAGS,
    READABLE,
    VAS,
    WRITABLE,
)
from xengen.fuzz.world import POOL_PAGES, World

SEGMENTS = 4  # a use of a page beside the levels of tables
TABLES = {1: (Kind.L1,), 2: (Kind.L2, Kind.TOP), 3: (Kind.L3,), SEGMENTS: (Kind.SEGMENTS,), 0: (Kind.WRITABLE,)}
USUAL = {0: range(0, 4), 1: range(4, 7), 2: range(7, 11), 3: range(11, 14), SEGMENTS: range(14, 16)}


class _Undone(Refused):
    """Nothing is wrong: what was tried is to be undone."""


class Picks:
    """Picks with `random` from `world`; `favourite` is the domain that does more than the others."""

    def __init__(self, random: Random, world: World, favourite: int = 0) -> None:
        self._random = random
        self._world = world
        alive = [domain.id for domain in world.model.alive]
        # One domain does more than the others, so that it comes further within a run.
        self.domain = alive[favourite % len(alive)] if random.random() < 0.6 else random.choice(alive)

    def _often(self, probability: float) -> bool:
        return self._random.random() < probability

    def _frame(self, domain: int, index: int) -> Frame | None:
        return self._world.model.frames.get(self._world.spare(domain, index).mfn)

    def _suits(self, frame: Frame | None, use: int, free: bool) -> bool:
        """Whether a frame may get a use (`free`), or has it."""
        if frame is None:
            return False
        return not frame.uses or frame.kind == Kind.WRITABLE if free else bool(frame.uses) and frame.kind in TABLES[use]

    def _index(self, use: int, *, free: bool = False) -> int:
        """A spare page for a use: one that has it, one that may get it, or any."""
        found = [index for index in range(POOL_PAGES) if self._suits(self._frame(self.domain, index), use, free)]
        if free:
            found = [index for index in found if index in USUAL[use]] or found
        chance = self._random.random()
        if found and chance < 0.7:
            return self._random.choice(found)
        return self._random.choice(USUAL[use]) if chance < 0.9 else self._random.randrange(POOL_PAGES)

    def _able(self, kind: Kind) -> Place | None:
        """Return a spare page that can be used as `kind` now, one with entries if there is any; the model is asked."""
        frames, found = self._world.model.frames, None
        for index in self._random.sample(range(POOL_PAGES), POOL_PAGES):
            mfn = self._world.spare(self.domain, index).mfn
            if not frames.owned_by(mfn, self.domain) or not self._would_do(partial(frames.use, mfn, kind)):
                continue
            found = Pool(self.domain, index)
            if frames[mfn].uses or any(entry & PTE_P for entry in self._world.contents.page(mfn)):
                break
        return found

    def _would_do(self, act: Callable[[], None]) -> bool:
        """Whether the model would do something; it is undone."""
        try:
            with self._world.model.frames.attempt():
                act()
                raise _Undone
        except _Undone:
            return True
        except Refused:
            return False

    def _place(self, use: int) -> Place:
        """A frame for a use, or any at all."""
        chance = self._random.random()
        if chance < 0.7:
            return Pool(self.domain, self._index(use))
        if chance < 0.8:
            return Extra(self.domain, self._random.randrange(8))
        owner = self.domain if self._often(0.5) else self._random.randrange(self._world.count)
        return self._random.choice((
            Own(owner, self._random.choice(OWN)), Pool(owner, self._random.randrange(POOL_PAGES)),
            Extra(owner, self._random.randrange(8)), Nobodys(self._random.choice(NOBODYS), self._random.randrange(4)),
        ))  # fmt: skip

    def _entry(self, level: int) -> Value:
        """An entry for a table of that level."""
        chance = self._random.random()
        if level == SEGMENTS:
            return Raw(self._random.choice(GOOD_DESCRIPTORS if chance < 0.9 else ODD_DESCRIPTORS))
        if chance < 0.1:
            return Raw(0)
        if chance < 0.12:
            return Raw(self._random.choice(ODD_ENTRIES))
        if chance < 0.85 and level:
            return self._good_entry(level)
        flags = self._random.choice(self._random.choice((READABLE, WRITABLE, READABLE, ODD_FLAGS)))
        return Entry(self._place(max(0, level - 1)), flags)

    def _good_entry(self, level: int) -> Value:
        if level == 3:
            return Entry(self._able(Kind.L2) or Pool(self.domain, self._index(2)), PTE_P)
        if level == 2 and self._often(0.25):
            return Entry(self._place(2), self._random.choice(READABLE))
        able = self._able(Kind.L1) if level == 2 else None
        if able is not None:
            return Entry(able, self._random.choice(self._random.choice((WRITABLE, READABLE))))
        place = Pool(self.domain, self._index(level - 1)) if self._often(0.8) else self._place(level - 1)
        frame = self._world.model.frames.get(self._world.mfn(place))
        may_write = level == 2 or frame is None or not frame.uses or frame.kind == Kind.WRITABLE
        return Entry(place, self._random.choice(WRITABLE if may_write and self._often(0.6) else READABLE))

    def _va(self) -> int | Place:
        chance = self._random.random()
        if chance < 0.5:
            return Pool(self.domain, self._random.randrange(POOL_PAGES))
        return self._random.choice(VAS if chance < 0.9 else BAD_VAS)

    def _foreign(self) -> int:
        if not self._often(0.35 if self.domain == 0 else 0.06):
            return DOMID_SELF
        both = self._random.randrange(5) << 16 if self._often(0.4) else 0
        return self._random.choice(FOREIGN) | both

    def _owner(self) -> int:
        return self._random.choice(FOREIGN) if self._often(0.12) else DOMID_SELF
