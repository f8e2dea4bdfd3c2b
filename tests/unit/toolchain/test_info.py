"""`xengen build` and `xengen info` as a user sees them."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.elf_images import GuestImage, Segment, number, text, write_image
from tests.support.elf_images import Note as ElfNote
from tests.unit.toolchain.conftest import BASE, Tree
from xengen.cli.app import run_command_line
from xengen.toolchain.elf import write_elf
from xengen.toolchain.inspect_elf import Note, read_elf

SOURCE = """\
        .globl  _start
        .type   _start, @function
_start: movl    $1, %eax
        ret
        .size   _start, .-_start
{% include "templates/part.s" %}
        .section .note.Xen, "a"
        .long   4, 6, XEN_ELFNOTE_GUEST_OS
        .asciz  "Xen", "hello"
        .balign 4
        .long   4, 4, XEN_ELFNOTE_ENTRY
        .asciz  "Xen"
        .long   _start
        .long   4, 4, 99
        .asciz  "Xen"
        .long   5
        .bss
        .skip   100
"""


@pytest.fixture
def guest(tree: Tree, tmp_path: Path) -> Path:
    """The ELF file of a small guest."""
    tree.write("templates/part.s", "        nop\n        nop\n")
    path = tmp_path / "g.elf"
    path.write_bytes(write_elf(tree.make(SOURCE).image))
    return path


def test_info_shows_segments_notes_symbols_and_sizes(guest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["info", str(guest)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{guest}: ELF32, x86, entry 0xc0100000",
        "",
        "segments     address   physical       file     memory  flags",
        "  LOAD      c0100000     100000          8          8  r-x",
        "  LOAD      c0101000     101000         40         40  r--",
        "  LOAD      c0102000     102000          0         64  rw-",
        "  NOTE      c0101000     101000         40         40  r--",
        "",
        "notes",
        "  Xen          GUEST_OS           hello",
        "  Xen          ENTRY              0xc0100000",
        "  Xen          99                 0x5",
        "",
        "symbols: 15, the largest of them:",
        "  c0100000        6 func     _start",
        "",
        "code by file: 8 bytes",
        "         6  asm/guests/g/g.s",
        "         2  templates/part.s",
    ]


def test_info_lists_all_symbols_when_asked(guest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["info", "--symbols", str(guest)]) == 0
    out = capsys.readouterr().out
    assert "symbols: 15\n" in out
    assert "  c0102064        0 notype   __bss_end\n" in out


def test_info_gives_the_same_facts_as_json(guest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["info", "--json", str(guest)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["entry"] == BASE
    assert facts["notes"][0] == {"owner": "Xen", "name": "GUEST_OS", "value": "hello", "missing": 0}
    assert facts["code_by_file"] == {"asm/guests/g/g.s": 6, "templates/part.s": 2}
    assert facts["segments"][0] == {
        "kind": "LOAD", "address": BASE, "physical": 0x100000, "file_size": 8, "memory_size": 8, "flags": "r-x",
    }  # fmt: skip


def test_somebody_elses_legacy_section_is_read(tree: Tree, tmp_path: Path) -> None:
    data = write_elf(tree.make("_start: ret\n.data\n.asciz \"GUEST_OS=old,PAE=yes,\"\n").image)
    path = tmp_path / "old.elf"
    # The same length, so that the name of .data can be the legacy section's.
    names = data.rindex(b".symtab\0")
    path.write_bytes(data[:names] + b".symtab\0" + data[names + 8 :])
    header = bytearray(data)
    name = header.rindex(b"\0.data\0") + 1
    table, count = struct.unpack_from("<I", header, 32)[0], struct.unpack_from("<H", header, 48)[0]
    strings = struct.unpack_from("<I", header, table + 40 * (count - 1) + 16)[0]
    for index in range(count):
        if strings + struct.unpack_from("<I", header, table + 40 * index)[0] == name:
            struct.pack_into("<I", header, table + 40 * index, len(header) - strings)
    header += b"__xen_guest\0"
    struct.pack_into("<I", header, table + 40 * (count - 1) + 20, len(header) - strings)
    path.write_bytes(header)
    assert read_elf(path).notes == (Note("__xen_guest", "GUEST_OS", "old"), Note("__xen_guest", "PAE", "yes"))


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (replace(text("PAE_MODE", "yes"), descsz=12), "PAE_MODE           yes  (cut short: 8 bytes missing)"),
        (replace(number("ENTRY", 0x4030201), descsz=8), "ENTRY              01020304  (cut short: 4 bytes missing)"),
    ],
    ids=["text", "number"],
)
def test_a_note_that_runs_past_its_segment_is_shown_as_far_as_it_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], last: ElfNote, shown: str
) -> None:
    """The last note of what `grub-mkimage -O i386-xen` makes claims 12 bytes and has 4; the file was refused for it."""
    image = GuestImage((Segment(0x100000),), (text("GUEST_OS", "GRUB"), last))
    assert run_command_line(["info", str(write_image(tmp_path, "guest", image))]) == 0
    out = capsys.readouterr().out
    assert f"notes\n  Xen          GUEST_OS           GRUB\n  Xen          {shown}\n\n" in out


def test_an_image_of_another_class_can_be_read(tmp_path: Path) -> None:
    import sys

    found = read_elf(Path(sys.executable).resolve())
    assert found.segments
    assert found.code_by_file == {} or all(size >= 0 for size in found.code_by_file.values())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is no file, and no domain of a running host"),
        (b"", "is no ELF file: it does not begin with 7f 45 4c 46"),
        (b"# text\n", "is no ELF file: it does not begin with 7f 45 4c 46"),
        (b"\x7fELF", "is cut short: its header would end at byte 52, the file at 4"),
        (b"\x7fELF\1\1", "is cut short: its header would end at byte 52, the file at 6"),
        (b"\x7fELF\2\1".ljust(63), "is cut short: its header would end at byte 64, the file at 63"),
        (b"\x7fELF\x07", "is a damaged ELF file: Invalid EI_CLASS"),
    ],
)
def test_what_is_no_elf_file_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    assert run_command_line(["info", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{path} {complaint}" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("size", [20, 51, 60, 200, 4096, 4100, 8192, 9000])
def test_a_file_cut_anywhere_is_refused_in_one_sentence(
    guest: Path, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    data = guest.read_bytes()
    assert size < len(data)
    guest.write_bytes(data[:size])
    assert run_command_line(["info", str(guest)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert "is cut short" in captured.err or "damaged" in captured.err


def test_build_names_each_file_and_whether_it_was_made(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.root)
    assert run_command_line(["build", "--tree", "."]) == 0
    assert run_command_line(["build", "--tree", ".", "g"]) == 0
    assert capsys.readouterr().out == "build/guests/g.elf  made\nbuild/guests/g.elf  unchanged\n"


def test_build_says_how_long_each_phase_took(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.root)
    assert run_command_line(["build", "--tree", ".", "--timings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["milliseconds", "check", "render", "lower", "assemble", "link", "write", "all"]
    *phases, whole = map(float, lines[3].split()[1:])
    assert sum(phases) == pytest.approx(whole, abs=0.5)


def test_build_gives_facts_as_json(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.root)
    assert run_command_line(["build", "--tree", ".", "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert (image["name"], image["elf"], image["fresh"]) == ("g", "build/guests/g.elf", True)


def test_a_build_error_is_file_line_and_what_with_status_2(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.root)
    tree.write("asm/guests/g/g.s", "_start: nop\n        movl    %ax, %ebx\n")
    assert run_command_line(["build", "--tree", "."]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "asm/guests/g/g.s:2: operand size mismatch\n        movl %ax, %ebx" in captured.err
    assert not (tree.root / "build").exists()


def test_readelf_agrees_on_the_notes(guest: Path) -> None:
    import shutil

    if shutil.which("readelf") is None:
        pytest.skip("readelf is not installed (Debian: apt install binutils)")
    text = subprocess.run(["readelf", "-nW", str(guest)], capture_output=True, text=True, check=True).stdout
    assert text.count("Xen ") == len(read_elf(guest).notes) == 3
