"""The page that a domain shares with the hypervisor (ABI chapter 4): events, time, and the guest's own P2M tree.

Invariants
  - `version` (and wc_version) is odd while the hypervisor writes the record: a reader takes it before and after.
  - evtchn_upcall_mask is a whole byte; any value but 0 masks.
"""

from __future__ import annotations

from ctypes import c_int8, c_uint8, c_uint16, c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare


class ArchVcpuInfo(AbiStructure):
    """The x86 part of vcpu_info: the address of the last page fault."""

    _fields_ = (("cr2", c_uint32), ("_pad", c_uint32 * 5))


class VcpuTimeInfo(AbiStructure):
    """How a vcpu turns its cycle counter into system time, in ns since the hypervisor started."""

    _fields_ = (
        ("version", c_uint32),
        ("_pad0", c_uint32),
        ("tsc_timestamp", c_uint64),
        ("system_time", c_uint64),
        ("tsc_to_system_mul", c_uint32),
        ("tsc_shift", c_int8),
        ("flags", c_uint8),
        ("_pad1", c_uint16),
    )


class VcpuInfo(AbiStructure):
    """What a vcpu shares with the hypervisor."""

    _fields_ = (
        ("evtchn_upcall_pending", c_uint8),
        ("evtchn_upcall_mask", c_uint8),
        ("_pad", c_uint16),
        ("evtchn_pending_sel", c_uint32),
        ("arch", ArchVcpuInfo),
        ("time", VcpuTimeInfo),
    )


class ArchSharedInfo(AbiStructure):
    """The x86 part of shared_info: the guest's own P2M tree, and the reason of the last NMI."""

    _fields_ = (
        ("max_pfn", c_uint32),
        ("pfn_to_mfn_frame_list_list", c_uint32),
        ("nmi_reason", c_uint32),
        ("p2m_cr3", c_uint32),
        ("p2m_vaddr", c_uint32),
        ("p2m_generation", c_uint32),
        ("wc_sec_hi", c_uint32),
    )


class SharedInfo(AbiStructure):
    """The shared page; bit n of evtchn_pending and evtchn_mask is port n."""

    _fields_ = (
        ("vcpu_info", VcpuInfo * 32),
        ("evtchn_pending", c_uint32 * 32),
        ("evtchn_mask", c_uint32 * 32),
        ("wc_version", c_uint32),
        ("wc_sec", c_uint32),
        ("wc_nsec", c_uint32),
        ("arch", ArchSharedInfo),
    )


STRUCTURES: tuple[Declaration, ...] = (
    declare("shared_info", SharedInfo, "ABI 4.1"),
    declare("vcpu_info", VcpuInfo, "ABI 4.2"),
    declare("vcpu_time_info", VcpuTimeInfo, "ABI 4.3"),
    declare("arch_shared_info", ArchSharedInfo, "ABI 4.1"),
    declare("arch_vcpu_info", ArchVcpuInfo, "ABI 4.2"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants("vcpus in shared_info", "ABI 4.1", XEN_LEGACY_MAX_VCPUS=32),
    *constants("vcpu_time_info flags", "ABI 4.3", XEN_PVCLOCK_TSC_STABLE_BIT=1, XEN_PVCLOCK_GUEST_STOPPED=2),
    *constants("NMI reasons", "ABI 4.1", XEN_NMIREASON_io_error=1, XEN_NMIREASON_pci_serr=2, XEN_NMIREASON_unknown=4),
)
