"""One instruction as the checker sees it: operands, registers read and written, and where execution goes.

Invariants
  - Operands stand in the manual's order: the destination first.
  - Registers are folded (see `registers`); what the disassembler's tables miss is added in `_MISSED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import capstone
from capstone import x86

from xengen.lint.registers import FOLD, SEGMENT
from xengen.toolchain.image import Image

MAX_INSTRUCTION = 15
HYPERCALL_VECTOR = 0x82


class Flow(Enum):
    """How an instruction ends: by the next one, or in one of the ways that the checker follows."""

    NEXT = "next"
    JUMP = "jump"
    BRANCH = "branch"
    CALL = "call"
    RETURN = "return"
    LEAVE = "leave"
    """To somewhere that is not followed: iret, a far return, a far jump through memory, ud2."""


@dataclass(frozen=True)
class Memory:
    """A memory operand: `base` and `index` are folded registers or None, `size` is in bytes.

    An operand in another segment than the stack's own has no base: it is nowhere in a frame.
    """

    base: str | None
    index: str | None
    displacement: int
    size: int


@dataclass(frozen=True)
class Register:
    """A register operand: `whole` is the register that it is or is a part of, `size` is in bytes."""

    whole: str
    size: int

    @property
    def is_segment(self) -> bool:
        """Whether it is a segment register."""
        return self.whole in SEGMENT


@dataclass(frozen=True)
class Immediate:
    """A constant operand, taken modulo 2**32."""

    value: int


Operand = Memory | Register | Immediate | None
"""None stands for control, debug and x87 registers, which the checker does not follow."""


@dataclass(frozen=True)
class Instruction:
    """A decoded instruction; `code` is capstone's number (x86.X86_INS_...), `end` the address behind it."""

    address: int
    end: int
    code: int
    flow: Flow
    operands: tuple[Operand, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    stores: tuple[Memory, ...]
    repeated: bool
    word: bool

    @property
    def target(self) -> int | None:
        """Where a direct jump, branch or call goes; None when it goes through a register or memory."""
        last = self.operands[-1] if self.operands else None
        return last.value if self.flow in (Flow.JUMP, Flow.BRANCH, Flow.CALL) and isinstance(last, Immediate) else None


_FLOWS = {
    x86.X86_INS_JMP: Flow.JUMP,
    x86.X86_INS_LJMP: Flow.JUMP,
    x86.X86_INS_CALL: Flow.CALL,
    x86.X86_INS_RET: Flow.RETURN,
    x86.X86_INS_RETF: Flow.LEAVE,
    x86.X86_INS_IRET: Flow.LEAVE,
    x86.X86_INS_IRETD: Flow.LEAVE,
    x86.X86_INS_SYSEXIT: Flow.LEAVE,
    x86.X86_INS_UD2: Flow.LEAVE,
    x86.X86_INS_LOOP: Flow.BRANCH,
    x86.X86_INS_LOOPE: Flow.BRANCH,
    x86.X86_INS_LOOPNE: Flow.BRANCH,
}

_MISSED = {
    x86.X86_INS_CMPXCHG: ("eax",),
    x86.X86_INS_XLATB: ("eax",),
    x86.X86_INS_AAA: ("eax",),
    x86.X86_INS_AAS: ("eax",),
    x86.X86_INS_LDS: ("ds",),
    x86.X86_INS_LES: ("es",),
    x86.X86_INS_LFS: ("fs",),
    x86.X86_INS_LGS: ("gs",),
    x86.X86_INS_LSS: ("ss",),
    x86.X86_INS_CMPXCHG8B: ("eax", "edx"),
}
"""Registers that are written, though capstone 5 does not say so."""

_READS_TOO = {x86.X86_INS_XLATB: ("eax", "ebx")}
_ZEROING = frozenset((x86.X86_INS_XOR, x86.X86_INS_SUB, x86.X86_INS_SBB))
_CONSTANT_WITH = {x86.X86_INS_AND: Immediate(0), x86.X86_INS_OR: Immediate(0xFFFFFFFF)}
_STORES_TOO = frozenset((x86.X86_INS_CMPXCHG, x86.X86_INS_CMPXCHG8B))


def _is_constant(code: int, operands: list[Operand]) -> bool:
    """Return whether the result is the same whatever the registers held: xorl %eax, %eax and the like."""
    if len(operands) != 2 or not isinstance(operands[0], Register):
        return False
    if code in _ZEROING:
        return operands[0] == operands[1]
    return operands[1] == _CONSTANT_WITH.get(code, Immediate(-1))


class Decoder:
    """Decodes single instructions of one image, each once."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
        self._engine.detail = True
        self._known: dict[int, Instruction | None] = {}

    def at(self, address: int) -> Instruction | None:
        """Return the instruction at `address`, or None when there are no bytes there that are one."""
        if address not in self._known:
            self._known[address] = self._decode(address)
        return self._known[address]

    def _bytes(self, address: int) -> bytes:
        for section in self._image.sections:
            if section.has_contents and section.address <= address < section.address + section.size:
                start = address - section.address
                return section.data[start : start + MAX_INSTRUCTION]
        return b""

    def _decode(self, address: int) -> Instruction | None:
        for found in self._engine.disasm(self._bytes(address), address, 1):
            return self._convert(found)
        return None

    def _convert(self, found: capstone.CsInsn) -> Instruction:
        read, written = found.regs_access()
        reads = {FOLD[name] for name in map(found.reg_name, read) if name in FOLD}
        writes = {FOLD[name] for name in map(found.reg_name, written) if name in FOLD}
        writes.update(_MISSED.get(found.id, ()))
        reads.update(_READS_TOO.get(found.id, ()))
        operands: list[Operand] = []
        stores: list[Memory] = []
        for operand in found.operands:
            if operand.type == x86.X86_OP_IMM:
                operands.append(Immediate(operand.imm & 0xFFFFFFFF))
            elif operand.type == x86.X86_OP_REG:
                whole = FOLD.get(found.reg_name(operand.reg))
                operands.append(None if whole is None else Register(whole, operand.size))
            else:
                memory = self._memory(found, operand)
                operands.append(memory)
                if operand.access != capstone.CS_AC_READ or found.id in _STORES_TOO:
                    stores.append(memory)
        if found.id == x86.X86_INS_INT and found.operands[0].imm == HYPERCALL_VECTOR:
            writes.add("eax")
        if found.id == x86.X86_INS_CPUID:
            reads = {"eax"}  # %ecx only in the leaves that have sub-leaves
        if _is_constant(found.id, operands):
            reads.clear()
        flow = _FLOWS.get(found.id, Flow.NEXT)
        if flow is Flow.NEXT and x86.X86_GRP_JUMP in found.groups:
            flow = Flow.BRANCH
        if found.id == x86.X86_INS_LJMP and operands and isinstance(operands[0], Memory):
            flow = Flow.LEAVE
        return Instruction(
            address=found.address,
            end=found.address + found.size,
            code=found.id,
            flow=flow,
            operands=tuple(operands),
            reads=frozenset(reads),
            writes=frozenset(writes),
            stores=tuple(stores),
            repeated=found.prefix[0] in (x86.X86_PREFIX_REP, x86.X86_PREFIX_REPNE),
            word=found.prefix[2] == x86.X86_PREFIX_OPSIZE,
        )

    @staticmethod
    def _memory(found: capstone.CsInsn, operand: x86.X86Op) -> Memory:
        elsewhere = operand.mem.segment not in (x86.X86_REG_INVALID, x86.X86_REG_SS)
        base = found.reg_name(operand.mem.base) if operand.mem.base and not elsewhere else None
        index = found.reg_name(operand.mem.index) if operand.mem.index else None
        return Memory(
            base=None if base is None else FOLD.get(base),
            index=None if index is None else FOLD.get(index),
            displacement=operand.mem.disp,
            size=operand.size,
        )
