"""What a domain is given of a network, as one writes it: [mac=MAC][,ip=ADDRESS][,nic=N|none][,allow=RULES][,rate=SIZE].

RULES are patterns (rules.py) with + between them: what may come in; all else does not. Without it all may.
RATE is what the domain may send in a second, such as 1M.

Invariants
  - What stands here says nothing of a domain's other interfaces; whether the NIC exists only the host knows.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from xengen.control.rules import Pattern, parse_pattern
from xengen.control.shares import SECTOR, sectors
from xengen.errors import UserError

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.I)
KEYS = ("mac", "ip", "nic", "allow", "rate")
NO_NIC = -1
# The vendor's part of the addresses that Xen's tools give.
PREFIX = bytes((0x00, 0x16, 0x3E))


@dataclass(frozen=True)
class NicShare:
    """A virtual interface. mac: b"" for one that is made of the domain's UUID. ip: the one that it may use, or None.

    nic: the wire that it is on: a NIC's number; NO_NIC: one that leads nowhere else; None: the first NIC's, if there is
    one. allow: what may come in, None: all. rate: bytes that it may send in a second, 0: as many as it can.
    """

    mac: bytes = b""
    ip: IPv4Address | None = None
    nic: int | None = None
    allow: tuple[Pattern, ...] | None = None
    rate: int = 0


def parse_nic(text: str) -> NicShare:
    """Return what `text` means (see above); UserError."""
    found: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if key not in KEYS or not equals or key in found:
            raise UserError(f"--nic wants {', '.join(f'{key}=...' for key in KEYS)}, each at most once, not {part!r}")
        found[key] = value
    allow = tuple(parse_pattern(one) for one in found["allow"].split("+") if one) if "allow" in found else None
    return NicShare(
        _mac(found["mac"]) if "mac" in found else b"",
        _address(found["ip"]) if "ip" in found else None,
        _nic(found["nic"]) if "nic" in found else None,
        allow,
        sectors(found["rate"]) * SECTOR if "rate" in found else 0,
    )


def made_mac(domain: str, place: int) -> bytes:
    """Return the MAC for interface number `place` of the domain with this UUID."""
    return PREFIX + uuid.uuid5(uuid.UUID(domain), str(place)).bytes[:3]


def _mac(text: str) -> bytes:
    if not _MAC.fullmatch(text):
        raise UserError(f"{text!r} is no MAC address: write one such as 00:16:3e:00:00:01")
    address = bytes.fromhex(text.replace(":", ""))
    if address[0] & 1 or not any(address):
        raise UserError(f"{text} cannot be the address of an interface: it is one of a group, or none")
    return address


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise UserError(f"{text!r} is no address: write one such as 10.0.2.15") from error


def _nic(text: str) -> int:
    if text == "none":
        return NO_NIC
    if not text.isascii() or not text.isdigit():
        raise UserError(f"nic={text} is none: write the number of a network interface of the host, or none")
    return int(text)
