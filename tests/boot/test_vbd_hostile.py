"""VBDs: rings that lie, pages that are taken away, ports that are closed. At worst the ring is shut, with a reason.

Invariants
  - The checker looks while things are in flight, and behind each test. It stops the machine, which has QEMU finish what
    a disk holds: so it is the last to look.
"""

from __future__ import annotations

import pytest

from tests.boot import event_ports
from tests.boot.grants import PERMIT, write_entry
from tests.boot.rings import until
from tests.boot.tables import frame
from tests.boot.vbds import CONNECTED, ERROR, OKAY, READ, SHUT, WRITE, BlockFront, DiskHost, Segment, expected
from xengen.abi.memory import XenMemoryReservation
from xengen.abi.mmu import MmuextArg1, MmuextOp
from xengen.abi.vbd import VbdNothing
from xengen.agent.names import DOMID_SELF, value
from xengen.agent.outcome import Fault

PRODUCER, PORT_CLOSED, DISCONNECTED = (
    value(f"IO_REASON_{name}") for name in ("PRODUCER", "PORT_CLOSED", "DISCONNECTED")
)
WORD = 1 << 32


def state(front: BlockFront) -> tuple[int, int]:
    """Its state, and why it was shut."""
    info = front.info()
    return int(info.state), int(info.reason)


def in_flight(front: BlockFront, count: int) -> list[int]:
    """Put so many reads of a page each in flight, of sectors 16 * index, while the disk holds them; their ids."""
    assert front.do(READ, 900, [Segment(front.page().ref)]) == OKAY  # the one that is not held
    made = [front.put(READ, 16 * index, [Segment(page.ref)]) for index, page in enumerate(front.pages(count))]
    front.push()
    assert front.info().in_flight == count
    return made


@pytest.mark.parametrize("jump", [33, 34, 64, 1 << 16, 1 << 31, WORD - 1, WORD - 32, WORD - 33])
@pytest.mark.parametrize("done", [0, 5])
def test_a_producer_that_no_ring_can_have_shuts_it(disk_host: DiskHost, done: int, jump: int) -> None:
    front = disk_host.connected()
    page = front.page()
    for number in range(done):
        assert front.read(number, 1, page) == expected(number, 1)
    event_ports.quiet(front.agent)
    front.ring.header.req_prod = (done + jump) % WORD
    front.kick()
    assert state(front) == (SHUT, PRODUCER)
    assert front.port in event_ports.pending(front.agent)
    assert event_ports.status(front.agent, front.port) == event_ports.Status(event_ports.UNBOUND, 0)


def test_a_producer_that_laps_what_is_in_flight_shuts_the_ring_and_what_is_in_flight_ends(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    with disk_host.held():
        in_flight(front, 4)
        front.ring.header.req_prod = 34
        front.kick()
        assert state(front) == (SHUT, PRODUCER)
        view = front.view()
        assert view is not None
        assert len(view.in_use) == 4
        assert front.op("vbd_connect", front.offer()) == -value("EBUSY")
        disk_host.check()
    until(lambda: front.info().in_flight == 0)
    assert front.ring.take() == []


def test_a_producer_that_runs_back_shuts_the_ring(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    with disk_host.held():
        in_flight(front, 4)
        front.ring.header.req_prod = 3
        front.kick()
        assert state(front) == (SHUT, PRODUCER)
    until(lambda: front.info().in_flight == 0)


def test_a_ring_full_of_garbage_is_answered_with_32_errors(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    start = front.ring.page.machine + 64
    disk_host.machine.memory.write(start, bytes(index * 37 % 256 for index in range(32 * 108)))
    front.ring.req_prod_pvt = 32
    front.push()
    assert all(answer.status != OKAY for answer in front.answers(32))
    assert state(front)[0] == CONNECTED
    assert front.read(0, 8, front.page()) == expected(0, 8)


def test_one_id_for_all_requests_is_the_front_ends_own_affair(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    page = front.page()
    for sector in range(6):
        front._next_id = 76
        front.put(READ, sector, [Segment(page.ref, 0, 0)])
    front.push()
    assert [(answer.id, answer.status) for answer in front.answers(6)] == [(77, OKAY)] * 6


def test_counters_of_responses_in_the_page_are_not_believed(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    page = front.page()
    for wild in (7, 1 << 31, WORD - 1):
        front.ring.header.rsp_prod = wild
        number = front.put(READ, 3, [Segment(page.ref, 0, 0)])
        front.push()
        front.kick()
        until(lambda: front.info().in_flight == 0 and front.ring.header.rsp_prod == front.ring.req_prod_pvt)
        slot = front.ring.slots[front.ring.rsp_cons % 32].rsp
        assert (slot.id, slot.status) == (number, OKAY)
        front.ring.rsp_cons = front.ring.header.rsp_prod


def test_a_grant_that_is_taken_back_in_flight_stays_in_use(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    with disk_host.held():
        in_flight(front, 3)
        pages = front._pages[-3:]
        for page in pages:
            write_entry(front.agent, page.ref, 0, 0, 0)
        assert frame(front.agent, pages[-1].page.mfn)[:2] == ("writable", 2)
        disk_host.check()
    assert [answer.status for answer in front.answers(3)] == [OKAY] * 3
    assert [front.memory(page) for page in pages] == [expected(16 * index, 8) for index in range(3)]
    assert [page.marks for page in pages] == [0, 0, 0]


def test_an_entry_that_shows_another_page_in_flight_changes_nothing(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    other = front.page()
    disk_host.machine.memory.write(other.page.machine, b"\xee" * 4096)
    with disk_host.held():
        in_flight(front, 2)
        page = front._pages[-1]
        write_entry(front.agent, page.ref, other.page.mfn, 0, PERMIT)
    assert [answer.status for answer in front.answers(2)] == [OKAY] * 2
    assert front.memory(page) == expected(16, 8)
    assert front.memory(other) == b"\xee" * 4096
    write_entry(front.agent, page.ref, page.page.mfn, 0, PERMIT)


def test_a_page_that_is_given_back_in_flight_is_nobody_elses_before_the_disk_has_done(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    agent = front.agent
    with disk_host.held():
        in_flight(front, 2)
        page = front._pages.pop().page
        assert agent.map(page.va, 0) == 0
        frames = agent.put([page.mfn])
        argument = XenMemoryReservation(extent_start=frames, nr_extents=1, domid=DOMID_SELF)
        assert agent.hypercall("memory_op", value("XENMEM_decrease_reservation"), argument) == 1
        assert frame(agent, page.mfn)[:3] == ("writable", 1, 1)
        disk_host.check()
    assert [answer.status for answer in front.answers(2)] == [OKAY] * 2
    assert frame(agent, page.mfn)[:3] == ("none", 0, 0)


def test_a_page_in_flight_cannot_become_a_page_table(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    agent = front.agent
    with disk_host.held():
        in_flight(front, 2)
        page = front._pages[-1].page
        assert agent.map(page.va, page.machine | 0x61) == 0
        disk_host.machine.memory.write(page.machine, bytes(4096))
        pin = MmuextOp(cmd=value("MMUEXT_PIN_L1_TABLE"), arg1=MmuextArg1(mfn=page.mfn))
        assert agent.hypercall("mmuext_op", pin, 1, 0, DOMID_SELF) < 0
    assert [answer.status for answer in front.answers(2)] == [OKAY] * 2


def test_the_ring_page_stays_when_its_grant_and_its_mapping_go(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    page = front.page()
    write_entry(front.agent, front.ring_granted.ref, 0, 0, 0)
    assert front.agent.map(front.ring.page.va, 0) == 0
    assert isinstance(front.agent.load(front.ring.page.va), Fault)
    assert front.read(5, 8, page) == expected(5, 8)
    disk_host.check()


def test_a_closed_port_shuts_the_ring(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    assert event_ports.close(front.agent, front.port) == 0
    front.port = 0
    assert state(front) == (SHUT, PORT_CLOSED)


def test_a_port_that_is_closed_in_flight_lets_what_is_in_flight_end(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    with disk_host.held():
        in_flight(front, 5)
        assert event_ports.reset(front.agent) == 0
        front.port = 0
        assert state(front) == (SHUT, PORT_CLOSED)
        disk_host.check()
    until(lambda: front.info().in_flight == 0)
    assert [page.marks for page in front._pages] == [0] * 6


def test_domain_0_disconnects_in_flight(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    with disk_host.held():
        in_flight(front, 5)
        assert front.op("vbd_disconnect", VbdNothing()) == 0
        assert state(front) == (SHUT, DISCONNECTED)
        disk_host.check()
    until(lambda: front.info().in_flight == 0)
    assert front.ring_granted.marks == 0


def test_a_vbd_that_is_destroyed_in_flight_goes_when_the_disk_has_done(disk_host: DiskHost) -> None:
    front = disk_host.connected()
    with disk_host.held():
        in_flight(front, 5)
        assert front.op("vbd_destroy", VbdNothing()) == 0
        assert front.op("vbd_destroy", VbdNothing()) == -value("ENOENT")
        assert front.view() is not None
        disk_host.check()
    until(lambda: front.view() is None)
    assert [page.marks for page in front._pages] == [0] * 6


def test_a_vbd_that_was_shut_is_connected_again(disk_host: DiskHost) -> None:
    front = disk_host.connected(start=100, sectors=64)
    front.ring.header.req_prod = 1 << 30
    front.kick()
    assert state(front) == (SHUT, PRODUCER)
    event_ports.close(front.agent, front.port)
    front.ring.restart()
    front.connect()
    assert state(front) == (CONNECTED, 0)
    assert front.read(1, 8, front.page()) == expected(101, 8)


def test_a_hostile_neighbour_does_no_harm_to_a_good_one(disk_host: DiskHost) -> None:
    good, bad = disk_host.connected(0, 512, domain=0), disk_host.connected(1024, 512)
    pages = good.pages(8)
    numbers = [good.put(WRITE, 8 * index, [Segment(page.ref)]) for index, page in enumerate(pages)]
    bad.put(READ, 1 << 40, [Segment(5)])
    bad.put(0x66, 0, [Segment(6)])
    bad.push()
    bad.ring.header.req_prod = 77
    bad.kick()
    good.push()
    assert sorted(answer.id for answer in good.answers(8)) == numbers
    assert state(bad) == (SHUT, PRODUCER)
    assert [answer.status for answer in bad.ring.take()] in ([ERROR, -2], [])
    disk_host.fill(0, 512)
