"""A neighbour on a machine's network: it finds others by ARP and pings them, over a cable that we hold.

Invariants
  - Whatever arrives is looked at only as far as it is whole; what is not for us, or wrong, is dropped.
  - One question is out at a time, and an answer counts only when it is that question's.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from xengen.machine.cable import CableEnd

EVERYBODY = b"\xff" * 6
IPV4, ARP = b"\x08\x00", b"\x08\x06"
ARP_HEAD = b"\x00\x01\x08\x00\x06\x04"  # Ethernet, IPv4, and the lengths of their addresses
ICMP = 1
ECHO_REPLY, ECHO_REQUEST = 0, 8
IDENTITY = 0x7865


def checksum(data: bytes) -> int:
    """Return the Internet's checksum (RFC 1071) of bytes; 0 when they hold their own right one."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass
class Neighbour:
    """A neighbour at `cable` with addresses of its own; `known`: whose MAC it has found."""

    cable: CableEnd
    ip: IPv4Address
    mac: bytes = b"\x02\x00\x00\x00\x00\x01"
    known: dict[IPv4Address, bytes] = field(default_factory=dict)
    number: int = 0

    def find(self, ip: IPv4Address, timeout: float = 1.0) -> bytes | None:
        """Return the MAC of the interface at `ip`; None when nobody says within `timeout` seconds."""
        if ip not in self.known:
            question = ARP_HEAD + struct.pack(">H6s4s6s4s", 1, self.mac, self.ip.packed, bytes(6), ip.packed)
            self.cable.send(EVERYBODY + self.mac + ARP + question)
            self._wait(lambda frame: self._is_at(frame, ip), timeout)
        return self.known.get(ip)

    def ping(self, ip: IPv4Address, size: int = 56, timeout: float = 1.0) -> float | None:
        """Return the seconds that an echo request of `size` bytes took to come back whole; None when it did not."""
        mac = self.find(ip, timeout)
        if mac is None:
            return None
        self.number = self.number + 1 & 0xFFFF
        contents = bytes(n % 256 for n in range(size))
        request = echo(ECHO_REQUEST, self.number, contents)
        began = time.perf_counter()
        self.cable.send(mac + self.mac + IPV4 + packet(self.ip, ip, request))
        answer = echo(ECHO_REPLY, self.number, contents)
        came = self._wait(lambda frame: self._carries(frame, ip, answer), timeout)
        return time.perf_counter() - began if came else None

    def _wait(self, wanted: Callable[[bytes], bool], timeout: float) -> bool:
        """Take frames until one is wanted; return whether one was."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            frame = self.cable.receive(left)
            if frame is None:
                return False
            if wanted(frame):
                return True
        return False

    def _is_at(self, frame: bytes, ip: IPv4Address) -> bool:
        if len(frame) < 42 or frame[12:20] != ARP + ARP_HEAD or frame[28:32] != ip.packed:
            return False
        self.known[ip] = frame[22:28]
        return True

    def _carries(self, frame: bytes, ip: IPv4Address, contents: bytes) -> bool:
        head = frame[14:34]
        if frame[:6] != self.mac or frame[12:14] != IPV4 or len(head) < 20 or head[0] != 0x45 or checksum(head):
            return False
        length, protocol = struct.unpack_from(">H", head, 2)[0], head[9]
        return (protocol, head[12:16], frame[34 : 14 + length]) == (ICMP, ip.packed, contents)


def echo(kind: int, number: int, contents: bytes) -> bytes:
    """Return an ICMP echo request or reply with its checksum."""
    head = struct.pack(">BBHHH", kind, 0, 0, IDENTITY, number)
    return head[:2] + struct.pack(">H", checksum(head + contents)) + head[4:] + contents


def packet(source: IPv4Address, destination: IPv4Address, contents: bytes) -> bytes:
    """Return an IPv4 packet with ICMP in it."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(contents), 0, 0x4000, 64, ICMP, 0)
    head += source.packed + destination.packed
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + contents
