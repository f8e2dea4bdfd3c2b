"""Guest images made of data: ELF files with Xen notes or the older `__xen_guest` text, sound ones and damaged ones.

A loader's tests need files that no linker makes. A `GuestImage` says what is in the file; `image_bytes` writes it, and
`Damage` overwrites or cuts the result.

Invariants
  - Nothing is checked: what cannot be loaded is written as it was asked for.
  - The layout of the file is fixed: ELF header, program headers, notes, segments' bytes, then, when the image has
    sections, their contents, their names and the section headers.
  - Notes are described by a PT_NOTE header or by an SHT_NOTE section, or by both, each with notes of its own.
  - Formats: System V gABI, chapter 4 and 5; note numbers and the text's keys: ABI 1.2 and 1.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from xengen.abi.symbols import assembler_symbols

_ABI = assembler_symbols()

PT_LOAD, PT_NOTE = _ABI["PT_LOAD"], _ABI["PT_NOTE"]
READ, WRITE, EXECUTE = _ABI["PF_R"], _ABI["PF_W"], _ABI["PF_X"]
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE = 1, 2, _ABI["SHT_STRTAB"], _ABI["SHT_NOTE"]

HEADER_BYTES, PROGRAM_HEADER_BYTES, SECTION_HEADER_BYTES = 52, 32, 40

# `jmp .`: a guest that stays at its first instruction, so that all of its memory is as its builder left it.
SPIN = b"\xeb\xfe"


@dataclass(frozen=True)
class Segment:
    """One program header of type `kind` with its bytes. `memsz` is as large as `data` unless it is given.

    `offset` and `filesz` replace what is true of the file.
    """

    paddr: int
    data: bytes = SPIN
    memsz: int | None = None
    flags: int = READ | WRITE | EXECUTE
    kind: int = PT_LOAD
    vaddr: int = 0
    offset: int | None = None
    filesz: int | None = None


@dataclass(frozen=True)
class Note:
    """One ELF note. `descsz` replaces the true size of `desc`."""

    kind: int
    desc: bytes
    name: bytes = b"Xen\0"
    descsz: int | None = None


@dataclass(frozen=True)
class Section:
    """One section: its name, type and contents. `offset` and `size` replace what is true of the file.

    `link` is the number of the section that goes with it, the first of an image being 1; `entry_size` that of a row.
    """

    name: str
    data: bytes
    kind: int = SHT_PROGBITS
    offset: int | None = None
    size: int | None = None
    link: int = 0
    entry_size: int = 0


@dataclass(frozen=True)
class GuestImage:
    """What is in a file. `notes` stand in the PT_NOTE segment, which is there when there is one or more of them."""

    segments: tuple[Segment, ...]
    notes: tuple[Note, ...] = ()
    sections: tuple[Section, ...] = ()
    entry: int = 0
    elf_class: int = _ABI["ELFCLASS32"]
    byte_order: int = _ABI["ELFDATA2LSB"]
    kind: int = _ABI["ET_EXEC"]
    machine: int = _ABI["EM_386"]
    phentsize: int = PROGRAM_HEADER_BYTES
    phoff: int = HEADER_BYTES
    phnum: int | None = None

    def with_note(self, note: Note) -> GuestImage:
        """Return the image with `note` instead of the one of the same kind, or as a further one."""
        others = tuple(one for one in self.notes if one.kind != note.kind)
        return replace(self, notes=(*others, note))

    def without_note(self, name: str) -> GuestImage:
        """Return the image without its note XEN_ELFNOTE_`name`."""
        kind = note_kind(name)
        assert any(one.kind == kind for one in self.notes), f"there is no note {name} to leave out"
        return replace(self, notes=tuple(one for one in self.notes if one.kind != kind))


Damage = Callable[[bytes], bytes]


def note_kind(name: str) -> int:
    """Return the number of XEN_ELFNOTE_`name`."""
    return _ABI[f"XEN_ELFNOTE_{name}"]


def number(name: str, value: int, size: int = 4) -> Note:
    """Return the note XEN_ELFNOTE_`name` with a number of `size` bytes."""
    return Note(note_kind(name), value.to_bytes(size, "little"))


def text(name: str, value: str, *, end: bytes = b"\0") -> Note:
    """Return the note XEN_ELFNOTE_`name` with a text and what ends it."""
    return Note(note_kind(name), value.encode("ascii") + end)


def legacy(value: str, *, end: bytes = b"\0") -> Section:
    """Return the section `__xen_guest` with the text `value` and what ends it."""
    return Section("__xen_guest", value.encode("ascii") + end)


def note_bytes(notes: tuple[Note, ...]) -> bytes:
    """Return notes as they stand in a file, each name and descriptor padded to 4 bytes."""
    data = bytearray()
    for note in notes:
        size = len(note.desc) if note.descsz is None else note.descsz
        data += struct.pack("<III", len(note.name), size, note.kind)
        for part in (note.name, note.desc):
            data += part + bytes(-len(part) % 4)
    return bytes(data)


def note_section(notes: tuple[Note, ...]) -> Section:
    """Return a section of type SHT_NOTE with `notes`."""
    return Section(".note.Xen", note_bytes(notes), SHT_NOTE)


def image_bytes(image: GuestImage) -> bytes:
    """Return the file that `image` describes."""
    notes = note_bytes(image.notes)
    count = len(image.segments) + bool(notes)
    body = bytearray(notes)
    start = HEADER_BYTES + count * PROGRAM_HEADER_BYTES
    headers = bytearray()
    if notes:
        headers += struct.pack("<8I", PT_NOTE, start, 0, 0, len(notes), len(notes), READ, 4)
    for segment in image.segments:
        offset = start + len(body) if segment.offset is None else segment.offset
        filesz = len(segment.data) if segment.filesz is None else segment.filesz
        memsz = filesz if segment.memsz is None else segment.memsz
        headers += struct.pack(
            "<8I", segment.kind, offset, segment.vaddr, segment.paddr, filesz, memsz, segment.flags, 1
        )  # fmt: skip
        body += segment.data + bytes(-len(segment.data) % 4)
    table, section_count = _sections(image.sections, start + len(body))
    shoff = start + len(body) + len(table) - section_count * SECTION_HEADER_BYTES if section_count else 0
    phnum = count if image.phnum is None else image.phnum
    header = struct.pack(
        "<4s4B8x2H5I6H", b"\x7fELF", image.elf_class, image.byte_order, 1, 0, image.kind, image.machine, 1,
        image.entry, image.phoff, shoff, 0, HEADER_BYTES, image.phentsize, phnum, SECTION_HEADER_BYTES,
        section_count, max(section_count - 1, 0),
    )  # fmt: skip
    return header + bytes(headers + body) + table


def write_image(folder: Path, name: str, image: GuestImage, damage: Damage | None = None) -> Path:
    """Write `image`, damaged when `damage` is given, to `folder`/`name` and return that path."""
    data = image_bytes(image)
    path = folder / name
    path.write_bytes(data if damage is None else damage(data))
    return path


def cut(size: int) -> Damage:
    """Return the damage that leaves only the first `size` bytes; a negative one takes that many from the end."""
    return lambda data: data[:size]


def poke(offset: int, replacement: bytes) -> Damage:
    """Return the damage that overwrites the bytes from `offset` on."""
    return lambda data: data[:offset] + replacement + data[offset + len(replacement) :]


def _sections(sections: tuple[Section, ...], start: int) -> tuple[bytes, int]:
    """Return contents and headers of `sections` for a file in which they begin at `start`, and the headers' number."""
    if not sections:
        return b"", 0
    names = bytearray(b"\0")
    contents = bytearray()
    headers = [bytes(SECTION_HEADER_BYTES)]
    own_names = Section(".shstrtab", b"", SHT_STRTAB)
    for section in (*sections, own_names):
        name_at = len(names)
        names += section.name.encode("ascii") + b"\0"
        data = bytes(names) if section is own_names else section.data
        offset = start + len(contents) if section.offset is None else section.offset
        size = len(data) if section.size is None else section.size
        row = (name_at, section.kind, 0, 0, offset, size, section.link, 0, 4, section.entry_size)
        headers.append(struct.pack("<10I", *row))
        contents += data + bytes(-len(data) % 4)
    return bytes(contents) + b"".join(headers), len(headers)


@dataclass(frozen=True)
class Standard:
    """The sound image that tests begin from, and its numbers.

    One segment at pseudo-physical 1 MB whose first instruction is `jmp .`, linked as Linux is: VIRT_BASE 0xC0000000.
    """

    virt_base: int = 0xC0000000
    paddr: int = 0x100000
    notes: tuple[Note, ...] = field(default=())

    @property
    def entry(self) -> int:
        """The virtual address of the first instruction."""
        return self.virt_base + self.paddr

    def image(self) -> GuestImage:
        """Return the image; its e_entry is wrong on purpose, for the note counts."""
        notes = (
            text("GUEST_OS", "test"), text("XEN_VERSION", "xen-3.0"), text("LOADER", "generic"),
            text("PAE_MODE", "yes"), number("VIRT_BASE", self.virt_base), number("PADDR_OFFSET", 0),
            number("ENTRY", self.entry),
        )  # fmt: skip
        return GuestImage((Segment(self.paddr),), notes, entry=0xDEADBEEF)
