"""Domains on the wire: what they send leaves each kind of interface, and what arrives is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.boot.harness import BOOTER, Images
from tests.boot.nics import MODELS, nic, set_link, until, with_cable
from tests.boot.rings import io_op
from tests.boot.vifs import OKAY, NetFront, NetHost, Piece, frame
from xengen.abi.vif import NicInfo

PEER = bytes.fromhex("525400000001")
WIRES = pytest.mark.parametrize("number", range(len(MODELS)), ids=MODELS)


@pytest.fixture(scope="module")
def wired_machine(images: Images) -> Iterator[NetHost]:
    """The machine that `wired` is on."""
    host = NetHost(images, 2, [with_cable(model, "") for model in MODELS])
    yield host
    host.close()


@pytest.fixture
def wired(request: pytest.FixtureRequest, wired_machine: NetHost) -> Iterator[NetHost]:
    """A machine with two domains, and an interface of each kind whose other end is ours."""
    request.node.stash[BOOTER] = wired_machine.booter
    yield wired_machine
    wired_machine.settle()


def on_wire(host: NetHost, number: int, buffers: int = 0) -> NetFront:
    """Return domain 1's front end of an interface behind interface `number` of the machine."""
    front = host.front(1, nic=number)
    front.connect()
    front.post(buffers)
    return front


def arrived(front: NetFront) -> list[bytes]:
    """Wait for packets and return them."""
    got: list[bytes] = []

    def some() -> bool:
        got.extend(front.packets())
        return bool(got)

    until(some, "it arrives")
    return got


@WIRES
@pytest.mark.parametrize("size", [60, 61, 1513, 1514])
def test_what_a_domain_sends_leaves_byte_for_byte(wired: NetHost, number: int, size: int) -> None:
    front = on_wire(wired, number)
    data = frame(PEER, front.mac, payload=bytes(index * 7 & 255 for index in range(size - 14)))
    assert front.send(data) == OKAY
    assert wired.machine.cables[number].receive(30.0) == data


@WIRES
def test_a_packet_in_pieces_of_several_pages_is_whole_on_the_wire(wired: NetHost, number: int) -> None:
    front = on_wire(wired, number)
    data = frame(PEER, front.mac, payload=bytes(index * 11 & 255 for index in range(1200)))
    cuts = (0, 60, 61, 700, 1000, len(data))
    pages = [front.page(bytes(100) + data[start:end]) for start, end in pairwise(cuts)]
    sizes = [end - start for start, end in pairwise(cuts)]
    front.put([Piece(page.ref, size, 100) for page, size in zip(pages, sizes, strict=True)])
    front.push()
    assert all(status == OKAY for _, status in front.answers(len(pages)))
    assert wired.machine.cables[number].receive(30.0) == data


@WIRES
def test_what_arrives_for_a_domain_is_in_its_buffer(wired: NetHost, number: int) -> None:
    front = on_wire(wired, number, buffers=4)
    data = frame(front.mac, PEER, payload=bytes(index * 13 & 255 for index in range(1400)))
    wired.machine.cables[number].send(data)
    assert arrived(front) == [data]


@WIRES
def test_a_packet_for_which_there_is_no_buffer_is_dropped_and_the_next_one_is_not(wired: NetHost, number: int) -> None:
    front = on_wire(wired, number)
    received = int(nic(wired.machine, number).record.received)
    wired.machine.cables[number].send(frame(front.mac, PEER, payload=b"one"))
    until(lambda: nic(wired.machine, number).record.received == received + 1, "the interface has it")
    front.post(1)
    second = frame(front.mac, PEER, payload=b"two")
    wired.machine.cables[number].send(second)
    assert arrived(front) == [second]


@pytest.mark.parametrize("model", MODELS)
def test_without_a_link_what_is_sent_is_answered_and_gone(images: Images, model: str) -> None:
    host = NetHost(images, 2, [with_cable(model)])
    try:
        front = on_wire(host, 0, buffers=2)
        set_link(host.machine, up=False)
        for _ in range(40):
            front.send(frame(PEER, front.mac, payload=b"lost"))
        set_link(host.machine, up=True)
        data = frame(PEER, front.mac, payload=b"found")
        assert front.send(data) == OKAY
        assert host.machine.cables[0].receive(30.0) == data
        answer = frame(front.mac, PEER, payload=b"answer")
        host.machine.cables[0].send(answer)
        assert arrived(front) == [answer]
        host.settle()
    finally:
        host.close()


@WIRES
def test_domain_0_sees_what_the_driver_has_counted(wired: NetHost, number: int) -> None:
    front = on_wire(wired, number)
    data = frame(PEER, front.mac, size=100)
    assert front.send(data) == OKAY
    said = NicInfo()
    assert io_op(wired.agents[0], "nic_info", said, 0, number) == 0
    seen = nic(wired.machine, number)
    assert (bytes(said.mac).hex(":"), bytes(said.name).rstrip(b"\0").decode()) == (seen.mac, seen.name)
    for field in ("flags", "sent", "received", "dropped", "errors", "bytes_sent", "bytes_received"):
        assert getattr(said, field) == getattr(seen.record, field), field
    assert said.sent > 0
    assert said.bytes_sent >= len(data)


def test_there_is_no_interface_beyond_the_last_one(wired: NetHost) -> None:
    assert io_op(wired.agents[0], "nic_info", NicInfo(), 0, len(MODELS)) == -2
