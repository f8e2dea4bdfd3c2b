"""What a declaration of the ABI is: a ctypes structure with its names, a named constant, and the symbols of both.

Invariants
  - Every structure has `_pack_ = 4`: that is how i386 aligns 64-bit integers. No alignment is ever above 4.
  - Each fact is stated once, in a structure or a `Constant`; assembler symbols, Python views and the reference page
    are derived from it.
  - PREFIX_size is the size of the structure; so a field that is itself called `size` gives `..._size_field`.
  - A 64-bit field gives two symbols: its own name, and that of its upper half with `_high` behind it.
  - A field whose C name is a Python keyword has an underscore behind it in Python (`in_`) and none in the symbol.
  - A field whose name begins with an underscore is padding: it has no symbol.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import LittleEndianStructure, LittleEndianUnion, Structure, Union, c_int64, c_uint64, sizeof
from dataclasses import dataclass
from typing import Any, Protocol

StructureType = type[Structure] | type[Union]


class AbiStructure(LittleEndianStructure):
    """Base of the public structures. A subclass gives `_fields_` only; `from_buffer` lays it over live bytes."""

    _pack_ = 4


class AbiUnion(LittleEndianUnion):
    """Base of the public unions: as `AbiStructure`."""

    _pack_ = 4


@dataclass(frozen=True)
class Declaration:
    """A structure under its names: `prefix` of its assembler symbols, `c_name` in the public headers or in our own
    words, and `source`, the document and section that states its layout."""

    prefix: str
    c_name: str
    struct: StructureType
    source: str


@dataclass(frozen=True)
class Constant:
    """A named number. `group` is the heading it stands under in the reference; `source` states the fact."""

    name: str
    value: int
    group: str
    source: str


@dataclass(frozen=True)
class Field:
    """One member of a structure: dotted `path` from the outermost one, offset and size in bytes, ctypes type."""

    path: str
    offset: int
    size: int
    kind: Any

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def is_padding(self) -> bool:
        """Whether the member only fills space: its name begins with an underscore."""
        return self.name.startswith("_")


class AbiModule(Protocol):
    """What each module of the model exports."""

    @property
    def STRUCTURES(self) -> tuple[Declaration, ...]: ...

    @property
    def CONSTANTS(self) -> tuple[Constant, ...]: ...


def prefix_of(c_name: str) -> str:
    """The prefix of a public structure's symbols: its C name in capitals without `union `, `xen_` and `_t`."""
    return c_name.removeprefix("union ").removeprefix("xen_").removesuffix("_t").upper()


def declare(c_name: str, struct: StructureType, source: str) -> Declaration:
    """Declare a public structure under the prefix that its C name gives."""
    return Declaration(prefix_of(c_name), c_name, struct, source)


def constants(group: str, source: str, **values: int) -> tuple[Constant, ...]:
    """The constants of one group, in the order given."""
    return tuple(Constant(name, value, group, source) for name, value in values.items())


def fields(struct: StructureType) -> Iterator[Field]:
    """Yield each member of `struct` in order; a nested structure itself first, then its members; arrays once."""
    yield from _fields(struct, "", 0)


def offsets(prefix: str, struct: StructureType) -> Iterator[tuple[str, int]]:
    """Yield (assembler symbol, value) for each member of `struct` as `fields` does, then for its size."""
    for field in fields(struct):
        if field.is_padding:
            continue
        symbol = f"{prefix}_{field.path.replace('.', '_')}"
        if field.name == "size":
            symbol += "_field"
        yield symbol, field.offset
        if field.kind in (c_uint64, c_int64):
            yield f"{symbol}_high", field.offset + 4
    yield f"{prefix}_size", sizeof(struct)


def _fields(struct: StructureType, path: str, base: int) -> Iterator[Field]:
    for name, kind, *_ in struct._fields_:
        offset = base + getattr(struct, name).offset
        inner = path + name.removesuffix("_")
        yield Field(inner, offset, sizeof(kind), kind)
        if issubclass(kind, (Structure, Union)):
            yield from _fields(kind, inner + ".", offset)
