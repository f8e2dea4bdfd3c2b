"""Grants: mappings without one, handles and uses that do not belong together."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import sizeof

from tests.unit.inspect.image_memory import ABI, PAGE, RW, WRITABLE, A, D, P
from tests.unit.inspect.plantings.base import Expected, Planting, World, way
from tests.unit.inspect.synthetic import Guest
from xengen.abi.granting import GrantActive, GrantTable, Maptrack
from xengen.inspect.violation import Rule

HOST, READ_ONLY, NO_HANDLE = ABI["GNTMAP_host_map"], ABI["GNTMAP_readonly"], ABI["NO_HANDLE"]
REF = 9
INDEX = 200  # of the entry that maps a grant


def table(world: World, guest: Guest) -> GrantTable:
    """Return a guest's GRANT_TABLE, live: one frame of entries, and one of handles."""
    machine, domain = world.machine, world.machine.domain(guest.address)
    if not domain.grants:
        domain.grants = machine.heap_page()
        made = machine.at(GrantTable, machine.heap_mfn(domain.grants) * PAGE)
        made.nr_frames = made.maptrack_pages = 1
        made.frames[0], made.active[0], made.maptrack[0] = (machine.allocate() for _ in range(3))
        made.free_handle = NO_HANDLE
        record = machine.record(made.frames[0])
        record.owner, record.count = guest.address, 0
        machine.take(made.frames[0], WRITABLE)
    return machine.at(GrantTable, machine.heap_mfn(domain.grants) * PAGE)


def active(world: World, guest: Guest, ref: int = REF) -> GrantActive:
    """Return the uses of an entry, live."""
    return world.machine.at(GrantActive, table(world, guest).active[0] * PAGE + ref * sizeof(GrantActive))


def handle(world: World, guest: Guest, number: int = 0) -> Maptrack:
    """Return the record of a handle, live."""
    return world.machine.at(Maptrack, table(world, guest).maptrack[0] * PAGE + number * sizeof(Maptrack))


def grant(world: World, *, writable: bool = True) -> int:
    """Domain 1 maps a grant of domain 0's; return the frame."""
    machine, mfn = world.machine, world.zero.pages[3]
    one = handle(world, world.one)
    one.granter, one.ref, one.frame = world.zero.address, REF, mfn
    one.flags = HOST if writable else HOST | READ_ONLY
    table(world, world.one).next_handle = 1
    used = active(world, world.zero)
    used.readers, used.writers = (0, 1) if writable else (1, 0)
    machine.take(mfn, WRITABLE if writable else 0)
    machine.map(world.one.l1, INDEX, mfn, P | A | D | (RW if writable else 0))
    return mfn


def unmapped(world: World) -> None:
    """A grant whose entry was taken away by another call: it is still in use."""
    mfn = grant(world)
    world.machine.poke(world.one.l1, INDEX, 0)
    world.machine.drop(mfn, typed=True)


def _second_mapping(world: World) -> Expected:
    mfn = grant(world)
    world.machine.map(world.one.l1, INDEX + 1, mfn)
    return Expected(Rule.FOREIGN_FRAME, mfn, 1, way(world.one, index=INDEX + 1), "domain 0's")


def _wrong_right(world: World) -> Expected:
    mfn = grant(world, writable=False)
    world.machine.poke(world.one.l1, INDEX, mfn * PAGE | P | RW | A | D)
    world.machine.record(mfn).type += 1
    return Expected(Rule.FOREIGN_FRAME, mfn, 1, way(world.one, index=INDEX), "a writable mapping")


def _for_devices(world: World) -> Expected:
    mfn = grant(world)
    handle(world, world.one).flags = ABI["GNTMAP_device_map"]
    return Expected(Rule.FOREIGN_FRAME, mfn, 1, way(world.one, index=INDEX), "domain 0's")


def _uncounted(world: World) -> Expected:
    grant(world)
    active(world, world.zero).writers = 2
    text = "entry 9 has 0 readers and 2 writers, but there are handles and devices for 0 and 1"
    return Expected(Rule.GRANT, domain=0, text=text)


def _use_of_nobody(world: World) -> Expected:
    active(world, world.one, 17).readers = 1
    return Expected(Rule.GRANT, domain=1, text="entry 17 has 1 readers")


def _handle_without_use(world: World) -> Expected:
    grant(world)
    active(world, world.zero).writers = 0
    return Expected(Rule.GRANT, domain=0, text="has 0 readers and 0 writers")


def _flags(world: World) -> Expected:
    mfn = grant(world)
    handle(world, world.one).flags |= 1 << 9
    return Expected(Rule.GRANT, mfn, 1, text="handle 0 of domain 1 has flags")


def _another_owner(world: World) -> Expected:
    machine, mfn = world.machine, world.one.pages[3]
    grant(world)
    handle(world, world.one).frame = mfn
    machine.poke(world.one.l1, INDEX, 0)
    machine.drop(world.zero.pages[3], typed=True)
    machine.drop(world.zero.pages[3], typed=True)
    machine.take(mfn, WRITABLE)
    return Expected(Rule.GRANT, mfn, 1, text="a frame that is not domain 0's")


def _lost_handle(world: World) -> Expected:
    grant(world)
    table(world, world.one).next_handle = 3
    return Expected(Rule.GRANT, domain=1, text="3 handles were given out, 1 are in use, 0 free")


def _bad_table(break_it: Callable[[World], None], text: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        grant(world)
        break_it(world)
        return Expected(Rule.STRUCTURE, text=text)

    return plant


def _too_many_frames(world: World) -> None:
    table(world, world.one).nr_frames = 33


def _too_many_handles(world: World) -> None:
    table(world, world.one).next_handle = 257


def _chain_to_one_in_use(world: World) -> None:
    table(world, world.one).free_handle = 0


def _no_such_frame(world: World) -> None:
    table(world, world.one).maptrack[0] = 0xFFFFF


PLANTINGS: tuple[Planting, ...] = (
    Planting("a second mapping by a grant for one", _second_mapping),
    Planting("a writable mapping by a read-only grant", _wrong_right),
    Planting("a mapping by a grant for devices", _for_devices),
    Planting("an entry with a use too many", _uncounted),
    Planting("a use of an entry that nobody has a handle for", _use_of_nobody),
    Planting("a handle for an entry that is not in use", _handle_without_use),
    Planting("a handle with unknown flags", _flags),
    Planting("a handle for a frame of another owner than the granter", _another_owner),
    Planting("a handle that is neither free nor in use", _lost_handle),
    Planting("a grant table of too many frames", _bad_table(_too_many_frames, "larger than it can be")),
    Planting("more handles than room", _bad_table(_too_many_handles, "more handles than room")),
    Planting("a free handle that is in use", _bad_table(_chain_to_one_in_use, "free handles of domain 1 lead to 0")),
    Planting("handles in a frame without memory", _bad_table(_no_such_frame, "where there is no memory")),
)
