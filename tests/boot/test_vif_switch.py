"""Virtual interfaces: packets between domains."""

from __future__ import annotations

from tests.boot.vifs import COPY, EVERYBODY, OKAY, NetHost, Piece, frame, mac


def test_a_packet_reaches_the_domain_whose_address_it_has(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=2)
    data = frame(other.mac, one.mac, payload=b"hello")
    assert one.send(data) == OKAY
    assert other.packets() == [data]
