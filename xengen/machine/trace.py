"""The exceptions that the processor took, read from QEMU's trace (`-d int,cpu_reset`).

Invariants
  - Works on the tail of a trace: a record whose beginning was cut off is skipped.
  - Only protected-mode exceptions and interrupts appear: QEMU does not trace the firmware's real-mode ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xengen.machine.registers import Registers, UnreadableRegisters, parse_registers

# Intel SDM volume 3A, table 6-1.
MNEMONICS = (
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "vector 9", "#TS", "#NP", "#SS", "#GP", "#PF",
    "vector 15", "#MF", "#AC", "#MC", "#XM",
)  # fmt: skip
WITH_ERROR_CODE = frozenset((8, 10, 11, 12, 13, 14, 17))
PAGE_FAULT = 14

# Guest-state dump and all, one record is about this long.
RECORD_SIZE = 1400

_RECORD = re.compile(
    r"^ *(?P<number>\d+): v=(?P<vector>[0-9a-f]{2}) e=(?P<error>[0-9a-f]{4}) i=(?P<software>\d) cpl=(?P<cpl>\d) "
    r"IP=(?P<cs>[0-9a-f]{4}):(?P<eip>[0-9a-f]{8,16}) pc=[0-9a-f]+ SP=(?P<ss>[0-9a-f]{4}):(?P<esp>[0-9a-f]{8,16})"
    r"(?: CR2=(?P<cr2>[0-9a-f]{8,16}))?",
    re.M,
)
_TRIPLE_FAULT = re.compile(r"^Triple fault$", re.M)


@dataclass(frozen=True)
class TakenException:
    """One exception or interrupt that the processor took, and its registers as they were before.

    `software` tells an `int` instruction from a fault. `cr2` is None for all but page faults.
    """

    number: int
    vector: int
    error: int
    software: bool
    cpl: int
    cs: int
    eip: int
    ss: int
    esp: int
    cr2: int | None
    registers: Registers | None

    def __str__(self) -> str:
        name = MNEMONICS[self.vector] if self.vector < len(MNEMONICS) else f"vector {self.vector:#04x}"
        if self.software:
            name = f"int ${self.vector:#04x}"
        elif self.vector in WITH_ERROR_CODE:
            name += f"[{self.error:04x}]"
        text = f"{name} at {self.cs:04x}:{self.eip:08x}, cpl {self.cpl}, stack {self.ss:04x}:{self.esp:08x}"
        return text if self.cr2 is None else f"{text}, cr2 {self.cr2:08x}"


def parse_trace(text: str, last: int | None = None) -> tuple[TakenException, ...]:
    """Return the exceptions in `text`, oldest first; at most the `last` ones when given."""
    heads = list(_RECORD.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    chosen = list(zip(heads, ends, strict=False))[-last if last else 0 :]
    return tuple(_record(head, text[head.end() : end]) for head, end in chosen)


def _record(head: re.Match[str], dump: str) -> TakenException:
    def number(name: str) -> int:
        return int(head[name], 16)

    cr2 = int(head["cr2"], 16) if head["cr2"] and number("vector") == PAGE_FAULT else None
    try:
        registers = parse_registers(dump.split("\nCPU Reset", 1)[0])
    except UnreadableRegisters:
        registers = None
    return TakenException(
        int(head["number"]), number("vector"), number("error"), head["software"] != "0", int(head["cpl"]),
        number("cs"), number("eip"), number("ss"), number("esp"), cr2, registers,
    )  # fmt: skip


def has_triple_fault(text: str) -> bool:
    """Return whether the processor gave up: an exception while it delivered a double fault."""
    return _TRIPLE_FAULT.search(text) is not None
