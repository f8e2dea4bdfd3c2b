"""Virtual interfaces and the rules between them: what domain 0 says about them by io_op.

Invariants
  - Interfaces of one NIC are on one wire; those of VIF_NO_NIC share a wire that leads nowhere else.
  - The hypervisor's own records of interfaces are in xengen/abi/vif_records.py.
  - Directions are the domain's: VIF_OUT is what it sends, VIF_IN what it gets.
  - Addresses and ports of IP stand in structures as they do on the wire, highest byte first.
  - A rule's pattern is a value and a mask over VIF_FACTS: it fits when (facts ^ value) & mask is zero.
"""

from __future__ import annotations

from ctypes import c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, Constant, Declaration

OURS = "xengen"


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


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("VIF_FACTS", "vif_facts", VifFacts, OURS),
    Declaration("NIC_INFO", "nic_info", NicInfo, OURS),
    Declaration("VIF_CREATE", "vif_create", VifCreate, OURS),
    Declaration("VIF_CONNECT", "vif_connect", VifConnect, OURS),
    Declaration("VIF_RULE", "vif_rule", VifRule, OURS),
    Declaration("VIF_POLICY", "vif_policy", VifPolicy, OURS),
    Declaration("VIF_CREDIT", "vif_credit", VifCredit, OURS),
    Declaration("VIF_INFO", "vif_info", VifInfo, OURS),
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
    *_group("why a virtual interface was shut", IO_REASON_PACKET=16),
)
