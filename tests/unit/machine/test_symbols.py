"""Names for addresses (xengen/machine/symbols.py, names.py) from an ELF file that the tests' own writer made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.machine.kernels import elf
from xengen.errors import UserError
from xengen.machine.names import Names
from xengen.machine.symbols import Place, SymbolTable
from xengen.toolchain.elf import write_elf
from xengen.toolchain.image import Image, Origin, Section, Statement, Symbol, SymbolKind

VIRTUAL, PHYSICAL = 0xFC900000, 0x100000
# start: call near; nop. work: nop x 3.
CODE = b"\xe8\x01\x00\x00\x00\x90" + b"\x90" * 3


@pytest.fixture
def table() -> SymbolTable:
    return SymbolTable.from_bytes(elf(CODE, PHYSICAL, {"start": PHYSICAL, "work": PHYSICAL + 6}, VIRTUAL))


def test_a_symbol_has_its_address(table: SymbolTable) -> None:
    assert table.address("work") == VIRTUAL + 6
    assert "work" in table
    assert "play" not in table
    with pytest.raises(KeyError):
        table.address("play")


@pytest.mark.parametrize(
    "address, place",
    [
        (VIRTUAL, Place("start", 0)),
        (VIRTUAL + 5, Place("start", 5)),
        (VIRTUAL + 6, Place("work", 0)),
        (PHYSICAL + 7, Place("work", 1)),
        (VIRTUAL + 9, None),
        (0, None),
    ],
)
def test_an_address_is_so_far_behind_a_symbol(table: SymbolTable, address: int, place: Place | None) -> None:
    assert table.nearest(address) == place


def test_a_place_reads_as_name_and_offset(table: SymbolTable) -> None:
    assert table.describe(VIRTUAL + 7) == "work+0x1"
    assert table.describe(VIRTUAL + 6) == "work"
    assert table.describe(0x1234) == ""


def test_a_return_address_at_a_routines_end_belongs_to_the_caller() -> None:
    code = b"\x90" * 4 + b"\xe8\x00\x00\x00\x00" + b"\x90"
    table = SymbolTable.from_bytes(elf(code, PHYSICAL, {"start": PHYSICAL, "next": PHYSICAL + 9}, VIRTUAL))
    assert table.describe(VIRTUAL + 9) == "next"
    assert table.describe_caller(VIRTUAL + 9) == "start+0x9"


@pytest.mark.parametrize(
    "call",
    [
        b"\xe8\x01\x02\x03\x04",  # call rel32
        b"\xff\xd0",  # call *%eax
        b"\xff\x13",  # call *(%ebx)
        b"\xff\x14\x24",  # call *(%esp)
        b"\xff\x53\x08",  # call *8(%ebx)
        b"\xff\x54\x24\x08",  # call *8(%esp)
        b"\xff\x15\x00\x10\x00\x00",  # call *0x1000
        b"\xff\x93\x00\x10\x00\x00",  # call *0x1000(%ebx)
        b"\xff\x14\x8d\x00\x10\x00\x00",  # call *0x1000(,%ecx,4)
        b"\xff\x94\x8b\x00\x10\x00\x00",  # call *0x1000(%ebx,%ecx,4)
    ],
)
def test_what_follows_a_call_is_a_return_address(call: bytes) -> None:
    code = b"\x90" * 8 + call
    table = SymbolTable.from_bytes(elf(code + b"\x90", PHYSICAL, {"start": PHYSICAL}, VIRTUAL))
    assert table.is_return_address(VIRTUAL + len(code))
    assert table.is_return_address(PHYSICAL + len(code))
    assert not table.is_return_address(VIRTUAL + 8)


def test_an_address_outside_of_the_code_is_no_return_address(table: SymbolTable) -> None:
    assert not table.is_return_address(0x1234)
    assert table.is_return_address(VIRTUAL + 5)


def test_ring_0_is_the_kernel_and_the_other_rings_are_guests(table: SymbolTable) -> None:
    guest = SymbolTable.from_bytes(elf(b"\x90" * 4, 0x100000, {"start": 0x100000}))
    names = Names(table, (("hello.elf", guest),))
    assert names.describe(PHYSICAL, 0) == "start"
    assert names.describe(0x100002, 1) == "hello.elf: start+0x2"
    assert names.describe(VIRTUAL, 3) == ""


def test_what_is_no_elf_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"notes\.txt is not an ELF file"):
        SymbolTable.from_file(tmp_path / "notes.txt")
    with pytest.raises(UserError, match=r"cannot read .*missing: No such file"):
        SymbolTable.from_file(tmp_path / "missing")


@pytest.fixture
def image() -> SymbolTable:
    """Two statements from two files, written by the toolchain."""
    statements = (
        Statement(VIRTUAL, 1, ".text", "nop", Origin("asm/hypervisor/boot/boot.s", 12)),
        Statement(VIRTUAL + 1, 2, ".text", "incl %eax", Origin("asm/lib/string.s", 7, "loop, templates/macros.s:3")),
        Statement(VIRTUAL + 3, 1, ".text", "ret", Origin("asm/hypervisor/boot/boot.s", 14)),
    )
    text = Section(".text", VIRTUAL, 4, b"\x90\xff\xc0\xc3", executable=True)
    symbol = Symbol("start", VIRTUAL, 4, SymbolKind.FUNCTION, ".text", is_global=True)
    made = Image("hypervisor", PHYSICAL, VIRTUAL - PHYSICAL, (text,), (symbol,), statements)
    return SymbolTable.from_bytes(write_elf(made))


@pytest.mark.parametrize(
    "address, line",
    [
        (VIRTUAL, "asm/hypervisor/boot/boot.s:12"),
        (VIRTUAL + 1, "asm/lib/string.s:7"),
        (VIRTUAL + 2, "asm/lib/string.s:7"),
        (PHYSICAL + 3, "asm/hypervisor/boot/boot.s:14"),
        (VIRTUAL + 4, None),
        (VIRTUAL - 1, None),
    ],
)
def test_an_address_has_the_template_line_that_it_came_from(
    image: SymbolTable, address: int, line: str | None
) -> None:
    assert image.line(address) == line


def test_a_place_reads_with_its_line(image: SymbolTable) -> None:
    assert image.describe(VIRTUAL + 2) == "start+0x2 (asm/lib/string.s:7)"
