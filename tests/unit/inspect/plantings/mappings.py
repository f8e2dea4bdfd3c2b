"""What a guest may not have in its L1s."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.inspect.image_memory import ABI, NX, PAGE, RW, A, D, P
from tests.unit.inspect.plantings.base import Expected, Planting, World, way
from xengen.inspect.violation import Rule


def _writable_table(kind: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        guest = world.one
        target: int = getattr(guest, kind)
        world.machine.poke(guest.l1, 100, target * PAGE | P | RW)
        world.machine.take(target)
        return Expected(Rule.WRITABLE_TABLE, target, 1, way(guest, index=100), "a writable mapping of")

    return plant


def _hypervisor_frame(world: World) -> Expected:
    target = world.machine.mfn("routine")
    world.machine.poke(world.zero.l1, 101, target * PAGE | P)
    world.machine.take(target)
    return Expected(Rule.HYPERVISOR_FRAME, target, 0, way(world.zero, index=101), "read-only")


def _foreign_frame(world: World) -> Expected:
    target = world.zero.pages[3]
    world.machine.map(world.one.l1, 102, target)
    return Expected(Rule.FOREIGN_FRAME, target, 1, way(world.one, index=102), "domain 0's")


def _free_frame(world: World) -> Expected:
    guest = world.one
    target = world.machine.allocate()
    world.machine.free(target)
    world.machine.poke(guest.l1, 103, target * PAGE | P)
    return Expected(Rule.FREE_FRAME, target, 1, way(guest, index=103), "in use by L1")


def _io_frame(world: World) -> Expected:
    world.machine.poke(world.one.l1, 104, 0xB8000 | P | RW)
    return Expected(Rule.IO_FRAME, 0xB8, 1, way(world.one, index=104), "no RAM")


def _apic_frame(world: World) -> Expected:
    world.machine.map_region(ABI["FIXMAP_APIC"], 0xFEE00, P | RW | A | D | NX)
    world.machine.poke(world.zero.l1, 105, 0xFEE00000 | P)
    return Expected(Rule.IO_FRAME, 0xFEE00, 0, way(world.zero, index=105), "local APIC")


def _cache_bits(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l1, 0, world.machine.entry(guest.l1, 0) | 0x10)
    return Expected(Rule.TABLE_BITS, guest.pages[0], 1, way(guest, index=0), "has bits 0x10")


def _superpage(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2, 0, world.machine.entry(guest.l2, 0) | 0x80)
    return Expected(Rule.TABLE_BITS, guest.l1, 1, f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[0]", "has bits 0x80")


PLANTINGS: tuple[Planting, ...] = (
    *(
        Planting(f"a writable mapping of the guest's {kind}", _writable_table(kind))
        for kind in ("l1", "l2", "l2_reserved", "l3", "top_l1", "pinned_l1", "gdt")
    ),
    Planting("a mapping of a frame of the hypervisor's", _hypervisor_frame),
    Planting("a mapping of another domain's frame", _foreign_frame),
    Planting("a mapping of a free frame", _free_frame),
    Planting("a mapping of what is no RAM", _io_frame),
    Planting("a mapping of the local APIC", _apic_frame),
    Planting("cache bits in an L1", _cache_bits),
    Planting("a superpage", _superpage),
)
