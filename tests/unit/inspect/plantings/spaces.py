"""Changes of what the hypervisor puts into address spaces, and of its own lists."""

from __future__ import annotations

from tests.unit.inspect.image_memory import ABI, L2R, L3, NX, PAGE, RW, TABLE, US, A, D, P
from tests.unit.inspect.plantings.base import Expected, Planting, World
from xengen.inspect.violation import Rule


def _reserved_slot(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 485, guest.l1 * PAGE | TABLE)
    path = f"L3 {guest.l3:#x}[3] -> L2 {guest.l2_reserved:#x}[485]"
    return Expected(Rule.RESERVED_SLOT, guest.l2_reserved, 1, path)


def _other_window(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 490, world.zero.window * PAGE | P | RW | A | D)
    return Expected(Rule.RESERVED_SLOT, guest.l2_reserved, 1, f"L2 {guest.l2_reserved:#x}[490]")


def _old_linear(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 497, guest.l2 * PAGE | P | RW | A | D | NX)
    return Expected(Rule.RESERVED_SLOT, guest.l2_reserved, 1, f"L2 {guest.l2_reserved:#x}[497]", "not 0x0")


def _old_linear_kept(world: World) -> Expected:
    """The L2 of slot 3 of an L3 that is gone, kept by a linear entry, still shows the L2s of that L3."""
    machine, guest = world.machine, world.one
    top = machine.allocate(guest.address)
    machine.link_linear(guest.l2, 12, top, L2R)
    machine.fill_reserved(guest, top, guest.l3)
    return Expected(Rule.RESERVED_SLOT, top, 1, f"L2 {guest.l2:#x}[12] -> L2 {top:#x}[496]", "not 0x0")


def _idle_slot(world: World) -> Expected:
    idle = world.machine.mfn("idle_l2") + 3
    entry = world.machine.entry(idle, 481) | US
    world.machine.poke(idle, 481, entry)
    for guest in (world.zero, world.one):
        world.machine.poke(guest.l2_reserved, 481, entry)
    return Expected(Rule.RESERVED_SLOT, None, None, "", "idle_l2 entry 481")


def _alias_slot(world: World) -> Expected:
    guest = world.one
    world.machine.poke(guest.l2_reserved, 428, world.machine.mfn("hv_l1") * PAGE | P | A | RW)
    path = f"L3 {guest.l3:#x}[3] -> L2 {guest.l2_reserved:#x}[428]"
    return Expected(Rule.ALIAS_SLOT, guest.l2_reserved, 1, path)


def _base_pointer(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).l3[1] = world.one.l2 * PAGE | P
    return Expected(Rule.BASE_POINTER, world.one.l3, 1, f"L3 {world.one.l3:#x}[1]", "in slot 1")


def _reserved_l3_bits(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).l3[0] |= RW
    return Expected(Rule.BASE_POINTER, world.one.l3, 1, f"L3 {world.one.l3:#x}[0]", "in slot 0")


def _cr3(world: World) -> Expected:
    world.machine.vcpu(world.one.vcpu).cr3 = world.one.l3 * PAGE
    return Expected(Rule.BASE_POINTER, world.one.l3, 1, "", "cr3 is")


def _foreign_base(world: World) -> Expected:
    machine, guest = world.machine, world.one
    machine.drop(guest.l3, typed=True)
    machine.pin(guest.l3, L3)
    machine.take(world.zero.l3, L3)
    machine.vcpu(guest.vcpu).guest_table = world.zero.l3
    return Expected(Rule.BASE_POINTER, world.zero.l3, 1, "", "no frame of the domain")


def _shared_info(world: World) -> Expected:
    world.machine.domain(world.one.address).shared_info = world.machine.domain(world.zero.address).shared_info
    return Expected(Rule.STRUCTURE, world.one.shared_info, 1, "", "its shared_info is in frame")


def _endless_list(world: World) -> Expected:
    world.machine.domain(world.one.address).next = world.zero.address
    return Expected(Rule.STRUCTURE, text="domain_list has no end")


def _wild_pointer(world: World) -> Expected:
    world.machine.domain(world.one.address).next = ABI["HEAP_END"] - PAGE
    return Expected(Rule.STRUCTURE, text="is not mapped by hv_l1")


PLANTINGS: tuple[Planting, ...] = (
    Planting("a changed entry of the hypervisor's in an L2", _reserved_slot),
    Planting("another domain's window", _other_window),
    Planting("a linear entry that its L3 does not have", _old_linear),
    Planting("linear entries of an L3 that is gone", _old_linear_kept),
    Planting("an entry of the region that is open to ring 3", _idle_slot),
    Planting("a writable alias of the M2P table", _alias_slot),
    Planting("a slot that the guest's L3 does not have", _base_pointer),
    Planting("bits that PAE does not allow in the processor's L3", _reserved_l3_bits),
    Planting("a cr3 that is not the vcpu's", _cr3),
    Planting("a base pointer to another domain's L3", _foreign_base),
    Planting("a shared_info in another place", _shared_info),
    Planting("a list of domains without end", _endless_list),
    Planting("a pointer to nothing", _wild_pointer),
)
