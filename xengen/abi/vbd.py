"""Virtual block devices: what domain 0 asks for by io_op, and the hypervisor's own records.

Invariants
  - A VBD is a list of extents: its sectors are theirs, one extent behind the other. Sectors are of 512 bytes.
  - A VBD_REQUEST is in use from the moment that it is taken from the ring until its response is there. As long, it
    holds a use of a grant for each of its `pinned` segments: for reading if it writes to the disk, else for writing.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint8, c_uint32, c_uint64

from xengen.abi.devices import DISK_SEGMENTS, DiskRequest, Piece
from xengen.abi.io import IoRing, VirtualDevice
from xengen.abi.structure import Constant, Declaration

OURS = "xengen"

VBD_EXTENTS = 8
VBD_REQUESTS = 32


class DiskInfo(LittleEndianStructure):
    """IO_OP_disk_info: what is known of disk `number` (given); the rest is the answer. name: ends with NUL."""

    _pack_ = 4
    _fields_ = [
        ("number", c_uint32),
        ("flags", c_uint32),
        ("sectors", c_uint64),
        ("in_flight", c_uint32),
        ("reads", c_uint32),
        ("writes", c_uint32),
        ("errors", c_uint32),
        ("sectors_moved", c_uint64),
        ("name", c_uint8 * 16),
    ]


class VbdCreate(LittleEndianStructure):
    """IO_OP_vbd_create: a VBD without extents. flags: VBD_READ_ONLY or 0."""

    _pack_ = 4
    _fields_ = [("flags", c_uint32)]


class VbdExtent(LittleEndianStructure):
    """IO_OP_vbd_extent: `sectors` of a disk from `start`, put behind the VBD's last one; none while it is connected.

    flags: VBD_READ_ONLY, and VBD_SHARED: others may have these sectors too. Without it nobody else may, if one of both
    may write. IO_OP_vbd_extent_info: given `index`; the rest is the answer.
    """

    _pack_ = 4
    _fields_ = [
        ("index", c_uint32),
        ("disk", c_uint32),
        ("flags", c_uint32),
        ("start", c_uint64),
        ("sectors", c_uint64),
    ]


class VbdConnect(LittleEndianStructure):
    """IO_OP_vbd_connect: the domain's grant of its ring page to domain 0, and its port, unbound for domain 0."""

    _pack_ = 4
    _fields_ = [("ring_ref", c_uint32), ("port", c_uint32)]


class VbdNothing(LittleEndianStructure):
    """IO_OP_vbd_disconnect and IO_OP_vbd_destroy: the domain and the handle say all; the word is 0."""

    _pack_ = 4
    _fields_ = [("zero", c_uint32)]


class VbdInfo(LittleEndianStructure):
    """IO_OP_vbd_info: all of it is the answer.

    state: IO_STATE_*; reason: IO_REASON_*. reads to barriers: requests of each kind that were taken; refused: those
    that were not carried out, as they made no sense or had no right; errors: those that the disk failed. segments:
    pages that were pinned. events: how often the domain was notified; kicks: how often it notified us.
    """

    _pack_ = 4
    _fields_ = [
        ("state", c_uint32),
        ("reason", c_uint32),
        ("flags", c_uint32),
        ("port", c_uint32),
        ("extents", c_uint32),
        ("in_flight", c_uint32),
        ("sectors", c_uint64),
        ("reads", c_uint32),
        ("writes", c_uint32),
        ("flushes", c_uint32),
        ("barriers", c_uint32),
        ("refused", c_uint32),
        ("errors", c_uint32),
        ("segments", c_uint32),
        ("events", c_uint32),
        ("kicks", c_uint32),
        ("sectors_read", c_uint64),
        ("sectors_written", c_uint64),
    ]


class DiskScan(LittleEndianStructure):
    """IO_OP_disk_scan: the hypervisor reads sectors of a disk for nobody, as fast as the driver goes; and how it went.

    begin: 1 to begin, with disk, depth (requests in flight, 1 to 32), chunk (sectors of a request, a multiple of 8, 88
    at the most), start and sectors (a multiple of chunk); 0 to ask. left: sectors not read yet; in_flight: requests
    that the disk has; errors: those that failed; ns: how long it took, when in_flight is 0.
    """

    _pack_ = 4
    _fields_ = [
        ("begin", c_uint32),
        ("disk", c_uint32),
        ("depth", c_uint32),
        ("chunk", c_uint32),
        ("start", c_uint64),
        ("sectors", c_uint64),
        ("left", c_uint64),
        ("in_flight", c_uint32),
        ("errors", c_uint32),
        ("ns", c_uint64),
    ]


class VbdPart(LittleEndianStructure):
    """One extent of a VBD: the DISK, VBD_READ_ONLY and VBD_SHARED, and its sectors there."""

    _pack_ = 4
    _fields_ = [("disk", c_uint32), ("flags", c_uint32), ("start", c_uint64), ("sectors", c_uint64)]


class Vbd(LittleEndianStructure):
    """A virtual block device. One heap block.

    requests: the first request_count are VBD_REQUESTs, each a heap block; `free` chains those that are not in use.
    waiting: requests that are checked and pinned, in the order in which they go to the disk. done, done_last: those
    that the disk has done. barrier: the request that lets none behind it begin, or 0. position: the
    sector behind the last one that went to a disk (for the elevator). Counters as in VBD_INFO; reads to flushes in the
    order of BLKIF_OP_*.
    """

    _pack_ = 4
    _fields_ = [
        ("device", VirtualDevice),
        ("flags", c_uint32),
        ("extent_count", c_uint32),
        ("sectors", c_uint64),
        ("ring", IoRing),
        ("request_count", c_uint32),
        ("free", c_uint32),
        ("waiting", c_uint32),
        ("done", c_uint32),
        ("done_last", c_uint32),
        ("barrier", c_uint32),
        ("position", c_uint64),
        ("reads", c_uint32),
        ("writes", c_uint32),
        ("barriers", c_uint32),
        ("flushes", c_uint32),
        ("refused", c_uint32),
        ("errors", c_uint32),
        ("segments", c_uint32),
        ("sectors_read", c_uint64),
        ("sectors_written", c_uint64),
        ("requests", c_uint32 * VBD_REQUESTS),
        ("extents", VbdPart * VBD_EXTENTS),
    ]


class VbdRequest(LittleEndianStructure):
    """A request of a ring. One heap block.

    disk: what the disk is asked for now; a request over several extents is carried out in parts. next: behind it in a
    list of its VBD's. used: VBD_REQUEST_*, where it is. operation: BLKIF_OP_*. step: VBD_STEP_*. flushed: of a flush,
    the extents whose disks are done. pinned: segments whose grants it uses; writable: how, as grant_acquire has it.
    pieces: the segments, as pieces of memory; piece: the first that is not in a part yet, piece_done: bytes of it that
    are. sector: of the VBD, where the next part begins; left: sectors from there on. asked: sectors of the part that
    the disk has.
    """

    _pack_ = 4
    _fields_ = [
        ("disk", DiskRequest),
        ("next", c_uint32),
        ("vbd", c_uint32),
        ("used", c_uint32),
        ("operation", c_uint32),
        ("step", c_uint32),
        ("flushed", c_uint32),
        ("id", c_uint64),
        ("writable", c_uint32),
        ("segments", c_uint32),
        ("pinned", c_uint32),
        ("piece", c_uint32),
        ("piece_done", c_uint32),
        ("sector", c_uint64),
        ("left", c_uint32),
        ("asked", c_uint32),
        ("refs", c_uint32 * DISK_SEGMENTS),
        ("pieces", Piece * DISK_SEGMENTS),
    ]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("DISK_INFO", "disk_info", DiskInfo, OURS),
    Declaration("VBD_CREATE", "vbd_create", VbdCreate, OURS),
    Declaration("VBD_EXTENT", "vbd_extent", VbdExtent, OURS),
    Declaration("VBD_CONNECT", "vbd_connect", VbdConnect, OURS),
    Declaration("VBD_NOTHING", "vbd_nothing", VbdNothing, OURS),
    Declaration("VBD_INFO", "vbd_info", VbdInfo, OURS),
    Declaration("DISK_SCAN", "disk_scan", DiskScan, OURS),
    Declaration("VBD_PART", "vbd_part", VbdPart, OURS),
    Declaration("VBD", "vbd", Vbd, OURS),
    Declaration("VBD_REQUEST", "vbd_request", VbdRequest, OURS),
)

CONSTANTS: tuple[Constant, ...] = tuple(
    Constant(name, number, "virtual block devices", OURS)
    for name, number in {
        "IO_OP_disk_info": 1,
        "IO_OP_vbd_create": 2,
        "IO_OP_vbd_extent": 3,
        "IO_OP_vbd_connect": 4,
        "IO_OP_vbd_disconnect": 5,
        "IO_OP_vbd_destroy": 6,
        "IO_OP_vbd_info": 7,
        "IO_OP_vbd_extent_info": 8,
        "IO_OP_disk_scan": 9,
        "SCAN_DEPTH": 32,
        "VBD_READ_ONLY": 1,
        "VBD_SHARED": 2,
        "VBD_EXTENTS": VBD_EXTENTS,
        "VBD_REQUESTS": VBD_REQUESTS,
        "VBD_REQUEST_FREE": 0,
        "VBD_REQUEST_HELD": 1,
        "VBD_REQUEST_WAITING": 2,
        "VBD_REQUEST_AT_DISK": 3,
        "VBD_REQUEST_DONE": 4,
        "SECTOR_SHIFT": 9,
        "VBD_STEP_FLUSH": 0,
        "VBD_STEP_DATA": 1,
        "VBD_STEP_FLUSH_AFTER": 2,
        "VBD_STEP_END": 3,
        "VBD_BATCH": 8,
        "VBD_RUN_UNITS": 96,
        "VBD_UNITS_OF_A_REQUEST": 3,
    }.items()
)
