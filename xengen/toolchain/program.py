"""A lowered image before layout: sections of statements, labels, constants.

Invariants
  - A statement's `keystone` text has no sections, numeric labels, comments, strings or decimal numbers.
  - A `Position` (section, statement number) is a place between statements; its name is a label that exists once the
    program is assembled, so expressions may use it.
  - A name is defined at most once: as label or as constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from xengen.toolchain.image import Origin, SymbolKind

if TYPE_CHECKING:
    from collections.abc import Iterator


class Role(Enum):
    """What a statement emits, as far as later passes care."""

    INSTRUCTION = "instruction"
    DATA = "data"
    ALIGN = "align"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Check:
    """A value that must fit where Keystone would cut it off in silence.

    `expression` is an immediate of `bits` bits, or, when `is_target`, where a jump of 8 bits goes.
    """

    expression: str
    bits: int
    is_target: bool = False

    def complaint(self, value: int, end: int) -> str | None:
        """Return what is wrong with `value` (32 bits) in an instruction that ends at `end`, or None."""
        if self.is_target:
            distance = (value - end + (1 << 31)) % (1 << 32) - (1 << 31)
            return None if -128 <= distance < 128 else f"the jump is {distance} bytes far: it reaches -128 to 127"
        fits = value < 1 << self.bits or value >= (1 << 32) - (1 << (self.bits - 1))
        return None if fits else f"the value {value:#x} does not fit in {self.bits} bits"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Space filled with a value of `unit` bytes. Keystone hangs on, or takes for nothing, most sizes but numbers."""

    value: str
    unit: int = 1

    def keystone(self, size: int) -> str:
        """Return the directive for `size` bytes."""
        if self.unit == 1 or self.value == "0x0":
            return f".skip {size:#x}, {self.value}"
        return f".fill {size // self.unit:#x}, {self.unit:#x}, {self.value}"


class Entry(NamedTuple):
    """One statement: GNU as text for people, Keystone text for the assembler.

    `expected` is an expression for its size in bytes, where that is known beforehand. `repeated` belongs to space
    whose size must be found out before Keystone may see it.
    """

    text: str
    keystone: str
    origin: Origin
    role: Role
    expected: str | None = None
    repeated: Repeated | None = None
    check: Check | None = None


def position_label(section: int, index: int) -> str:
    """Return the label of the place before statement `index` of section number `section`."""
    return f".L_p{section}_{index}"


@dataclass(frozen=True, slots=True)
class Position:
    """The place before statement `index` of section number `section`."""

    section: int
    index: int

    @property
    def label(self) -> str:
        """The assembler label of this place."""
        return position_label(self.section, self.index)


class Definition(NamedTuple):
    """Where a name was defined: a label's place, or a constant's expression."""

    origin: Origin
    text: str
    place: Position | None = None
    expression: str | None = None


class Use(NamedTuple):
    """A name that a statement needs."""

    origin: Origin
    text: str


@dataclass
class SectionText:
    """The statements of one section in the order of the sources. `number` names its positions."""

    name: str
    number: int
    writable: bool = False
    entries: list[Entry] = field(default_factory=list)
    labels: dict[int, list[str]] = field(default_factory=dict)

    @property
    def here(self) -> Position:
        """The place after the last statement so far."""
        return Position(self.number, len(self.entries))

    def position_labels(self) -> tuple[str, ...]:
        """Return the label before each statement, then that of the end."""
        return tuple([position_label(self.number, index) for index in range(len(self.entries) + 1)])


@dataclass
class Program:
    """All statements of an image. `kinds`, `sizes` and `exported` are what .type, .size and .globl said."""

    sections: dict[str, SectionText] = field(default_factory=dict)
    names: dict[str, Definition] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    kinds: dict[str, tuple[SymbolKind, Use]] = field(default_factory=dict)
    sizes: dict[str, tuple[str, Use]] = field(default_factory=dict)
    exported: dict[str, Use] = field(default_factory=dict)

    def labels(self) -> Iterator[str]:
        """Yield the names of all labels in the order of their definitions."""
        return (name for name, definition in self.names.items() if definition.place is not None)

    def constants(self) -> Iterator[tuple[str, Definition]]:
        """Yield (name, definition) of all constants in the order of their definitions."""
        return ((name, definition) for name, definition in self.names.items() if definition.place is None)
