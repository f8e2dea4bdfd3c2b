"""What is done next: operations made at random from the state of a world, so that many of them work and things meet.

Invariants
  - An operation depends on the random numbers and on the model alone.
  - A part of everything is wrong: a frame of another kind, odd flags, a wild number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from xengen.fuzz.accesses import INSTRUCTIONS, STORES, WRITABLE_TABLES, Access, Execute, StaleWrite, WriteTable
from xengen.fuzz.builds import BuildBase, Write
from xengen.fuzz.calls import LISTS, Call, Hypercall, Iret, Multicall
from xengen.fuzz.descriptors import REGISTERS, LoadSegment, SetGdt, UpdateDescriptor
from xengen.fuzz.ends import ENDS, End
from xengen.fuzz.frame import Kind
from xengen.fuzz.grant_picks import GrantPicks
from xengen.fuzz.memory import Decrease, Exchange, Increase
from xengen.fuzz.mmu import Extend, MapPage, MmuExtended, MmuUpdate, Store
from xengen.fuzz.picks import SEGMENTS, TABLES, USUAL
from xengen.fuzz.places import OWN, Extra, Own, Place, Pool
from xengen.fuzz.settings import Settings, Wild
from xengen.fuzz.values import (
    BAD_VAS,
    EAX,
    FLAGS_OF_IRET,
    FLUSHES,
    FOREIGN,
    HOSTILE,
    INDICES,
    NUMBERS,
    SELECTORS,
    VAS,
)
from xengen.fuzz.world import POOL_PAGES, Operation

T = TypeVar("T")
POINTER_SECOND = frozenset({12, 17, 20, 28, 29, 30, 31, 32, 33, 34})  # calls whose first argument is a command
ORDERS = (0, 0, 0, 0, 1, 1, 2, 3, 9, 10, 31, 0xFFFFFFFF)


class Choices(GrantPicks):
    """Makes operations."""

    # Kinds of operations, by name: what the rules choose between.

    def build(self) -> Operation:
        """A page becomes a table, or what is to be one."""
        if self._often(0.15):
            slots = tuple((self._random.randrange(3), self._entry(3)) for _ in range(self._random.randrange(3)))
            then = self._random.choice((None, 2, 5, 5))
            return BuildBase(self.domain, self._index(3, free=True), self._index(2, free=True), slots, then)
        level = self._random.choice((0, 1, 1, 2, 2, 2, 3, SEGMENTS))
        count = self._random.randrange(5)
        entries = tuple((self._random.choice(INDICES), self._entry(level)) for _ in range(count if level else 0))
        then = level - 1 if level in (1, 2) and self._often(0.5) else None
        return Write(self.domain, self._index(level, free=True), entries, level == 0, then)

    def call(self) -> Operation:
        """A call whose result is predicted."""
        return Hypercall(self.domain, self._call(), self._often(0.2))

    def tables(self) -> Operation:
        """A call on page tables."""
        call = self._random.choice((self._update, self._update, self._extend, self._map))()
        return Hypercall(self.domain, call, self._often(0.2))

    def resources(self) -> Operation:
        """Memory, descriptors."""
        if self._often(0.3):
            return self._load()
        return Hypercall(self.domain, self._random.choice((self._memory, self._descriptors))())

    def multicall(self) -> Operation:
        """Several calls at once."""
        calls = tuple(self._call() for _ in range(self._random.randint(1, 6)))
        last, eax = self._random.choice(LISTS), self._random.choice(EAX)
        return Multicall(self.domain, calls, last, eax, self._often(0.2))

    def instruction(self) -> Operation:
        """Something without a hypercall."""
        mostly = (self._access, self._write_table, self._write_table, self._stale)
        return self._random.choice((*mostly, self._execute, self._load, self._iret))()

    def wild(self) -> Operation:
        """What makes no sense, or seldom happens."""
        if self._often(0.04) and self.domain:
            return End(self.domain, self._random.choice(tuple(ENDS)))
        return self._random.choice((self._settings, self._wild, self.call, self.tables))()

    # Calls.

    def _call(self) -> Call:
        return self._random.choice((
            self._update, self._update, self._extend, self._extend, self._map, self._memory, self._descriptors,
            self._grant_call,
        ))()  # fmt: skip

    def _update(self) -> Call:
        stores = tuple(self._store() for _ in range(self._random.choice((1, 1, 2, 3, 6))))
        return MmuUpdate(stores, self._foreign(), self._often(0.8))

    def _store(self) -> Store:
        level = self._random.choice((0, 1, 1, 1, 2, 2, 3, SEGMENTS))
        index = self._random.choice(INDICES[:4] if level == 3 and self._often(0.8) else INDICES)
        command = self._random.choice((2, 1, 3, 7)) if self._often(0.15) else 0
        place = self._place(level) if self._often(0.85) else Own(self.domain, self._random.choice(OWN[:4]))
        return Store(place, index, self._entry(level), command)

    def _map(self) -> Call:
        owner = self._random.choice(FOREIGN) if self._often(0.25) else None
        return MapPage(self._va(), self._entry(1), self._random.choice(FLUSHES), owner)

    def _extend(self) -> Call:
        operations = tuple(self._extension() for _ in range(self._random.choice((1, 1, 2, 3))))
        return MmuExtended(operations, self._foreign(), self._often(0.8))

    def _extension(self) -> Extend:
        chance, choice = self._random.random(), self._random.choice
        level = choice((1, 2, 3))
        if chance < 0.25:
            able = self._able(TABLES[level][0]) if self._often(0.7) else None
            return Extend(level - 1, able or self._place(level))
        if chance < 0.5:
            pinned = [index for index in range(POOL_PAGES) if (it := self._frame(self.domain, index)) and it.pinned]
            return Extend(4, Pool(self.domain, choice(pinned)) if pinned and self._often(0.8) else self._place(level))
        if chance < 0.65:
            able = self._able(Kind.L3) if self._often(0.8) else None
            return Extend(5, able or self._place(3))
        if chance < 0.75:
            entries = choice((512, 512, 1024, 2, 0, 1, 513, 8192, 8193))
            place = Pool(self.domain, choice(USUAL[SEGMENTS]))
            return Extend(13, place if self._often(0.8) else choice((0xC0200000, 0x800, *VAS)), entries)
        if chance < 0.85:
            return Extend(choice((16, 17, 17)), self._place(0), self._place(choice((0, 1))))
        if chance < 0.9:
            return Extend(choice((8, 9)), choice(VAS), choice(HOSTILE))
        return Extend(choice((3, 6, 7, 10, 11, 12, 14, 15, 18, 19, 20, 21, 0xFFFFFFFF)), choice(VAS + BAD_VAS))

    def _memory(self) -> Call:
        chance, order = self._random.random(), self._random.choice(ORDERS)
        some: Sequence[Place] = [self._spent() for _ in range(self._random.randint(1, 4))]
        if chance < 0.35:
            bits = self._random.choice((12, 13, 24, 31, 255)) if self._often(0.2) else 0
            return Increase(self._random.randrange(4), order, self._often(0.5), bits, self._owner())
        if chance < 0.65:
            return Decrease(tuple(some), order if self._often(0.3) else 0, self._owner())
        if self._often(0.6):
            return Exchange(tuple(some), 0, len(some), 0, self._owner())
        small = (0, 0, 1, 2, 10)
        new = self._random.choice(small)
        return Exchange(tuple(some), self._random.choice(small), self._random.randint(1, 4), new, self._owner())

    def _spent(self) -> Place:
        """A frame to be given away."""
        given = Extra(self.domain, self._random.randrange(8))
        return given if self._often(0.6) else self._place(0)

    def _descriptors(self) -> Call:
        if self._often(0.4):
            entries = self._random.choice((512, 512, 8, 0, 513, 1024, 7168, 7169, 0xFFFFFFFF))
            return SetGdt(tuple(self._place(SEGMENTS) for _ in range(self._random.choice((0, 1, 1, 1, 2)))), entries)
        offset = self._random.choice((4, 1 << 32, 1)) if self._often(0.1) else 0
        use = self._random.choice((SEGMENTS, SEGMENTS, 0, 1))
        return UpdateDescriptor(self._place(use), self._random.choice(INDICES), self._entry(SEGMENTS), offset)

    # The rest.

    def _access(self) -> Operation:
        va = self._va() if self._often(0.9) else self._random.choice((0xF7000000, 0x1004))
        if isinstance(va, int) and va >= 0xFC400000:
            va = 0xF5800000
        return Access(self.domain, va, self._often(0.5), self._random.choice((1, 3)))

    def _write_table(self) -> Operation:
        """A write to an L1 table; what that needs comes first: the assist, and a table."""
        if not self._world.model.domains[self.domain].assists & WRITABLE_TABLES and self._often(0.8):
            return Settings(self.domain, "vm_assist", (0, 2))
        found = ((index, self._frame(self.domain, index)) for index in range(POOL_PAGES))
        tables = [index for index, frame in found if frame is not None and frame.kind == Kind.L1]
        entry, form = self._random.choice(INDICES), self._random.choice(tuple(STORES))
        if not tables:
            entries = tuple((index, self._good_entry(1)) for index in INDICES[:3])
            return Write(self.domain, self._index(1, free=True), entries, False, 0)
        return WriteTable(self.domain, self._random.choice(tables), entry, form, self._entry(1))

    def _execute(self) -> Operation:
        return Execute(self.domain, self._random.choice((1, 3)), self._random.choice(tuple(INSTRUCTIONS)))

    def _load(self) -> Operation:
        register = self._random.choice(REGISTERS)
        return LoadSegment(self.domain, self._random.choice((1, 3)), register, self._random.choice(SELECTORS))

    def _iret(self) -> Operation:
        return Iret(self.domain, self._random.choice(EAX), self._random.choice(FLAGS_OF_IRET))

    def _stale(self) -> Operation:
        return StaleWrite(self.domain, self._random.randrange(POOL_PAGES), self._random.randrange(2))

    def _settings(self) -> Operation:
        lengths = {"set_trap_table": 3, "set_callbacks": 4, "stack_switch": 2, "vm_assist": 2}
        name, count = self._random.choice(tuple(lengths.items()))
        if name == "vm_assist":
            kind = self._random.choice((2, 2, 0, 1, 3, 4, 5, 31, 32, 0xFFFFFFFF))
            return Settings(self.domain, name, (self._random.choice((0, 1, 1, 2)), kind))
        numbers = (*HOSTILE, *NUMBERS, *SELECTORS)
        return Settings(self.domain, name, tuple(self._random.choice(numbers) for _ in range(count)))

    def _wild(self) -> Operation:
        beyond = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
        number = self._random.randrange(71) if self._often(0.97) else self._random.choice(beyond)
        words = [self._random.choice(HOSTILE if self._often(0.5) else NUMBERS) for _ in range(5)]
        # One of the first two is the pointer, and nobody knows which.
        words[1 if number in POINTER_SECOND else 0] = self._random.choice(HOSTILE)
        return Wild(self.domain, number, tuple(words))
