"""Domains behind each kind of interface: wires apart, cables that are out, and what domain 0 is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.harness import BOOTER, Images
from tests.boot.nics import MODELS, nic, set_link, until, with_cable
from tests.boot.rings import io_op
from tests.boot.vif_host import NetHost
from tests.boot.vifs import OKAY, NetFront, frame
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


def on_wire(host: NetHost, number: int, buffers: int = 0, handle: int = 0) -> NetFront:
    """Return domain 1's front end of an interface behind interface `number` of the machine."""
    front = host.front(1, 1 + handle, handle=handle, nic=number)
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


def test_two_kinds_side_by_side_are_two_wires(wired: NetHost) -> None:
    """One domain has an interface on each: what is sent by one leaves there, and what comes goes to its own."""
    fronts = [on_wire(wired, number, buffers=2, handle=number) for number in range(len(MODELS))]
    for number, front in enumerate(fronts):
        data = frame(PEER, front.mac, payload=bytes((number,)) * 1000)
        assert front.send(data) == OKAY
        assert wired.machine.cables[number].receive(30.0) == data
        answer = frame(front.mac, PEER, payload=bytes((number + 7,)) * 900)
        wired.machine.cables[1 - number].send(answer)  # the wrong wire: nobody there has this address
        wired.machine.cables[number].send(answer)
        assert arrived(front) == [answer]
    assert [front.packets() for front in fronts] == [[], []]


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
