"""Virtual interfaces and front ends that mean ill: requests that are none, rings that make no sense, pages that go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.boot import event_ports
from tests.boot.grants import ACCEPT, PERMIT, READ_ONLY_GRANT, entry, grant, write_entry
from tests.boot.vif_host import NetHost
from tests.boot.vifs import CONNECTED, COPY, ERROR, NULL, OKAY, SHUT, TX_EXTRA, TX_MORE, NetFront, Piece, frame
from xengen.abi.netif import NetifExtraInfo, NetifRxRequest, NetifTxRequest
from xengen.abi.vbd import VbdNothing
from xengen.abi.vif import VifConnect, VifCredit
from xengen.agent.names import value

EINVAL, EBUSY, ENOENT = value("EINVAL"), value("EBUSY"), value("ENOENT")
PRODUCER, PACKET, PORT_CLOSED, DISCONNECTED = (
    value(f"IO_REASON_{name}") for name in ("PRODUCER", "PACKET", "PORT_CLOSED", "DISCONNECTED")
)
GSO, HASH = value("XEN_NETIF_EXTRA_TYPE_GSO"), value("XEN_NETIF_EXTRA_TYPE_HASH")


def pair(host: NetHost) -> tuple[NetFront, NetFront]:
    """Two front ends; the second one has buffers."""
    return host.connected(1), host.connected(2, buffers=4)


BAD_SLOTS: tuple[tuple[str, list[tuple[int, int]], int], ...] = (
    ("nothing", [(0, 0)], 0),
    ("less than a head", [(13, 0)], 13),
    ("more than a packet", [(1515, 0)], 1515),
    ("bytes beyond the page", [(60, 4037)], 60),
    ("bytes far beyond the page", [(60, 65535)], 60),
    ("other slots with more than the whole", [(0, 0), (61, 0)], 60),
    ("others beyond their page", [(60, 0), (40, 4057)], 100),
    ("others far beyond their page", [(60, 0), (40, 65530)], 100),
    ("one slot too large in the middle", [(60, 0), (65535, 0), (1, 0)], 61),
)


@pytest.mark.parametrize("what, slots, total", BAD_SLOTS, ids=[row[0] for row in BAD_SLOTS])
def test_a_packet_is_refused_alone_that_has(
    net_host: NetHost, what: str, slots: list[tuple[int, int]], total: int
) -> None:
    one, other = pair(net_host)
    page = one.page(frame(other.mac, one.mac, size=1515))
    good = one.page(frame(other.mac, one.mac))
    numbers = one.put([Piece(page.ref, size, offset) for size, offset in slots], total=total)
    (last,) = one.put([Piece(good.ref, 60)])
    one.push()
    assert one.answers(len(slots) + 1) == [*((number, ERROR) for number in numbers), (last, OKAY)]
    assert len(other.packets()) == 1
    assert (int(one.info().state), int(one.info().tx_errors)) == (CONNECTED, 1)
    one.revoke(page)
    one.revoke(good)


BAD_PAGES = (
    "no entry", "a ref beyond the table", "an entry for another domain", "an entry that accepts a transfer",
    "a frame that is not the domain's", "no frame",
)  # fmt: skip


@pytest.mark.parametrize("what", BAD_PAGES)
def test_a_packet_is_refused_alone_whose_page_is(net_host: NetHost, what: str) -> None:
    one, other = pair(net_host)
    page, good = one.page(frame(other.mac, one.mac)), one.page(frame(other.mac, one.mac, size=200))
    ref = page.ref
    match what:
        case "no entry":
            write_entry(one.agent, ref, page.page.mfn, 0, 0)
        case "a ref beyond the table":
            ref = 0xFFFFFFFF
        case "an entry for another domain":
            write_entry(one.agent, ref, page.page.mfn, 2, PERMIT)
        case "an entry that accepts a transfer":
            write_entry(one.agent, ref, page.page.mfn, 0, ACCEPT)
        case "a frame that is not the domain's":
            write_entry(one.agent, ref, other.agent.start_info.shared_info >> 12, 0, PERMIT)
        case "no frame":
            write_entry(one.agent, ref, 0xFFFFFFFF, 0, PERMIT)
    one.put([Piece(good.ref, 200), Piece(ref, 60)])
    one.push()
    assert [status for _, status in one.answers(2)] == [ERROR, ERROR]
    assert other.packets() == []
    assert int(entry(one.agent, good.ref).flags) == PERMIT | READ_ONLY_GRANT, "nothing is in use any more"
    write_entry(one.agent, page.ref, page.page.mfn, 0, PERMIT)
    assert one.send(frame(other.mac, one.mac)) == OKAY
    one.revoke(page)
    one.revoke(good)


def test_an_extra_slot_that_asks_for_segmentation_is_refused_with_its_packet(net_host: NetHost) -> None:
    one, other = pair(net_host)
    page = one.page(frame(other.mac, one.mac, size=200))
    first, second = one.put([Piece(page.ref, 100), Piece(page.ref, 100, 100)], extras=[NetifExtraInfo(type=GSO)])
    one.push()
    assert one.answers(3) == [(first, ERROR), (0, NULL), (second, ERROR)]
    one.revoke(page)


def test_an_extra_slot_with_a_hash_is_passed_over(net_host: NetHost) -> None:
    one, other = pair(net_host)
    page = one.page(frame(other.mac, one.mac))
    (number,) = one.put([Piece(page.ref, 60)], extras=[NetifExtraInfo(type=HASH)])
    one.push()
    assert one.answers(2) == [(number, OKAY), (0, NULL)]
    assert len(other.packets()) == 1
    one.revoke(page)


def _jump(front: NetFront) -> None:
    front.tx.header.req_prod = 257


def _far(front: NetFront) -> None:
    front.tx.header.req_prod = 0x80000000


def _backwards(front: NetFront) -> None:
    assert front.send(frame(front.mac, front.mac)) == OKAY
    front.tx.header.req_prod = 0


def _lapped(front: NetFront) -> None:
    assert front.send(frame(front.mac, front.mac)) == OKAY
    front.tx.header.req_prod = 258


def _open_end(front: NetFront) -> None:
    front.tx.put(NetifTxRequest(8, 0, TX_MORE, 1, 60))
    front.tx.push()


def _too_many_slots(front: NetFront) -> None:
    for _ in range(19):
        front.tx.put(NetifTxRequest(8, 0, TX_MORE, 1, 60))
    front.tx.push()


def _extra_that_is_not_there(front: NetFront) -> None:
    front.tx.put(NetifTxRequest(8, 0, TX_EXTRA, 1, 60))
    front.tx.push()


def _extras_without_end(front: NetFront) -> None:
    front.tx.put(NetifTxRequest(8, 0, TX_EXTRA, 1, 60))
    for _ in range(8):
        front.tx.put(NetifExtraInfo(type=HASH, flags=1))
    front.tx.push()


HOSTILE: tuple[tuple[str, Callable[[NetFront], None], int], ...] = (
    ("jumps beyond the ring", _jump, PRODUCER),
    ("jumps as far as it can", _far, PRODUCER),
    ("runs backwards", _backwards, PRODUCER),
    ("laps its responses", _lapped, PRODUCER),
    ("ends in the middle of a packet", _open_end, PACKET),
    ("has a packet of too many slots", _too_many_slots, PACKET),
    ("announces an extra slot that is not there", _extra_that_is_not_there, PACKET),
    ("has extra slots without an end", _extras_without_end, PACKET),
)


@pytest.mark.parametrize("what, act, reason", HOSTILE, ids=[row[0] for row in HOSTILE])
def test_a_transmit_ring_is_shut_that(
    net_host: NetHost, what: str, act: Callable[[NetFront], None], reason: int
) -> None:
    one, other = pair(net_host)
    act(one)
    event_ports.quiet(one.agent)
    one.kick()
    assert (int(one.info().state), int(one.info().reason)) == (SHUT, reason)
    assert one.port in event_ports.pending(one.agent), "its owner is told"
    assert int(entry(one.agent, one.tx_ref).flags) == int(entry(one.agent, one.rx_ref).flags) == PERMIT
    assert other.send(frame(one.mac, other.mac)) == OKAY, "others go on"
    one.kick()
    assert int(one.info().kicks) == (2 if act in (_backwards, _lapped) else 1), "its port leads to nobody"


@pytest.mark.parametrize("ahead", [257, 0x80000000, 0xFFFFFFFF])
def test_a_receive_ring_is_shut_whose_producer_jumps(net_host: NetHost, ahead: int) -> None:
    one, other = pair(net_host)
    other.rx.header.req_prod = ahead
    assert one.send(frame(other.mac, one.mac)) == OKAY
    assert (int(other.info().state), int(other.info().reason)) == (SHUT, PRODUCER)
    assert one.send(frame(other.mac, one.mac)) == OKAY
    assert int(other.info().rx_no_buffer) == 2


def test_a_ring_that_was_shut_can_be_connected_again(net_host: NetHost) -> None:
    one, other = pair(net_host)
    one.tx.header.req_prod = 999
    one.kick()
    assert int(one.info().state) == SHUT
    one.reset_rings()
    assert one.op("vif_connect", VifConnect(one.tx_ref, one.rx_ref, one.port, 0, COPY)) == 0
    assert (int(one.info().state), int(one.info().reason)) == (CONNECTED, 0)
    assert one.send(frame(other.mac, one.mac)) == OKAY


@pytest.mark.parametrize("split", [False, True], ids=["one port", "two ports"])
@pytest.mark.parametrize("which", ["port", "rx_port"])
def test_an_interface_whose_port_is_closed_is_shut(net_host: NetHost, split: bool, which: str) -> None:
    one = net_host.front(1)
    one.connect(split=split)
    closed = getattr(one, which) or one.port
    assert event_ports.close(one.agent, closed) == 0
    assert (int(one.info().state), int(one.info().reason)) == (SHUT, PORT_CLOSED)
    if split:
        assert event_ports.status(one.agent, one.rx_port + one.port - closed).state == event_ports.UNBOUND


BAD_CONNECTIONS = ("tx_ref", "rx_ref", "tx_port", "rx_port", "flags", "a read-only ring", "the same port for two")


@pytest.mark.parametrize("what", BAD_CONNECTIONS)
def test_nothing_is_held_of_a_connection_with_a_bad(net_host: NetHost, what: str) -> None:
    one = net_host.front(1)
    one.port, one.rx_port = event_ports.alloc_unbound(one.agent, 0), event_ports.alloc_unbound(one.agent, 0)
    argument = VifConnect(one.tx_ref, one.rx_ref, one.port, one.rx_port, COPY)
    match what:
        case "a read-only ring":
            granted = grant(one.agent, one.back, flags=PERMIT | READ_ONLY_GRANT)
            argument.rx_ref = granted.ref
        case "the same port for two":
            argument.rx_port = event_ports.alloc_unbound(one.agent, 2)
            event_ports.close(one.agent, one.rx_port)
            one.rx_port = argument.rx_port
        case _:
            setattr(argument, what, 0x7777)
    assert one.op("vif_connect", argument) == -EINVAL
    assert int(one.info().state) == 0
    assert [int(entry(one.agent, ref).flags) for ref in (one.tx_ref, one.rx_ref)] == [PERMIT, PERMIT]
    assert event_ports.status(one.agent, one.port).state == event_ports.UNBOUND
    good = VifConnect(one.tx_ref, one.rx_ref, one.port, 0, COPY)
    assert (one.op("vif_connect", good), one.op("vif_connect", good)) == (0, -EBUSY)


def test_a_command_about_an_interface_that_is_not_there_finds_none(net_host: NetHost) -> None:
    one = net_host.front(1)
    one.handle = 7
    commands = ("vif_connect", VifConnect()), ("vif_disconnect", VbdNothing()), ("vif_credit", VifCredit())
    assert [one.op(*command) for command in commands] == [-ENOENT] * 3
    one.handle = 0


def test_who_is_disconnected_is_told_and_shut(net_host: NetHost) -> None:
    one = net_host.connected(1)
    assert one.op("vif_disconnect", VbdNothing()) == 0
    assert (int(one.info().state), int(one.info().reason)) == (SHUT, DISCONNECTED)
    assert one.port in event_ports.pending(one.agent)


def test_buffers_that_are_not_there_shut_nothing(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2)
    read_only = other.page()
    for number, ref in enumerate((0xFFFFFFFF, read_only.ref, 3, 31 * 512)):
        other.rx.put(NetifRxRequest(id=number, gref=ref))
    other.rx.push()
    assert [one.send(frame(other.mac, one.mac)) for _ in range(4)] == [OKAY] * 4
    assert [(answer.id, answer.status) for answer in other.rx.take()] == [(number, -1) for number in range(4)]
    assert int(other.info().state) == CONNECTED
    other.revoke(read_only)


def test_a_ring_page_as_a_buffer_spoils_its_owners_ring_and_nothing_else(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2)
    other.rx.put(NetifRxRequest(id=1, gref=other.rx_ref))
    other.rx.push()
    zero = net_host.connected(0, buffers=1)
    assert one.send(frame(other.mac, one.mac, size=1514)) == OKAY
    assert one.send(frame(other.mac, one.mac)) == OKAY
    assert one.send(data := frame(zero.mac, one.mac)) == OKAY
    assert zero.packets() == [data]
