"""The network device rings (ABI 11.6): transmit and receive.

Invariants
  - A packet takes one slot or several that follow each other; the first one's size is that of the whole packet.
  - A positive status of a receive response is the number of bytes, a negative one an error.
"""

from __future__ import annotations

from ctypes import c_int16, c_uint8, c_uint16, c_uint32, sizeof

from xengen.abi.rings import ring_entries
from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare


class NetifTxRequest(AbiStructure):
    """A piece of a packet to send, in a granted page; flags are NETTXF_*."""

    _fields_ = (
        ("gref", c_uint32),
        ("offset", c_uint16),
        ("flags", c_uint16),
        ("id", c_uint16),
        ("size", c_uint16),
    )


class NetifTxResponse(AbiStructure):
    """The answer to a transmit request."""

    _fields_ = (("id", c_uint16), ("status", c_int16))


class NetifRxRequest(AbiStructure):
    """A granted page to receive into."""

    _fields_ = (("id", c_uint16), ("_pad", c_uint16), ("gref", c_uint32))


class NetifRxResponse(AbiStructure):
    """A piece of a packet received; flags are NETRXF_*."""

    _fields_ = (("id", c_uint16), ("offset", c_uint16), ("flags", c_uint16), ("status", c_int16))


class NetifExtraGso(AbiStructure):
    """Segmentation that the other side is to do."""

    _fields_ = (("size", c_uint16), ("type", c_uint8), ("_pad", c_uint8), ("features", c_uint16))


class NetifExtraMcast(AbiStructure):
    """A multicast address to add or delete."""

    _fields_ = (("addr", c_uint8 * 6),)


class NetifExtraDetail(AbiUnion):
    """netif_extra_info.u."""

    _fields_ = (("gso", NetifExtraGso), ("mcast", NetifExtraMcast), ("_pad", c_uint16 * 3))


class NetifExtraInfo(AbiStructure):
    """A slot that says more about the packet before it."""

    _fields_ = (("type", c_uint8), ("flags", c_uint8), ("u", NetifExtraDetail))


class NetifTxSringEntry(AbiUnion):
    """One slot of the transmit ring."""

    _fields_ = (("req", NetifTxRequest), ("rsp", NetifTxResponse))


class NetifRxSringEntry(AbiUnion):
    """One slot of the receive ring."""

    _fields_ = (("req", NetifRxRequest), ("rsp", NetifRxResponse))


class NetifTxSring(AbiStructure):
    """The transmit ring page with its first slot; the others follow."""

    _fields_ = (
        ("req_prod", c_uint32),
        ("req_event", c_uint32),
        ("rsp_prod", c_uint32),
        ("rsp_event", c_uint32),
        ("pvt", c_uint32),
        ("_pad", c_uint8 * 44),
        ("ring", NetifTxSringEntry * 1),
    )


class NetifRxSring(AbiStructure):
    """The receive ring page with its first slot; the others follow."""

    _fields_ = (
        ("req_prod", c_uint32),
        ("req_event", c_uint32),
        ("rsp_prod", c_uint32),
        ("rsp_event", c_uint32),
        ("pvt", c_uint32),
        ("_pad", c_uint8 * 44),
        ("ring", NetifRxSringEntry * 1),
    )


STRUCTURES: tuple[Declaration, ...] = (
    declare("netif_tx_sring", NetifTxSring, "ABI 11.4"),
    declare("netif_rx_sring", NetifRxSring, "ABI 11.4"),
    declare("union netif_tx_sring_entry", NetifTxSringEntry, "ABI 11.6"),
    declare("union netif_rx_sring_entry", NetifRxSringEntry, "ABI 11.6"),
    declare("netif_tx_request", NetifTxRequest, "ABI 11.6"),
    declare("netif_tx_response", NetifTxResponse, "ABI 11.6"),
    declare("netif_rx_request", NetifRxRequest, "ABI 11.6"),
    declare("netif_rx_response", NetifRxResponse, "ABI 11.6"),
    declare("netif_extra_info", NetifExtraInfo, "ABI 11.6"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "transmit flags", "ABI 11.6",
        NETTXF_csum_blank=1, NETTXF_data_validated=2, NETTXF_more_data=4, NETTXF_extra_info=8,
    ),
    *constants(
        "receive flags", "ABI 11.6",
        NETRXF_data_validated=1, NETRXF_csum_blank=2, NETRXF_more_data=4, NETRXF_extra_info=8, NETRXF_gso_prefix=16,
    ),
    *constants(
        "network status", "ABI 11.6",
        NETIF_RSP_DROPPED=-2, NETIF_RSP_ERROR=-1, NETIF_RSP_OKAY=0, NETIF_RSP_NULL=1,
    ),
    *constants(
        "extra slots", "ABI 11.6",
        XEN_NETIF_EXTRA_TYPE_GSO=1, XEN_NETIF_EXTRA_TYPE_MCAST_ADD=2, XEN_NETIF_EXTRA_TYPE_MCAST_DEL=3,
        XEN_NETIF_EXTRA_TYPE_HASH=4, XEN_NETIF_EXTRA_FLAG_MORE=1, XEN_NETIF_GSO_TYPE_TCPV4=1,
        XEN_NETIF_GSO_TYPE_TCPV6=2,
    ),
    *constants(
        "network rings", "ABI 11.6",
        NETIF_TX_RING_ENTRIES=ring_entries(sizeof(NetifTxSringEntry)),
        NETIF_RX_RING_ENTRIES=ring_entries(sizeof(NetifRxSringEntry)), XEN_NETIF_NR_SLOTS_MIN=18,
    ),
)
