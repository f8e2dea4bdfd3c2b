"""Network interfaces and disks, seen in memory."""

from __future__ import annotations

import pytest

from tests.unit.inspect.plantings.nics import BUFFERS, QUEUE, block, e1000, virtio
from tests.unit.inspect.synthetic import Synthetic
from xengen.abi.devices import Disk
from xengen.inspect.devices import disks, nics
from xengen.inspect.invariants import check
from xengen.inspect.nic_rings import rings


@pytest.fixture
def machine() -> Synthetic:
    return Synthetic()


def test_a_machine_may_have_neither(machine: Synthetic) -> None:
    assert (disks(machine.hypervisor()), nics(machine.hypervisor())) == ((), ())


def test_an_interface_is_seen_with_its_address_and_its_frames(machine: Synthetic) -> None:
    made, *_ = e1000(machine)
    (found,) = nics(machine.hypervisor())
    assert (found.name, found.mac, found.has_link, found.address) == ("e1000", "02:00:00:00:00:09", True, made.address)
    assert found.buffers == tuple(made.buffer(place) for place in range(BUFFERS))


def test_disks_are_seen_in_their_order(machine: Synthetic) -> None:
    first, one = block(machine, Disk)
    second, other = block(machine, Disk)
    one.name[:3], one.next, one.sectors = b"ide", second, 100
    other.name[:6], other.number, other.flags = b"virtio", 1, 1
    machine.write("disk_list", first)
    found = disks(machine.hypervisor())
    assert [(disk.record.number, disk.name, disk.is_read_only) for disk in found] == [
        (0, "ide", False),
        (1, "virtio", True),
    ]


def test_what_an_e1000_sends_is_seen_across_the_end_of_its_ring(machine: Synthetic) -> None:
    made, driver, _ = e1000(machine)
    found = rings(machine.hypervisor(), nics(machine.hypervisor())[0])
    assert (found.places, found.free, found.used) == (255, driver.tx_free, 3)
    assert [packet.pieces for packet in found.packets] == [((0x5000, 60), (0x5064, 60), (0x50C8, 60))]
    assert found.offered == tuple(made.buffer(place) for place in range(BUFFERS))


def test_what_a_virtio_device_sends_and_may_write_is_seen(machine: Synthetic) -> None:
    made, *_ = virtio(machine)
    found = rings(machine.hypervisor(), nics(machine.hypervisor())[0])
    assert (found.places, found.free, found.used) == (QUEUE, QUEUE - 3, 3)
    assert [len(packet.pieces) for packet in found.packets] == [2]
    assert found.offered[: QUEUE // 2] == tuple(made.buffer(place) for place in range(QUEUE // 2))
    assert set(found.offered[QUEUE // 2 :]) == {0}


@pytest.mark.parametrize("make", [e1000, virtio])
def test_interfaces_at_work_break_no_rule(machine: Synthetic, make: type) -> None:
    make(machine)
    assert check(machine.hypervisor()) == []
