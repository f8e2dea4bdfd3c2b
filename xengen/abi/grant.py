"""Grant tables (ABI 10.9): the entries that a domain writes, and the operations on other domains' entries.

Invariants
  - Each operation's `status` is one of GNTST_*, signed; the hypercall itself succeeds nevertheless.
  - A granting domain writes frame and domid before flags.
"""

from __future__ import annotations

from ctypes import c_int16, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare


class GrantEntryV1(AbiStructure):
    """One entry of a table of version 1."""

    _fields_ = (("flags", c_uint16), ("domid", c_uint16), ("frame", c_uint32))


class GrantEntryHeader(AbiStructure):
    """The head of each form of a version 2 entry."""

    _fields_ = (("flags", c_uint16), ("domid", c_uint16))


class GrantEntryFullPage(AbiStructure):
    """A whole page."""

    _fields_ = (("hdr", GrantEntryHeader), ("_pad", c_uint32), ("frame", c_uint64))


class GrantEntrySubPage(AbiStructure):
    """A part of a page, to be copied only."""

    _fields_ = (("hdr", GrantEntryHeader), ("page_off", c_uint16), ("length", c_uint16), ("frame", c_uint64))


class GrantEntryTransitive(AbiStructure):
    """A grant of another domain, passed on."""

    _fields_ = (("hdr", GrantEntryHeader), ("trans_domid", c_uint16), ("_pad", c_uint16), ("gref", c_uint32))


class GrantEntryV2(AbiUnion):
    """One entry of a table of version 2."""

    _fields_ = (
        ("hdr", GrantEntryHeader),
        ("full_page", GrantEntryFullPage),
        ("sub_page", GrantEntrySubPage),
        ("transitive", GrantEntryTransitive),
        ("_spacer", c_uint32 * 4),
    )


class GnttabMapGrantRef(AbiStructure):
    """GNTTABOP_map_grant_ref: flags are GNTMAP_*; status, handle and dev_bus_addr are answers."""

    _fields_ = (
        ("host_addr", c_uint64),
        ("flags", c_uint32),
        ("ref", c_uint32),
        ("dom", c_uint16),
        ("status", c_int16),
        ("handle", c_uint32),
        ("dev_bus_addr", c_uint64),
    )


class GnttabUnmapGrantRef(AbiStructure):
    """GNTTABOP_unmap_grant_ref."""

    _fields_ = (
        ("host_addr", c_uint64),
        ("dev_bus_addr", c_uint64),
        ("handle", c_uint32),
        ("status", c_int16),
        ("_pad", c_uint16),
    )


class GnttabSetupTable(AbiStructure):
    """GNTTABOP_setup_table: frame_list points at nr_frames frame numbers, to be filled."""

    _fields_ = (
        ("dom", c_uint16),
        ("_pad0", c_uint16),
        ("nr_frames", c_uint32),
        ("status", c_int16),
        ("_pad1", c_uint16),
        ("frame_list", c_uint32),
    )


class GnttabDumpTable(AbiStructure):
    """GNTTABOP_dump_table."""

    _fields_ = (("dom", c_uint16), ("status", c_int16))


class GnttabTransfer(AbiStructure):
    """GNTTABOP_transfer: a page for an accept_transfer entry of another domain."""

    _fields_ = (
        ("mfn", c_uint32),
        ("domid", c_uint16),
        ("_pad0", c_uint16),
        ("ref", c_uint32),
        ("status", c_int16),
        ("_pad1", c_uint16),
    )


class GnttabCopyPage(AbiUnion):
    """Which page: a grant or a frame of one's own."""

    _fields_ = (("ref", c_uint32), ("gmfn", c_uint32))


class GnttabCopyPointer(AbiStructure):
    """One side of a copy."""

    _fields_ = (("u", GnttabCopyPage), ("domid", c_uint16), ("offset", c_uint16))


class GnttabCopy(AbiStructure):
    """GNTTABOP_copy: flags are GNTCOPY_*, len in bytes within one page."""

    _fields_ = (
        ("source", GnttabCopyPointer),
        ("dest", GnttabCopyPointer),
        ("len", c_uint16),
        ("flags", c_uint16),
        ("status", c_int16),
        ("_pad", c_uint16),
    )


class GnttabQuerySize(AbiStructure):
    """GNTTABOP_query_size."""

    _fields_ = (
        ("dom", c_uint16),
        ("_pad0", c_uint16),
        ("nr_frames", c_uint32),
        ("max_nr_frames", c_uint32),
        ("status", c_int16),
        ("_pad1", c_uint16),
    )


class GnttabUnmapAndReplace(AbiStructure):
    """GNTTABOP_unmap_and_replace."""

    _fields_ = (
        ("host_addr", c_uint64),
        ("new_addr", c_uint64),
        ("handle", c_uint32),
        ("status", c_int16),
        ("_pad", c_uint16),
    )


class GnttabSetVersion(AbiStructure):
    """GNTTABOP_set_version: the version wanted, then the one in use."""

    _fields_ = (("version", c_uint32),)


class GnttabGetStatusFrames(AbiStructure):
    """GNTTABOP_get_status_frames, of version 2."""

    _fields_ = (("nr_frames", c_uint32), ("status", c_int16), ("dom", c_uint16), ("frame_list", c_uint32))


class GnttabGetVersion(AbiStructure):
    """GNTTABOP_get_version."""

    _fields_ = (("dom", c_uint16), ("_pad", c_uint16), ("version", c_uint32))


class GnttabSwapGrantRef(AbiStructure):
    """GNTTABOP_swap_grant_ref."""

    _fields_ = (("ref_a", c_uint32), ("ref_b", c_uint32), ("status", c_int16), ("_pad", c_uint16))


STRUCTURES: tuple[Declaration, ...] = (
    declare("grant_entry_v1", GrantEntryV1, "ABI 10.9"),
    declare("union grant_entry_v2", GrantEntryV2, "ABI layout"),
    declare("gnttab_map_grant_ref", GnttabMapGrantRef, "ABI 10.9"),
    declare("gnttab_unmap_grant_ref", GnttabUnmapGrantRef, "ABI 10.9"),
    declare("gnttab_setup_table", GnttabSetupTable, "ABI 10.9"),
    declare("gnttab_dump_table", GnttabDumpTable, "ABI 10.9"),
    declare("gnttab_transfer", GnttabTransfer, "ABI 10.9"),
    declare("gnttab_copy", GnttabCopy, "ABI 10.9"),
    declare("gnttab_query_size", GnttabQuerySize, "ABI 10.9"),
    declare("gnttab_unmap_and_replace", GnttabUnmapAndReplace, "ABI 10.9"),
    declare("gnttab_set_version", GnttabSetVersion, "ABI 10.9"),
    declare("gnttab_get_status_frames", GnttabGetStatusFrames, "ABI layout"),
    declare("gnttab_get_version", GnttabGetVersion, "ABI 10.9"),
    declare("gnttab_swap_grant_ref", GnttabSwapGrantRef, "ABI layout"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "grant entry flags", "ABI 10.9",
        GTF_invalid=0, GTF_permit_access=1, GTF_accept_transfer=2, GTF_transitive=3, GTF_type_mask=3, GTF_readonly=4,
        GTF_reading=8, GTF_writing=0x10, GTF_PWT=0x20, GTF_PCD=0x40, GTF_PAT=0x80, GTF_sub_page=0x100,
        GTF_transfer_committed=4, GTF_transfer_completed=8,
    ),
    *constants("grant tables", "ABI 10.9", GRANT_ENTRIES_V1_PER_PAGE=512),
    *constants(
        "reserved grants", "ABI 1.9",
        GNTTAB_RESERVED_CONSOLE=0, GNTTAB_RESERVED_XENSTORE=1, GNTTAB_NR_RESERVED_ENTRIES=8,
    ),
    *constants(
        "grant_table_op commands", "ABI 10.9",
        GNTTABOP_map_grant_ref=0, GNTTABOP_unmap_grant_ref=1, GNTTABOP_setup_table=2, GNTTABOP_dump_table=3,
        GNTTABOP_transfer=4, GNTTABOP_copy=5, GNTTABOP_query_size=6, GNTTABOP_unmap_and_replace=7,
        GNTTABOP_set_version=8, GNTTABOP_get_status_frames=9, GNTTABOP_get_version=10, GNTTABOP_swap_grant_ref=11,
        GNTTABOP_cache_flush=12,
    ),
    *constants(
        "grant mapping flags", "ABI 10.9",
        GNTMAP_device_map=1, GNTMAP_host_map=2, GNTMAP_readonly=4, GNTMAP_application_map=8, GNTMAP_contains_pte=16,
    ),
    *constants("grant copy flags", "ABI 10.9", GNTCOPY_source_gref=1, GNTCOPY_dest_gref=2),
    *constants(
        "grant status", "ABI 10.9",
        GNTST_okay=0, GNTST_general_error=-1, GNTST_bad_domain=-2, GNTST_bad_gntref=-3, GNTST_bad_handle=-4,
        GNTST_bad_virt_addr=-5, GNTST_bad_dev_addr=-6, GNTST_no_device_space=-7, GNTST_permission_denied=-8,
        GNTST_bad_page=-9, GNTST_bad_copy_arg=-10, GNTST_address_too_big=-11, GNTST_eagain=-12, GNTST_no_space=-13,
    ),
)
