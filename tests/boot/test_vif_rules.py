"""Rules of virtual interfaces: what they let out and in, what they count, and who may say so."""

from __future__ import annotations

from ctypes import Structure

import pytest

from tests.boot.rings import io_op
from tests.boot.vif_host import NetHost
from tests.boot.vifs import BARE, DROP, DROPPED, EVERYBODY, IN, OKAY, OUT, REDIRECT, TAKE, Piece, frame, mac
from xengen.abi.vif import VifCreate, VifInfo, VifPolicy, VifRule
from xengen.agent.names import ENOENT, value

IP, OTHER_IP = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
IPV4, ARP = 0x0800, 0x0806
TCP, UDP = 6, 17


def arp(sender: bytes, ip: bytes, to_ip: bytes = OTHER_IP, operation: int = 1) -> bytes:
    """A question or answer of ARP."""
    return bytes.fromhex("000108000604") + operation.to_bytes(2, "big") + sender + ip + bytes(6) + to_ip


def ipv4(source: bytes, to: bytes = OTHER_IP, protocol: int = UDP, body: bytes = b"", fragment: int = 0) -> bytes:
    """A packet of IPv4 without a checksum of its head."""
    size = (20 + len(body)).to_bytes(2, "big")
    return b"".join((
        b"\x45\0", size, bytes(2), fragment.to_bytes(2, "big"), bytes((64, protocol, 0, 0)), source, to, body,
    ))  # fmt: skip


def ports(source: int, to: int) -> bytes:
    """The ports of UDP or TCP, and some bytes."""
    return source.to_bytes(2, "big") + to.to_bytes(2, "big") + bytes(16)


SPOOFED = (
    ("another source", lambda own: frame(mac(2), mac(99), IPV4, ipv4(IP))),
    ("ARP that names another sender", lambda own: frame(EVERYBODY, own, ARP, arp(mac(99), IP))),
    ("ARP that is cut off", lambda own: frame(EVERYBODY, own, ARP, arp(own, IP)[:20], size=34)),
    ("ARP of another kind", lambda own: frame(EVERYBODY, own, ARP, b"\0\6" + arp(own, IP)[2:])),
)  # fmt: skip
SPOOFED_WITH_IP = (
    *SPOOFED,
    ("another address of IP", lambda own: frame(mac(2), own, IPV4, ipv4(OTHER_IP))),
    ("ARP for another address of IP", lambda own: frame(EVERYBODY, own, ARP, arp(own, OTHER_IP))),
    ("a head of IP that is cut off", lambda own: frame(mac(2), own, IPV4, ipv4(IP)[:19], size=33)),
    ("a head of IP that is too short", lambda own: frame(mac(2), own, IPV4, b"\x44" + ipv4(IP)[1:])),
    ("IPv6", lambda own: frame(mac(2), own, 0x86DD, bytes(40))),
    ("a tag of another network before IP", lambda own: frame(mac(2), own, 0x8100, b"\0\1\x08\0" + ipv4(OTHER_IP))),
)  # fmt: skip


@pytest.mark.parametrize("what, made", SPOOFED, ids=[name for name, _ in SPOOFED])
def test_an_interface_does_not_send(net_host: NetHost, what: str, made: object) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    assert one.send(made(one.mac)) == DROPPED  # type: ignore[operator]
    assert (other.packets(), int(one.info().spoofed), int(one.info().tx_packets)) == ([], 1, 0)


@pytest.mark.parametrize("what, made", SPOOFED_WITH_IP, ids=[name for name, _ in SPOOFED_WITH_IP])
def test_an_interface_with_an_address_of_ip_does_not_send(net_host: NetHost, what: str, made: object) -> None:
    one, other = net_host.front(1, ip=IP), net_host.connected(2, buffers=1)
    one.connect()
    assert one.send(made(one.mac)) == DROPPED  # type: ignore[operator]
    assert (other.packets(), int(one.info().spoofed)) == ([], 1)


@pytest.mark.parametrize("ip", [bytes(4), IP], ids=["any", "one"])
def test_an_interface_sends_what_is_its_own(net_host: NetHost, ip: bytes) -> None:
    one, other = net_host.front(1, ip=ip), net_host.connected(2, buffers=3)
    one.connect()
    sent = [
        frame(other.mac, one.mac, IPV4, ipv4(IP)),
        frame(EVERYBODY, one.mac, ARP, arp(one.mac, IP)),
        frame(other.mac, one.mac, ARP, arp(one.mac, IP, operation=2)),
    ]
    assert [one.send(data) for data in sent] == [OKAY] * 3
    other.wait_for(3)
    assert sorted(other.packets()) == sorted(sent)


def test_a_head_that_is_spread_over_slots_is_looked_at_in_whole(net_host: NetHost) -> None:
    """A source that begins in one slot and ends in another must be checked as what is sent."""
    one, other = net_host.front(1, ip=IP), net_host.connected(2, buffers=1)
    one.connect()
    data = frame(other.mac, one.mac, IPV4, ipv4(OTHER_IP))
    page = one.page(data)
    one.put([Piece(page.ref, size, at) for at, size in ((0, 7), (7, 20), (27, 1), (28, 32))])
    one.push()
    assert [status for _, status in one.answers(4)] == [DROPPED] * 4
    assert other.packets() == []
    one.revoke(page)


def test_an_interface_without_rules_sends_what_it_likes(net_host: NetHost) -> None:
    one, other = net_host.front(1, flags=BARE), net_host.connected(2, buffers=1)
    one.connect()
    assert one.rules(OUT) == []
    data = frame(other.mac, mac(99))
    assert one.send(data) == OKAY
    assert other.packets() == [data]


def by_ip(*how: object, **more: object) -> bytes:
    """A packet of IPv4 from interface 1 to interface 2; arguments as those of ipv4."""
    return frame(mac(2), mac(1), IPV4, ipv4(*how, **more))  # type: ignore[arg-type]


def by_arp(*how: object, **more: object) -> bytes:
    """A question or answer of ARP from interface 1 to interface 2; arguments as those of arp behind the sender."""
    return frame(mac(2), mac(1), ARP, arp(mac(1), *how, **more))  # type: ignore[arg-type]


def with_option(packet: bytes) -> bytes:
    """The same packet of IPv4, whose head has one word more."""
    return packet[:14] + b"\x46" + packet[15:]


QUERY, QUERIED = by_ip(IP, body=ports(9, 53)), by_ip(IP, body=ports(53, 9))
FACTS: tuple[tuple[str, dict[str, int | bytes], bytes, bytes], ...] = (
    ("type", {"type": ARP}, by_arp(IP), by_ip(IP)),
    ("protocol", {"type": IPV4, "protocol": TCP}, by_ip(IP, protocol=TCP), by_ip(IP)),
    ("source_ip", {"source_ip": IP}, by_ip(IP), by_ip(OTHER_IP)),
    ("destination_ip", {"destination_ip": IP}, by_ip(IP, IP), by_ip(IP)),
    ("sender of ARP", {"type": ARP, "source_ip": IP}, by_arp(IP), by_arp(OTHER_IP)),
    ("operation of ARP", {"type": ARP, "protocol": 2}, by_arp(IP, operation=2), by_arp(IP)),
    ("destination_port", {"protocol": UDP, "destination_port": 53}, QUERY, QUERIED),
    ("source_port", {"protocol": UDP, "source_port": 53}, QUERIED, QUERY),
    ("port of TCP", {"source_port": 80}, by_ip(IP, protocol=TCP, body=ports(80, 9)), QUERY),
    ("no port of ICMP", {"protocol": 1, "source_port": 0}, by_ip(IP, protocol=1, body=ports(80, 9)), QUERY),
    ("ports behind options", {"source_port": 9}, with_option(by_ip(IP, body=bytes(4) + ports(9, 53))), QUERIED),
    ("marks", {"marks": 2}, by_ip(IP, body=ports(9, 53), fragment=185), QUERY),
    ("no ports of a later fragment", {"destination_port": 0}, by_ip(IP, body=ports(9, 53), fragment=185), QUERY),
    ("ports of a first fragment", {"destination_port": 53}, by_ip(IP, body=ports(9, 53), fragment=0x2000), QUERIED),
)


@pytest.mark.parametrize("name, facts, fits, does_not", FACTS[1:], ids=[row[0] for row in FACTS[1:]])
def test_a_rule_decides_by(
    net_host: NetHost, name: str, facts: dict[str, int | bytes], fits: bytes, does_not: bytes
) -> None:
    one, other = net_host.front(1, flags=BARE), net_host.connected(2, buffers=2)
    one.connect()
    other.rule(IN, DROP, **facts)  # type: ignore[arg-type]
    assert [one.send(fits), one.send(does_not)] == [OKAY, OKAY]
    assert other.packets() == [does_not]
    (rule,) = other.rules(IN)
    assert (int(rule.packets), int(rule.bytes), int(other.info().filtered)) == (1, len(fits), 1)


def test_the_first_rule_that_fits_decides(net_host: NetHost) -> None:
    one, other = net_host.front(1, flags=BARE), net_host.connected(2, buffers=4)
    one.connect()
    data = frame(other.mac, one.mac, IPV4, ipv4(IP))
    assert other.rule(IN, DROP, type=IPV4) == 0
    assert other.rule(IN, TAKE, source_ip=IP, place=0) == 0
    assert one.send(data) == OKAY
    assert other.packets() == [data]
    assert [int(rule.packets) for rule in other.rules(IN)] == [1, 0]
    assert other.op("vif_rule_remove", VifRule(direction=IN, place=0)) == 0
    assert one.send(data) == OKAY
    assert other.packets() == []


def test_a_rule_that_redirects_leads_to_another_interface(net_host: NetHost) -> None:
    one, two, zero = net_host.connected(1), net_host.connected(2, buffers=1), net_host.connected(0, buffers=1)
    one.rule(OUT, REDIRECT, to=zero, place=0, destination_mac=two.mac)
    data = frame(two.mac, one.mac)
    assert one.send(data) == OKAY
    assert (two.packets(), zero.packets()) == ([], [data])
    rule = one.rules(OUT)[0]
    assert (int(rule.target_domain), int(rule.target_handle), int(rule.packets)) == (0, 0, 1)


def test_what_comes_in_can_be_redirected_too(net_host: NetHost) -> None:
    one, two, zero = net_host.connected(1), net_host.connected(2, buffers=1), net_host.connected(0, buffers=1)
    two.rule(IN, REDIRECT, to=zero)
    data = frame(two.mac, one.mac)
    assert one.send(data) == OKAY
    assert (two.packets(), zero.packets()) == ([], [data])


def test_a_rule_whose_target_goes_drops(net_host: NetHost) -> None:
    one, two = net_host.connected(1), net_host.connected(2, buffers=1)
    target = net_host.connected(0, buffers=1)
    one.rule(OUT, REDIRECT, to=target, place=0)
    target.destroy()
    net_host.fronts.remove(target)
    assert one.send(frame(two.mac, one.mac)) == DROPPED
    assert int(one.rules(OUT)[0].action) == DROP


def test_what_no_rule_decides_is_the_policys(net_host: NetHost) -> None:
    one, other = net_host.connected(1), net_host.connected(2, buffers=1)
    other.policy(IN, DROP)
    one.policy(OUT, TAKE)
    assert one.send(frame(other.mac, mac(99))) == OKAY
    assert (other.packets(), int(other.info().filtered)) == ([], 1)
    assert list(other.info().policies) == [DROP, DROP]


def test_there_are_no_more_rules_than_a_packet_may_cost(net_host: NetHost) -> None:
    one = net_host.connected(1)
    most = value("VIF_RULES")
    results = [one.op("vif_rule_add", VifRule(direction=IN, place=0)) for _ in range(most + 1)]
    assert results == [0] * most + [-value("ENOSPC")]
    assert list(one.info().rules) == [3, most]


REFUSED: tuple[tuple[str, Structure, int], ...] = (
    ("vif_rule_add", VifRule(direction=2), -value("EINVAL")),
    ("vif_rule_add", VifRule(action=3), -value("EINVAL")),
    ("vif_rule_add", VifRule(action=REDIRECT, target_domain=77), -ENOENT),
    ("vif_rule_add", VifRule(action=REDIRECT, target_domain=1, target_handle=5), -ENOENT),
    ("vif_rule_remove", VifRule(direction=IN, place=0), -ENOENT),
    ("vif_rule_remove", VifRule(direction=2), -value("EINVAL")),
    ("vif_rules", VifRule(direction=OUT, place=3), -ENOENT),
    ("vif_policy", VifPolicy(direction=2), -value("EINVAL")),
    ("vif_policy", VifPolicy(action=REDIRECT), -value("EINVAL")),
)


@pytest.mark.parametrize("command, argument, error", REFUSED)
def test_a_bad_command_about_rules_changes_nothing(
    net_host: NetHost, command: str, argument: Structure, error: int
) -> None:
    one = net_host.connected(1)
    before = bytes(one.info())
    assert one.op(command, argument) == error
    assert bytes(one.info()) == before


@pytest.mark.parametrize("address, flags, handle, error", [
    (bytes(6), 0, 9, "EINVAL"), (EVERYBODY, 0, 9, "EINVAL"), (bytes.fromhex("010000000000"), 0, 9, "EINVAL"),
    (mac(9), 2, 9, "EINVAL"), (mac(1), 0, 9, "EEXIST"), (mac(9), 0, 0, "EEXIST"),
])  # fmt: skip
def test_an_interface_is_not_made_with(net_host: NetHost, address: bytes, flags: int, handle: int, error: str) -> None:
    one = net_host.front(1)
    assert one.try_create(address=address, flags=flags, handle=handle) == -value(error)


def test_only_domain_0_decides(net_host: NetHost) -> None:
    one = net_host.connected(1)
    for command, argument in (("vif_info", VifInfo()), ("vif_create", VifCreate()), ("vif_rule_add", VifRule())):
        assert io_op(one.agent, command, argument, 1, 0) == -value("EPERM")
