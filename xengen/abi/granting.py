"""The hypervisor's own records of grants: a domain's tables, who uses an entry, and what a domain has mapped.

Invariants
  - A domain has no GRANT_TABLE before it asks for a table, maps a grant, or somebody uses a reserved entry of its.
  - The frames of all three lists are taken one by one; they have no address of their own, and are looked at through
    the map cache.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint32

from xengen.abi.structure import Constant, Declaration

OURS = "xengen"

GRANT_FRAMES = 32
MAPTRACK_PAGES = 32


class GrantTable(LittleEndianStructure):
    """All about a domain's grants. One heap block; DOMAIN_grants is its address, or 0.

    nr_frames: so many of `frames` (the entries that the guest writes) and of `active` (a GRANT_ACTIVE for each) are
    there. maptrack_pages: so many of `maptrack` are there. next_handle: handles from it on were never given out;
    free_handle: the first free one below, or NO_HANDLE. All three lists are of machine frames.
    """

    _pack_ = 4
    _fields_ = [
        ("nr_frames", c_uint32),
        ("maptrack_pages", c_uint32),
        ("next_handle", c_uint32),
        ("free_handle", c_uint32),
        ("frames", c_uint32 * GRANT_FRAMES),
        ("active", c_uint32 * GRANT_FRAMES),
        ("maptrack", c_uint32 * MAPTRACK_PAGES),
    ]


class GrantActive(LittleEndianStructure):
    """How often an entry is in use: for reading only, and for writing."""

    _pack_ = 4
    _fields_ = [("readers", c_uint32), ("writers", c_uint32)]


class Maptrack(LittleEndianStructure):
    """One mapping of a grant, by its handle. granter: the DOMAIN, or 0 when the handle is free; then ref is the next.

    flags: those of GNTMAP_device_map and GNTMAP_host_map that are still held, GNTMAP_readonly, GNTMAP_contains_pte.
    As long as it has a part it is a use of the entry, with a reference to `frame`, and to the type writable if not
    readonly.
    """

    _pack_ = 4
    _fields_ = [("granter", c_uint32), ("ref", c_uint32), ("frame", c_uint32), ("flags", c_uint32)]


class GrantDrop(LittleEndianStructure):
    """A use of an entry whose mapping is gone: it ends with the next flush of the TLB. handle: to be freed then."""

    _pack_ = 4
    _fields_ = [
        ("granter", c_uint32),
        ("ref", c_uint32),
        ("frame", c_uint32),
        ("writable", c_uint32),
        ("handle", c_uint32),
    ]


class GrantOperation(LittleEndianStructure):
    """One operation on a list: the bytes of an element, where its status is, the routine, and what a piece costs."""

    _pack_ = 4
    _fields_ = [("bytes", c_uint32), ("status", c_uint32), ("routine", c_uint32), ("work", c_uint32)]


STRUCTURES: tuple[Declaration, ...] = (
    Declaration("GRANT_TABLE", "grant_table", GrantTable, OURS),
    Declaration("GRANT_ACTIVE", "grant_active", GrantActive, OURS),
    Declaration("MAPTRACK", "maptrack", Maptrack, OURS),
    Declaration("GRANT_DROP", "grant_drop", GrantDrop, OURS),
    Declaration("GRANT_OPERATION", "grant_operation", GrantOperation, OURS),
)

CONSTANTS: tuple[Constant, ...] = tuple(
    Constant(name, number, "grants", OURS)
    for name, number in {
        "GRANT_FRAMES": GRANT_FRAMES,
        "MAPTRACK_PAGES": MAPTRACK_PAGES,
        "MAPTRACK_PER_PAGE": 256,
        "MAPTRACK_SHIFT": 8,
        "GRANT_REF_SHIFT": 9,
        "GRANT_OPERATIONS": 13,
        "GRANT_DROPS": 32,
        "GRANT_TRIES": 8,
        "GRANT_ELEMENT_BYTES": 32,
        "NO_HANDLE": 0xFFFFFFFF,
        "WORK_OF_A_GRANT": 8,
        "MAP_AVAILABLE_LOW": 0x70000,
        "MAP_AVAILABLE_HIGH": 0x3FF80000,
    }.items()
)
