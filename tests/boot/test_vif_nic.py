"""Virtual interfaces on a wire with a NIC: what leaves the machine, what comes in, and what stays inside."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.boot.harness import BOOTER, Images
from tests.boot.nics import MODELS
from tests.boot.reservations import give, record
from tests.boot.rings import io_op, until
from tests.boot.vif_host import NetHost
from tests.boot.vifs import (
    COPY,
    DROP,
    ERROR,
    EVERYBODY,
    IN,
    OKAY,
    OUT,
    REDIRECT,
    SHUT,
    TX_BLANK,
    NetFront,
    Piece,
    frame,
    mac,
)
from xengen.abi.vif import NicInfo
from xengen.inspect.live import check_machine
from xengen.machine.nics import Cable, NicSpec

OUTSIDE = bytes.fromhex("52540000beef")
FLIP = 0


@pytest.fixture(scope="module", params=MODELS)
def nic_machine(request: pytest.FixtureRequest, images: Images) -> Iterator[NetHost]:
    """The machine that `nic_host` is on, with each model of NIC."""
    host = NetHost(images, nics=[NicSpec(request.param, Cable())])
    yield host
    host.close()


@pytest.fixture
def nic_host(request: pytest.FixtureRequest, nic_machine: NetHost) -> Iterator[NetHost]:
    """A machine with three domains and a NIC, without interfaces; its cable is quiet."""
    request.node.stash[BOOTER] = nic_machine.booter
    yield nic_machine
    nic_machine.settle()


def on_the_wire(host: NetHost, domain: int = 1, *, flags: int = COPY, buffers: int = 0) -> NetFront:
    """A connected front end on the wire of the NIC."""
    made = host.front(domain, nic=0)
    made.connect(flags=flags)
    if flags & COPY:
        made.post(buffers)
    else:
        made.post_room(buffers)
    return made


@pytest.mark.parametrize("size", [60, 96, 97, 1000, 1514])
def test_a_packet_for_outside_leaves_byte_for_byte(nic_host: NetHost, size: int) -> None:
    one = on_the_wire(nic_host)
    data = frame(OUTSIDE, one.mac, payload=random.Random(size).randbytes(size - 14), size=size)
    assert one.send(data) == OKAY
    assert nic_host.cable.receive(30.0) == data


def test_a_packet_in_pieces_leaves_as_one(nic_host: NetHost) -> None:
    one = on_the_wire(nic_host)
    data = frame(OUTSIDE, one.mac, payload=random.Random(5).randbytes(1498), size=1512)
    pages = [one.page(data[84 * index : 84 * index + 84]) for index in range(18)]
    one.put([Piece(granted.ref, 84) for granted in pages])
    one.push()
    assert {status for _, status in one.answers(18)} == {OKAY}
    assert nic_host.cable.receive(30.0) == data
    for granted in pages:
        assert one.marks(granted) == 0, "nothing is in use any more"
        one.revoke(granted)


@pytest.mark.parametrize("layer", [UDP(sport=7, dport=9), TCP(sport=7, dport=9)], ids=["udp", "tcp"])
@pytest.mark.parametrize("size", [5, 100, 1400])
def test_a_checksum_that_was_left_is_complete_outside(nic_host: NetHost, layer: UDP | TCP, size: int) -> None:
    one = on_the_wire(nic_host)
    head = Ether(src=one.mac.hex(":"), dst=OUTSIDE.hex(":")) / IP(src="10.0.0.1", dst="10.0.0.2")
    whole = bytes(head / layer / Raw(random.Random(size).randbytes(size))).ljust(60, b"\0")
    at = 40 if isinstance(layer, UDP) else 50
    assert one.send(whole[:at] + b"\xaa\xbb" + whole[at + 2 :], flags=TX_BLANK) == OKAY
    assert nic_host.cable.receive(30.0) == whole


@pytest.mark.parametrize("data", [
    frame(OUTSIDE, mac(1)), frame(OUTSIDE, mac(1), 0x0800, b"\x45" + bytes(30)),
    frame(OUTSIDE, mac(1), 0x0800, b"\x4f"),
], ids=["no IPv4", "no UDP", "a head that is not whole"])  # fmt: skip
def test_a_checksum_that_cannot_be_completed_is_an_error(nic_host: NetHost, data: bytes) -> None:
    one = on_the_wire(nic_host)
    assert one.send(data, flags=TX_BLANK) == ERROR
    assert one.send(good := frame(OUTSIDE, one.mac, payload=b"next")) == OKAY
    assert nic_host.cable.receive(30.0) == good


@pytest.mark.parametrize("flags", [COPY, FLIP], ids=["copy", "exchange"])
@pytest.mark.parametrize("size", [60, 96, 97, 1000, 1514])
def test_a_packet_from_outside_reaches_who_it_is_for(nic_host: NetHost, flags: int, size: int) -> None:
    one, two = on_the_wire(nic_host, flags=flags, buffers=1), on_the_wire(nic_host, 2, buffers=1)
    data = frame(one.mac, OUTSIDE, payload=random.Random(size).randbytes(size - 14), size=size)
    nic_host.cable.send(data)
    one.wait_for(1)
    taken = [one.taken(number) for number in one.room]
    assert (one.packets(), two.packets()) == ([data], [])
    for mfn in taken:
        page = one.agent.machine.memory.read(mfn * 4096, 4096)
        assert sum(map(bool, page)) <= len(data), "nothing goes with it"
        assert data in page
    assert give(one.agent, taken) == len(taken)


def test_pages_that_are_exchanged_keep_the_reservation_and_the_nics_buffers(nic_host: NetHost) -> None:
    one = on_the_wire(nic_host, flags=FLIP, buffers=300 - 60)
    before = int(record(one.agent).nr_pages)
    for number in range(240):
        nic_host.cable.send(frame(one.mac, OUTSIDE, payload=number.to_bytes(2, "big"), size=60 + number))
        one.wait_for(number + 1)
    mfns = [one.taken(number) for number in list(one.room)]
    assert [int.from_bytes(data[14:16], "big") for data in one.packets()] == list(range(240))
    assert int(record(one.agent).nr_pages) == before + 240
    assert check_machine(nic_host.machine) == []
    assert give(one.agent, mfns) == 240


def test_a_packet_for_all_from_outside_reaches_all(nic_host: NetHost) -> None:
    fronts = [
        on_the_wire(nic_host, domain, flags=flags, buffers=1) for domain, flags in ((0, COPY), (1, FLIP), (2, COPY))
    ]
    alone = nic_host.connected(1, 9, handle=9, buffers=1)
    nic_host.cable.send(data := frame(EVERYBODY, OUTSIDE, payload=b"all"))
    for front in fronts:
        front.wait_for(1)
    (number,) = fronts[1].room
    mfn = fronts[1].taken(number)
    assert [front.packets() for front in (*fronts, alone)] == [[data], [data], [data], []]
    assert give(fronts[1].agent, [mfn]) == 1


def test_a_packet_for_all_from_a_domain_leaves_and_reaches_the_others(nic_host: NetHost) -> None:
    one, two = on_the_wire(nic_host, buffers=1), on_the_wire(nic_host, 2, buffers=1)
    assert one.send(data := frame(EVERYBODY, one.mac, payload=b"here I am", size=500)) == OKAY
    assert nic_host.cable.receive(30.0) == data
    two.wait_for(1)
    assert (one.packets(), two.packets()) == ([], [data])


def test_what_is_for_a_domain_of_the_wire_does_not_leave(nic_host: NetHost) -> None:
    one, two = on_the_wire(nic_host), on_the_wire(nic_host, 2, buffers=1)
    assert one.send(inside := frame(two.mac, one.mac)) == OKAY
    assert one.send(outside := frame(OUTSIDE, one.mac)) == OKAY
    assert nic_host.cable.receive(30.0) == outside
    assert two.packets() == [inside]


def test_a_packet_for_nobody_is_dropped_and_counted_by_the_nic(nic_host: NetHost) -> None:
    one = on_the_wire(nic_host, buffers=1)
    before = nic_info(one)
    nic_host.cable.send(frame(mac(77), OUTSIDE))
    nic_host.cable.send(data := frame(one.mac, OUTSIDE))
    one.wait_for(1)
    assert one.packets() == [data]
    after = nic_info(one)
    assert (after.received - before.received, after.dropped - before.dropped) == (2, 1)


def test_a_rule_can_keep_outside_out(nic_host: NetHost) -> None:
    one, two = on_the_wire(nic_host, buffers=2), on_the_wire(nic_host, 2, buffers=2)
    one.rule(IN, DROP, source_mac=OUTSIDE)
    nic_host.cable.send(frame(one.mac, OUTSIDE))
    nic_host.cable.send(frame(two.mac, OUTSIDE))
    two.wait_for(1)
    assert (one.packets(), int(one.info().filtered), int(one.rules(IN)[0].packets)) == ([], 1, 1)


def test_a_rule_can_send_to_the_wire_what_would_have_stayed(nic_host: NetHost) -> None:
    one, two = on_the_wire(nic_host), on_the_wire(nic_host, 2, buffers=1)
    one.rule(OUT, REDIRECT, place=0, destination_mac=two.mac)
    assert one.send(data := frame(two.mac, one.mac)) == OKAY
    assert nic_host.cable.receive(30.0) == data
    assert two.packets() == []


def test_many_packets_of_three_senders_all_leave_whole(nic_host: NetHost) -> None:
    fronts = [on_the_wire(nic_host, domain) for domain in range(3)]
    sent = []
    for front in fronts:
        data = [frame(OUTSIDE, front.mac, payload=bytes((number,)) * 700, size=714) for number in range(100)]
        pages = [front.page(one) for one in data[:20]]
        sent.append((front, data, pages))
        for number in range(100):
            front.agent.machine.memory.write(pages[number % 20].page.machine, data[number])
            if number < 20:
                front.put([Piece(pages[number].ref, 714)])
        front.tx.push()
    for front, _, _ in sent:
        front.kick()
    got = [nic_host.cable.receive(30.0) for _ in range(60)]
    for front, data, pages in sent:
        assert [status for _, status in front.answers(20)] == [OKAY] * 20
        own = [one for one in got if one is not None and one[6:12] == front.mac]
        assert own == data[80:]
        for granted in pages:
            front.revoke(granted)


def test_what_is_in_flight_ends_before_an_interface_goes(nic_host: NetHost) -> None:
    one = on_the_wire(nic_host)
    pages = [one.page(frame(OUTSIDE, one.mac, size=1514)) for _ in range(60)]
    for granted in pages:
        one.put([Piece(granted.ref, 1514)])
    one.tx.push()
    one.kick()
    one.tx.header.req_prod = 0x1234
    one.kick()
    until(lambda: int(one.info().in_flight) == 0 and int(one.info().state) == SHUT, "the NIC to be done")
    for granted in pages:
        assert one.marks(granted) == 0
        one.revoke(granted)
    while nic_host.cable.receive(0.2) is not None:
        pass


def test_an_interface_of_no_wire_has_no_way_out(nic_host: NetHost) -> None:
    inside, outside = nic_host.connected(1, 5, handle=5), on_the_wire(nic_host, 2, buffers=1)
    assert inside.send(frame(outside.mac, inside.mac)) == OKAY
    assert inside.send(frame(EVERYBODY, inside.mac)) == OKAY
    assert outside.send(data := frame(OUTSIDE, outside.mac)) == OKAY
    assert nic_host.cable.receive(30.0) == data
    assert (outside.packets(), int(inside.info().tx_lost)) == ([], 1)


def nic_info(front: NetFront) -> NicInfo:
    """What domain 0 sees of the NIC."""
    found = NicInfo()
    assert io_op(front.back, "nic_info", found, 0, 0) == 0
    return found
