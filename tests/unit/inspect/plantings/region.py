"""Changes of the hypervisor's own mappings."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.inspect.image_memory import ABI, NX, PAGE, RW, US, A, D, P
from tests.unit.inspect.plantings.base import Expected, Planting, World
from xengen.inspect.violation import Rule


def _region_guest_frame(world: World) -> Expected:
    machine = world.machine
    target = world.one.pages[0]
    machine.map_region(machine.heap_next, target)
    return Expected(Rule.REGION, target, 1, "", "heap shows a frame of domain 1")


def _m2p_for_guests(world: World) -> Expected:
    machine = world.machine
    target = machine.mfn("variables")
    machine.map_region(ABI["M2P_READ_ONLY"] + PAGE, target, P | A | NX)
    return Expected(Rule.REGION, target, None, "", "guests see another page")


def _alias_table(world: World) -> Expected:
    machine = world.machine
    target = machine.mfn("variables")
    machine.poke(machine.mfn("invalid_m2p_l1"), 7, target * PAGE | P | A)
    return Expected(Rule.REGION, target, None, "", "invalid_m2p_l1[7]")


def _region_gap(world: World) -> Expected:
    target = world.machine.mfn("variables")
    world.machine.map_region(ABI["LINEAR_TABLES"], target)
    return Expected(Rule.REGION, target, None, "", "nothing may be mapped here")


def _permission(name: str, flags: int, text: str) -> Callable[[World], Expected]:
    def plant(world: World) -> Expected:
        machine = world.machine
        machine.map_region(machine.symbols[name], machine.mfn(name), flags)
        return Expected(Rule.PERMISSIONS, machine.mfn(name), None, "", text)

    return plant


PLANTINGS: tuple[Planting, ...] = (
    Planting("a guest's frame in the heap", _region_guest_frame),
    Planting("a frame that is not M2P's where guests read", _m2p_for_guests),
    Planting("another page behind the alias", _alias_table),
    Planting("a page between the parts of the region", _region_gap),
    Planting("writable text", _permission("routine", P | RW | A, "text is writable")),
    Planting("writable constants", _permission("constant", P | RW | A | NX, "rodata is writable")),
    Planting("executable data", _permission("variables", P | RW | A | D, "data is executable")),
    Planting("data that is open to ring 3", _permission("variables", P | RW | US | A | D | NX, "ring 3 may use")),
)
