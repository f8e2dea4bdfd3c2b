"""What page tables may not lead to."""

from __future__ import annotations

from tests.unit.inspect.image_memory import L1, L2, L2R, L3, VALIDATED
from tests.unit.inspect.plantings.base import Expected, Planting, World
from xengen.inspect.violation import Rule


def _two_roles(world: World) -> Expected:
    guest = world.one
    world.machine.link(guest.l2, 9, guest.l3, 0)
    return Expected(Rule.TWO_ROLES, guest.l3, 1, f"L2 {guest.l2:#x}[9]", "L1 and L3")


def _writable_linear(world: World) -> Expected:
    guest = world.one
    world.machine.link(guest.l2, 10, guest.l2_reserved, 0)
    path = f"L3 {guest.l3:#x}[0] -> L2 {guest.l2:#x}[10]"
    return Expected(Rule.LINEAR_WRITABLE, guest.l2_reserved, 1, path, "leads to an L2")


def _foreign_table(world: World) -> Expected:
    world.machine.link(world.one.l2, 11, world.zero.l1, L1)
    path = f"L3 {world.one.l3:#x}[0] -> L2 {world.one.l2:#x}[11]"
    return Expected(Rule.TABLE_TARGET, world.zero.l1, 1, path, "domain 0's")


def _stray_table(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).type = L1 | VALIDATED | 1
    return Expected(Rule.STRAY_TABLE, target, 1, "", "record says L1")


def _linear_chain(world: World) -> Expected:
    machine, guest = world.machine, world.one
    first, second = machine.allocate(guest.address), machine.allocate(guest.address)
    machine.pin(first, L2)
    machine.link_linear(first, 5, second, L2)
    machine.link_linear(second, 6, guest.l2, L2)
    path = f"L2 {first:#x}[5] -> L2 {second:#x}[6]"
    return Expected(Rule.LINEAR_CHAIN, guest.l2, 1, path, "that another L2 leads to")


def _linear_balance(world: World) -> Expected:
    machine, guest = world.machine, world.one
    machine.link_linear(guest.l2, 13, guest.l2_reserved, L2R)
    machine.record(guest.l2_reserved).link += 1
    return Expected(Rule.LINEAR_BALANCE, guest.l2_reserved, 1, "", "is 2, but its balance of linear entries is 1")


def _partial_in_use(world: World) -> Expected:
    machine, guest = world.machine, world.one
    l3, l2, top = (machine.allocate(guest.address) for _ in range(3))
    machine.link(l3, 0, l2, 0)
    machine.link(l3, 3, top, L2R)
    machine.link(l2, 0, guest.l1, L1)
    machine.fill_reserved(guest, top, l3)
    machine.make_partial(l2, L2, 1)
    machine.pin(l3, L3)
    return Expected(Rule.PARTIAL_TABLE, l2, 1, f"L3 {l3:#x}[0]", "a validated table leads to a partial one")


def _partial_l1(world: World) -> Expected:
    machine = world.machine
    l1 = machine.allocate(world.one.address)
    machine.make_partial(l1, L1, 513)
    return Expected(Rule.PARTIAL_TABLE, l1, 1, "", "513 entries of L1 hold references")


def _no_slot_3(world: World) -> Expected:
    machine, guest = world.machine, world.one
    l3 = machine.allocate(guest.address)
    machine.pin(l3, L3)
    return Expected(Rule.SLOT_3, l3, 1, "", "nothing in slot 3")


def _shared_slot_3(world: World) -> Expected:
    machine, guest = world.machine, world.one
    l3 = machine.allocate(guest.address)
    machine.link(l3, 0, guest.l2, L2)
    machine.link(l3, 3, guest.l2_reserved, L2R)
    machine.pin(l3, L3)
    return Expected(Rule.SLOT_3, guest.l2_reserved, 1, "[3]", "slot 3 of 2 L3s")


PLANTINGS: tuple[Planting, ...] = (
    Planting("an L3 that is an L1, too", _two_roles),
    Planting("an L2 that is a writable L1, too", _writable_linear),
    Planting("a table of another domain", _foreign_table),
    Planting("a validated table that nothing leads to", _stray_table),
    Planting("a chain of L2s", _linear_chain),
    Planting("a wrong balance of linear entries", _linear_balance),
    Planting("a partial L2 in use", _partial_in_use),
    Planting("a partial L1 with more entries than there are", _partial_l1),
    Planting("an L3 without slot 3", _no_slot_3),
    Planting("an L2 of slot 3 in two L3s", _shared_slot_3),
)
