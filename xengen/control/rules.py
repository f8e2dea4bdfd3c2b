"""Patterns and rules of virtual interfaces, as one writes them: [drop:]PROTOCOL[:PORT][@ADDRESS[/BITS]].

PROTOCOL is all, arp, ip, icmp, udp, tcp, or a number of IPv4. PORT is the port that the packet goes to. ADDRESS is the
other side's: where a packet that comes in is from, where one that goes out is to.

Invariants
  - A pattern is a value and a mask over VIF_FACTS (xengen/abi/vif.py); in it stand addresses, ports and types as on the
    wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from xengen.abi.symbols import assembler_symbols
from xengen.abi.vif import VifFacts
from xengen.errors import UserError

_VALUES = assembler_symbols()
IPV4, ARP = 0x0800, 0x0806
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
WITH_PORTS = ("tcp", "udp")
_PATTERN = re.compile(r"(?P<protocol>[a-z]+|\d{1,3})(?::(?P<port>\d{1,5}))?(?:@(?P<address>[0-9.]+(?:/\d+)?))?")
_WIDE = {"type": 2, "source_ip": 4, "destination_ip": 4, "source_port": 2, "destination_port": 2}


class Direction(StrEnum):
    """Of packets, as the domain sees it."""

    OUT = "out"
    IN = "in"

    @property
    def number(self) -> int:
        """As the hypervisor numbers it."""
        return _VALUES["VIF_OUT" if self is Direction.OUT else "VIF_IN"]


class Action(StrEnum):
    """What becomes of a packet."""

    ACCEPT = "accept"
    DROP = "drop"
    REDIRECT = "redirect"

    @property
    def number(self) -> int:
        """As the hypervisor numbers it."""
        return _VALUES[f"VIF_{self.name}"]


def action_of(number: int) -> Action:
    """Return the action that the hypervisor numbers so."""
    return next(action for action in Action if action.number == number)


@dataclass(frozen=True)
class Pattern:
    """Packets: of a protocol ("all", "ip", "arp" and so on), to a port, from or to a network; None: any."""

    protocol: str = "all"
    port: int | None = None
    other: IPv4Network | None = None

    def facts(self, direction: Direction) -> tuple[VifFacts, VifFacts]:
        """Return the value and the mask for packets of a direction."""
        value, mask = VifFacts(), VifFacts()
        if self.protocol == "arp":
            _set(value, mask, "type", ARP)
        elif self.protocol != "all":
            _set(value, mask, "type", IPV4)
        number = PROTOCOLS.get(self.protocol) or (int(self.protocol) if self.protocol.isdigit() else None)
        if number is not None:
            value.protocol, mask.protocol = number, 0xFF
        if self.port is not None:
            _set(value, mask, "destination_port", self.port)
        if self.other is not None:
            name = "source_ip" if direction is Direction.IN else "destination_ip"
            setattr(value, name, _swapped(int(self.other.network_address), 4))
            setattr(mask, name, _swapped(int(self.other.netmask), 4))
        return value, mask


def parse_pattern(text: str) -> Pattern:
    """Return the pattern that `text` means (see above); UserError."""
    match = _PATTERN.fullmatch(text)
    known = match is not None and (match[1] in ("all", "arp", "ip", *PROTOCOLS) or match[1].isdigit())
    if match is None or not known or (match[1].isdigit() and int(match[1]) > 0xFF):
        raise UserError(f"{text!r} is no pattern: write PROTOCOL[:PORT][@ADDRESS[/BITS]], such as udp:7@10.0.2.0/24")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and (match[1] not in WITH_PORTS or not 0 < port < 1 << 16):
        raise UserError(f"{text!r} is no pattern: ports from 1 to 65535 are of udp and tcp")
    try:
        other = None if match["address"] is None else IPv4Network(match["address"])
    except ValueError as error:
        raise UserError(f"{text!r} is no pattern: {error}") from error
    return Pattern(match[1], port, other)


def described(value: VifFacts, mask: VifFacts) -> str:
    """Return in words what a rule asks of a packet: `all`, or each fact and what it must be."""
    return " ".join(_described(value, mask)) or "all"


def _described(value: VifFacts, mask: VifFacts) -> Iterator[str]:
    for name in ("source_mac", "destination_mac"):
        if any(getattr(mask, name)):
            yield _shown(name, _mac(getattr(value, name)), bytes(getattr(mask, name)).hex(), "f" * 12)
    if mask.type:
        kind = _swapped(value.type, 2)
        yield _shown("type", {IPV4: "ip", ARP: "arp"}.get(kind, f"{kind:#06x}"), f"{mask.type:04x}", "ffff")
    if mask.protocol:
        known = {number: name for name, number in PROTOCOLS.items()}
        number = value.protocol
        is_arp = _swapped(value.type, 2) == ARP
        yield _shown("operation" if is_arp else "protocol", str(number) if is_arp else known.get(number, str(number)),
                     f"{mask.protocol:02x}", "ff")  # fmt: skip
    for name in ("source_ip", "destination_ip"):
        bits = _swapped(getattr(mask, name), 4)
        if bits:
            yield f"{name}={_network(_swapped(getattr(value, name), 4), bits)}"
    for name in ("source_port", "destination_port"):
        if getattr(mask, name):
            yield _shown(name, str(_swapped(getattr(value, name), 2)), f"{getattr(mask, name):04x}", "ffff")
    if mask.marks:
        for mark in ("ARP_SENDER", "FRAGMENT"):
            bit = _VALUES[f"VIF_MARK_{mark}"]
            if mask.marks & bit:
                yield f"{'' if value.marks & bit else 'not '}{mark.lower().replace('_', '-')}"


def _shown(name: str, value: str, mask: str, whole: str) -> str:
    return f"{name}={value}" if mask == whole else f"{name}={value}/{mask}"


def _mac(address: object) -> str:
    return bytes(address).hex(":")  # type: ignore[call-overload,no-any-return]


def _network(address: int, bits: int) -> str:
    """Return an address with its mask: none for a whole one, a length where that says it."""
    if bits == 0xFFFFFFFF:
        return str(IPv4Address(address))
    length = bits.bit_count()
    straight = bits == (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF
    return f"{IPv4Address(address)}/{length if straight else IPv4Address(bits)}"


def _set(value: VifFacts, mask: VifFacts, name: str, number: int) -> None:
    """Ask for a number, highest byte first, in all of a field."""
    setattr(value, name, _swapped(number, _WIDE[name]))
    setattr(mask, name, (1 << 8 * _WIDE[name]) - 1)


def _swapped(number: int, size: int) -> int:
    return int.from_bytes(number.to_bytes(size, "big"), "little")
