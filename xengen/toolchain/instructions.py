"""Instructions whose GNU as spelling Keystone does not take, or takes wrongly.

Invariants
  - What is not listed here goes to Keystone as it is, with its numbers in hex.
  - A rewritten instruction has the bytes that GNU as gives (tests/unit/toolchain compares them).
"""

from __future__ import annotations

import re

from xengen.toolchain.lexer import SyntaxProblem
from xengen.toolchain.program import Check

SEGMENTS = frozenset(["cs", "ds", "es", "fs", "gs", "ss"])
PREFIXES = SEGMENTS | {"rep", "repe", "repz", "repne", "repnz", "lock", "data16", "data32", "addr16", "addr32"}
REGISTERS_8 = frozenset(["al", "ah", "bl", "bh", "cl", "ch", "dl", "dh"])
REGISTERS_16 = frozenset(["ax", "bx", "cx", "dx", "si", "di", "bp", "sp"])
REGISTERS_32 = frozenset(["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"])
REGISTERS = (
    REGISTERS_8
    | REGISTERS_16
    | REGISTERS_32
    | SEGMENTS
    | {"st"}
    | {f"{stem}{number}" for stem in ("cr", "dr", "db", "mm", "xmm") for number in range(8)}
)
_FAR = {"ljmp": "0xea", "ljmpl": "0xea", "lcall": "0x9a", "lcalll": "0x9a"}
_MISENCODED = {
    "nopl": "pad with .balign",
    "nopw": "pad with .balign",
}
_SHORT_JUMPS = frozenset(["jcxz", "jecxz", "loop", "loope", "loopne", "loopnz", "loopz"])
_RETURNS = frozenset(["ret", "retl", "lret", "lretl"])
_NO_SUFFIX = frozenset(["sub", "sbb"])
_WIDTHS = {"b": 8, "w": 16}
_SUFFIX = {"b": REGISTERS_8, "w": REGISTERS_16, "l": REGISTERS_32}
_ONE_SIZE = re.compile(
    r"(adc|add|and|bs[fr]|bt[crs]?|cmov\w+|cmp|cmpxchg|dec|i?div|i?mul|inc|lea|mov|neg|not|or|sbb|sub|test|xadd|xchg|xor)"
    r"[bwl]"
)


def check(mnemonic: str, operands: list[str]) -> Check | None:
    """Return the check that an instruction with lowered operands needs, if any."""
    if mnemonic in _SHORT_JUMPS and len(operands) == 1:
        return Check(operands[0], 8, is_target=True)
    bits = 16 if mnemonic in _RETURNS else None if mnemonic in _NO_SUFFIX else _WIDTHS.get(mnemonic[-1:])
    if bits is None:
        return None
    immediates = [operand[1:] for operand in operands if operand.startswith("$")]
    return Check(immediates[0], bits) if immediates else None


def rewrite(mnemonic: str, operands: list[str]) -> str:
    """Return Keystone text (perhaps several lines) for an instruction with lowered operands."""
    if mnemonic in _MISENCODED:
        raise SyntaxProblem(f"{mnemonic} is encoded wrongly by the assembler; {_MISENCODED[mnemonic]}")
    if mnemonic in _FAR and len(operands) == 2:
        if not all(operand.startswith("$") for operand in operands):
            raise SyntaxProblem(f"{mnemonic} takes a selector and an address as immediates, or one *operand")
        selector, address = (operand[1:].strip() for operand in operands)
        return f".byte {_FAR[mnemonic]}\n.long {address}\n.word {selector}"
    if mnemonic in ("bound", "boundl") and len(operands) == 2:
        return f"bound {operands[1]}, {operands[0]}"
    return f"{mnemonic} {', '.join(operands)}".strip()


def explain(mnemonic: str, operands: list[str], answer: str) -> str:
    """Return what is probably wrong with an instruction that Keystone refused with `answer`."""
    wanted = _SUFFIX.get(mnemonic[-1:])
    if wanted is not None and _ONE_SIZE.fullmatch(mnemonic):
        for operand in operands:
            name = operand.removeprefix("%")
            sizes = (REGISTERS_8, REGISTERS_16, REGISTERS_32)
            if operand.startswith("%") and any(name in size for size in sizes) and name not in wanted:
                return "operand size mismatch"
    return answer
