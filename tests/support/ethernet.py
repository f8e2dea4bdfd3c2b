"""A machine on the network in Python: it asks others by ARP, ICMP, UDP and TCP, and reads what they say with scapy.

Invariants
  - Frames are made and read by scapy alone, which knows nothing of this project.
  - `parsed` is strict: a frame that scapy cannot read to its end, or whose checksums are wrong, is an AssertionError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Padding, Raw

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ECHO = 7


@dataclass(frozen=True)
class Talker:
    """Makes frames from us to `peer_ip` at `peer_mac`."""

    mac: str
    ip: str
    peer_mac: str
    peer_ip: str

    def who_has(self) -> bytes:
        """Ask everybody whose address the peer's is."""
        return bytes(Ether(src=self.mac, dst=EVERYBODY) / ARP(psrc=self.ip, hwsrc=self.mac, pdst=self.peer_ip))

    def ping(self, number: int, payload: bytes = b"") -> bytes:
        """Make an echo request."""
        return self.over_ip(ICMP(id=1, seq=number) / payload)

    def datagram(self, payload: bytes, port: int = ECHO, source: int = 4000) -> bytes:
        """Make a UDP datagram."""
        return self.over_ip(UDP(sport=source, dport=port) / payload)

    def segment(self, payload: bytes = b"", **fields: Any) -> bytes:
        """Make a TCP segment from port 4000; fields as scapy's TCP has them."""
        return self.over_ip(TCP(**{"sport": 4000, "dport": ECHO, "window": 8192, **fields}) / payload)

    def over_ip(self, upper: Any) -> bytes:
        """Make a frame with anything in an IP packet."""
        return bytes(Ether(src=self.mac, dst=self.peer_mac) / IP(src=self.ip, dst=self.peer_ip) / upper)


def parsed(frame: bytes) -> Any:
    """Read a frame from the wire; AssertionError when anything in it is not as it must be."""
    packet = Ether(frame)
    assert 60 <= len(frame) <= 1514, f"{len(frame)} bytes"
    if IP in packet:
        assert packet[IP].version == 4
        assert packet[IP].len <= len(frame) - 14
        rest = {layer.__name__ for layer in packet.layers()} - {"Ether", "IP", "ICMP", "UDP", "TCP", "Raw", "Padding"}
        assert not rest, rest
        again = packet.copy()
        for layer in (IP, ICMP, UDP, TCP):
            if layer in again:
                del again[layer].chksum
        assert bytes(again) == frame, f"{packet.summary()}: a checksum is wrong"
    else:
        assert ARP in packet, packet.summary()
        assert packet[ARP].hwtype == 1 and packet[ARP].ptype == 0x0800
    padding = bytes(packet[Padding]) if Padding in packet else b""
    assert padding.strip(b"\0") == b"", "what fills a frame up is somebody's memory"
    return packet


def payload(packet: Any) -> bytes:
    """Return what is in a packet behind its heads."""
    return bytes(packet[Raw].load) if Raw in packet else b""
