"""The control agent's serial line (COM2 of domain 0): frames, requests and answers.

A frame is WIRE_FLAG, a body, WIRE_FLAG; in the body WIRE_FLAG and WIRE_ESCAPE are sent as WIRE_ESCAPE and the byte with
bit 5 turned. A body is a WIRE_HEAD, a payload, and the CRC-32 (that of Ethernet) of both.

Invariants
  - The toolstack asks, the agent answers with the same sequence number and the kind with WIRE_ANSWER set. A request
    that comes again is answered again and not done again: so whatever is lost or garbled can be sent once more.
  - WIRE_HELLO begins a conversation: its payload, a number of the toolstack's, comes back with what it must know.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint16, c_uint32

from xengen.abi.structure import Constant, Declaration

WIRE = "the control agent's serial line"


class WireHead(LittleEndianStructure):
    """The head of a body."""

    _pack_ = 4
    _fields_ = [("sequence", c_uint16), ("kind", c_uint8), ("pad", c_uint8)]


class WireRange(LittleEndianStructure):
    """Payload of WIRE_READ, and the beginning of that of WIRE_WRITE: an address of the agent's memory, and bytes."""

    _pack_ = 4
    _fields_ = [("address", c_uint32), ("bytes", c_uint32)]


class WireWelcome(LittleEndianStructure):
    """Answer to WIRE_HELLO: the number of the request, and where the agent has its start_info."""

    _pack_ = 4
    _fields_ = [("number", c_uint32), ("start_info", c_uint32)]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("WIRE_HEAD", "wire_head", WireHead, WIRE),
    Declaration("WIRE_RANGE", "wire_range", WireRange, WIRE),
    Declaration("WIRE_WELCOME", "wire_welcome", WireWelcome, WIRE),
)

CONSTANTS: tuple[Constant, ...] = tuple(
    Constant(name, value, "the control agent's serial line", WIRE)
    for name, value in {
        "WIRE_FLAG": 0x7E,
        "WIRE_ESCAPE": 0x7D,
        "WIRE_TURN": 0x20,
        "WIRE_HELLO": 1,
        "WIRE_READ": 2,
        "WIRE_WRITE": 3,
        "WIRE_RUN": 4,
        "WIRE_REFUSED": 5,
        "WIRE_ANSWER": 0x80,
        "WIRE_DATA_BYTES": 1024,
        "WIRE_BODY_BYTES": 1024 + 32,
        "WIRE_CRC_POLYNOMIAL": 0xEDB88320,
        "WIRE_NAP_NS": 1_000_000,
        "WIRE_SHORT_NAP_NS": 100_000,
        "COM2": 0x2F8,
    }.items()
)
