"""How a guest starts (ABI chapter 1, and 0 and 2 for names): start_info, ELF notes, flat selectors, domain ids.

Invariants
  - start_info.shared_info is a machine address; every other frame in it is a frame number.
  - The console union is read as `dom0` when SIF_INITDOMAIN is set, else as `domU`.
"""

from __future__ import annotations

from ctypes import c_char, c_uint8, c_uint16, c_uint32

from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare


class ConsoleDomU(AbiStructure):
    """The console of an ordinary domain: its ring page and its port."""

    _fields_ = (("mfn", c_uint32), ("evtchn", c_uint32))


class ConsoleDom0(AbiStructure):
    """The console of domain 0: where dom0_vga_console_info is, counted from the start of start_info."""

    _fields_ = (("info_off", c_uint32), ("info_size", c_uint32))


class StartInfoConsole(AbiUnion):
    """start_info.console."""

    _fields_ = (("domU", ConsoleDomU), ("dom0", ConsoleDom0))


class StartInfo(AbiStructure):
    """What a guest finds at %esi when it starts."""

    _fields_ = (
        ("magic", c_char * 32),
        ("nr_pages", c_uint32),
        ("shared_info", c_uint32),
        ("flags", c_uint32),
        ("store_mfn", c_uint32),
        ("store_evtchn", c_uint32),
        ("console", StartInfoConsole),
        ("pt_base", c_uint32),
        ("nr_pt_frames", c_uint32),
        ("mfn_list", c_uint32),
        ("mod_start", c_uint32),
        ("mod_len", c_uint32),
        ("cmd_line", c_char * 1024),
        ("first_p2m_pfn", c_uint32),
        ("nr_p2m_frames", c_uint32),
    )


class XenMultibootModList(AbiStructure):
    """One boot module in the list at mod_start when SIF_MULTIBOOT_MOD is set."""

    _fields_ = (("mod_start", c_uint32), ("mod_end", c_uint32), ("cmdline", c_uint32), ("_pad", c_uint32))


class VgaTextMode3(AbiStructure):
    """A text screen."""

    _fields_ = (
        ("font_height", c_uint16),
        ("cursor_x", c_uint16),
        ("cursor_y", c_uint16),
        ("rows", c_uint16),
        ("columns", c_uint16),
    )


class VgaVesaLfb(AbiStructure):
    """A linear frame buffer; lfb_size is in units of 64 KB."""

    _fields_ = (
        ("width", c_uint16),
        ("height", c_uint16),
        ("bytes_per_line", c_uint16),
        ("bits_per_pixel", c_uint16),
        ("lfb_base", c_uint32),
        ("lfb_size", c_uint32),
        ("red_pos", c_uint8),
        ("red_size", c_uint8),
        ("green_pos", c_uint8),
        ("green_size", c_uint8),
        ("blue_pos", c_uint8),
        ("blue_size", c_uint8),
        ("rsvd_pos", c_uint8),
        ("rsvd_size", c_uint8),
        ("gbl_caps", c_uint32),
        ("mode_attrs", c_uint16),
        ("_pad", c_uint16),
        ("ext_lfb_base", c_uint32),
    )


class VgaModes(AbiUnion):
    """dom0_vga_console_info.u."""

    _fields_ = (("text_mode_3", VgaTextMode3), ("vesa_lfb", VgaVesaLfb))


class Dom0VgaConsoleInfo(AbiStructure):
    """The screen that domain 0 takes over."""

    _fields_ = (("video_type", c_uint8), ("_pad", c_uint8 * 3), ("u", VgaModes))


STRUCTURES: tuple[Declaration, ...] = (
    declare("start_info", StartInfo, "ABI 1.10"),
    declare("xen_multiboot_mod_list", XenMultibootModList, "ABI 1.10"),
    declare("dom0_vga_console_info", Dom0VgaConsoleInfo, "ABI layout"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "start_info flags", "ABI 1.10",
        SIF_PRIVILEGED=1, SIF_INITDOMAIN=2, SIF_MULTIBOOT_MOD=4, SIF_MOD_START_PFN=8, SIF_VIRT_P2M_4TOOLS=16,
        SIF_PM_MASK=0xFF00,
    ),
    *constants(
        "ELF notes", "ABI 1.2",
        XEN_ELFNOTE_INFO=0, XEN_ELFNOTE_ENTRY=1, XEN_ELFNOTE_HYPERCALL_PAGE=2, XEN_ELFNOTE_VIRT_BASE=3,
        XEN_ELFNOTE_PADDR_OFFSET=4, XEN_ELFNOTE_XEN_VERSION=5, XEN_ELFNOTE_GUEST_OS=6, XEN_ELFNOTE_GUEST_VERSION=7,
        XEN_ELFNOTE_LOADER=8, XEN_ELFNOTE_PAE_MODE=9, XEN_ELFNOTE_FEATURES=10, XEN_ELFNOTE_BSD_SYMTAB=11,
        XEN_ELFNOTE_HV_START_LOW=12, XEN_ELFNOTE_L1_MFN_VALID=13, XEN_ELFNOTE_SUSPEND_CANCEL=14,
        XEN_ELFNOTE_INIT_P2M=15, XEN_ELFNOTE_MOD_START_PFN=16, XEN_ELFNOTE_SUPPORTED_FEATURES=17,
        XEN_ELFNOTE_PHYS32_ENTRY=18,
    ),
    *constants(
        "flat selectors", "ABI 1.9",
        FLAT_RING1_CS=0xE019, FLAT_RING1_DS=0xE021, FLAT_RING1_SS=0xE021,
        FLAT_RING3_CS=0xE02B, FLAT_RING3_DS=0xE033, FLAT_RING3_SS=0xE033,
        FLAT_KERNEL_CS=0xE019, FLAT_KERNEL_DS=0xE021, FLAT_KERNEL_SS=0xE021,
        FLAT_USER_CS=0xE02B, FLAT_USER_DS=0xE033, FLAT_USER_SS=0xE033,
    ),
    *constants(
        "descriptor table", "ABI 1.9, 6.12",
        FIRST_RESERVED_GDT_PAGE=14, FIRST_RESERVED_GDT_BYTE=14 * 4096, FIRST_RESERVED_GDT_ENTRY=14 * 512,
    ),
    *constants(
        "domain ids", "ABI 0",
        DOMID_FIRST_RESERVED=0x7FF0, DOMID_SELF=0x7FF0, DOMID_IO=0x7FF1, DOMID_XEN=0x7FF2, DOMID_COW=0x7FF3,
        DOMID_INVALID=0x7FF4, DOMID_IDLE=0x7FFF, DOMID_MASK=0x7FFF,
    ),
    *constants(
        "address space of a guest", "ABI 2",
        HYPERVISOR_VIRT_START_PAE=0xF5800000, MACH2PHYS_VIRT_START_PAE=0xF5800000, MACH2PHYS_VIRT_END_PAE=0xF6800000,
        MACH2PHYS_NR_ENTRIES_PAE=0x400000, INVALID_P2M_ENTRY=0xFFFFFFFF,
    ),
)
