"""The registers that a contract speaks of, and how their parts fold into them.

Invariants
  - A register is named by its 32-bit name, a segment register by its own; parts (%al, %ax) count as the whole.
  - %esp is not in `CONTRACT`: it is checked by the balance of the stack. %cs, control and debug registers and the
    flags are nobody's to preserve.
"""

from __future__ import annotations

import re

GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
"""The general registers in the order of their numbers, which is also the order in which `pushal` pushes."""

SEGMENT = ("es", "ss", "ds", "fs", "gs")
TRACKED = GENERAL + SEGMENT
CONTRACT = tuple(name for name in TRACKED if name != "esp")

ALL = frozenset(name for name in GENERAL if name != "esp")
"""What `clob: all` means: every general register but %esp. Segment registers are always named one by one."""

_PARTS = {"al": "eax", "ah": "eax", "cl": "ecx", "ch": "ecx", "dl": "edx", "dh": "edx", "bl": "ebx", "bh": "ebx"}
FOLD = (
    _PARTS
    | {name[1:]: name for name in GENERAL}
    | {f"r{name[1:]}": name for name in GENERAL}
    | {name: name for name in TRACKED}
)
"""From any name of a register or of a part of it, as the disassembler or a header writes it, to the register."""

TOKEN = re.compile(r"%([a-z]{2,3})\b")


def named(text: str) -> frozenset[str]:
    """Return the registers that `text` names with a percent sign, folded; other %words are ignored."""
    return frozenset(FOLD[word] for word in TOKEN.findall(text) if word in FOLD)
