"""The ELF file: every part read by pyelftools, and accepted by binutils and gdb."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from tests.unit.toolchain.conftest import BASE, LOAD_OFFSET, Tree
from xengen.toolchain.dwarf import sleb, uleb
from xengen.toolchain.elf import write_elf
from xengen.toolchain.image import Image

SOURCE = """\
        .globl  _start
        .type   _start, @function
_start: movl    $1, %eax
        nop
        .size   _start, .-_start
local:  jmp     .Lhidden
{% for i in range(300) %}

{% endfor %}
.Lhidden: ret
        .section .init, "ax"
        .type   boot, @function
boot:   nop
{% include "templates/part.s" %}
        .size   boot, .-boot
        .section .rodata
        .type   words, @object
words:  .long   1, 2
        .size   words, 8
        .section .note.Xen, "a"
        .long   4, 4, 9
        .asciz  "Xen"
        .asciz  "yes"
        .data
        .byte   7
        .bss
        .skip   8192
"""


@pytest.fixture
def image(tree: Tree) -> Image:
    """An image with every kind of section and symbol."""
    tree.write("templates/part.s", "\n        cld\n")
    return tree.make(SOURCE).image


@pytest.fixture
def elf(image: Image, tmp_path: Path) -> Any:
    """The image's ELF file, as pyelftools reads it."""
    path = tmp_path / "g.elf"
    path.write_bytes(write_elf(image))
    with path.open("rb") as stream:
        yield ELFFile(stream)


@pytest.fixture
def file(image: Image, tmp_path: Path) -> str:
    """The path of the image's ELF file."""
    path = tmp_path / "g.elf"
    path.write_bytes(write_elf(image))
    return str(path)


def test_the_header_says_i386_executable_and_entry(elf: Any) -> None:
    header = elf.header
    assert (header["e_type"], header["e_machine"], header["e_entry"]) == ("ET_EXEC", "EM_386", BASE)
    assert (elf.elfclass, elf.little_endian) == (32, True)


def test_segments_have_permissions_and_physical_addresses(elf: Any) -> None:
    rows = [(s["p_type"], s["p_vaddr"] - BASE, s["p_flags"], s["p_filesz"], s["p_memsz"]) for s in elf.iter_segments()]
    assert rows == [
        ("PT_LOAD", 0x0000, 5, 9, 9),
        ("PT_LOAD", 0x1000, 4, 0x24, 0x24),
        ("PT_LOAD", 0x2000, 5, 2, 2),
        ("PT_LOAD", 0x3000, 6, 1, 0x3000),
        ("PT_NOTE", 0x1010, 4, 0x14, 0x14),
    ]
    assert all(s["p_paddr"] == s["p_vaddr"] - LOAD_OFFSET for s in elf.iter_segments())


def test_loaded_bytes_keep_their_offset_within_a_page_and_begin_below_8_kb(elf: Any) -> None:
    loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
    assert loads[0]["p_offset"] == 4096
    assert all(segment["p_offset"] % 4096 == segment["p_vaddr"] % 4096 for segment in loads)


def test_sections_hold_what_the_image_holds(elf: Any, image: Image) -> None:
    for section in image.sections:
        found = elf.get_section_by_name(section.name)
        assert (found["sh_addr"], found["sh_size"]) == (section.address, section.size)
        if section.has_contents:
            assert found.data() == section.data
        else:
            assert found["sh_type"] == "SHT_NOBITS"
        flags = found["sh_flags"]
        assert (bool(flags & 1), bool(flags & 4)) == (section.writable, section.executable)


def test_the_xen_note_can_be_read(elf: Any) -> None:
    (segment,) = (segment for segment in elf.iter_segments() if segment["p_type"] == "PT_NOTE")
    (note,) = segment.iter_notes()
    assert (note["n_name"], note["n_type"], note["n_descdata"]) == ("Xen", 9, b"yes\0")


def test_symbols_have_type_size_binding_and_section(elf: Any) -> None:
    table = elf.get_section_by_name(".symtab")
    found = {symbol.name: symbol for symbol in table.iter_symbols()}
    assert ".Lhidden" not in found

    def facts(name: str) -> tuple[str, str, int, str]:
        symbol = found[name]
        section = elf.get_section(symbol["st_shndx"]).name
        return symbol["st_info"]["type"], symbol["st_info"]["bind"], symbol["st_size"], section

    assert facts("_start") == ("STT_FUNC", "STB_GLOBAL", 6, ".text")
    assert facts("local") == ("STT_NOTYPE", "STB_LOCAL", 0, ".text")
    assert facts("boot") == ("STT_FUNC", "STB_LOCAL", 2, ".init")
    assert facts("words") == ("STT_OBJECT", "STB_LOCAL", 8, ".rodata")
    assert facts("__bss_end") == ("STT_NOTYPE", "STB_GLOBAL", 0, ".bss")


def test_local_symbols_come_before_global_ones(elf: Any) -> None:
    table = elf.get_section_by_name(".symtab")
    bindings = [symbol["st_info"]["bind"] for symbol in table.iter_symbols()]
    first_global = table["sh_info"]
    assert set(bindings[:first_global]) == {"STB_LOCAL"}
    assert set(bindings[first_global:]) == {"STB_GLOBAL"}


def test_the_line_table_leads_to_template_lines(elf: Any, image: Image) -> None:
    dwarf = elf.get_dwarf_info()
    (unit,) = dwarf.iter_CUs()
    program = dwarf.line_program_for_CU(unit)
    names = [entry.name.decode() for entry in program["file_entry"]]
    states = [entry.state for entry in program.get_entries() if entry.state is not None]
    rows = [(state.address, names[state.file - 1], state.line) for state in states if not state.end_sequence]
    expected = [
        (statement.address, statement.origin.file, statement.origin.line)
        for statement in image.statements
        if statement.section in (".text", ".init")
    ]
    assert rows == expected
    ends = [state.address for state in states if state.end_sequence]
    assert ends == [section.address + section.size for section in image.sections if section.executable]


def test_the_unit_covers_the_code_and_is_relative(elf: Any, image: Image) -> None:
    dwarf = elf.get_dwarf_info()
    (unit,) = dwarf.iter_CUs()
    top = unit.get_top_DIE()
    assert top.attributes["DW_AT_comp_dir"].value == b"."
    code = [(s.address, s.address + s.size) for s in image.sections if s.executable]
    ranges = dwarf.range_lists().get_range_list_at_offset(top.attributes["DW_AT_ranges"].value)
    assert [(entry.begin_offset, entry.end_offset) for entry in ranges] == code
    by_address = dwarf.get_aranges()
    assert all(by_address.cu_offset_at_addr(start) == unit.cu_offset for start, _ in code)


@pytest.mark.parametrize(
    ("value", "unsigned", "signed"),
    [(0, "00", "00"), (1, "01", "01"), (63, "3f", "3f"), (64, "40", "c000"), (127, "7f", "ff00"), (128, "8001", "8001"),
     (624485, "e58e26", "e58e26")],
)  # fmt: skip
def test_leb128_is_that_of_the_standard(value: int, unsigned: str, signed: str) -> None:
    assert (uleb(value).hex(), sleb(value).hex()) == (unsigned, signed)


@pytest.mark.parametrize(
    ("value", "expected"), [(-1, "7f"), (-64, "40"), (-65, "bf7f"), (-128, "807f"), (-129, "ff7e")]
)
def test_negative_leb128_is_that_of_the_standard(value: int, expected: str) -> None:
    assert sleb(value).hex() == expected


def run(tool: str, *arguments: str, folder: Path | None = None) -> str:
    """Return what a tool prints; it must be content and say nothing on stderr."""
    if shutil.which(tool) is None:
        package = "gdb" if tool == "gdb" else "binutils"
        pytest.skip(f"{tool} is not installed (Debian: apt install {package})")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_readelf_finds_nothing_wrong(file: str) -> None:
    assert "Warning" not in run("readelf", "-aW", "--debug-dump=line,info,abbrev,aranges,Ranges", file)


def test_objdump_shows_template_lines_and_the_instructions(file: str) -> None:
    text = run("objdump", "-dl", file)
    assert "_start():\n./asm/guests/g/g.s:3\n" in text
    assert "./templates/part.s:2\nc0102001:\tfc" in text


def test_addr2line_gives_function_and_template_line(file: str) -> None:
    text = run("addr2line", "-f", "-e", file, hex(BASE), hex(BASE + 8), hex(BASE + 0x2001))
    assert text.split() == [
        "_start", "./asm/guests/g/g.s:3", "local", "./asm/guests/g/g.s:10", "boot", "./templates/part.s:2",
    ]  # fmt: skip


def test_gdb_lists_template_source_and_sets_a_breakpoint_by_line(file: str, tree: Tree) -> None:
    commands = ["info line _start", "break asm/guests/g/g.s:10", "list asm/guests/g/g.s:10,10"]
    arguments = [argument for command in commands for argument in ("-ex", command)]
    text = run("gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", *arguments, file, folder=tree.root)
    assert 'Line 3 of "asm/guests/g/g.s" starts at address 0xc0100000 <_start>' in text
    assert "Breakpoint 1 at 0xc0100008: file asm/guests/g/g.s, line 10." in text
    assert "10\t.Lhidden: ret" in text
