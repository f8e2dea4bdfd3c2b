"""Views over memory: what they show, and that they say what leads nowhere."""

from __future__ import annotations

import pytest

from tests.unit.inspect.image_memory import ABI, NX, PAGE, P
from tests.unit.inspect.synthetic import Synthetic
from xengen.inspect.views import BadStructure


@pytest.fixture
def machine() -> Synthetic:
    return Synthetic()


def test_domains_come_in_the_order_of_their_list_with_their_vcpus(machine: Synthetic) -> None:
    guests = [machine.add_domain(number) for number in (0, 3)]
    domains = machine.hypervisor().domains()
    assert [domain.id for domain in domains] == [0, 3]
    assert [vcpu.record.guest_table for vcpu in machine.hypervisor().vcpus] == [guest.l3 for guest in guests]


def test_a_view_reads_again_each_time_it_is_asked(machine: Synthetic) -> None:
    guest = machine.add_domain(0)
    hypervisor = machine.hypervisor()
    before = hypervisor.frames
    machine.record(guest.l1).count += 1
    assert hypervisor.frames["count"][guest.l1] == before["count"][guest.l1] + 1


def test_frames_and_m2p_have_an_element_for_each_frame(machine: Synthetic) -> None:
    hypervisor = machine.hypervisor()
    machine.set_m2p(machine.max_frame - 1, 0x1234)
    assert len(hypervisor.frames) == machine.max_frame
    assert hypervisor.m2p[machine.max_frame - 1] == 0x1234


def test_free_frames_are_those_of_the_bitmap(machine: Synthetic) -> None:
    taken = machine.allocate()
    free = machine.hypervisor().free
    assert not free[taken]
    assert int(free.sum()) == machine.read("free_frames")


def test_an_address_of_the_image_is_physical_at_a_fixed_distance(machine: Synthetic) -> None:
    assert machine.hypervisor().physical(machine.symbols["variables"] + 5) == machine.physical("variables") + 5


def test_another_address_of_the_region_goes_through_hv_l1(machine: Synthetic) -> None:
    heap = machine.heap_page()
    assert machine.hypervisor().physical(heap + 0x123) == machine.heap_mfn(heap) * PAGE + 0x123


def test_a_structure_may_cross_pages_that_are_not_together(machine: Synthetic) -> None:
    first, second = machine.heap_page(), machine.heap_page()
    machine.map_region(first, machine.heap_mfn(second), P | NX)
    machine.map_region(second, machine.allocate(), P | NX)
    machine.memory[machine.heap_mfn(first) * PAGE + PAGE - 2 : machine.heap_mfn(first) * PAGE + PAGE] = b"ab"
    machine.memory[machine.heap_mfn(second) * PAGE : machine.heap_mfn(second) * PAGE + 2] = b"cd"
    assert machine.hypervisor().read(second - 2, 4) == b"abcd"


@pytest.mark.parametrize(
    ("address", "what"),
    [
        (0x1000, "0x1000 is no address of the hypervisor's"),
        (ABI["HEAP_END"] - PAGE, "0xfd3ff000 is not mapped by hv_l1"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_so(machine: Synthetic, address: int, what: str) -> None:
    with pytest.raises(BadStructure, match=what):
        machine.hypervisor().read(address, 4)


def test_a_mapping_of_no_memory_is_said_so(machine: Synthetic) -> None:
    heap = machine.heap_page()
    machine.map_region(heap, 0xFEE00)
    with pytest.raises(BadStructure, match="is mapped to 0xfee00000, where there is no memory"):
        machine.hypervisor().read(heap, 4)


def test_a_missing_symbol_is_named(machine: Synthetic) -> None:
    del machine.symbols["free_frames"]
    with pytest.raises(BadStructure, match="the hypervisor has no symbol free_frames"):
        machine.hypervisor().word("free_frames")


def test_a_number_of_frames_that_cannot_be_is_not_believed(machine: Synthetic) -> None:
    machine.write("max_frame", 0xFFFFFFFF)
    with pytest.raises(BadStructure, match="max_frame is 0xffffffff, more than there can be"):
        _ = machine.hypervisor().frames
