"""Virtual interfaces and the rules between them: what domain 0 says about them by io_op, and the hypervisor's records.

Invariants
  - A VIF begins with a VIRTUAL_DEVICE (xengen/abi/io.py). Interfaces of one NIC are on one wire; those of VIF_NO_NIC
    share a wire that leads nowhere else.
  - Directions are the domain's: VIF_OUT is what it sends, VIF_IN what it gets.
  - Addresses and ports of IP stand in structures as they do on the wire, highest byte first.
  - A rule's pattern is a value and a mask over VIF_FACTS: it fits when (facts ^ value) & mask is zero.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_int32, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.devices import Packet
from xengen.abi.hypervisor import Timer
from xengen.abi.io import IoRing, VirtualDevice
from xengen.abi.structure import AbiStructure, Constant, Declaration

OURS = "xengen"
HEAD_BYTES = 96


class VifFacts(AbiStructure):
    """What rules can ask of a packet: 28 bytes.

    type: of the Ethernet frame. protocol: of IPv4, or the lower byte of the operation of ARP. marks: VIF_MARK_*.
    source_ip, destination_ip: of IPv4; of ARP sender's and target's. Ports: of TCP and UDP, of a whole packet or its
    first fragment. What a packet has not is 0.
    """

    _fields_ = (
        ("destination_mac", c_uint8 * 6),
        ("source_mac", c_uint8 * 6),
        ("type", c_uint16),
        ("protocol", c_uint8),
        ("marks", c_uint8),
        ("source_ip", c_uint32),
        ("destination_ip", c_uint32),
        ("source_port", c_uint16),
        ("destination_port", c_uint16),
    )


class NicInfo(AbiStructure):
    """IO_OP_nic_info; the handle is the number of a NIC, from 0. flags: NIC_*. name: ends with NUL."""

    _fields_ = (
        ("mac", c_uint8 * 6),
        ("_pad", c_uint8 * 2),
        ("flags", c_uint32),
        ("sent", c_uint32),
        ("received", c_uint32),
        ("dropped", c_uint32),
        ("errors", c_uint32),
        ("bytes_sent", c_uint64),
        ("bytes_received", c_uint64),
        ("name", c_uint8 * 16),
    )


class VifCreate(AbiStructure):
    """IO_OP_vif_create: an interface of the domain under its handle, with the rules that prevent spoofing.

    flags: VIF_CREATE_*. nic: its wire, the number of a NIC or VIF_NO_NIC. ip: the one address that it may use, or 0.
    """

    _fields_ = (("mac", c_uint8 * 6), ("flags", c_uint16), ("nic", c_uint32), ("ip", c_uint32))


class VifConnect(AbiStructure):
    """IO_OP_vif_connect: the front end's rings, by its grants, and its ports. rx_port: 0: tx_port serves both.

    flags: VIF_RX_COPY: packets are copied into granted pages, else pages are exchanged; VIF_NO_CHECKSUM: the front end
    takes no packet without its checksum.
    """

    _fields_ = (
        ("tx_ref", c_uint32),
        ("rx_ref", c_uint32),
        ("tx_port", c_uint32),
        ("rx_port", c_uint32),
        ("flags", c_uint32),
    )


class VifRule(AbiStructure):
    """IO_OP_vif_rule_add, _rule_remove, _rules: the rule at `place` of a direction, from 0.

    Added: what stood there and behind it moves on; a place beyond the last rule is the place behind it, and is told.
    Removed: only direction and place count. IO_OP_vif_rules fills in the rest. action: VIF_ACCEPT, VIF_DROP, or
    VIF_REDIRECT to the interface target_handle of target_domain, or to the wire itself (VIF_NO_NIC as target_handle).
    packets, bytes: what it decided.
    """

    _fields_ = (
        ("direction", c_uint32),
        ("place", c_uint32),
        ("action", c_uint32),
        ("target_domain", c_uint32),
        ("target_handle", c_uint32),
        ("value", VifFacts),
        ("mask", VifFacts),
        ("packets", c_uint64),
        ("bytes", c_uint64),
    )


class VifPolicy(AbiStructure):
    """IO_OP_vif_policy: what becomes of packets of a direction that no rule decides: VIF_ACCEPT or VIF_DROP."""

    _fields_ = (("direction", c_uint32), ("action", c_uint32))


class VifCredit(AbiStructure):
    """IO_OP_vif_credit: how many bytes the domain may send in a period of so many us. period_us 0: no limit."""

    _fields_ = (("bytes", c_uint32), ("period_us", c_uint32))


class VifInfo(AbiStructure):
    """IO_OP_vif_info. state, reason: as in VIRTUAL_DEVICE. flags: VIF_* of its creation and connection.

    tx_*, rx_*: sent and received by the domain. spoofed: what no rule let out; filtered: what no rule let in.
    tx_errors: bad requests; tx_lost: for nobody. rx_no_buffer: no buffer, no packet; rx_errors: buffers that were none.
    credit_waits: how often its credit was used up. flipped: pages exchanged. rules: how many, by direction.
    """

    _fields_ = (
        ("state", c_uint32),
        ("reason", c_uint32),
        ("mac", c_uint8 * 6),
        ("flags", c_uint16),
        ("nic", c_uint32),
        ("ip", c_uint32),
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
        ("in_flight", c_uint32),
        ("events", c_uint32),
        ("kicks", c_uint32),
        ("credit_bytes", c_uint32),
        ("credit_period_us", c_uint32),
        ("rules", c_uint32 * 2),
        ("policies", c_uint32 * 2),
    )


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
    Declaration("VIF_FACTS", "vif_facts", VifFacts, OURS),
    Declaration("NIC_INFO", "nic_info", NicInfo, OURS),
    Declaration("VIF_CREATE", "vif_create", VifCreate, OURS),
    Declaration("VIF_CONNECT", "vif_connect", VifConnect, OURS),
    Declaration("VIF_RULE", "vif_rule", VifRule, OURS),
    Declaration("VIF_POLICY", "vif_policy", VifPolicy, OURS),
    Declaration("VIF_CREDIT", "vif_credit", VifCredit, OURS),
    Declaration("VIF_INFO", "vif_info", VifInfo, OURS),
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
        "io_op: virtual interfaces",
        IO_OP_nic_info=32, IO_OP_vif_create=33, IO_OP_vif_connect=34, IO_OP_vif_disconnect=35, IO_OP_vif_destroy=36,
        IO_OP_vif_info=37, IO_OP_vif_rule_add=38, IO_OP_vif_rule_remove=39, IO_OP_vif_rules=40, IO_OP_vif_policy=41,
        IO_OP_vif_credit=42,
    ),
    *_group(
        "virtual interfaces",
        VIF_NO_NIC=0xFFFFFFFF, VIF_CREATE_BARE=1, VIF_RX_COPY=2, VIF_NO_CHECKSUM=4, VIF_RULES=64,
    ),
    *_group(
        "rules of virtual interfaces",
        VIF_OUT=0, VIF_IN=1, VIF_ACCEPT=0, VIF_DROP=1, VIF_REDIRECT=2, VIF_MARK_ARP_SENDER=1, VIF_MARK_FRAGMENT=2,
    ),
    *_group("why a virtual device was shut", IO_REASON_PACKET=16),
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
