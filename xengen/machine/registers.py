"""The processor's registers, read from the text in which QEMU prints them.

Invariants
  - One parser for both places: the monitor's `info registers`, and each record of QEMU's exception trace (-d int).
  - A 32-bit QEMU prints EAX, a 64-bit one in long mode RAX: the field is called `eax` either way, with all its bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xengen.errors import XengenError
from xengen.machine.paging import CR0_PG, CR4_PAE, CR4_PSE

GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr")

_GENERAL = re.compile(r"\b[ER]([ABCD]X|[SD]I|[BS]P|IP)=([0-9a-f]{8,16})\b")
_FLAGS = re.compile(r"\b[ER]FL=([0-9a-f]{8}) \[[^]]*\] CPL=(\d)")
_HALTED = re.compile(r"\bHLT=(\d)")
_SEGMENT = re.compile(r"^(ES|CS|SS|DS|FS|GS|LDT|TR) ?=([0-9a-f]{4}) ([0-9a-f]{8,16}) ([0-9a-f]{8}) ([0-9a-f]{8})", re.M)
_TABLE = re.compile(r"^(GDT|IDT)= *([0-9a-f]{8,16}) ([0-9a-f]{8})", re.M)
_CONTROL = re.compile(r"\b(CR[0234])=([0-9a-f]{8,16})\b")
_EFER = re.compile(r"\bEFER=([0-9a-f]{16})")


class UnreadableRegisters(XengenError):
    """QEMU printed registers in a form that is not known here."""


@dataclass(frozen=True)
class Segment:
    """A segment register with its hidden part: `flags` are the descriptor's upper 32 bits without base and limit."""

    selector: int
    base: int
    limit: int
    flags: int


@dataclass(frozen=True)
class Table:
    """A descriptor table register."""

    base: int
    limit: int


@dataclass(frozen=True)
class Registers:
    """The registers of one processor at one moment."""

    eax: int
    ebx: int
    ecx: int
    edx: int
    esi: int
    edi: int
    ebp: int
    esp: int
    eip: int
    eflags: int
    cpl: int
    halted: bool
    es: Segment
    cs: Segment
    ss: Segment
    ds: Segment
    fs: Segment
    gs: Segment
    ldt: Segment
    tr: Segment
    gdt: Table
    idt: Table
    cr0: int
    cr2: int
    cr3: int
    cr4: int
    efer: int

    @property
    def paging(self) -> bool:
        """Whether addresses go through page tables."""
        return bool(self.cr0 & CR0_PG)

    @property
    def pae(self) -> bool:
        """Whether the page tables are PAE tables."""
        return bool(self.cr4 & CR4_PAE)

    @property
    def pse(self) -> bool:
        """Whether two-level tables may have 4 MiB pages."""
        return bool(self.cr4 & CR4_PSE)

    def render(self) -> str:
        """Return the registers as four lines of text, for a report."""
        return "\n".join(
            (
                " ".join(f"{name}={getattr(self, name):08x}" for name in GENERAL),
                f"eip={self.cs.selector:04x}:{self.eip:08x} eflags={self.eflags:08x} cpl={self.cpl}"
                + (" halted" if self.halted else ""),
                " ".join(f"{name}={getattr(self, name).selector:04x}" for name in SEGMENTS)
                + f" gdt={self.gdt.base:08x}+{self.gdt.limit:x} idt={self.idt.base:08x}+{self.idt.limit:x}",
                f"cr0={self.cr0:08x} cr2={self.cr2:08x} cr3={self.cr3:08x} cr4={self.cr4:08x} efer={self.efer:x}",
            )
        )


def parse_registers(text: str) -> Registers:
    """Return the registers that `text` (one CPU's worth) shows; UnreadableRegisters when one is missing."""
    general = {name.lower(): int(value, 16) for name, value in _GENERAL.findall(text)}
    segments = {
        name.lower(): Segment(int(selector, 16), int(base, 16), int(limit, 16), int(flags, 16))
        for name, selector, base, limit, flags in _SEGMENT.findall(text)
    }
    tables = {name.lower(): Table(int(base, 16), int(limit, 16)) for name, base, limit in _TABLE.findall(text)}
    control = {name.lower(): int(value, 16) for name, value in _CONTROL.findall(text)}
    flags, halted, efer = _FLAGS.search(text), _HALTED.search(text), _EFER.search(text)
    if flags is None:
        raise UnreadableRegisters("QEMU's register dump has no flags in it")
    try:
        eax, ebx, ecx, edx, esi, edi, ebp, esp, eip = (general[name[1:]] for name in (*GENERAL, "eip"))
        es, cs, ss, ds, fs, gs, ldt, tr = (segments[name] for name in SEGMENTS)
        return Registers(
            eax, ebx, ecx, edx, esi, edi, ebp, esp, eip, int(flags[1], 16), int(flags[2]),
            halted is not None and halted[1] != "0",
            es, cs, ss, ds, fs, gs, ldt, tr, tables["gdt"], tables["idt"],
            control["cr0"], control["cr2"], control["cr3"], control["cr4"],
            int(efer[1], 16) if efer else 0,
        )  # fmt: skip
    except KeyError as error:
        raise UnreadableRegisters(f"QEMU's register dump lacks {error}") from error
