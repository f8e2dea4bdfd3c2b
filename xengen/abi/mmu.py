"""Page tables and assists (ABI chapter 6): requests of mmu_update and mmuext_op, flush flags, vm_assist.

Invariants
  - The low three bits of an mmu_update request's ptr are its command, the rest a machine byte address.
  - Bit 31 of a count marks a call that goes on where it stopped.
"""

from __future__ import annotations

from ctypes import c_uint32, c_uint64

from xengen.abi.structure import AbiStructure, AbiUnion, Constant, Declaration, constants, declare


class MmuUpdate(AbiStructure):
    """One request of mmu_update."""

    _fields_ = (("ptr", c_uint64), ("val", c_uint64))


class MmuextArg1(AbiUnion):
    """mmuext_op.arg1."""

    _fields_ = (("mfn", c_uint32), ("linear_addr", c_uint32))


class MmuextArg2(AbiUnion):
    """mmuext_op.arg2; vcpumask is a pointer to words with one bit for each vcpu."""

    _fields_ = (("nr_ents", c_uint32), ("vcpumask", c_uint32), ("src_mfn", c_uint32))


class MmuextOp(AbiStructure):
    """One operation of mmuext_op."""

    _fields_ = (("cmd", c_uint32), ("arg1", MmuextArg1), ("arg2", MmuextArg2))


STRUCTURES: tuple[Declaration, ...] = (
    declare("mmu_update", MmuUpdate, "ABI 6.6"),
    declare("mmuext_op", MmuextOp, "ABI 6.8"),
)

CONSTANTS: tuple[Constant, ...] = (
    *constants(
        "mmu_update commands", "ABI 6.6",
        MMU_NORMAL_PT_UPDATE=0, MMU_MACHPHYS_UPDATE=1, MMU_PT_UPDATE_PRESERVE_AD=2, MMU_PT_UPDATE_NO_TRANSLATE=3,
    ),
    *constants("continuations", "ABI 3.5", MMU_UPDATE_PREEMPTED=1 << 31),
    *constants(
        "mmuext_op commands", "ABI 6.8",
        MMUEXT_PIN_L1_TABLE=0, MMUEXT_PIN_L2_TABLE=1, MMUEXT_PIN_L3_TABLE=2, MMUEXT_PIN_L4_TABLE=3,
        MMUEXT_UNPIN_TABLE=4, MMUEXT_NEW_BASEPTR=5, MMUEXT_TLB_FLUSH_LOCAL=6, MMUEXT_INVLPG_LOCAL=7,
        MMUEXT_TLB_FLUSH_MULTI=8, MMUEXT_INVLPG_MULTI=9, MMUEXT_TLB_FLUSH_ALL=10, MMUEXT_INVLPG_ALL=11,
        MMUEXT_FLUSH_CACHE=12, MMUEXT_SET_LDT=13, MMUEXT_NEW_USER_BASEPTR=15, MMUEXT_CLEAR_PAGE=16,
        MMUEXT_COPY_PAGE=17, MMUEXT_FLUSH_CACHE_GLOBAL=18, MMUEXT_MARK_SUPER=19, MMUEXT_UNMARK_SUPER=20,
    ),
    *constants(
        "update_va_mapping flags", "ABI 6.7",
        UVMF_NONE=0, UVMF_TLB_FLUSH=1, UVMF_INVLPG=2, UVMF_FLUSHTYPE_MASK=3, UVMF_MULTI=0, UVMF_LOCAL=0, UVMF_ALL=4,
    ),
    *constants("vm_assist", "ABI 6.9", VMASST_CMD_enable=0, VMASST_CMD_disable=1),
    *constants(
        "assists", "ABI 6.9",
        VMASST_TYPE_4gb_segments=0, VMASST_TYPE_4gb_segments_notify=1, VMASST_TYPE_writable_pagetables=2,
        VMASST_TYPE_pae_extended_cr3=3, VMASST_TYPE_architectural_iopl=4, VMASST_TYPE_runstate_update_flag=5,
        VMASST_TYPE_m2p_strict=32,
    ),
)


def cr3_of_frame(mfn: int) -> int:
    """The cr3 value for an L3 in frame `mfn` (ABI 6.4): bits 19-0 of the frame on top, bits 31-20 below."""
    return (mfn << 12 | mfn >> 20) & 0xFFFFFFFF


def frame_of_cr3(cr3: int) -> int:
    """The frame of the L3 that a cr3 value names (ABI 6.4)."""
    return (cr3 >> 12 | cr3 << 20) & 0xFFFFFFFF
