"""Virtual interfaces: checksums that a sender leaves to others, held against a packet library's own."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.boot.vif_host import NetHost
from tests.boot.vifs import COPY, NO_CHECKSUM, OKAY, RX_BLANK, RX_VALID, TX_BLANK, TX_VALID, Piece, Received, mac

ETHER = Ether(src=mac(1).hex(":"), dst=mac(2).hex(":"))


def packet(layers: Packet, size: int) -> bytes:
    """A whole packet with right checksums, and `size` bytes carried."""
    head = ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / layers
    return bytes(head / Raw(bytes(number * 7 & 0xFF for number in range(size))))


def blank(data: bytes, left: bytes = b"\x12\x34") -> bytes:
    """The packet with other bytes in place of the checksum of UDP or TCP."""
    at = 14 + (data[14] & 15) * 4 + (6 if data[23] == 17 else 16)
    return data[:at] + left + data[at + 2 :]


KINDS = {"udp": UDP(sport=7, dport=9), "tcp": TCP(sport=7, dport=9, seq=12345, flags="PA")}
OPTIONS = IP(src="10.0.0.1", dst="10.0.0.2", options=[b"\x01" * 40])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 2, 53, 54, 55, 56, 999, 1000, 1440])
def test_a_front_end_that_wants_checksums_gets_them(net_host: NetHost, kind: str, size: int) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    other.connect(flags=COPY | NO_CHECKSUM)
    other.post(1)
    whole = packet(KINDS[kind], size)
    assert one.send(blank(whole), flags=TX_BLANK | TX_VALID) == OKAY
    assert other.received() == [Received(whole, RX_VALID)]


def test_a_checksum_of_zero_is_sent_as_its_other_form(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    other.connect(flags=COPY | NO_CHECKSUM)
    other.post(1)
    bare = bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=1) / Raw(bytes(2)))
    missing = int.from_bytes(bare[40:42], "big")
    data = bare[:42] + missing.to_bytes(2, "big")
    assert one.send(blank(data), flags=TX_BLANK) == OKAY
    (got,) = other.packets()
    assert got[40:42] == b"\xff\xff"


def test_a_checksum_behind_options_and_over_pieces_is_right(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    other.connect(flags=COPY | NO_CHECKSUM)
    other.post(1)
    whole = bytes(ETHER / OPTIONS / TCP(sport=7, dport=9) / Raw(bytes(range(256)) * 3))
    page = one.page(blank(whole))
    sizes = (33, 80, 101, 1, 1, 300, len(whole) - 516)
    pieces = [Piece(page.ref, size, sum(sizes[:index])) for index, size in enumerate(sizes)]
    one.put(pieces, flags=TX_BLANK)
    one.push()
    assert {status for _, status in one.answers(len(sizes))} == {OKAY}
    assert other.packets() == [whole]
    one.revoke(page)


@pytest.mark.parametrize("given, told", [(0, 0), (TX_VALID, RX_VALID), (TX_BLANK, RX_BLANK | RX_VALID),
                                         (TX_BLANK | TX_VALID, RX_BLANK | RX_VALID)])  # fmt: skip
def test_between_domains_a_checksum_stays_as_it_is_and_the_flags_say_so(
    net_host: NetHost, given: int, told: int
) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    data = blank(packet(KINDS["udp"], 100))
    assert one.send(data, flags=given) == OKAY
    assert other.received() == [Received(data, told)]


def test_what_has_no_checksum_that_can_be_completed_is_not_for_who_wants_one(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.front(2)
    other.connect(flags=COPY | NO_CHECKSUM)
    other.post(1)
    assert one.send(packet(ICMP(), 50), flags=TX_BLANK) == OKAY
    assert (other.received(), int(other.info().filtered)) == ([], 1)
