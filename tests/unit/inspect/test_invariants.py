"""What the checker allows, how much it says, and how: the rules themselves are in test_plantings.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.inspect.image_memory import ABI, L1, L2, L2R, L3, PAGE, RW, TABLE, US, A, P
from tests.unit.inspect.plantings import World, make_world
from tests.unit.inspect.plantings.grants import grant, unmapped
from tests.unit.inspect.plantings.records import put_in_hand
from xengen.abi.x86 import MultibootModule
from xengen.inspect.invariants import MOST, Mapping, Rule, Step, Violation, check, timings


def _linear_self(world: World) -> None:
    world.machine.poke(world.one.l2, 20, world.one.l2 * PAGE | P | US | A)


def _linear_to_slot_3(world: World) -> None:
    world.machine.link_linear(world.one.l2, 21, world.one.l2_reserved, L2R)


def _linear_keeps_an_l2(world: World) -> None:
    l2 = world.machine.allocate(world.one.address)
    world.machine.link_linear(world.one.l2, 22, l2, L2)


def _table_read_only(world: World) -> None:
    world.machine.map(world.one.l1, 90, world.one.l2, P | US)


def _l1_in_two_places(world: World) -> None:
    world.machine.link(world.one.l2, 23, world.one.l1, L1)


def _second_l3(world: World) -> None:
    machine, guest = world.machine, world.one
    l3, top = machine.allocate(guest.address), machine.allocate(guest.address)
    machine.link(l3, 1, guest.l2, L2)
    machine.link(l3, 3, top, L2R)
    machine.fill_reserved(guest, top, l3)
    machine.pin(l3, L3)


def _partly_validated(world: World) -> None:
    """An L3 of which only slot 0 has been taken, above an L2 that is half done; their other entries are nonsense."""
    machine, guest = world.machine, world.one
    l3, l2 = machine.allocate(guest.address), machine.allocate(guest.address)
    machine.link(l2, 0, guest.l1, L1)
    machine.poke(l2, 1, 0xFFFFFFFFFFFFFFFF)
    machine.make_partial(l2, L2, 1)
    machine.link(l3, 0, guest.l2, L2)
    machine.poke(l3, 1, l2 * PAGE | P)
    machine.make_partial(l3, L3, 1)


def _partly_dropped(world: World) -> None:
    """An L3 whose L2 in slot 0 is half dropped: the entry still holds the frame, but not its type."""
    machine, guest = world.machine, world.one
    l3, l2 = machine.allocate(guest.address), machine.allocate(guest.address)
    machine.link(l2, 0, guest.l1, L1)
    machine.poke(l2, 1, guest.l1 * PAGE | TABLE)
    machine.make_partial(l2, L2, 1)
    machine.link(l3, 0, l2, 0)
    machine.make_partial(l3, L3, 1)


def _l1_partly_undone(world: World) -> None:
    """An L1 of which one entry is left, on its way back because of the second: the error is above the number."""
    machine, guest = world.machine, world.one
    l1 = machine.allocate(guest.address)
    machine.map(l1, 0, guest.pages[1])
    machine.poke(l1, 1, guest.l2 * PAGE | P | RW)
    machine.make_partial(l1, L1, 1 | 16 << ABI["FRAME_ERROR_SHIFT"])


def _frames_in_hand(world: World) -> None:
    """What memory_op prepares for one domain, and what it has yet to free for the other: 3 frames of an extent of 4."""
    machine = world.machine
    put_in_hand(world, [machine.allocate() for _ in range(3)])
    extent = [machine.allocate() for _ in range(4)]
    hand = machine.vcpu(world.zero.vcpu).hand
    hand.first, hand.extents, hand.order, hand.rest = extent[0], 1, 2, 3
    machine.free(extent[3])


def _privileged_maps_others(world: World) -> None:
    world.machine.map(world.zero.l1, 91, world.one.pages[2])


def _privileged_maps_devices(world: World) -> None:
    world.machine.poke(world.zero.l1, 92, 0xB8000 | P | RW | 0x10)
    world.machine.poke(world.zero.l1, 93, 0xC0000000 | P | RW)


def _given_back_but_mapped(world: World) -> None:
    record = world.machine.record(world.one.pages[1])
    record.count = (record.count & ~ABI["FRAME_ALLOCATED"]) - 1


def _was_writable(world: World) -> None:
    target = world.machine.allocate(world.one.address)
    world.machine.record(target).type = ABI["FRAME_TYPE_WRITABLE"] | ABI["FRAME_VALIDATED"]


def _not_present(world: World) -> None:
    world.machine.poke(world.one.l1, 94, 0xFFFFFFFFFFFFFFFE)


def _in_the_map_cache(world: World) -> None:
    world.machine.map_region(ABI["MAP_CACHE"], world.one.l1)


def _left_by_a_module(world: World) -> None:
    machine = world.machine
    module = machine.at(MultibootModule, machine.physical("boot_modules"))
    first, last = machine.allocate(), machine.allocate()
    module.start, module.end, module.cmdline = first * PAGE + 16, last * PAGE + 16, last * PAGE + 32


def _granted(world: World) -> None:
    grant(world)


def _granted_for_reading(world: World) -> None:
    grant(world, writable=False)


def _dying(world: World) -> None:
    machine, guest = world.machine, world.one
    machine.domain(guest.address).flags |= ABI["DOMAIN_DYING"] | ABI["DOMAIN_SHUTDOWN"]
    machine.vcpu(guest.vcpu).gdt_entries = 0
    machine.drop(guest.gdt, typed=True)
    machine.vcpu(guest.vcpu).guest_table = 0xFFFFFFFF
    machine.drop(guest.l3, typed=True)
    machine.pin(guest.l3, L3)


@pytest.mark.parametrize(
    "arrange",
    [
        _linear_self,
        _linear_to_slot_3,
        _linear_keeps_an_l2,
        _table_read_only,
        _l1_in_two_places,
        _second_l3,
        _partly_validated,
        _partly_dropped,
        _l1_partly_undone,
        _frames_in_hand,
        _privileged_maps_others,
        _privileged_maps_devices,
        _given_back_but_mapped,
        _was_writable,
        _not_present,
        _in_the_map_cache,
        _left_by_a_module,
        _granted,
        _granted_for_reading,
        unmapped,
        _dying,
    ],
)
def test_the_checker_allows_what_the_abi_allows(arrange: Callable[[World], None]) -> None:
    world = make_world()
    arrange(world)
    assert [str(violation) for violation in check(world.machine.hypervisor())] == []


def test_a_mapping_that_is_granted_is_no_violation() -> None:
    world = make_world()
    world.machine.map(world.one.l1, 95, world.zero.pages[0])
    granted = Mapping(mapper=1, owner=0, mfn=world.zero.pages[0], writable=True)
    assert check(world.machine.hypervisor(), permits=lambda mapping: mapping == granted) == []


def test_a_read_only_grant_permits_no_writing() -> None:
    world = make_world()
    world.machine.map(world.one.l1, 95, world.zero.pages[0])
    found = check(world.machine.hypervisor(), permits=lambda mapping: not mapping.writable)
    assert [violation.rule for violation in found] == [Rule.FOREIGN_FRAME]


def test_a_violation_is_one_line_with_rule_frame_domain_path_and_reason() -> None:
    path = (Step(3, 0x401, 0), Step(2, 0x402, 3), Step(1, 0x404, 17))
    violation = Violation(Rule.WRITABLE_TABLE, "a writable mapping of L1", 0x4A2, 1, path)
    assert str(violation) == (
        "writable-table: frame 0x4a2, domain 1: L3 0x401[0] -> L2 0x402[3] -> L1 0x404[17]: a writable mapping of L1"
    )


def test_a_violation_without_a_frame_says_only_what_there_is() -> None:
    assert str(Violation(Rule.FREE_COUNT, "free_frames is 17")) == "free-count: free_frames is 17"


def test_of_many_violations_of_one_kind_the_first_are_shown() -> None:
    world = make_world()
    for index in range(MOST + 5):
        world.machine.poke(world.one.l1, 100 + index, 0xB8000 | P)
    found = check(world.machine.hypervisor())
    assert len(found) == MOST + 1
    assert str(found[-1]) == f"io-frame: and more: only the first {MOST} are shown"


def test_memory_full_of_ones_is_a_violation_and_no_exception() -> None:
    world = make_world()
    start = world.machine.physical("__data_start")
    world.machine.memory[start:] = b"\xff" * (len(world.machine.memory) - start)
    assert {violation.rule for violation in check(world.machine.hypervisor())} == {Rule.STRUCTURE}


@pytest.mark.parametrize("table", ["l1", "l2", "l2_reserved", "l3", "window"])
@pytest.mark.parametrize("value", [0xFFFFFFFFFFFFFFFF, 0x00000000FFFFF007, TABLE])
def test_tables_of_nonsense_are_violations_and_no_exception(table: str, value: int) -> None:
    world = make_world()
    for index in range(512):
        world.machine.poke(getattr(world.one, table), index, value)
    assert check(world.machine.hypervisor()) != []


def test_timings_name_each_part_and_end_with_the_whole() -> None:
    parts = timings(make_world().machine.hypervisor())
    assert (parts[0].name, parts[-1].name) == ("survey", "all")
    assert "tables.foreign_frames" in {part.name for part in parts}
    assert parts[-1].seconds >= sum(part.seconds for part in parts[:-1])
