"""What the drivers of network interfaces keep for each of theirs.

Invariants
  - NIC_state of a NIC points at its driver's structure; both are heap blocks, and stay.
  - A driver's ring for sending has NIC_SEND_PLACES places. NIC_room is the number of free ones >> NIC_ROOM_SHIFT: no
    packet takes more of them, a header of the driver's own included.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint32

from xengen.abi.devices import PACKET_PIECES
from xengen.abi.structure import Constant, Declaration

OURS = "xengen"

NIC_BUFFERS = 128
NIC_SEND_PLACES = 256
NIC_ROOM_SHIFT = 5
VIRTIO_NET_HEADER = 10
assert PACKET_PIECES + 1 <= 1 << NIC_ROOM_SHIFT


class E1000(LittleEndianStructure):
    """An 82540EM. registers: where they are mapped. rx: NIC_BUFFERS E1000_RX; tx: NIC_SEND_PLACES E1000_TX.

    rx_next: the descriptor that is filled next. rx_skip: its packet began in one before, and is dropped. tx_head,
    tx_tail: the oldest descriptor that is in flight, and the next free one; tx_free: free ones, without the one that
    the device must never reach. masked: its interrupts are. stopped: it does not send, because there is no link;
    idle: it was reset since. packets: the PACKET that begins at each descriptor; PACKET_driver is its last one.
    """

    _pack_ = 4
    _fields_ = [
        ("registers", c_uint32),
        ("rx", c_uint32),
        ("rx_next", c_uint32),
        ("rx_skip", c_uint32),
        ("tx", c_uint32),
        ("tx_head", c_uint32),
        ("tx_tail", c_uint32),
        ("tx_free", c_uint32),
        ("masked", c_uint32),
        ("stopped", c_uint32),
        ("idle", c_uint32),
        ("packets", c_uint32 * NIC_SEND_PLACES),
    ]


class VirtioNet(LittleEndianStructure):
    """A virtio network device. port: its first register. receive, send: its VIRTQUEUEs. masked: interrupts are.

    header: what stands before each packet that is sent: zeros. sink: where what stands before received ones goes. Their
    physical addresses are header_address and sink_address.
    """

    _pack_ = 4
    _fields_ = [
        ("port", c_uint32),
        ("features", c_uint32),
        ("receive", c_uint32),
        ("send", c_uint32),
        ("masked", c_uint32),
        ("header_address", c_uint32),
        ("sink_address", c_uint32),
        ("header", c_uint8 * VIRTIO_NET_HEADER),
        ("sink", c_uint8 * VIRTIO_NET_HEADER),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("E1000", "e1000", E1000, OURS),
    Declaration("VIRTIO_NET", "virtio_net", VirtioNet, OURS),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, OURS) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "drivers of network interfaces",
        NIC_BUFFERS=NIC_BUFFERS, NIC_SEND_PLACES=NIC_SEND_PLACES, NIC_ROOM_SHIFT=NIC_ROOM_SHIFT, NIC_BUFFER_BYTES=2048,
        NIC_SHORTEST=14, NIC_WORK=64, NIC_WORK_OF_A_RECEIVED=2,
    ),
    *(
        Constant(name, value, "virtio network devices", "Virtio 1.0, legacy interface")
        for name, value in (
            ("VIRTIO_NET_F_MAC", 1 << 5),
            ("VIRTIO_NET_F_STATUS", 1 << 16),
            ("VIRTIO_NET_CONFIG_STATUS", 6),
            ("VIRTIO_NET_S_LINK_UP", 1),
            ("VIRTIO_NET_HEADER", VIRTIO_NET_HEADER),
            ("VIRTIO_NET_QUEUE_RECEIVE", 0),
            ("VIRTIO_NET_QUEUE_SEND", 1),
            ("VIRTIO_INTERRUPT_QUEUE", 1),
            ("VIRTIO_INTERRUPT_CONFIGURATION", 2),
        )
    ),
)
