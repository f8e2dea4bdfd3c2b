"""Operations on grants, picked at random: entries that show something, and uses of those that are there.

Invariants
  - As choices.py: most of what is picked works, and a part of everything is wrong.
"""

from __future__ import annotations

from xengen.agent.names import DOMID_SELF
from xengen.fuzz.calls import Call, Hypercall
from xengen.fuzz.grant_copies import CopyGrant, Side, TransferFrames
from xengen.fuzz.grants import EndGrants, EndOne, MapGrants, MapOne, SetEntry
from xengen.fuzz.picks import Picks
from xengen.fuzz.places import Extra, Own, Place, Pool
from xengen.fuzz.sharing import ACCEPT, BY_PTE, DEVICE, HOST, PERMIT, READ_ONLY_GRANT, READONLY
from xengen.fuzz.values import INDICES, NUMBERS
from xengen.fuzz.world import POOL_PAGES, Operation

REFS = range(8, 16)
ODD_REFS = (0, 511, 512, 0x4000, 0xFFFFFFFF)
ENTRY_FLAGS = (*(PERMIT,) * 6, PERMIT | READ_ONLY_GRANT, ACCEPT, ACCEPT, 0, 3, PERMIT | 0x100, PERMIT | 0x18, 0xFFFF)
MAP_FLAGS = (
    *(HOST,) * 4, HOST | READONLY, HOST | READONLY, HOST | BY_PTE, HOST | BY_PTE | READONLY, DEVICE, HOST | DEVICE,
    DEVICE | READONLY, HOST | 8 | 5 << 16, HOST | 0x7F << 19, 0, READONLY, 0xFFFFFFFF,
)  # fmt: skip
OFFSETS = (0, 0, 8, 100, 4088, 4095, 4096, 0xFFFF)
LENGTHS = (0, 1, 8, 13, 64, 512, 4096, 4097, 0xFFFF)
DOMIDS = (DOMID_SELF, 9, 0x7FF1, 0xFFFF)


class GrantPicks(Picks):
    """Makes operations on grants."""

    def share(self) -> Operation:
        """An entry is written, or somebody uses one."""
        if self._often(0.2) or not (self._shown(PERMIT) and self._shown(ACCEPT)):
            return self._entry_of_grant()
        return Hypercall(self.domain, self._grant_call(), self._often(0.2))

    def _grant_call(self) -> Call:
        choice = self._random.choice
        return choice((self._map_grants, self._map_grants, self._end_grants, self._copy_grant, self._transfer))()

    def _entry_of_grant(self) -> Operation:
        choice = self._random.choice
        owner = choice([domain.id for domain in self._world.model.alive])
        shown: Place | int = Pool(owner, self._random.randrange(POOL_PAGES))
        if self._often(0.2):
            shown = choice((self._place(0), self._place(1), Own(owner, "grant_table"), choice(NUMBERS)))
        to = self.domain if self._often(0.7) else choice((0, 1, 2, *DOMIDS))
        return SetEntry(owner, choice(REFS), shown, to, choice(ENTRY_FLAGS))

    def _shown(self, kind: int) -> list[tuple[int, int]]:
        """(domain, ref) of the entries of a kind that are for this domain."""
        sharing = self._world.model.sharing
        return [
            (other.id, ref)
            for other in self._world.model.alive
            for ref in REFS
            if (entry := sharing.entry(other.id, ref)) & 3 == kind and entry >> 16 & 0xFFFF == self.domain
        ]

    def _ref(self, kind: int = PERMIT) -> tuple[int, int]:
        """(domain, ref) of an entry for this domain, or of any."""
        choice, found = self._random.choice, self._shown(kind)
        if found and self._often(0.85):
            return choice(found)
        owner = self._random.randrange(self._world.count) if self._often(0.9) else choice(DOMIDS)
        return owner, choice(REFS if self._often(0.8) else ODD_REFS)

    def _map_grants(self) -> Call:
        return MapGrants(tuple(self._map_one() for _ in range(self._random.choice((1, 1, 2, 3, 8)))))

    def _map_one(self) -> MapOne:
        flags = self._random.choice(MAP_FLAGS)
        if flags & BY_PTE:
            place = Pool(self.domain, self._index(1)) if self._often(0.5) else Own(self.domain, "pool_l1")
            where: int | Place = place if self._often(0.9) else self._place(1)
        else:
            where = self._va()
        return MapOne(*self._ref(), flags, where, self._random.choice((*INDICES, self._random.randrange(512))))

    def _end_grants(self) -> Call:
        ends = tuple(self._end_one() for _ in range(self._random.choice((1, 1, 2, 4))))
        return EndGrants(ends, self._often(0.2))

    def _end_one(self) -> EndOne:
        choice = self._random.choice
        handle = self._random.randrange(16) if self._often(0.9) else None
        where = None if self._often(0.85) else self._va()
        new = Pool(self.domain, self._random.randrange(POOL_PAGES)) if self._often(0.8) else choice((0, 0x12345000))
        return EndOne(handle, choice((0, 1, 5000, 0xFFFFFFFF)), where, choice((0, 0, 1, 0x5000, 1 << 32)), new)

    def _copy_grant(self) -> Call:
        sides = []
        for _ in range(2):
            offset = self._random.choice(OFFSETS)
            if self._often(0.5):
                sides.append(Side(*self._ref(), 0, offset))
            else:
                owner = DOMID_SELF if self._often(0.8) else self._random.randrange(self._world.count)
                sides.append(Side(owner, None, self._place(0), offset))
        return CopyGrant(sides[0], sides[1], self._random.choice(LENGTHS))

    def _transfer(self) -> Call:
        count = self._random.choice((1, 1, 2))
        to, first = self._ref(ACCEPT)
        frames = tuple(
            Extra(self.domain, self._random.randrange(8)) if self._often(0.7) else self._place(0) for _ in range(count)
        )
        return TransferFrames(frames, to, (first, *(self._random.choice(REFS) for _ in range(count - 1))))
