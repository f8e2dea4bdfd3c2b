"""Heads of packets as they are on the wire: Ethernet, ARP, IPv4, ICMP, UDP, TCP.

Invariants
  - Words of more than one byte have their highest byte first. Constants whose names end in _WIRE are as a 16-bit load
    of the wire gives them on x86: with their bytes exchanged.
  - Ethernet frames are without their checksum, which devices add and check.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint16, c_uint32

from xengen.abi.structure import Constant, Declaration

ETHERNET = "IEEE 802.3"
ARP = "RFC 826"
IP = "RFC 791"
ICMP = "RFC 792"
UDP = "RFC 768"
TCP = "RFC 9293"


class EthernetHeader(LittleEndianStructure):
    """The head of an Ethernet frame."""

    _pack_ = 4
    _fields_ = [("destination", c_uint8 * 6), ("source", c_uint8 * 6), ("type", c_uint16)]


class ArpPacket(LittleEndianStructure):
    """A question or an answer of ARP, for IPv4 over Ethernet."""

    _pack_ = 4
    _fields_ = [
        ("hardware", c_uint16),
        ("protocol", c_uint16),
        ("hardware_bytes", c_uint8),
        ("protocol_bytes", c_uint8),
        ("operation", c_uint16),
        ("sender_mac", c_uint8 * 6),
        ("sender_ip", c_uint8 * 4),
        ("target_mac", c_uint8 * 6),
        ("target_ip", c_uint8 * 4),
    ]


class Ipv4Header(LittleEndianStructure):
    """The head of an IPv4 packet without options."""

    _pack_ = 4
    _fields_ = [
        ("version", c_uint8),
        ("service", c_uint8),
        ("bytes", c_uint16),
        ("id", c_uint16),
        ("fragment", c_uint16),
        ("ttl", c_uint8),
        ("protocol", c_uint8),
        ("checksum", c_uint16),
        ("source", c_uint32),
        ("destination", c_uint32),
    ]


class IcmpHeader(LittleEndianStructure):
    """The head of an ICMP echo request or reply."""

    _pack_ = 4
    _fields_ = [
        ("type", c_uint8),
        ("code", c_uint8),
        ("checksum", c_uint16),
        ("id", c_uint16),
        ("sequence", c_uint16),
    ]


class UdpHeader(LittleEndianStructure):
    """The head of a UDP datagram; `bytes` counts it, too."""

    _pack_ = 4
    _fields_ = [("source", c_uint16), ("destination", c_uint16), ("bytes", c_uint16), ("checksum", c_uint16)]


class TcpHeader(LittleEndianStructure):
    """The head of a TCP segment; the upper half of `offset` is its length in words, options included."""

    _pack_ = 4
    _fields_ = [
        ("source", c_uint16),
        ("destination", c_uint16),
        ("sequence", c_uint32),
        ("acknowledgement", c_uint32),
        ("offset", c_uint8),
        ("flags", c_uint8),
        ("window", c_uint16),
        ("checksum", c_uint16),
        ("urgent", c_uint16),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("ETHERNET", "ethernet_header", EthernetHeader, ETHERNET),
    Declaration("ARP", "arp_packet", ArpPacket, ARP),
    Declaration("IPV4", "ipv4_header", Ipv4Header, IP),
    Declaration("ICMP", "icmp_header", IcmpHeader, ICMP),
    Declaration("UDP", "udp_header", UdpHeader, UDP),
    Declaration("TCP", "tcp_header", TcpHeader, TCP),
)


def _group(group: str, source: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, source) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "Ethernet", ETHERNET,
        ETHERTYPE_IPV4_WIRE=0x0008, ETHERTYPE_ARP_WIRE=0x0608, ETHERNET_LEAST=60, ETHERNET_MOST=1514,
    ),
    *_group(
        "ARP", ARP,
        ARP_ETHERNET_WIRE=0x0100, ARP_REQUEST_WIRE=0x0100, ARP_REPLY_WIRE=0x0200,
    ),
    *_group(
        "IPv4", IP,
        IPV4_VERSION=0x45, IPV4_TTL=64, IPV4_DONT_FRAGMENT_WIRE=0x0040, IPV4_FRAGMENT_MASK_WIRE=0xFF3F,
        IP_PROTOCOL_ICMP=1, IP_PROTOCOL_TCP=6, IP_PROTOCOL_UDP=17,
    ),
    *_group("ICMP", ICMP, ICMP_ECHO_REPLY=0, ICMP_ECHO_REQUEST=8),
    *_group("echo service", "RFC 862", PORT_ECHO_WIRE=0x0700),
    *_group("TCP flags", TCP, TCP_FIN=1, TCP_SYN=2, TCP_RST=4, TCP_PSH=8, TCP_ACK=0x10),
)
