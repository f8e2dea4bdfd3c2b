"""The files that tests/support/elf_images.py makes: as others read them, and damaged as they were asked to be.

Invariants
  - The reader is pyelftools, or the format's own numbers; no machine.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.support.elf_images import (
    SHT_STRTAB,
    SHT_SYMTAB,
    GuestImage,
    Note,
    Section,
    Segment,
    Standard,
    cut,
    image_bytes,
    legacy,
    note_bytes,
    note_section,
    number,
    poke,
    text,
    write_image,
)
from xengen.toolchain.inspect_elf import read_elf

SOUND = Standard().image()


def parsed(image: GuestImage) -> ELFFile:
    """Return `image` as pyelftools reads it."""
    return ELFFile(io.BytesIO(image_bytes(image)))


def test_the_sound_image_is_an_executable_for_the_80386() -> None:
    elf = parsed(SOUND)
    assert (elf.elfclass, elf.little_endian, elf["e_type"], elf["e_machine"]) == (32, True, "ET_EXEC", "EM_386")


def test_the_sound_image_has_the_notes_that_a_guest_needs(tmp_path: Path) -> None:
    found = {note.name: note.value for note in read_elf(write_image(tmp_path, "sound", SOUND)).notes}
    assert found == {
        "GUEST_OS": "test", "XEN_VERSION": "xen-3.0", "LOADER": "generic", "PAE_MODE": "yes",
        "VIRT_BASE": 0xC0000000, "PADDR_OFFSET": 0, "ENTRY": 0xC0100000,
    }  # fmt: skip


def test_segments_stand_in_the_file_with_their_bytes_in_their_order() -> None:
    image = replace(SOUND, segments=(Segment(0x1000, b"abc"), Segment(0x2000, b"defgh", memsz=0x100, flags=4)))
    loads = [one for one in parsed(image).iter_segments() if one["p_type"] == "PT_LOAD"]
    assert [one.data() for one in loads] == [b"abc", b"defgh"]
    assert [(one["p_paddr"], one["p_filesz"], one["p_memsz"], one["p_flags"]) for one in loads] == [
        (0x1000, 3, 3, 7), (0x2000, 5, 0x100, 4),
    ]  # fmt: skip


def test_an_image_without_notes_has_no_note_segment() -> None:
    assert [one["p_type"] for one in parsed(replace(SOUND, notes=())).iter_segments()] == ["PT_LOAD"]


def test_sections_stand_behind_everything_with_names_and_links() -> None:
    symbols = bytes(16) + struct.pack("<IIIBBH", 1, 7, 0, 0, 0, 0xFFF1)
    sections = (
        Section(".strtab", b"\0one\0", SHT_STRTAB),
        Section(".symtab", symbols, SHT_SYMTAB, link=1, entry_size=16),
    )
    table = parsed(replace(SOUND, sections=sections)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    assert [(one.name, one["st_value"]) for one in table.iter_symbols()] == [("", 0), ("one", 7)]


def test_notes_in_a_section_and_the_older_text_are_read_as_such(tmp_path: Path) -> None:
    plain = replace(SOUND, notes=())
    sections = (note_section((text("LOADER", "generic"),)), legacy("PAE=yes,BSD_SYMTAB"))
    found = read_elf(write_image(tmp_path, "sections", replace(plain, sections=sections))).notes
    assert [(note.owner, note.name, note.value) for note in found] == [
        ("Xen", "LOADER", "generic"), ("__xen_guest", "PAE", "yes"), ("__xen_guest", "BSD_SYMTAB", ""),
    ]  # fmt: skip


def test_a_note_is_padded_to_4_bytes_and_may_lie_about_its_size() -> None:
    assert note_bytes((Note(6, b"hello", descsz=400),)) == b"\4\0\0\0\x90\1\0\0\6\0\0\0Xen\0hello\0\0\0"


def test_a_note_replaces_the_one_of_its_kind() -> None:
    image = SOUND.with_note(number("ENTRY", 5))
    assert len(image.notes) == len(SOUND.notes)
    assert number("ENTRY", 5) in image.notes


def test_a_note_that_is_not_there_cannot_be_left_out() -> None:
    with pytest.raises(AssertionError, match="there is no note HV_START_LOW"):
        SOUND.without_note("HV_START_LOW")


@pytest.mark.parametrize(
    ("image", "offset", "size", "expected"),
    [
        (replace(SOUND, elf_class=2), 4, 1, 2),
        (replace(SOUND, byte_order=2), 5, 1, 2),
        (replace(SOUND, kind=3), 16, 2, 3),
        (replace(SOUND, machine=62), 18, 2, 62),
        (replace(SOUND, entry=0x12345678), 24, 4, 0x12345678),
        (replace(SOUND, phoff=0x1000), 28, 4, 0x1000),
        (replace(SOUND, phentsize=56), 42, 2, 56),
        (replace(SOUND, phnum=900), 44, 2, 900),
    ],
    ids=["class", "data", "e_type", "e_machine", "e_entry", "e_phoff", "e_phentsize", "e_phnum"],
)
def test_a_field_of_the_header_is_what_was_asked_for_and_no_other_byte_changes(
    image: GuestImage, offset: int, size: int, expected: int
) -> None:
    data, sound = image_bytes(image), image_bytes(SOUND)
    assert int.from_bytes(data[offset : offset + size], "little") == expected
    assert data[:offset] + data[offset + size :] == sound[:offset] + sound[offset + size :]


def test_damage_overwrites_or_cuts_and_does_nothing_else(tmp_path: Path) -> None:
    data = image_bytes(SOUND)
    assert write_image(tmp_path, "a", SOUND, cut(10)).read_bytes() == data[:10]
    assert write_image(tmp_path, "b", SOUND, cut(-1)).read_bytes() == data[:-1]
    assert write_image(tmp_path, "c", SOUND, poke(5, b"xy")).read_bytes() == data[:5] + b"xy" + data[7:]
    assert write_image(tmp_path, "d", SOUND).read_bytes() == data
