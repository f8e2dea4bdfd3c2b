"""Operations on grants: entries that a domain writes, and grant_table_op on lists of elements (ABI 10.9).

Invariants
  - As calls.py. Elements name handles by their place among those that the model knows, so that most of them are good.
  - An entry that an agent lives on is not mapped over, or moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import sizeof
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from xengen.abi.grant import (
    GnttabCopy,
    GnttabMapGrantRef,
    GnttabTransfer,
    GnttabUnmapAndReplace,
    GnttabUnmapGrantRef,
)
from xengen.agent.agent import Agent
from xengen.agent.names import value
from xengen.fuzz.calls import OK, SKIPPED, UNTOUCHED, Call, Prepared
from xengen.fuzz.frame import Refused
from xengen.fuzz.mmu import address
from xengen.fuzz.places import Own, Place
from xengen.fuzz.sharing import BY_PTE, HOST, PER_FRAME, Handle
from xengen.fuzz.world import Failure, World

PAGE = 4096
NO_STATUS = UNTOUCHED & 0x7FFF

Element = GnttabMapGrantRef | GnttabUnmapGrantRef | GnttabUnmapAndReplace | GnttabCopy | GnttabTransfer
Learn = Callable[[Element], None]


def nothing(element: Element) -> None:
    """For elements whose status says all."""


@dataclass(frozen=True)
class SetEntry:
    """A domain writes an entry of its table. frame: what it shows, a place or a number."""

    domain: int
    ref: int
    frame: Place | int
    to: int
    flags: int

    def run(self, world: World) -> str:
        """Do it: the domain needs nobody for that."""
        if world.agent(self.domain) is None:
            return SKIPPED
        mfn = self.frame if isinstance(self.frame, int) else world.mfn(self.frame)
        entry = self.flags & 0xFFFF | (self.to & 0xFFFF) << 16 | (mfn & 0xFFFFFFFF) << 32
        table = world.mfn(Own(self.domain, "grant_table"))
        world.machine.memory.write(table * PAGE + 8 * (self.ref % PER_FRAME), entry.to_bytes(8, "little"))
        return "written"


@dataclass(frozen=True)
class MapOne:
    """Map `owner`'s entry `ref`. where: an address, or the L1 table when the flags say so; then `index` is in it."""

    owner: int
    ref: int
    flags: int
    where: int | Place
    index: int = 0


@dataclass(frozen=True)
class MapGrants(Call):
    """map_grant_ref."""

    elements: tuple[MapOne, ...]

    allocates: ClassVar[bool] = True

    def prepare(self, world: World, domain: int) -> Prepared | None:
        """See Call."""
        places = [_place(world, domain, one.where, one.flags, one.index) for one in self.elements]
        if any(_needed(world, domain, at, one.flags) for at, one in zip(places, self.elements, strict=True)):
            return None
        encoded, expected, learn = [], [], []
        for one, at in zip(self.elements, places, strict=True):
            encoded.append(GnttabMapGrantRef(at, one.flags, one.ref, one.owner, NO_STATUS, UNTOUCHED))
            try:
                handle = world.model.sharing.map(domain, one.owner, one.ref, one.flags, at)
            except Refused as refused:
                expected.append(refused.codes)
                learn.append(nothing)
            else:
                expected.append(OK)
                learn.append(partial(_learn_handle, world, domain, handle))
        return prepared_list(world, domain, "map_grant_ref", encoded, expected, learn)


@dataclass(frozen=True)
class EndOne:
    """End a mapping. handle: its place among the domain's; None: number `raw`. where: None for the right address.

    bus: what is given as the address for devices. new: with it the operation is unmap_and_replace.
    """

    handle: int | None
    raw: int = 0
    where: int | Place | None = None
    bus: int = 0
    new: Place | int = 0


@dataclass(frozen=True)
class EndGrants(Call):
    """unmap_grant_ref, or unmap_and_replace."""

    elements: tuple[EndOne, ...]
    replace: bool = False

    def prepare(self, world: World, domain: int) -> Prepared | None:
        """See Call."""
        sharing = world.model.sharing
        encoded: list[Element] = []
        acts: list[Callable[[], None]] = []
        for one in self.elements:
            number, handle = _chosen(world, domain, one)
            flags = HOST if handle is None else handle.flags
            where = one.where if one.where is not None else 0 if handle is None else handle.where
            at = where if isinstance(where, int) else _place(world, domain, where, flags, 0)
            if _needed(world, domain, at, flags):
                return None
            if self.replace:
                new = address(world, domain, one.new)
                if _needed(world, domain, new, HOST):
                    return None
                encoded.append(GnttabUnmapAndReplace(at, new, number, NO_STATUS))
                acts.append(partial(sharing.replace, domain, number, at, new))
            else:
                bus = handle.mfn * PAGE if handle is not None and one.bus == 1 else one.bus
                encoded.append(GnttabUnmapGrantRef(at, bus, number, NO_STATUS))
                acts.append(partial(sharing.unmap, domain, number, at, bus))
        name = "unmap_and_replace" if self.replace else "unmap_grant_ref"
        return prepared_list(world, domain, name, encoded, [status_of(act) for act in acts], [nothing] * len(acts))


def prepared_list(
    world: World,
    domain: int,
    name: str,
    encoded: Sequence[Element],
    expected: Sequence[frozenset[int]],
    learn: Sequence[Learn],
) -> Prepared:
    """Return the call with a list of elements; afterwards each status is looked at, and then `learn` at the element."""
    agent = world.agents[domain]
    start = agent.put(encoded)
    arguments = (value(f"GNTTABOP_{name}"), start, len(encoded))
    finish = partial(_examine, world, agent, name, start, type(encoded[0]), expected, learn)
    return Prepared("grant_table_op", arguments, OK, finish)


def _examine(
    world: World,
    agent: Agent,
    name: str,
    start: int,
    kind: type[Element],
    expected: Sequence[frozenset[int]],
    learn: Sequence[Learn],
    result: int,
) -> None:
    for index, (codes, see) in enumerate(zip(expected, learn, strict=True)):
        data = agent.space.read_linear(start + index * sizeof(kind), sizeof(kind))
        element = kind.from_buffer_copy(data)
        status = int(element.status)
        if status not in codes:
            raise Failure(f"{name}: element {index} has status {status}, not {sorted(codes)}")
        world.outcomes[name, str(status)] += 1
        see(element)


def _learn_handle(world: World, domain: int, handle: Handle, element: Element) -> None:
    assert isinstance(element, GnttabMapGrantRef)
    known = world.model.sharing.handles.setdefault(domain, {})
    if element.handle in known or element.dev_bus_addr != handle.mfn * PAGE:
        raise Failure(f"a mapping got handle {element.handle} and bus address {element.dev_bus_addr:#x}")
    known[element.handle] = handle


def _chosen(world: World, domain: int, one: EndOne) -> tuple[int, Handle | None]:
    known = world.model.sharing.handles.get(domain, {})
    if one.handle is None or not known:
        return one.raw, known.get(one.raw)
    return list(known.items())[one.handle % len(known)]


def _place(world: World, domain: int, where: int | Place, flags: int, index: int) -> int:
    """Return the address that an element gives: of the entry itself, or of what it maps."""
    if flags & BY_PTE:
        return where if isinstance(where, int) else world.mfn(where) * PAGE + 8 * index
    return address(world, domain, where)


def _needed(world: World, domain: int, where: int, flags: int) -> bool:
    place = world.model.sharing.place(domain, where, flags)
    return place is not None and world.needed(*place)


def number_of(world: World, frame: Place | int) -> int:
    """Return a frame's number."""
    return frame if isinstance(frame, int) else world.mfn(frame)


def status_of(act: Callable[[], None]) -> frozenset[int]:
    """Have the model do something and return the statuses that are right."""
    try:
        act()
    except Refused as refused:
        return refused.codes
    return OK
