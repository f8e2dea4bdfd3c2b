"""The hypervisor's own view of real devices: disks, network interfaces, and what a driver is asked to do.

Invariants
  - A driver knows its device and nothing of domains; whoever asks it gives physical addresses of frames that stay.
  - `room` of a device is how many more requests it takes now: whoever submits has looked, the driver counts.
  - A request belongs to the driver from its submission until its `done` is called; then to whoever made it again.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint32, c_uint64

from xengen.abi.structure import Constant, Declaration

OURS = "xengen"

# A block request has up to 11 segments (ABI 11.5), a packet up to 18 slots (ABI 11.6) and a header of ours.
DISK_SEGMENTS = 11
PACKET_PIECES = 19


class Piece(LittleEndianStructure):
    """A piece of physical memory that a device reads or writes: it does not cross the end of a frame."""

    _pack_ = 4
    _fields_ = [("address", c_uint32), ("bytes", c_uint32)]


class Disk(LittleEndianStructure):
    """A disk that a driver has found. One heap block; `disk_list` chains them in order of their numbers.

    submit: routine of the driver, %esi = DISK_REQUEST. state: the driver's own. flags: DISK_*. in_flight: requests that
    the driver has. Counters: requests done, sectors of 512 bytes moved, requests that failed. name: the serial number
    that the device tells. give_up: routine of the driver, %ebx = DISK: stops the device and fails what it has.
    seen: how many requests were done at the last look (disk.s), silent: looks without any since.
    """

    _pack_ = 4
    _fields_ = [
        ("next", c_uint32),
        ("number", c_uint32),
        ("sectors", c_uint64),
        ("flags", c_uint32),
        ("submit", c_uint32),
        ("state", c_uint32),
        ("room", c_uint32),
        ("in_flight", c_uint32),
        ("reads", c_uint32),
        ("writes", c_uint32),
        ("errors", c_uint32),
        ("sectors_moved", c_uint64),
        ("name", c_uint8 * 16),
        ("flushes", c_uint32),
        ("give_up", c_uint32),
        ("seen", c_uint32),
        ("silent", c_uint32),
    ]


class DiskRequest(LittleEndianStructure):
    """What a disk is asked to do. operation: DISK_READ, DISK_WRITE, DISK_FLUSH. sector: of the whole disk.

    pieces: `count` of them, each a multiple of 512 bytes. status: 0, or DISK_FAILED, when `done` is called with
    %esi = the request. owner: for whoever made it. driver: the driver's own. bytes: of all pieces, the driver says.
    """

    _pack_ = 4
    _fields_ = [
        ("next", c_uint32),
        ("disk", c_uint32),
        ("operation", c_uint32),
        ("status", c_uint32),
        ("sector", c_uint64),
        ("done", c_uint32),
        ("owner", c_uint32),
        ("driver", c_uint32),
        ("bytes", c_uint32),
        ("count", c_uint32),
        ("pieces", Piece * DISK_SEGMENTS),
    ]


class Nic(LittleEndianStructure):
    """A network interface that a driver has found. One heap block; `nic_list` chains them.

    send: routine of the driver, %ebx = NIC, %esi = PACKET. run: routine of the driver, %ebx = NIC: does what is due,
    as far as nic_work goes. due: 1 when anything is. flags: NIC_*. state: the driver's own. buffers: mfns of
    NIC_BUFFERS frames to receive into. Counters: packets and bytes through; packets for which there was nobody, or no
    room; packets that were damaged.
    """

    _pack_ = 4
    _fields_ = [
        ("next", c_uint32),
        ("number", c_uint32),
        ("mac", c_uint8 * 6),
        ("_pad", c_uint8 * 2),
        ("flags", c_uint32),
        ("send", c_uint32),
        ("run", c_uint32),
        ("due", c_uint32),
        ("state", c_uint32),
        ("buffers", c_uint32),
        ("room", c_uint32),
        ("sent", c_uint32),
        ("received", c_uint32),
        ("dropped", c_uint32),
        ("errors", c_uint32),
        ("bytes_sent", c_uint64),
        ("bytes_received", c_uint64),
        ("name", c_uint8 * 16),
    ]


class Packet(LittleEndianStructure):
    """A packet that an interface is to send, whole Ethernet frame without checksum, in `count` pieces.

    done: called with %esi = the PACKET when the device needs the pieces no more. owner: for whoever made it.
    """

    _pack_ = 4
    _fields_ = [
        ("next", c_uint32),
        ("nic", c_uint32),
        ("done", c_uint32),
        ("owner", c_uint32),
        ("driver", c_uint32 * 2),
        ("bytes", c_uint32),
        ("count", c_uint32),
        ("pieces", Piece * PACKET_PIECES),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("PIECE", "piece", Piece, OURS),
    Declaration("DISK", "disk", Disk, OURS),
    Declaration("DISK_REQUEST", "disk_request", DiskRequest, OURS),
    Declaration("NIC", "nic", Nic, OURS),
    Declaration("PACKET", "packet", Packet, OURS),
)


def _group(group: str, **values: int) -> tuple[Constant, ...]:
    return tuple(Constant(name, value, group, OURS) for name, value in values.items())


CONSTANTS: tuple[Constant, ...] = (
    *_group(
        "disks", DISK_READ=0, DISK_WRITE=1, DISK_FLUSH=2, DISK_FAILED=1, DISK_READ_ONLY=1, DISK_CAN_FLUSH=2,
        DISK_DEAD=4, DISK_SEGMENTS=DISK_SEGMENTS, SECTOR_BYTES=512, DISK_NAME_BYTES=16, DISK_LOOK_NS=1_000_000_000,
        DISK_DEAD_ROOM=16,
    ),
    *_group("network interfaces", NIC_LINK_UP=1, NIC_MAC_BYTES=6, NIC_MAC_GROUP=1, PACKET_PIECES=PACKET_PIECES),
)
