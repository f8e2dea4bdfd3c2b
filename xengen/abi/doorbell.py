"""The doorbell: how whoever serves domains from outside of the machine sends them events (event/doorbell.s).

Invariants
  - Whoever serves writes `rings` and then `produced`; the hypervisor alone writes `ready` and `consumed`.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint16, c_uint32

from xengen.abi.structure import Constant, Declaration

OURS = "xengen"
DOORBELL_RINGS = 8


class DoorbellRing(LittleEndianStructure):
    """An event for a port of a domain; port DOORBELL_LET_GO: nobody outside needs the domain any more."""

    _pack_ = 4
    _fields_ = [("domain", c_uint16), ("port", c_uint16)]


class Doorbell(LittleEndianStructure):
    """The ring between the two; its counters run freely, a place is the counter modulo DOORBELL_RINGS.

    ready: 1 once there is somebody to serve: all boot modules are domains, and the first is about to run.
    """

    _pack_ = 4
    _fields_ = [
        ("ready", c_uint32),
        ("produced", c_uint32),
        ("consumed", c_uint32),
        ("rings", DoorbellRing * DOORBELL_RINGS),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("DOORBELL_RING", "doorbell_ring", DoorbellRing, OURS),
    Declaration("DOORBELL", "doorbell", Doorbell, OURS),
)

CONSTANTS: tuple[Constant, ...] = (
    Constant("DOORBELL_RINGS", DOORBELL_RINGS, "doorbell", OURS),
    Constant("DOORBELL_LOOK_NS", 1_000_000, "doorbell", OURS),
    Constant("DOORBELL_LET_GO", 0, "doorbell", OURS),
)
