"""Records of frames that do not say what their uses are."""

from __future__ import annotations

from collections.abc import Sequence

from tests.unit.inspect.image_memory import ABI, ALLOCATED, L2, NOBODY, NX, PAGE, SEGMENTS, VALIDATED, WRITABLE
from tests.unit.inspect.plantings.base import Expected, Planting, World, way
from xengen.inspect.violation import Rule


def _reference_count(world: World) -> Expected:
    target = world.one.pages[1]
    world.machine.record(target).count += 1
    return Expected(Rule.REFERENCE_COUNT, target, 1, way(world.one, index=1), "its allocation, L1")


def _lost_reference(world: World) -> Expected:
    guest = world.one
    world.machine.record(guest.l2).count -= 1
    return Expected(Rule.REFERENCE_COUNT, guest.l2, 1, f"L3 {guest.l3:#x}[0]", "references are found")


def _type(world: World) -> Expected:
    target = world.one.pages[1]
    world.machine.record(target).type = SEGMENTS | VALIDATED | 1
    return Expected(Rule.TYPE, target, 1, way(world.one, index=1), "needs writable")


def _type_count(world: World) -> Expected:
    target = world.one.l1
    world.machine.record(target).type += 1
    return Expected(Rule.TYPE_COUNT, target, 1, f"L2 {world.one.l2:#x}[0]", "count as L1 is 2, but 1")


def _not_validated(world: World) -> Expected:
    target = world.one.pinned_l1
    world.machine.record(target).type &= ~VALIDATED
    return Expected(Rule.NOT_VALIDATED, target, 1, "", "pinned as L1, but not validated")


def _stale_type(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).type = L2 | VALIDATED
    return Expected(Rule.STALE_TYPE, target, 1, "", "its type's count is 0")


def _pin(world: World) -> Expected:
    target = world.one.pages[2]
    world.machine.pin(target, WRITABLE)
    return Expected(Rule.PIN, target, 1, "", "pinned as writable")


def _m2p_owner(world: World) -> Expected:
    target = int(world.machine.hypervisor().m2p_frames[0])
    world.machine.record(target).owner = 0
    return Expected(Rule.OWNER, target, None, "", "in the M2P table, but not domain_xen's")


def _m2p_type(world: World) -> Expected:
    target = int(world.machine.hypervisor().m2p_frames[0])
    world.machine.record(target).type = 0
    return Expected(Rule.TYPE_COUNT, target, None, "", "its count as none is 0, but 1 uses are found")


def _not_m2p(world: World) -> Expected:
    target = world.machine.mfn("empty_page")
    world.machine.record(target).owner = world.machine.symbols["domain_xen"]
    return Expected(Rule.OWNER, target, None, "", "domain_xen's, but not in the M2P table")


def _owner(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.domain(world.one.address).nr_pages -= 1
    world.machine.record(target).owner = world.one.address + 0x40
    return Expected(Rule.OWNER, target, None, "", "no domain is")


def _nr_pages(world: World) -> Expected:
    world.machine.domain(world.one.address).nr_pages += 1
    return Expected(Rule.NR_PAGES, None, 1, "", "frames are its own")


def _free_list(world: World) -> Expected:
    target = world.machine.allocate()
    world.machine.free(target)
    world.machine.record(target).count = ALLOCATED | 1
    return Expected(Rule.FREE_LIST, target, None, "", "its record is not empty")


def _free_hole(world: World) -> Expected:
    world.machine.set_free(5, True)
    return Expected(Rule.FREE_LIST, 5, None, "", "no RAM")


def _free_beyond(world: World) -> Expected:
    world.machine.set_free(world.machine.max_frame, True)
    return Expected(Rule.FREE_LIST, world.machine.max_frame, None, "", "beyond max_frame")


def _free_count(world: World) -> Expected:
    world.machine.write("free_frames", 17)
    return Expected(Rule.FREE_COUNT, None, None, "", "free_frames is 17")


def _free_tree(world: World) -> Expected:
    target = world.machine.max_frame - 8
    world.machine.flip("frame_tree", ABI["FRAME_LEAVES"] + target >> 3)
    return Expected(Rule.FREE_TREE, target, None, "", "8 frames from here on as not all free")


def _free_tree_words(world: World) -> Expected:
    world.machine.flip("frame_tree_words", 77)
    return Expected(Rule.FREE_TREE, None, None, "", "word 0x4d of the tree as not zero")


def _free_tree_hint(world: World) -> Expected:
    world.machine.write("frame_hint", 2 * ABI["FRAME_LEAVES"] // 1024)
    return Expected(Rule.FREE_TREE, None, None, "", "frames before it are free")


def put_in_hand(world: World, extents: Sequence[int], order: int = 0) -> None:
    """Have domain 1 hold extents of the hypervisor's frames in hand, wholly zeroed."""
    hand = world.machine.vcpu(world.one.vcpu).hand
    hand.extents, hand.order, hand.limit, hand.rest = len(extents), order, NOBODY, 0
    for mfn in extents:
        world.machine.record(mfn).link = hand.first
        hand.first = mfn


def _in_hand_and_owned(world: World) -> Expected:
    target = world.one.pages[3]
    put_in_hand(world, [world.machine.allocate(), target])
    return Expected(Rule.HAND, target, 1, "", "its record says otherwise")


def _in_hand_without_end(world: World) -> Expected:
    first = world.machine.allocate()
    put_in_hand(world, [first])
    world.machine.record(first).link = first
    return Expected(Rule.HAND, None, 1, "", "1 extents, but the chain of them has more")


def _in_hand_beyond(world: World) -> Expected:
    put_in_hand(world, [world.machine.max_frame - 4], 3)
    return Expected(Rule.HAND, None, 1, "", "and 8 from there on")


def _in_hand_twice(world: World) -> Expected:
    target = world.machine.allocate()
    put_in_hand(world, [target])
    world.machine.vcpu(world.zero.vcpu).hand = world.machine.vcpu(world.one.vcpu).hand
    return Expected(Rule.HAND, target, None, "", "in hand twice")


def _leak(world: World) -> Expected:
    target = world.machine.allocate()
    return Expected(Rule.LEAK, target, None, "", "the hypervisor does not use it")


def _leak_of_domain(world: World) -> Expected:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).count = 0
    return Expected(Rule.LEAK, target, 1, "", "nothing refers to it")


def _m2p(world: World) -> Expected:
    world.machine.set_m2p(world.machine.mfn("routine"), 7)
    return Expected(Rule.M2P, world.machine.mfn("routine"), None, "", "M2P entry is 0x7")


def _invalid_page(world: World) -> Expected:
    index = world.machine.region_entry(ABI["M2P_READ_ONLY"] + ABI["M2P_BYTES"] - PAGE)
    target = (world.machine.entry(*index) & ~NX) // PAGE
    world.machine.poke(target, 3, 0)
    return Expected(Rule.M2P, target, None, "", "has valid ones")


PLANTINGS: tuple[Planting, ...] = (
    Planting("a reference too many", _reference_count),
    Planting("a reference too few", _lost_reference),
    Planting("a frame of another type than its use", _type),
    Planting("a type reference too many", _type_count),
    Planting("a pinned table that is not validated", _not_validated),
    Planting("a table that is validated without a use", _stale_type),
    Planting("a pinned frame that is no table", _pin),
    Planting("an owner that is no domain", _owner),
    Planting("a frame of the M2P table that is nobody's", _m2p_owner),
    Planting("a frame of the M2P table that could be written to", _m2p_type),
    Planting("a frame that is taken for one of the M2P table", _not_m2p),
    Planting("a wrong number of pages", _nr_pages),
    Planting("a free frame with a record", _free_list),
    Planting("a free frame that is no RAM", _free_hole),
    Planting("a free frame beyond memory", _free_beyond),
    Planting("a wrong number of free frames", _free_count),
    Planting("a block that is free and not in the tree", _free_tree),
    Planting("a word of the tree that is zero and said not to be", _free_tree_words),
    Planting("a hint beyond free frames", _free_tree_hint),
    Planting("a frame in hand with an owner", _in_hand_and_owned),
    Planting("a hand without an end", _in_hand_without_end),
    Planting("a hand beyond memory", _in_hand_beyond),
    Planting("a frame in two hands", _in_hand_twice),
    Planting("a frame that nobody has", _leak),
    Planting("a domain's frame without references", _leak_of_domain),
    Planting("a valid M2P entry of a frame without owner", _m2p),
    Planting("a valid entry in the page of invalid M2P entries", _invalid_page),
)
