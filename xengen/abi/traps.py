"""Traps, callbacks and frames (ABI chapter 5): what a guest registers, and the registers that it is shown.

Invariants
  - A trap table handed to set_trap_table ends with an entry whose address is 0.
  - Bits 16 to 23 of a saved code selector's slot hold evtchn_upcall_mask as it was before entry.
"""

from __future__ import annotations

from ctypes import c_uint8, c_uint16, c_uint32

from xengen.abi.structure import AbiStructure, Constant, Declaration, constants, declare


class TrapInfo(AbiStructure):
    """One entry of the table that set_trap_table takes."""

    _fields_ = (("vector", c_uint8), ("flags", c_uint8), ("cs", c_uint16), ("address", c_uint32))


class CpuUserRegs(AbiStructure):
    """A guest's registers as vcpu_guest_context holds them. cr2 is not among them: see VCPU_INFO_arch_cr2."""

    _fields_ = (
        ("ebx", c_uint32),
        ("ecx", c_uint32),
        ("edx", c_uint32),
        ("esi", c_uint32),
        ("edi", c_uint32),
        ("ebp", c_uint32),
        ("eax", c_uint32),
        ("error_code", c_uint16),
        ("entry_vector", c_uint16),
        ("eip", c_uint32),
        ("cs", c_uint16),
        ("saved_upcall_mask", c_uint8),
        ("_pad0", c_uint8),
        ("eflags", c_uint32),
        ("esp", c_uint32),
        ("ss", c_uint16),
        ("_pad1", c_uint16),
        ("es", c_uint16),
        ("_pad2", c_uint16),
        ("ds", c_uint16),
        ("_pad3", c_uint16),
        ("fs", c_uint16),
        ("_pad4", c_uint16),
        ("gs", c_uint16),
        ("_pad5", c_uint16),
    )


class XenCallback(AbiStructure):
    """Where a callback enters the guest."""

    _fields_ = (("cs", c_uint32), ("eip", c_uint32))


class CallbackRegister(AbiStructure):
    """Argument of callback_op CALLBACKOP_register."""

    _fields_ = (("type", c_uint16), ("flags", c_uint16), ("address", XenCallback))


class CallbackUnregister(AbiStructure):
    """Argument of callback_op CALLBACKOP_unregister."""

    _fields_ = (("type", c_uint16), ("_unused", c_uint16))


class XenNmiCallback(AbiStructure):
    """Argument of nmi_op XENNMI_register_callback: the address of the handler."""

    _fields_ = (("handler_address", c_uint32), ("_pad", c_uint32))


_HARDWARE_FRAME = (
    ("eip", c_uint32),
    ("cs", c_uint16),
    ("saved_upcall_mask", c_uint8),
    ("_pad", c_uint8),
    ("eflags", c_uint32),
    ("esp", c_uint32),
    ("ss", c_uint32),
)


class TrapFrame(AbiStructure):
    """What a handler finds at %esp when there is no error code; esp and ss only when it interrupted ring 2 or 3."""

    _fields_ = _HARDWARE_FRAME


class ErrorFrame(AbiStructure):
    """What a handler of an exception with an error code finds at %esp."""

    _fields_ = (("error_code", c_uint32), *_HARDWARE_FRAME)


class FailsafeFrame(AbiStructure):
    """What the failsafe callback finds at %esp: the selectors that could not be loaded, then the frame."""

    _fields_ = (("ds", c_uint32), ("es", c_uint32), ("fs", c_uint32), ("gs", c_uint32), *_HARDWARE_FRAME)


STRUCTURES: tuple[Declaration, ...] = (
    declare("trap_info", TrapInfo, "ABI 5.1"),
    declare("cpu_user_regs", CpuUserRegs, "ABI 10.4"),
    declare("callback_register", CallbackRegister, "ABI 5.8"),
    declare("callback_unregister", CallbackUnregister, "ABI 5.8"),
    declare("xennmi_callback", XenNmiCallback, "ABI 5.9"),
    declare("trap_frame", TrapFrame, "ABI 5.5"),
    declare("error_frame", ErrorFrame, "ABI 5.5"),
    declare("failsafe_frame", FailsafeFrame, "ABI 5.7"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants("trap table flags", "ABI 5.1", TI_DPL_MASK=3, TI_MASK_EVENTS=4),
    *constants("callback_op", "ABI 5.8", CALLBACKOP_register=0, CALLBACKOP_unregister=1),
    *constants(
        "callback types", "ABI 5.8",
        CALLBACKTYPE_event=0, CALLBACKTYPE_failsafe=1, CALLBACKTYPE_syscall=2, CALLBACKTYPE_sysenter_deprecated=3,
        CALLBACKTYPE_nmi=4, CALLBACKTYPE_sysenter=5, CALLBACKTYPE_syscall32=7,
    ),
    *constants("callback flags", "ABI 5.8", CALLBACKF_mask_events=1),
    *constants("nmi_op", "ABI 5.9", XENNMI_register_callback=0, XENNMI_unregister_callback=1),
)
