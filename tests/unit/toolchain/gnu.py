"""The same image by another assembler: GNU as on the rendered source, compared instruction by instruction.

Invariants
  - Nothing of the toolchain's lowering, layout or linking is used for the second opinion: only the rendered text, GNU
    as, GNU ld with the sections' addresses, and capstone as the reader of both.
  - Encodings may differ in length (a displacement of one byte or four); mnemonics, operands and sizes may not.
    Addresses inside the image are compared as places: the same statement and offset in both.
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import capstone
from capstone import x86

from xengen.toolchain.image import Image, Section, Statement
from xengen.toolchain.where import NAMES

_ALIGNMENT = re.compile(r"\.(?:balign|align|p2align)\s+(\w+)")
_SEGMENTS = (x86.X86_REG_CS, x86.X86_REG_DS, x86.X86_REG_ES, x86.X86_REG_FS, x86.X86_REG_GS, x86.X86_REG_SS)


class Disagreement(AssertionError):
    """The two assemblers mean different things by one statement."""


@dataclass(frozen=True)
class Pair:
    """One statement and where each assembler put it: offset and size within its section."""

    statement: Statement
    ours: bytes
    theirs: bytes
    their_address: int


def gnu_image(source: str, image: Image, folder: Path) -> dict[str, bytes]:
    """Return section name -> bytes of `source` by GNU as, linked at the section addresses of `image`."""
    text, linked = folder / "image.s", folder / "image.elf"
    text.write_text(source, encoding="utf-8")
    _run("as", "--32", "-o", str(folder / "image.o"), str(text))
    script = "SECTIONS {\n"
    for section in image.sections:
        script += f"  {section.name} {section.address:#x} : {{ *({section.name}) }}\n"
    script += "  /DISCARD/ : { *(*) }\n}\n"
    for symbol in image.symbols:
        if symbol.name.startswith("__") or symbol.name in NAMES:
            script += f"{symbol.name} = {symbol.address:#x};\n"
    (folder / "image.ld").write_text(script)
    _run(
        "ld", "-m", "elf_i386", "--no-check-sections", "--no-warn-rwx-segments", "-e", "0",
        "-T", str(folder / "image.ld"), "-o", str(linked), str(folder / "image.o"),
    )  # fmt: skip
    found = {}
    for section in image.sections:
        if section.has_contents and section.name != ".where":
            part = folder / f"part{section.name}"
            _run("objcopy", "-O", "binary", "-j", section.name, str(linked), str(part))
            found[section.name] = part.read_bytes()
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


class Comparison:
    """Walks both images in step; `pairs` holds every statement with both encodings."""

    def __init__(self, image: Image, theirs: dict[str, bytes], constants: dict[str, int]) -> None:
        self.image = image
        self.constants = constants
        self.reader = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
        self.reader.detail = True
        self.pairs: list[Pair] = []
        for section in image.sections:
            if section.name in theirs:
                self.pairs += self._walk(section, theirs[section.name])
        self._starts = [pair.statement.address for pair in self.pairs]

    def _walk(self, section: Section, data: bytes) -> list[Pair]:
        pairs = []
        position = 0
        for statement in self.image.statements:
            if statement.section != section.name:
                continue
            start = statement.address - section.address
            ours = section.data[start : start + statement.size]
            size = self._their_size(statement, ours, data, position, section)
            pairs.append(Pair(statement, ours, data[position : position + size], section.address + position))
            position += size
        if data[position:].strip(b"\0"):
            raise Disagreement(f"{section.name}: GNU as has {len(data) - position} bytes more")
        return pairs

    def _their_size(self, statement: Statement, ours: bytes, data: bytes, position: int, section: Section) -> int:
        match = _ALIGNMENT.match(statement.text)
        if match:
            value = self.constants.get(match.group(1)) or int(match.group(1), 0)
            alignment = 1 << value if statement.text.startswith(".p2align") else value
            return -(section.address + position) % alignment
        if statement.text.startswith("."):
            return statement.size
        mine = self._read(ours, statement.address)
        theirs = self._read(data[position : position + 16], section.address + position)
        if mine is None or theirs is None or mine.size != len(ours) or mine.mnemonic != theirs.mnemonic:
            if statement.text.startswith(("ljmp", "lcall")) and mine is not None and theirs is not None:
                return int(theirs.size)
            raise Disagreement(
                f"{statement.origin}: {statement.text}: {mine and mine.mnemonic} {ours.hex(' ')}, "
                f"but GNU as: {theirs and theirs.mnemonic} {data[position:position + 8].hex(' ')}"
            )
        return int(theirs.size)

    def _read(self, data: bytes, address: int) -> Any:
        return next(self.reader.disasm(data, address, 1), None)

    def check(self) -> int:
        """Compare every statement; return how many instructions there were. Disagreement names the first."""
        count = 0
        for pair in self.pairs:
            if _ALIGNMENT.match(pair.statement.text):
                continue
            if pair.statement.text.startswith("."):
                self._check_data(pair)
            else:
                self._check_instruction(pair)
                count += 1
        return count

    def _check_data(self, pair: Pair) -> None:
        if pair.ours == pair.theirs:
            return
        same = len(pair.ours) == len(pair.theirs) and len(pair.ours) % 4 == 0 and all(
            self._same(int.from_bytes(pair.ours[i : i + 4], "little"), int.from_bytes(pair.theirs[i : i + 4], "little"))
            for i in range(0, len(pair.ours), 4)
        )
        if not same:
            raise Disagreement(_both(pair))

    def _check_instruction(self, pair: Pair) -> None:
        ours = self._read(pair.ours, pair.statement.address)
        theirs = self._read(pair.theirs, pair.their_address)
        same = (
            _prefixes(ours) == _prefixes(theirs)
            and len(ours.operands) == len(theirs.operands)
            and all(self._same_operand(a, b) for a, b in zip(ours.operands, theirs.operands, strict=True))
        )
        if not same:
            raise Disagreement(_both(pair))

    def _same_operand(self, ours: Any, theirs: Any) -> bool:
        if (ours.type, ours.size) != (theirs.type, theirs.size):
            return False
        mask = (1 << (8 * (ours.size or 4))) - 1
        if ours.type == x86.X86_OP_REG:
            return bool(ours.reg == theirs.reg)
        if ours.type == x86.X86_OP_IMM:
            return self._same(ours.imm & mask, theirs.imm & mask)
        parts = [(m.base, m.index, m.scale, m.segment) for m in (ours.mem, theirs.mem)]
        return parts[0] == parts[1] and self._same(ours.mem.disp & 0xFFFFFFFF, theirs.mem.disp & 0xFFFFFFFF)

    def _same(self, ours: int, theirs: int) -> bool:
        """Return whether two values are equal, or the same place of the image, virtual or physical."""
        offset = self.image.load_offset
        return (
            ours == theirs
            or self._place(ours) == theirs
            or (self._place((ours + offset) & 0xFFFFFFFF) - offset) & 0xFFFFFFFF == theirs
        )

    def _place(self, address: int) -> int:
        """Return where GNU as has what we have at `address`."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return address
        pair = self.pairs[index]
        return pair.their_address + address - pair.statement.address


def _prefixes(instruction: Any) -> list[int]:
    """Return the prefixes that matter: to a segment register's move to memory, operand size is nothing."""
    prefixes = list(instruction.prefix)
    operands = instruction.operands
    if instruction.mnemonic == "mov" and any(o.type == x86.X86_OP_REG and o.reg in _SEGMENTS for o in operands):
        prefixes[2] = 0
    return prefixes


def _both(pair: Pair) -> str:
    statement = pair.statement
    return f"{statement.origin}: {statement.text}: {pair.ours.hex(' ')}, but GNU as: {pair.theirs.hex(' ')}"
