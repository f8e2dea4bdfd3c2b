"""io_op: who may call it, what it says to arguments that are no good, and the VBDs and extents that it makes.

Invariants
  - What is refused changes nothing: the checker looks behind each test.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, sizeof

import pytest

from tests.boot import event_ports
from tests.boot.rings import io_op
from tests.boot.vbds import CREATED, HANDLE, OKAY, READ, READ_ONLY, SHARED, BlockFront, DiskHost, Segment
from xengen.abi.io import IoOp
from xengen.abi.vbd import DiskInfo, DiskScan, VbdConnect, VbdCreate, VbdExtent, VbdInfo, VbdNothing
from xengen.agent.names import value

EPERM, EFAULT, EINVAL, ENOSYS, ESRCH, EACCES, ENOENT, EEXIST, EBUSY, ENOSPC = (
    -value(name)
    for name in ("EPERM", "EFAULT", "EINVAL", "ENOSYS", "ESRCH", "EACCES", "ENOENT", "EEXIST", "EBUSY", "ENOSPC")
)
VERSION = value("IO_VERSION")
COMMANDS: dict[str, type[Structure]] = {
    "disk_info": DiskInfo, "disk_scan": DiskScan, "vbd_create": VbdCreate, "vbd_extent": VbdExtent,
    "vbd_connect": VbdConnect, "vbd_disconnect": VbdNothing, "vbd_destroy": VbdNothing, "vbd_info": VbdInfo,
    "vbd_extent_info": VbdExtent,
}  # fmt: skip
ABOUT_A_DOMAIN = [name for name in COMMANDS if name.startswith("vbd")]
ABOUT_A_VBD = [name for name in ABOUT_A_DOMAIN if name != "vbd_create"]
LAST_SECTOR = (1 << 64) - 1


def io_operation(command: str, argument: int, size: int) -> IoOp:
    """An operation about a VBD of domain 1."""
    number = value(f"IO_OP_{command}")
    return IoOp(number, VERSION, domain=1, handle=HANDLE, argument=argument, bytes=size)


@pytest.mark.parametrize("command", COMMANDS)
def test_only_domain_0_decides_about_devices(disk_host: DiskHost, command: str) -> None:
    assert io_op(disk_host.agents[1], command, COMMANDS[command](), 1, HANDLE) == EPERM


@pytest.mark.parametrize("address", [0, 0xFC400000, 0xFFFFFFFC])
def test_an_operation_that_cannot_be_read_is_a_fault(disk_host: DiskHost, address: int) -> None:
    assert disk_host.agents[0].hypercall("io_op", address) == EFAULT


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_another_version_is_refused(disk_host: DiskHost, version: int) -> None:
    op = IoOp(cmd=value("IO_OP_disk_info"), interface_version=version)
    assert disk_host.agents[0].hypercall("io_op", op) == EACCES


@pytest.mark.parametrize("command", [0, 31, 0x7777, 0xFFFFFFFF])
def test_a_command_that_is_none_is_not_there(disk_host: DiskHost, command: int) -> None:
    assert disk_host.agents[0].hypercall("io_op", IoOp(cmd=command, interface_version=VERSION)) == ENOSYS


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("more", [-1, 1, 1 << 20])
def test_an_argument_of_another_size_is_refused(disk_host: DiskHost, command: str, more: int) -> None:
    agent, argument = disk_host.agents[0], COMMANDS[command]()
    op = io_operation(command, agent.put(argument), sizeof(argument) + more)
    assert agent.hypercall("io_op", op) == EINVAL


@pytest.mark.parametrize("command", COMMANDS)
def test_an_argument_that_cannot_be_read_is_a_fault(disk_host: DiskHost, command: str) -> None:
    op = io_operation(command, 0xFC400000, sizeof(COMMANDS[command]))
    assert disk_host.agents[0].hypercall("io_op", op) == EFAULT


@pytest.mark.parametrize("command", ABOUT_A_DOMAIN)
@pytest.mark.parametrize("domain", [2, 77, 0x7FF4, 0xFFFF])
def test_a_domain_that_is_none_is_refused(disk_host: DiskHost, command: str, domain: int) -> None:
    assert io_op(disk_host.agents[0], command, COMMANDS[command](), domain, HANDLE) == ESRCH


@pytest.mark.parametrize("command", ABOUT_A_VBD)
def test_a_vbd_that_is_none_is_refused(disk_host: DiskHost, command: str) -> None:
    disk_host.front(handle=HANDLE + 1)
    assert io_op(disk_host.agents[0], command, COMMANDS[command](), 1, HANDLE) == ENOENT


def test_what_is_known_of_a_disk_is_told(disk_host: DiskHost) -> None:
    info = DiskInfo(number=0)
    assert io_op(disk_host.agents[0], "disk_info", info) == 0
    record = disk_host.disk()
    assert bytes(info.name) == bytes(record.name)
    assert (info.sectors, info.reads, info.writes) == (disk_host.sectors, record.reads, record.writes)


@pytest.mark.parametrize("number", [1, 2, 0xFFFFFFFF])
def test_a_disk_that_is_none_is_refused(disk_host: DiskHost, number: int) -> None:
    assert io_op(disk_host.agents[0], "disk_info", DiskInfo(number=number)) == ENOENT


def test_a_new_vbd_has_nothing(disk_host: DiskHost) -> None:
    info = disk_host.front().info()
    assert info.state == CREATED
    assert not any(getattr(info, name) for name, *_ in VbdInfo._fields_)


@pytest.mark.parametrize("flags", [2, 4, 0x80000001])
def test_a_vbd_has_no_flags_that_we_do_not_know(disk_host: DiskHost, flags: int) -> None:
    assert io_op(disk_host.agents[0], "vbd_create", VbdCreate(flags), 1, HANDLE) == EINVAL


def test_a_domain_has_no_two_vbds_of_one_handle_but_another_domain_may(disk_host: DiskHost) -> None:
    front = disk_host.front()
    assert front.op("vbd_create", VbdCreate()) == EEXIST
    disk_host.front(domain=0)


def test_there_are_as_many_devices_as_there_is_room_for(disk_host: DiskHost) -> None:
    agent = disk_host.agents[0]
    most = value("IO_DEVICES")
    results = [io_op(agent, "vbd_create", VbdCreate(), number % 2, number) for number in range(most + 1)]
    assert results == [0] * most + [ENOSPC]
    disk_host.check()
    assert [io_op(agent, "vbd_destroy", VbdNothing(), number % 2, number) for number in range(most)] == [0] * most


def test_extents_are_told_as_they_were_given(disk_host: DiskHost) -> None:
    front = disk_host.front()
    assert front.extent(100, 8, READ_ONLY) == 0
    assert front.extent(50, 20, SHARED) == 0
    told = []
    for index in range(2):
        argument = VbdExtent(index=index)
        assert front.op("vbd_extent_info", argument) == 0
        told.append((argument.disk, argument.flags, argument.start, argument.sectors))
    assert told == [(0, READ_ONLY, 100, 8), (0, SHARED, 50, 20)]
    assert front.op("vbd_extent_info", VbdExtent(index=2)) == ENOENT
    assert front.op("vbd_extent_info", VbdExtent(index=0xFFFFFFFF)) == ENOENT
    assert (front.info().sectors, front.info().extents) == (28, 2)


@pytest.mark.parametrize("start, sectors, result", [
    (0, 16384, 0), (16383, 1, 0), (0, 16385, EINVAL), (16384, 1, EINVAL), (16383, 2, EINVAL), (0, 0, EINVAL),
    (1 << 32, 1, EINVAL), (0, 1 << 32, EINVAL), (1, LAST_SECTOR, EINVAL), (LAST_SECTOR, 1, EINVAL),
    (LAST_SECTOR, 2, EINVAL), (1 << 63, 1 << 63, EINVAL), (0, (1 << 32) + 16384, EINVAL),
])  # fmt: skip
def test_an_extent_is_within_its_disk(disk_host: DiskHost, start: int, sectors: int, result: int) -> None:
    assert disk_host.front().extent(start, sectors) == result


def test_an_extent_is_of_a_disk_that_is_there(disk_host: DiskHost) -> None:
    assert disk_host.front().extent(0, 8, disk=1) == ENOENT


@pytest.mark.parametrize("flags", [4, 8, 0x80000000])
def test_an_extent_has_no_flags_that_we_do_not_know(disk_host: DiskHost, flags: int) -> None:
    assert disk_host.front().extent(0, 8, flags) == EINVAL


def test_a_vbd_has_no_more_extents_than_there_is_room_for(disk_host: DiskHost) -> None:
    front, most = disk_host.front(), value("VBD_EXTENTS")
    assert [front.extent(8 * number, 8) for number in range(most + 1)] == [0] * most + [ENOSPC]


@pytest.mark.parametrize("first, second, result", [
    (0, 0, EBUSY), (READ_ONLY, 0, EBUSY), (0, READ_ONLY, EBUSY), (READ_ONLY, READ_ONLY, 0), (SHARED, 0, EBUSY),
    (0, SHARED, EBUSY), (SHARED, SHARED, 0), (SHARED, READ_ONLY, EBUSY), (READ_ONLY | SHARED, SHARED, 0),
])  # fmt: skip
@pytest.mark.parametrize("start, sectors", [(100, 50), (149, 1), (100, 1), (90, 11), (0, 16384), (120, 10)])
def test_sectors_that_one_may_write_are_nobody_elses_unless_both_are_shared(
    disk_host: DiskHost, first: int, second: int, result: int, start: int, sectors: int
) -> None:
    assert disk_host.front().extent(100, 50, first) == 0
    assert disk_host.front(domain=0).extent(start, sectors, second) == result


@pytest.mark.parametrize("start, sectors", [(0, 100), (150, 1), (99, 1), (150, 16234)])
def test_extents_side_by_side_are_no_overlap(disk_host: DiskHost, start: int, sectors: int) -> None:
    assert disk_host.front().extent(100, 50) == 0
    assert disk_host.front(domain=0).extent(start, sectors) == 0


def test_a_vbd_that_has_gone_has_left_its_sectors(disk_host: DiskHost) -> None:
    front = disk_host.front()
    assert front.extent(100, 50) == 0
    assert front.op("vbd_destroy", VbdNothing()) == 0
    assert disk_host.front(domain=0).extent(100, 50) == 0


def test_a_connected_vbd_keeps_its_extents(disk_host: DiskHost) -> None:
    assert disk_host.connected().extent(8000, 8) == EBUSY


def test_a_vbd_is_connected_once(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    assert front.op("vbd_connect", VbdConnect(front.ring_granted.ref, front.port)) == EBUSY


def refused_connection(front: BlockFront, argument: VbdConnect) -> None:
    """A connection is refused, and leaves nothing behind."""
    assert front.op("vbd_connect", argument) == EINVAL
    assert front.info().state == CREATED
    assert front.ring_granted.marks == 0


@pytest.mark.parametrize("ref", [7, 100, 511, 512, 0xFFFFFFFF])
def test_a_ring_is_a_page_that_is_granted(disk_host: DiskHost, ref: int) -> None:
    front = disk_host.front()
    argument = front.offer()
    refused_connection(front, VbdConnect(ref, argument.port))
    assert event_ports.status(front.agent, argument.port) == event_ports.Status(event_ports.UNBOUND, 0)


def test_a_ring_is_a_page_that_may_be_written(disk_host: DiskHost) -> None:
    front = disk_host.front()
    refused_connection(front, VbdConnect(front.page(read_only=True).ref, front.offer().port))


@pytest.mark.parametrize("kind", ["none", "free", "beyond", "for another domain", "an interrupt", "of another device"])
def test_a_port_waits_for_domain_0(disk_host: DiskHost, kind: str) -> None:
    front = disk_host.front()
    ports: dict[str, Callable[[], int]] = {
        "none": lambda: 0,
        "free": lambda: 900,
        "beyond": lambda: 1024,
        "for another domain": lambda: event_ports.alloc_unbound(front.agent, 1),
        "an interrupt": lambda: event_ports.bind_virq(front.agent, "TIMER"),
        "of another device": lambda: disk_host.connected(handle=HANDLE + 16).port,
    }
    refused_connection(front, VbdConnect(front.ring_granted.ref, ports[kind]()))
    if kind in ("for another domain", "an interrupt"):
        event_ports.reset(front.agent)


def test_a_port_of_a_device_is_a_channel_to_domain_0_for_its_owner(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    assert event_ports.status(front.agent, front.port) == event_ports.Status(event_ports.INTERDOMAIN, 0, 0)
    assert event_ports.bind_vcpu(front.agent, front.port) == 0
    assert event_ports.send(front.agent, front.port) == 0


def test_what_was_put_before_the_connection_is_served(disk_host: DiskHost) -> None:
    front = disk_host.front()
    assert front.extent(0, 64) == 0
    front.put(READ, 0, [Segment(front.page().ref)])
    front.ring.push()
    front.connect()
    assert [answer.status for answer in front.answers(1)] == [OKAY]
