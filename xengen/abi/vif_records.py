"""The hypervisor's own records of virtual interfaces: rings, rules, packets on their way, turns.

Invariants
  - A VIF begins with a VIRTUAL_DEVICE (xengen/abi/io.py).
  - What domain 0 says about interfaces, and the VIF_FACTS that rules look at, are in xengen/abi/vif.py.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_int32, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.devices import Packet
from xengen.abi.hypervisor import Timer
from xengen.abi.io import IoRing, VirtualDevice
from xengen.abi.structure import Constant, Declaration
from xengen.abi.vif import VifFacts

OURS = "xengen"
HEAD_BYTES = 96


class VifRing(LittleEndianStructure):
    """One ring of a VIF. told: how many of its responses the front end has been shown. port: where its events go."""

    _pack_ = 4
    _fields_ = [("io", IoRing), ("told", c_uint32), ("port", c_uint32)]


class VifRuleRecord(LittleEndianStructure):
    """A rule, in a chain of its direction. target: VIF, 0: the wire."""

    _pack_ = 4
    _fields_ = [
        ("next", c_uint32),
        ("action", c_uint32),
        ("target", c_uint32),
        ("value", VifFacts),
        ("mask", VifFacts),
        ("packets", c_uint64),
        ("bytes", c_uint64),
    ]


class Vif(LittleEndianStructure):
    """A virtual interface. One heap block.

    next: in vif_list, of all. mac_next: in the chain of its hash. nic: NIC, or 0. waits: VIF_WAITS_*; waiting_next:
    behind it among those that wait for room. deficit: bytes that it may still send in its turn. credit: bytes left in
    the period that ends at credit_end; credit_timer: set while it waits for that. touched_next: in the list of those
    whose rings have responses that were not shown yet; touched: it is there. rules, policies: by direction.
    """

    _pack_ = 4
    _fields_ = [
        ("device", VirtualDevice),
        ("next", c_uint32),
        ("mac_next", c_uint32),
        ("mac", c_uint8 * 6),
        ("flags", c_uint16),
        ("nic", c_uint32),
        ("ip", c_uint32),
        ("tx", VifRing),
        ("rx", VifRing),
        ("waits", c_uint32),
        ("waiting_next", c_uint32),
        ("deficit", c_int32),
        ("touched_next", c_uint32),
        ("touched", c_uint32),
        ("credit", c_int32),
        ("credit_bytes", c_uint32),
        ("credit_period_us", c_uint32),
        ("credit_end", c_uint64),
        ("credit_timer", Timer),
        ("rules", c_uint32 * 2),
        ("policies", c_uint32 * 2),
        ("tx_bytes", c_uint64),
        ("rx_bytes", c_uint64),
        ("tx_packets", c_uint32),
        ("rx_packets", c_uint32),
        ("spoofed", c_uint32),
        ("filtered", c_uint32),
        ("tx_errors", c_uint32),
        ("tx_lost", c_uint32),
        ("rx_no_buffer", c_uint32),
        ("rx_errors", c_uint32),
        ("credit_waits", c_uint32),
        ("flipped", c_uint32),
    ]


class VifInput(LittleEndianStructure):
    """A whole packet in a frame of the hypervisor's own, in the queue vif_inputs.

    nic: the wire that it goes to; vif: who sent it, 0: the NIC received it. flags: NETTXF_*.
    """

    _pack_ = 4
    _fields_ = [
        ("mfn", c_uint32),
        ("offset", c_uint16),
        ("bytes", c_uint16),
        ("nic", c_uint32),
        ("vif", c_uint32),
        ("flags", c_uint32),
    ]


class VifSlot(LittleEndianStructure):
    """A slot of a packet under way. ref: of its grant, mfn: the frame while it is held, else 0. id: to answer with."""

    _pack_ = 4
    _fields_ = [
        ("ref", c_uint32),
        ("mfn", c_uint32),
        ("offset", c_uint16),
        ("flags", c_uint16),
        ("id", c_uint16),
        ("bytes", c_uint16),
    ]


class VifPacket(LittleEndianStructure):
    """A packet on its way from a VIF. One heap block; `packet` is what a NIC is asked to send.

    vif: who sent it. slots: `count` of them; extras: how many slots said more about it. head: our copy of its
    first head_bytes bytes. flags: NETTXF_* of its first slot. made_next: in vif_made, of all that were ever made.
    in_flight: whether a NIC has it, or is done with it and it is not answered yet.
    """

    _pack_ = 4
    _fields_ = [
        ("packet", Packet),
        ("vif", c_uint32),
        ("flags", c_uint32),
        ("count", c_uint32),
        ("extras", c_uint32),
        ("head_bytes", c_uint32),
        ("made_next", c_uint32),
        ("in_flight", c_uint32),
        ("facts", VifFacts),
        ("head", c_uint8 * HEAD_BYTES),
        ("slots", VifSlot * 18),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("VIF_RING", "vif_ring", VifRing, OURS),
    Declaration("VIF_RULE_RECORD", "vif_rule_record", VifRuleRecord, OURS),
    Declaration("VIF", "vif", Vif, OURS),
    Declaration("VIF_SLOT", "vif_slot", VifSlot, OURS),
    Declaration("VIF_PACKET", "vif_packet", VifPacket, OURS),
    Declaration("VIF_INPUT", "vif_input", VifInput, OURS),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, OURS) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "packets of virtual interfaces",
        VIF_HEAD_BYTES=HEAD_BYTES, IPV4_OFFSET_MASK_WIRE=0xFF1F, VIF_BAD_EXTRA=1 << 16,
        VIF_TX_PACKET=0, VIF_TX_NONE=1, VIF_TX_BAD=2, VIF_TX_HOSTILE=3, VIF_TX_BLOCKED=4, VIF_TX_CREDIT=5,
        VIF_TX_KEPT=6, VIF_TX_DROPPED=7,
    ),
    *_group(
        "turns of virtual interfaces",
        VIF_HASHES=64, VIF_INPUTS=256, VIF_SPARES=64, VIF_QUANTUM=4 * 1514, VIF_WORK=9, VIF_WORK_SLOTS=36,
        VIF_WORK_OF_AN_ANSWER=2,
        VIF_WAITS_FOR_NOTHING=0, VIF_WAITS_FOR_ROOM=1, VIF_WAITS_FOR_CREDIT=2, VIF_WAITS_FOR_RUN=3, VIF_BAD_BYTES=256,
    ),
)
