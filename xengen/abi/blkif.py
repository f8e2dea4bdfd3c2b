"""The block device ring (ABI 11.5), protocol "x86_32-abi".

Invariants
  - Sectors are 512 bytes; first_sect and last_sect are within one page, both included.
  - A response takes the slot of a consumed request.
"""

from __future__ import annotations

from ctypes import c_int16, c_uint8, c_uint16, c_uint32, c_uint64, sizeof

from xengen.abi.rings import ring_entries
from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare

MAX_SEGMENTS = 11
MAX_INDIRECT_PAGES = 8


class BlkifRequestSegment(AbiStructure):
    """A piece of a granted page."""

    _fields_ = (("gref", c_uint32), ("first_sect", c_uint8), ("last_sect", c_uint8), ("_pad", c_uint16))


class BlkifRequest(AbiStructure):
    """Read, write, barrier or flush."""

    _fields_ = (
        ("operation", c_uint8),
        ("nr_segments", c_uint8),
        ("handle", c_uint16),
        ("id", c_uint64),
        ("sector_number", c_uint64),
        ("seg", BlkifRequestSegment * MAX_SEGMENTS),
    )


class BlkifRequestDiscard(AbiStructure):
    """Sectors whose contents are not needed any more; bit 0 of flag asks for a secure discard."""

    _fields_ = (
        ("operation", c_uint8),
        ("flag", c_uint8),
        ("handle", c_uint16),
        ("id", c_uint64),
        ("sector_number", c_uint64),
        ("nr_sectors", c_uint64),
    )


class BlkifRequestIndirect(AbiStructure):
    """A request whose segments are in granted pages of their own."""

    _fields_ = (
        ("operation", c_uint8),
        ("indirect_op", c_uint8),
        ("nr_segments", c_uint16),
        ("id", c_uint64),
        ("sector_number", c_uint64),
        ("handle", c_uint16),
        ("_pad0", c_uint16),
        ("indirect_grefs", c_uint32 * MAX_INDIRECT_PAGES),
        ("_pad1", c_uint64),
    )


class BlkifResponse(AbiStructure):
    """The answer to the request with this id; status is one of BLKIF_RSP_*."""

    _fields_ = (("id", c_uint64), ("operation", c_uint8), ("_pad", c_uint8), ("status", c_int16))


class BlkifSringEntry(AbiUnion):
    """One slot of the ring."""

    _fields_ = (("req", BlkifRequest), ("rsp", BlkifResponse))


class BlkifSring(AbiStructure):
    """The ring page with its first slot; the others follow."""

    _fields_ = (
        ("req_prod", c_uint32),
        ("req_event", c_uint32),
        ("rsp_prod", c_uint32),
        ("rsp_event", c_uint32),
        ("pvt", c_uint32),
        ("_pad", c_uint8 * 44),
        ("ring", BlkifSringEntry * 1),
    )


STRUCTURES: tuple[Declaration, ...] = (
    declare("blkif_sring", BlkifSring, "ABI 11.4"),
    declare("union blkif_sring_entry", BlkifSringEntry, "ABI 11.5"),
    declare("blkif_request", BlkifRequest, "ABI 11.5"),
    declare("blkif_request_segment", BlkifRequestSegment, "ABI 11.5"),
    declare("blkif_request_discard", BlkifRequestDiscard, "ABI 11.5"),
    declare("blkif_request_indirect", BlkifRequestIndirect, "ABI 11.5"),
    declare("blkif_response", BlkifResponse, "ABI 11.5"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "block operations", "ABI 11.5",
        BLKIF_OP_READ=0, BLKIF_OP_WRITE=1, BLKIF_OP_WRITE_BARRIER=2, BLKIF_OP_FLUSH_DISKCACHE=3, BLKIF_OP_RESERVED_1=4,
        BLKIF_OP_DISCARD=5, BLKIF_OP_INDIRECT=6,
    ),
    *constants("block status", "ABI 11.5", BLKIF_RSP_OKAY=0, BLKIF_RSP_ERROR=-1, BLKIF_RSP_EOPNOTSUPP=-2),
    *constants(
        "block ring", "ABI 11.5",
        BLKIF_MAX_SEGMENTS_PER_REQUEST=MAX_SEGMENTS, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST=MAX_INDIRECT_PAGES,
        BLKIF_DISCARD_SECURE=1, BLKIF_RING_ENTRIES=ring_entries(sizeof(BlkifSringEntry)),
    ),
    *constants("virtual disk info", "ABI 11.5", VDISK_CDROM=1, VDISK_REMOVABLE=2, VDISK_READONLY=4),
)
