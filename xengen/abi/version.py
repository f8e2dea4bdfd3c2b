"""xen_version (ABI 10.5): what each sub-operation answers, the feature bits, and what CPUID and MSRs tell (ABI 3.2).

Invariants
  - Texts are NUL-terminated within their arrays; in the public headers these are arrays, here structures with `text`.
"""

from __future__ import annotations

from ctypes import c_char, c_uint8, c_uint32

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare


class XenExtraversion(AbiStructure):
    """XENVER_extraversion: what follows major and minor, such as ".0"."""

    _fields_ = (("text", c_char * 16),)


class XenCompileInfo(AbiStructure):
    """XENVER_compile_info."""

    _fields_ = (
        ("compiler", c_char * 64),
        ("compile_by", c_char * 16),
        ("compile_domain", c_char * 32),
        ("compile_date", c_char * 32),
    )


class XenCapabilitiesInfo(AbiStructure):
    """XENVER_capabilities: ABI names, each followed by a space."""

    _fields_ = (("text", c_char * 1024),)


class XenChangesetInfo(AbiStructure):
    """XENVER_changeset."""

    _fields_ = (("text", c_char * 64),)


class XenPlatformParameters(AbiStructure):
    """XENVER_platform_parameters: where the hypervisor's part of the address space begins."""

    _fields_ = (("virt_start", c_uint32),)


class XenFeatureInfo(AbiStructure):
    """XENVER_get_features: submap_idx in, 32 feature bits out."""

    _fields_ = (("submap_idx", c_uint32), ("submap", c_uint32))


class XenDomainHandle(AbiStructure):
    """XENVER_guest_handle: a UUID."""

    _fields_ = (("bytes", c_uint8 * 16),)


class XenCommandline(AbiStructure):
    """XENVER_commandline: the hypervisor's own."""

    _fields_ = (("text", c_char * 1024),)


class XenBuildId(AbiStructure):
    """XENVER_build_id: capacity on entry, length on return; the id follows."""

    _fields_ = (("len", c_uint32),)


def _word(text: str) -> int:
    return int.from_bytes(text.encode("ascii"), "little")


STRUCTURES: tuple[Declaration, ...] = (
    declare("xen_extraversion_t", XenExtraversion, "ABI 10.5"),
    declare("xen_compile_info", XenCompileInfo, "ABI 10.5"),
    declare("xen_capabilities_info_t", XenCapabilitiesInfo, "ABI 10.5"),
    declare("xen_changeset_info_t", XenChangesetInfo, "ABI 10.5"),
    declare("xen_platform_parameters", XenPlatformParameters, "ABI 10.5"),
    declare("xen_feature_info", XenFeatureInfo, "ABI 10.5"),
    declare("xen_domain_handle_t", XenDomainHandle, "ABI 10.5"),
    declare("xen_commandline_t", XenCommandline, "ABI 10.5"),
    declare("xen_build_id", XenBuildId, "ABI layout"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "xen_version commands", "ABI 10.5",
        XENVER_version=0, XENVER_extraversion=1, XENVER_compile_info=2, XENVER_capabilities=3, XENVER_changeset=4,
        XENVER_platform_parameters=5, XENVER_get_features=6, XENVER_pagesize=7, XENVER_guest_handle=8,
        XENVER_commandline=9, XENVER_build_id=10,
    ),
    *constants(
        "features (bit numbers)", "ABI 10.5",
        XENFEAT_writable_page_tables=0, XENFEAT_writable_descriptor_tables=1, XENFEAT_auto_translated_physmap=2,
        XENFEAT_supervisor_mode_kernel=3, XENFEAT_pae_pgdir_above_4gb=4, XENFEAT_mmu_pt_update_preserve_ad=5,
        XENFEAT_highmem_assist=6, XENFEAT_gnttab_map_avail_bits=7, XENFEAT_hvm_callback_vector=8,
        XENFEAT_hvm_safe_pvclock=9, XENFEAT_hvm_pirqs=10, XENFEAT_dom0=11, XENFEAT_memory_op_vnode_supported=13,
        XENFEAT_direct_mapped=17,
    ),
    *constants(
        "CPUID and MSR", "ABI 3.2",
        XEN_CPUID_FIRST_LEAF=0x40000000, XEN_CPUID_SIGNATURE_EBX=_word("XenV"), XEN_CPUID_SIGNATURE_ECX=_word("MMXe"),
        XEN_CPUID_SIGNATURE_EDX=_word("nVMM"), XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD=1,
        XEN_HYPERCALL_MSR=0x40000000,
    ),
)
