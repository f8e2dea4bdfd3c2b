"""Patterns of packets and interfaces as one writes them, and as they are shown (rules.py, nic_shares.py)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from xengen.abi.vif import VifFacts
from xengen.control.nic_shares import NO_NIC, NicShare, made_mac, parse_nic
from xengen.control.rules import Direction, Pattern, described, parse_pattern
from xengen.errors import UserError

# The bytes of VIF_FACTS: destination, source, type, protocol, marks, source and destination address, both ports.
NOTHING = "00" * 28
PATTERNS = [
    ("all", Direction.IN, NOTHING, NOTHING, "all"),
    ("arp", Direction.IN, "00" * 12 + "0806" + "00" * 14, "00" * 12 + "ffff" + "00" * 14, "type=arp"),
    ("ip", Direction.OUT, "00" * 12 + "0800" + "00" * 14, "00" * 12 + "ffff" + "00" * 14, "type=ip"),
    ("icmp", Direction.IN, "00" * 12 + "080001" + "00" * 13, "00" * 12 + "ffffff" + "00" * 13,
     "type=ip protocol=icmp"),
    ("47", Direction.IN, "00" * 12 + "08002f" + "00" * 13, "00" * 12 + "ffffff" + "00" * 13, "type=ip protocol=47"),
    ("udp:7@10.0.2.0/24", Direction.IN, "00" * 12 + "080011" + "00" + "0a000200" + "00000000" + "0000" + "0007",
     "00" * 12 + "ffffff" + "00" + "ffffff00" + "00000000" + "0000" + "ffff",
     "type=ip protocol=udp source_ip=10.0.2.0/24 destination_port=7"),
    ("tcp:80@10.0.2.9", Direction.OUT, "00" * 12 + "080006" + "00" + "00000000" + "0a000209" + "0000" + "0050",
     "00" * 12 + "ffffff" + "00" + "00000000" + "ffffffff" + "0000" + "ffff",
     "type=ip protocol=tcp destination_ip=10.0.2.9 destination_port=80"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "direction", "value", "mask", "words"), PATTERNS, ids=[row[0] for row in PATTERNS])
def test_a_pattern_is_a_value_and_a_mask_as_on_the_wire(
    text: str, direction: Direction, value: str, mask: str, words: str
) -> None:
    found = parse_pattern(text).facts(direction)
    assert [bytes(facts).hex() for facts in found] == [value, mask]
    assert described(*found) == words


def test_what_the_hypervisor_made_itself_is_shown_with_all_that_it_asks() -> None:
    value, mask = VifFacts(protocol=1, marks=1), VifFacts(protocol=0xFF, marks=3)
    value.source_mac[:] = bytes.fromhex("00163e000001")
    mask.source_mac[:] = bytes.fromhex("ffffffffffff")
    value.type, mask.type = 0x0608, 0xFFFF
    value.source_port, mask.source_port = 0x3500, 0xFFFF
    assert described(value, mask) == (
        "source_mac=00:16:3e:00:00:01 type=arp operation=1 source_port=53 arp-sender not fragment"
    )


@pytest.mark.parametrize(
    "text", ["", "gre", "256", "udp:0", "udp:65536", "icmp:7", "udp:", "udp@10.0.2.1/24", "udp@300.0.0.1", "UDP"]
)
def test_what_is_no_pattern_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_pattern(text)
    assert str(caught.value).startswith(f"{text!r} is no pattern: ")
    assert "\n" not in str(caught.value)


NICS = [
    ("", NicShare()),
    ("mac=00:16:3e:00:00:01,ip=10.0.2.15",
     NicShare(bytes.fromhex("00163e000001"), IPv4Address("10.0.2.15"))),
    ("nic=none,rate=1M", NicShare(nic=NO_NIC, rate=1 << 20)),
    ("nic=1,allow=icmp+udp:7", NicShare(nic=1, allow=(Pattern("icmp"), Pattern("udp", 7)))),
    ("allow=", NicShare(allow=())),
]  # fmt: skip


@pytest.mark.parametrize(("text", "share"), NICS)
def test_an_interface_is_what_one_says_of_it(text: str, share: NicShare) -> None:
    assert parse_nic(text) == share


REFUSALS = [
    ("mac", "--nic wants mac=..., ip=..., nic=..., allow=..., rate=..., each at most once, not 'mac'"),
    ("nic=0,nic=1", "--nic wants mac=..., ip=..., nic=..., allow=..., rate=..., each at most once, not 'nic=1'"),
    ("mac=1", "'1' is no MAC address: write one such as 00:16:3e:00:00:01"),
    ("mac=01:00:5e:00:00:01", "01:00:5e:00:00:01 cannot be the address of an interface: it is one of a group, or none"),
    ("ip=10.0.2", "'10.0.2' is no address: write one such as 10.0.2.15"),
    ("nic=eth0", "nic=eth0 is none: write the number of a network interface of the host, or none"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSALS)
def test_what_is_no_interface_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_nic(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("differs", [lambda one, two: made_mac(one, 0) != made_mac(two, 0),
                                     lambda one, two: made_mac(one, 0) != made_mac(one, 1),
                                     lambda one, two: made_mac(one, 0) == made_mac(one, 0)])  # fmt: skip
def test_an_address_is_made_of_the_domain_and_the_place(differs: Callable[[str, str], bool]) -> None:
    assert differs("9d1b7dd5-0e29-4b8e-a0fd-5c1c1a1a1a1a", "9d1b7dd5-0e29-4b8e-a0fd-5c1c1a1a1a1b")
