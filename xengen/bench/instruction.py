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

from capstone import CS_ARCH_X86, CS_GRP_INT, CS_GRP_IRET, CS_MODE_32, CS_OPT_SYNTAX_ATT, Cs, x86
from capstone.x86 import X86_OP_REG

LONGEST = 15

_LOCK = 0xF0
_SEGMENTS = frozenset(getattr(x86, f"X86_REG_{name}") for name in ("CS", "DS", "ES", "FS", "GS", "SS"))


def _instructions(*names: str) -> frozenset[int]:
    return frozenset(getattr(x86, f"X86_INS_{name}") for name in names)


_RING = _instructions("SYSENTER", "SYSEXIT")
_MOVES = _instructions("MOV")
_POPS = _instructions("POP")
_EXCHANGES = _instructions("XCHG")
_INVLPG = _instructions("INVLPG")
_FAR = _instructions("LDS", "LES", "LFS", "LGS", "LSS", "LJMP", "LCALL", "RETF")
_OTHER = _instructions(
    "LGDT", "LIDT", "LLDT", "LTR", "LMSW", "CLTS", "RDMSR", "WRMSR", "CPUID", "WBINVD", "INVD",
    "FXSAVE", "FXRSTOR", "FNSAVE", "FRSTOR", "FNINIT", "IN", "OUT", "INSB", "INSW", "INSD", "OUTSB", "OUTSW", "OUTSD",
)  # fmt: skip


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
    if found.group(CS_GRP_IRET) or found.group(CS_GRP_INT) or found.id in _RING:
        return Kind.RING
    if found.id in _INVLPG:
        return Kind.INVLPG
    if found.id in _FAR:
        return Kind.SEGMENT
    if found.id in _MOVES or found.id in _POPS:
        return _load(found)
    return Kind.OTHER if found.id in _OTHER or _is_atomic(found) else Kind.PLAIN


def _load(found: Any) -> Kind:
    """Return the kind of a `mov` or `pop`, which what it loads decides."""
    target = found.operands[-1]
    if target.type != X86_OP_REG:
        return Kind.PLAIN
    if target.reg in _SEGMENTS:
        return Kind.SEGMENT
    name = found.reg_name(target.reg)
    if name == "cr3":
        return Kind.CR3
    return Kind.OTHER if name[:2] in ("cr", "dr") and name[2:].isdigit() else Kind.PLAIN


def _is_atomic(found: Any) -> bool:
    # xchg with memory is locked without a prefix.
    is_exchange = found.id in _EXCHANGES and any(operand.type != X86_OP_REG for operand in found.operands)
    return found.prefix[0] == _LOCK or is_exchange
