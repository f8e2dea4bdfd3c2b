"""Virtual interfaces: packets between domains, by copy, by exchange of pages, and to many."""

from __future__ import annotations

import random

import pytest

from tests.boot import event_ports
from tests.boot.reservations import give, record
from tests.boot.rings import io_op
from tests.boot.vif_host import NetHost
from tests.boot.vifs import EVERYBODY, OKAY, Piece, Received, frame, mac
from xengen.abi.vif import NicInfo
from xengen.agent.names import ENOENT


@pytest.mark.parametrize("size", [14, 60, 95, 96, 97, 1000, 1514])
def test_a_packet_reaches_the_domain_whose_address_it_has(net_host: NetHost, size: int) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=2)
    data = frame(other.mac, one.mac, payload=random.Random(size).randbytes(max(size - 14, 0)), size=size)
    assert one.send(data) == OKAY
    assert other.packets() == [data]
    assert (one.info().tx_packets, one.info().tx_bytes) == (1, size)
    assert (other.info().rx_packets, other.info().rx_bytes) == (1, size)


@pytest.mark.parametrize(
    "sizes",
    [(14, 46), (1, 1, 12, 46), (60, 0), (100, 1414), (96, 100), (95, 2, 100), (7,) * 18, (84,) * 18],
    ids=lambda sizes: "+".join(map(str, sizes[:4])),
)
def test_a_packet_is_what_its_slots_have_in_their_order(net_host: NetHost, sizes: tuple[int, ...]) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    total = sum(sizes)
    data = frame(other.mac, one.mac, payload=random.Random(total).randbytes(total - 14), size=total)
    pages, at = [one.page() for _ in sizes], 0
    pieces = []
    for index, (granted, size) in enumerate(zip(pages, sizes, strict=True)):
        offset = (index * 517) % (4096 - size)
        one.agent.machine.memory.write(granted.page.machine + offset, data[at : at + size])
        pieces.append(Piece(granted.ref, size, offset))
        at += size
    numbers = one.put(pieces)
    one.push()
    assert one.answers(len(sizes)) == [(number, OKAY) for number in numbers]
    assert other.packets() == [data]
    for granted in pages:
        one.revoke(granted)


def test_a_packet_for_an_address_that_nobody_has_is_lost_and_counted(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    assert one.send(frame(mac(99), one.mac)) == OKAY
    assert one.send(frame(one.mac, one.mac)) == OKAY
    assert (other.packets(), int(one.info().tx_lost)) == ([], 2)


def test_a_packet_for_all_reaches_all_others_on_the_wire(net_host: NetHost) -> None:
    domains = enumerate((0, 1, 1, 2))
    fronts = [net_host.connected(domain, number, handle=number, buffers=2) for number, domain in domains]
    data = frame(EVERYBODY, fronts[1].mac, payload=b"who is there?")
    assert fronts[1].send(data) == OKAY
    for front in (fronts[0], *fronts[2:]):
        front.wait_for(1)
    assert [front.packets() for front in fronts] == [[data], [], [data], [data]]


def test_a_packet_for_a_group_reaches_all_others_on_the_wire(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    data = frame(bytes.fromhex("01005e000001"), one.mac)
    assert one.send(data) == OKAY
    other.wait_for(1)
    assert other.packets() == [data]


def test_many_packets_for_all_come_in_their_order(net_host: NetHost) -> None:
    one, two, zero = net_host.connected(1), net_host.connected(2, buffers=40), net_host.connected(0, buffers=40)
    pages = [one.page(frame(EVERYBODY, one.mac, payload=bytes((number,)))) for number in range(40)]
    for granted in pages:
        one.put([Piece(granted.ref, 60)])
    one.push()
    assert [status for _, status in one.answers(40)] == [OKAY] * 40
    for front in (two, zero):
        front.wait_for(40)
        assert [data[14] for data in front.packets()] == list(range(40))
    for granted in pages:
        one.revoke(granted)


def test_without_a_buffer_a_packet_is_dropped_and_counted(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    data = frame(other.mac, one.mac)
    assert [one.send(data) for _ in range(3)] == [OKAY] * 3
    assert (other.packets(), int(other.info().rx_no_buffer)) == ([data], 2)
    other.post(1)
    assert one.send(data) == OKAY
    assert other.packets() == [data]


def test_an_interface_that_is_not_connected_gets_nothing(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    assert one.send(frame(other.mac, one.mac)) == OKAY
    assert int(other.info().rx_no_buffer) == 1


@pytest.mark.parametrize("size", [60, 96, 700, 1514])
def test_a_page_is_exchanged_and_the_reservation_stays(net_host: NetHost, size: int) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    other.connect(flags=0)
    before = int(record(other.agent).nr_pages)
    other.post_room(2)
    assert int(record(other.agent).nr_pages) == before - 2
    data = frame(other.mac, one.mac, payload=random.Random(size).randbytes(size - 14), size=size)
    assert [one.send(data), one.send(data[::-1][::-1])] == [OKAY, OKAY]
    mfns = [other.taken(number) for number in list(other.room)]
    assert other.packets() == [data, data]
    assert (int(record(other.agent).nr_pages), int(other.info().flipped)) == (before, 2)
    for mfn in mfns:
        page = other.agent.machine.memory.read(mfn * 4096, 4096)
        assert page.strip(b"\0").strip() in data + data, "there is nothing else in the page"
    assert give(other.agent, mfns) == 2


def test_a_page_that_went_to_many_is_each_ones_own(net_host: NetHost) -> None:
    one, two, zero = net_host.connected(1), net_host.front(2), net_host.connected(0, buffers=1)
    two.connect(flags=0)
    two.post_room(1)
    data = frame(EVERYBODY, one.mac, payload=b"all of you")
    assert one.send(data) == OKAY
    for front in (two, zero):
        front.wait_for(1)
    (ref,) = two.room
    mfn = two.taken(ref)
    assert (two.packets(), zero.packets()) == ([data], [data])
    assert give(two.agent, [mfn]) == 1


def test_a_buffer_that_is_none_is_answered_with_an_error_and_takes_the_packet_with_it(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2)
    other.post(2)
    first = min(other.buffers)
    other.revoke_buffer(first)
    data = frame(other.mac, one.mac)
    assert [one.send(data), one.send(data)] == [OKAY, OKAY]
    assert other.received() == [-1, Received(data, 0)]
    assert int(other.info().rx_errors) == 1


def test_who_waits_for_a_packet_gets_one_event_for_all_of_a_run(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=16)
    pages = [one.page(frame(other.mac, one.mac)) for _ in range(16)]
    for granted in pages:
        one.put([Piece(granted.ref, 60)])
    one.tx.ask_for(16)
    one.push()
    one.answers(16)
    other.wait_for(16)
    assert other.port in event_ports.pending(other.agent)
    assert (int(other.info().events), int(one.info().events), int(one.info().kicks)) == (1, 1, 1)
    assert len(other.packets()) == 16
    for granted in pages:
        one.revoke(granted)


def test_each_ring_has_its_own_port_when_the_front_end_wants_that(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    other.connect(split=True)
    other.post(1)
    assert one.send(frame(other.mac, one.mac)) == OKAY
    assert event_ports.pending(other.agent) == {other.rx_port}
    assert other.send(frame(one.mac, other.mac)) == OKAY
    assert event_ports.pending(other.agent) == {other.rx_port, other.port}


def test_a_machine_without_a_nic_has_no_wire_with_one(net_host: NetHost) -> None:
    one = net_host.connected(1)
    assert one.try_create(nic=0) == -ENOENT
    assert io_op(one.back, "nic_info", NicInfo(), 0, 0) == -ENOENT
