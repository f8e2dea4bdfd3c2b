"""Sections, symbols and tables of a linked image."""

from __future__ import annotations

import struct

import pytest

from tests.unit.toolchain.conftest import BASE, LOAD_OFFSET, Tree
from xengen.toolchain.image import Image, Origin, Symbol, SymbolKind
from xengen.toolchain.keystone import Answer

PAGE = 4096
ALL_SECTIONS = """\
_start: nop
        .data
d:      .long   1
        .bss
b:      .skip   10
        .section .init, "ax"
i:      ret
        .section .rodata
r:      .byte   7
        .pushsection .ex_table, "a"
e:      .long   _start, i
        .popsection
        .section .note.Xen, "a"
n:      .long   4, 4, 1
        .text
        ret
"""


def test_sections_stand_in_their_order_and_each_group_has_pages_of_its_own(tree: Tree) -> None:
    sections = tree.make(ALL_SECTIONS).image.sections
    assert [section.name for section in sections] == [
        ".text", ".rodata", ".ex_table", ".note.Xen", ".init", ".data", ".bss",
    ]  # fmt: skip
    assert [section.address for section in sections if section.address % PAGE == 0] == [
        BASE, BASE + PAGE, BASE + 2 * PAGE, BASE + 3 * PAGE, BASE + 4 * PAGE,
    ]  # fmt: skip
    permissions = {section.name: (section.writable, section.executable) for section in sections}
    assert permissions == {
        ".text": (False, True), ".rodata": (False, False), ".ex_table": (False, False), ".note.Xen": (False, False),
        ".init": (False, True), ".data": (True, False), ".bss": (True, False),
    }  # fmt: skip


@pytest.mark.parametrize("align", [".balign 2 * PAGE_SIZE", ".p2align size", ".balign 2 * PAGE_SIZE\n .balign 4"])
def test_a_section_starts_at_a_multiple_of_the_alignments_in_it(tree: Tree, align: str) -> None:
    source = f"_start: .long __bss_start\n .set size, 13\n .bss\nb: .skip 1\n {align}\nc: .skip 1\n"
    image = tree.make(source + ".data\nd: .long 1\n").image
    assert [image.symbol(name).address for name in ("d", "b", "__bss_start", "c")] == [
        BASE + PAGE, BASE + 2 * PAGE, BASE + 2 * PAGE, BASE + 4 * PAGE,
    ]  # fmt: skip


def test_a_section_of_an_alignment_of_two_pages_skips_an_odd_page(tree: Tree) -> None:
    source = "_start: ret\n .bss\nb: .skip 1\n .balign 2 * PAGE_SIZE\n .section .rodata\nr: .byte 1\n .data\n .byte 1\n"
    image = tree.make(source).image
    assert [image.symbol(name).address - BASE for name in ("r", "b", "__bss_start")] == [PAGE, 4 * PAGE, 4 * PAGE]


def test_the_init_section_can_be_writable(tree: Tree) -> None:
    init = tree.make('_start: ret\n        .section .init, "awx"\n        ret\n').image.section(".init")
    assert (init.writable, init.executable) == (True, True)


def test_statements_of_a_section_stay_in_order_whatever_stands_between_them(tree: Tree) -> None:
    image = tree.make(ALL_SECTIONS).image
    assert image.section(".text").data == b"\x90\xc3"
    assert image.section(".ex_table").data == struct.pack("<II", BASE, BASE + 2 * PAGE)


def test_bss_takes_space_and_no_bytes(tree: Tree) -> None:
    bss = tree.make(ALL_SECTIONS).image.section(".bss")
    assert (bss.size, bss.data, bss.has_contents) == (10, b"", False)


def test_previous_goes_back_to_the_section_before(tree: Tree) -> None:
    image = tree.make("_start: nop\n.data\n.byte 1\n.previous\nret\n.previous\n.byte 2\n").image
    assert (image.section(".text").data, image.section(".data").data) == (b"\x90\xc3", b"\1\2")


@pytest.mark.parametrize(
    ("symbol", "section"),
    [
        ("__image_start", ".text"), ("__text_start", ".text"), ("__rodata_start", ".rodata"),
        ("__ex_table_start", ".ex_table"), ("__init_start", ".init"), ("__data_start", ".data"),
        ("__bss_start", ".bss"),
    ],
)  # fmt: skip
def test_a_start_symbol_is_where_its_section_starts(tree: Tree, symbol: str, section: str) -> None:
    image = tree.make(ALL_SECTIONS).image
    assert image.symbol(symbol).address == image.section(section).address


@pytest.mark.parametrize(
    ("symbol", "section"),
    [
        ("__text_end", ".text"), ("__ex_table_end", ".ex_table"), ("__rodata_end", ".note.Xen"),
        ("__init_end", ".init"), ("__data_end", ".data"), ("__bss_end", ".bss"),
    ],
)  # fmt: skip
def test_an_end_symbol_is_where_its_last_section_ends(tree: Tree, symbol: str, section: str) -> None:
    image = tree.make(ALL_SECTIONS).image
    last = image.section(section)
    assert image.symbol(symbol).address == last.address + last.size


def test_the_image_ends_on_a_page(tree: Tree) -> None:
    assert tree.make(ALL_SECTIONS).image.symbol("__image_end").address == BASE + 5 * PAGE


def test_an_empty_group_starts_where_it_ends(tree: Tree) -> None:
    image = tree.make("_start: ret\n").image
    assert image.symbol("__init_start").address == image.symbol("__init_end").address
    assert [section.name for section in image.sections] == [".text"]


def test_the_load_offset_is_a_constant(tree: Tree) -> None:
    code = tree.code("movl $_start - __load_offset, %eax")
    assert code == b"\xb8" + struct.pack("<I", BASE - LOAD_OFFSET)


def test_a_physical_entry_is_the_address_less_the_load_offset(tree: Tree) -> None:
    assert tree.make().image.entry == BASE
    toml = tree.root / "asm/guests/g/image.toml"
    toml.write_text(toml.read_text().replace("entry_is_physical = false", "entry_is_physical = true"))
    assert tree.make().image.entry == BASE - LOAD_OFFSET


def test_symbols_have_type_size_and_binding(tree: Tree) -> None:
    source = """\
        .globl _start
        .type _start, @function
_start: nop
.Lhidden: ret
        .size _start, .-_start
plain:  nop
        .data
        .type object, @object
object: .long 1, 2
        .size object, 8
"""
    image = tree.make(source).image
    own = [symbol for symbol in image.symbols if not symbol.name.startswith("__")]
    assert own == [
        Symbol("_start", BASE, 2, SymbolKind.FUNCTION, ".text", True),
        Symbol("plain", BASE + 2, 0, SymbolKind.LABEL, ".text"),
        Symbol("object", BASE + PAGE, 8, SymbolKind.OBJECT, ".data"),
    ]


def test_every_byte_of_a_section_belongs_to_one_statement(tree: Tree) -> None:
    image = tree.make(ALL_SECTIONS).image
    for section in image.sections:
        position = section.address
        for statement in image.statements:
            if statement.section == section.name:
                assert statement.address == position
                position += statement.size
        assert position == section.address + section.size


def test_numeric_labels_reach_the_nearest_of_their_number(tree: Tree) -> None:
    assert tree.code("jmp 1f; 1: jmp 1b; jmp 1f; 1: jmp 1b").hex() == "eb00ebfeeb00ebfe"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("ljmp $8, $_start", "ea000010c00800"),
        ("lcall $8, $_start", "9a000010c00800"),
        ("ljmp *4(%eax)", "ff6804"),
        ("boundl %eax, (%ebx)", "6203"),
        ("es movsl", "26a5"),
        ("lock; incl (%eax)", "f0ff00"),
        ("iret", "cf"),
        ("lgdt 4(%eax)", "0f015004"),
        ("pushl %ds; popl %ds", "1e1f"),
        ("movl $(end - _start) / 4, %eax; nop; nop; nop; end:", "b802000000909090"),
        ("call _start; end:", "e8fbffffff"),
        (".hword 1; .2byte 2; .4byte 3", "0100020003000000"),
        ("nop; .skip 8 - (. - _start); ret", "9000000000000000c3"),
        ("nop; .fill 4 - (. - _start), 1, 0xcc; ret", "90ccccccc3"),
        (".set words, 2; .fill words, 4, 1", "0100000001000000"),
    ],
)
def test_what_keystone_lacks_is_lowered_to_what_it_has(tree: Tree, statement: str, expected: str) -> None:
    assert tree.code(statement).hex() == expected


WHERE = """\
        .globl  _start
        .type   _start, @function
_start: movl    $where_lines, %eax
        movl    $where_lines_end, %eax
        movl    $where_files, %eax; movl $where_symbols, %eax
        movl    $where_symbols_end, %eax
        .type   other, @function
other:  ret
        .section .init, "ax"
{% include "templates/part.s" %}
"""


def where_tables(image: Image) -> tuple[list[tuple[int, str, int]], list[tuple[int, str]]]:
    """Return (address, file, line) rows and (address, function) rows, read as the hypervisor reads them."""

    def text(address: int) -> str:
        section = image.section(".where")
        return section.data[address - section.address :].split(b"\0")[0].decode()

    def rows(stem: str) -> list[tuple[int, int]]:
        start, end = image.symbol(stem).address, image.symbol(f"{stem}_end").address
        return [struct.unpack("<II", image.read(at, 8)) for at in range(start, end, 8)]

    def file(number: int) -> str:
        pointer = image.symbol("where_files").address + 4 * number
        return text(int.from_bytes(image.read(pointer, 4), "little"))

    lines = [(address, file(place & 0xFFFF), place >> 16) for address, place in rows("where_lines")]
    return lines, [(address, text(name)) for address, name in rows("where_symbols")]


def test_an_image_that_asks_for_it_can_symbolise_its_own_addresses(tree: Tree) -> None:
    tree.write("templates/part.s", "\nboot:   ret\n")
    image = tree.make(WHERE).image
    lines, functions = where_tables(image)
    g = "asm/guests/g/g.s"
    assert lines == [
        (BASE, g, 3),
        (BASE + 5, g, 4),
        (BASE + 10, g, 5),
        (BASE + 20, g, 6),
        (BASE + 25, g, 8),
        (image.symbol("boot").address, "templates/part.s", 2),
    ]
    assert functions == [(BASE, "_start"), (BASE + 25, "other")]


def test_an_image_that_does_not_ask_has_no_such_tables(tree: Tree) -> None:
    assert ".where" not in [section.name for section in tree.make().image.sections]


def test_statements_know_their_section_and_text(tree: Tree) -> None:
    image = tree.make("_start: movl    $1,   %eax   # one\n").image
    (statement,) = image.statements
    assert (statement.text, statement.section) == ("movl $1, %eax", ".text")
    assert image.statement_at(BASE + 4) == statement
    assert statement.origin == Origin("asm/guests/g/g.s", 1)


@pytest.mark.parametrize(
    ("space", "size", "passes"),
    [("PAGE_SIZE - 16", 4080, 1), ("2 * later", 10, 1), ("(. - _start) * 3", 3, 2), ("behind - _start", 3, 2)],
)
def test_an_image_is_assembled_twice_only_when_a_size_of_space_depends_on_a_label(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, space: str, size: int, passes: int
) -> None:
    texts: list[str] = []
    assemble = tree.assembler.assemble

    def noted(text: str, address: int) -> Answer:
        texts.append(text)
        return assemble(text, address)

    monkeypatch.setattr(tree.assembler, "assemble", noted)
    source = f"_start: nop\n        .skip   {space}\n.set later, 1 + 4\n.set behind, _start + 3\n"
    image = tree.make(source).image
    assert image.section(".text").size == 1 + size
    assert len([text for text in texts if "nop" in text]) == passes
