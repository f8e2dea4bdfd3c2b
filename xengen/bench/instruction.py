"""What kind an instruction is: plain, or one of those that cost tens to hundreds of cycles on hardware.

Invariants
  - A kind is decided by the decoded instruction alone; whether one faults is not its kind.
  - Repeated string instructions are one kind of plain: under icount each repetition counts as an instruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from capstone import CS_ARCH_X86, CS_GRP_CALL, CS_GRP_INT, CS_GRP_IRET, CS_GRP_JUMP, CS_MODE_32, CS_OPT_SYNTAX_ATT, Cs
from capstone.x86 import X86_OP_REG, X86_REG_CS, X86_REG_DS, X86_REG_ES, X86_REG_FS, X86_REG_GS, X86_REG_SS

LONGEST = 15

_SEGMENTS = frozenset((X86_REG_CS, X86_REG_DS, X86_REG_ES, X86_REG_FS, X86_REG_GS, X86_REG_SS))
_FAR_LOADS = frozenset(("lds", "les", "lfs", "lgs", "lss"))
_TABLES = frozenset(("lgdt", "lidt", "lldt", "ltr"))
_MODEL_SPECIFIC = frozenset(("rdmsr", "wrmsr", "wbinvd", "invd", "cpuid", "clts"))
_STATE = frozenset(("fxsave", "fxrstor", "fnsave", "frstor", "fninit"))
_PORTS = frozenset(("in", "inb", "inw", "inl", "out", "outb", "outw", "outl"))


class Kind(Enum):
    """The kinds that are counted apart."""

    PLAIN = "plain"
    RING = "ring"
    """`int`, `iret`: into another ring, or back."""
    SEGMENT = "segment"
    """A segment register loaded."""
    CR3 = "cr3"
    """CR3 loaded: all translations forgotten."""
    INVLPG = "invlpg"
    OTHER = "other"
    """Control and debug registers, MSRs, descriptor table registers, ports, the floating-point state, atomic stores."""


EXPENSIVE = tuple(kind for kind in Kind if kind is not Kind.PLAIN)


@dataclass(frozen=True)
class Instruction:
    """A decoded instruction: AT&T text, size in bytes, its kind, and whether it lets interrupts in (`sti`)."""

    text: str
    size: int
    kind: Kind
    lets_interrupts_in: bool = False


@lru_cache(maxsize=1)
def _disassembler() -> Any:
    disassembler = Cs(CS_ARCH_X86, CS_MODE_32)
    disassembler.syntax = CS_OPT_SYNTAX_ATT
    disassembler.detail = True
    return disassembler


@lru_cache(maxsize=1 << 14)
def decode(code: bytes, address: int) -> Instruction:
    """Return the instruction at the start of `code`, which is at `address` (it decides what jumps say)."""
    found = next(_disassembler().disasm(code[:LONGEST], address, 1), None)
    if found is None:
        return Instruction("(bad)", 1, Kind.PLAIN)
    text = f"{found.mnemonic:<7} {found.op_str}".rstrip()
    return Instruction(text, found.size, _kind(found), found.mnemonic == "sti")


def _kind(found: Any) -> Kind:
    name = found.mnemonic.split()[-1]
    if found.group(CS_GRP_IRET) or found.group(CS_GRP_INT) or name.startswith(("iret", "sysenter", "sysexit")):
        return Kind.RING
    if name.startswith("invlpg"):
        return Kind.INVLPG
    written = found.operands[-1] if found.operands else None
    if written is not None and written.type == X86_OP_REG:
        register = found.reg_name(written.reg)
        if name.startswith("mov"):
            if written.reg in _SEGMENTS:
                return Kind.SEGMENT
            if register == "cr3":
                return Kind.CR3
        if name.startswith("pop") and written.reg in _SEGMENTS:
            return Kind.SEGMENT
        if name.startswith("mov") and _is_control(register):
            return Kind.OTHER
    if name in _FAR_LOADS or (name.startswith("l") and name[1:] in ("jmp", "call", "ret")):
        return Kind.SEGMENT
    if name in _TABLES or name in _MODEL_SPECIFIC or name in _STATE or name in _PORTS or _is_atomic(found, name):
        return Kind.OTHER
    return Kind.PLAIN


def _is_control(register: str) -> bool:
    return register[:2] in ("cr", "dr") and register[2:].isdigit()


def _is_atomic(found: Any, name: str) -> bool:
    if found.group(CS_GRP_JUMP) or found.group(CS_GRP_CALL):
        return False
    if found.prefix[0] == 0xF0:
        return True
    # xchg with memory is locked without a prefix.
    return name.startswith("xchg") and any(operand.type != X86_OP_REG for operand in found.operands)
