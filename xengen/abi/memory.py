"""memory_op (ABI chapter 8): reservations, exchange, and what a domain can ask about memory.

Invariants
  - Reservation calls return the number of extents done, never an error.
  - Bits 0 to 5 of the command are the operation; a continuation has its start extent above them.
"""

from __future__ import annotations

from ctypes import c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare


class XenMemoryReservation(AbiStructure):
    """Extents of 2^extent_order pages; extent_start points at an array of frame numbers."""

    _fields_ = (
        ("extent_start", c_uint32),
        ("nr_extents", c_uint32),
        ("extent_order", c_uint32),
        ("mem_flags", c_uint32),
        ("domid", c_uint16),
        ("_pad", c_uint16),
    )


class XenMemoryExchange(AbiStructure):
    """Argument of XENMEM_exchange; nr_exchanged is 0 on entry."""

    _fields_ = (("in_", XenMemoryReservation), ("out", XenMemoryReservation), ("nr_exchanged", c_uint32))


class XenMemoryDomain(AbiStructure):
    """Argument of the queries about one domain."""

    _fields_ = (("domid", c_uint16),)


class XenMachphysMfnList(AbiStructure):
    """Argument of XENMEM_machphys_mfn_list: the frame of each 2 MB extent of the M2P table."""

    _fields_ = (("max_extents", c_uint32), ("extent_start", c_uint32), ("nr_extents", c_uint32))


class XenMachphysMapping(AbiStructure):
    """Result of XENMEM_machphys_mapping: where the M2P table is, and the last frame that it has."""

    _fields_ = (("v_start", c_uint32), ("v_end", c_uint32), ("max_mfn", c_uint32))


class XenAddToPhysmap(AbiStructure):
    """Argument of XENMEM_add_to_physmap, for translated guests."""

    _fields_ = (
        ("domid", c_uint16),
        ("size", c_uint16),
        ("space", c_uint32),
        ("idx", c_uint32),
        ("gpfn", c_uint32),
    )


class XenMemoryMap(AbiStructure):
    """Argument of XENMEM_memory_map: nr_entries is the capacity on entry, the number used on return."""

    _fields_ = (("nr_entries", c_uint32), ("buffer", c_uint32))


class XenForeignMemoryMap(AbiStructure):
    """Argument of XENMEM_set_memory_map."""

    _fields_ = (("domid", c_uint16), ("_pad", c_uint16), ("map", XenMemoryMap))


class E820Entry(AbiStructure):
    """One range of a memory map, in bytes."""

    _fields_ = (("addr", c_uint64), ("size", c_uint64), ("type", c_uint32))


class XenPodTarget(AbiStructure):
    """Argument of the populate-on-demand calls, for fully virtualized guests."""

    _fields_ = (
        ("target_pages", c_uint64),
        ("tot_pages", c_uint64),
        ("pod_cache_pages", c_uint64),
        ("pod_entries", c_uint64),
        ("domid", c_uint16),
        ("_pad", c_uint16),
    )


class XenMemAcquireResource(AbiStructure):
    """Argument of XENMEM_acquire_resource, for tools."""

    _fields_ = (
        ("domid", c_uint16),
        ("type", c_uint16),
        ("id", c_uint32),
        ("nr_frames", c_uint32),
        ("_pad", c_uint32),
        ("frame", c_uint64),
        ("frame_list", c_uint32),
    )


STRUCTURES: tuple[Declaration, ...] = (
    declare("xen_memory_reservation", XenMemoryReservation, "ABI 8.2"),
    declare("xen_memory_exchange", XenMemoryExchange, "ABI 8.3"),
    declare("xen_memory_domain", XenMemoryDomain, "ABI 8.4"),
    declare("xen_machphys_mfn_list", XenMachphysMfnList, "ABI 8.4"),
    declare("xen_machphys_mapping", XenMachphysMapping, "ABI 8.4"),
    declare("xen_add_to_physmap", XenAddToPhysmap, "ABI layout"),
    declare("xen_memory_map", XenMemoryMap, "ABI 8.4"),
    declare("xen_foreign_memory_map", XenForeignMemoryMap, "ABI 8.4"),
    declare("e820_entry", E820Entry, "ABI 8.4"),
    declare("xen_pod_target", XenPodTarget, "ABI layout"),
    declare("xen_mem_acquire_resource", XenMemAcquireResource, "ABI layout"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "memory_op commands", "ABI 8.1",
        XENMEM_increase_reservation=0, XENMEM_decrease_reservation=1, XENMEM_maximum_ram_page=2,
        XENMEM_current_reservation=3, XENMEM_maximum_reservation=4, XENMEM_machphys_mfn_list=5,
        XENMEM_populate_physmap=6, XENMEM_add_to_physmap=7, XENMEM_memory_map=9, XENMEM_machine_memory_map=10,
        XENMEM_exchange=11, XENMEM_machphys_mapping=12, XENMEM_set_memory_map=13, XENMEM_maximum_gpfn=14,
        XENMEM_remove_from_physmap=15, XENMEM_set_pod_target=16, XENMEM_get_pod_target=17, XENMEM_claim_pages=24,
        XENMEM_machphys_compat_mfn_list=25, XENMEM_get_vnumainfo=26, XENMEM_acquire_resource=28,
    ),
    *constants("memory_op command word", "ABI 8.1", MEMOP_CMD_MASK=0x3F, MEMOP_EXTENT_SHIFT=6),
    *constants(
        "reservation flags", "ABI 8.2",
        XENMEMF_ADDRESS_BITS_MASK=0xFF, XENMEMF_NODE_SHIFT=8, XENMEMF_populate_on_demand=1 << 16,
        XENMEMF_exact_node_request=1 << 17, XENMEMF_vnode=1 << 18,
    ),
    *constants("memory map types", "ABI 8.4", E820_RAM=1, E820_RESERVED=2, E820_ACPI=3, E820_NVS=4, E820_UNUSABLE=5),
)
