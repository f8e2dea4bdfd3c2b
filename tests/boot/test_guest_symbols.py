"""The symbols of a kernel behind the kernel, for a guest that asks for them as BSD systems do (ABI 1.2: BSD_SYMTAB).

Invariants
  - The domain is built and stays at its first instruction; what is in its memory is read by pyelftools, which knows
    nothing of the builder.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.boot.harness import Booter
from tests.support.elf_images import (
    SHT_STRTAB,
    SHT_SYMTAB,
    SPIN,
    GuestImage,
    Section,
    Segment,
    Standard,
    legacy,
    number,
    text,
    write_image,
)
from tests.support.initial_layout import PAGE, InitialLayout
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Ending, Machine
from xengen.machine.spec import MIB

STANDARD = Standard()
PAGES = 8 * MIB // PAGE
# Ends on an odd address: the symbols begin on the next multiple of 4.
KERNEL = SPIN + b"kernel" + bytes(5)
NAMES = b"\0start\0data\0"


def symbol(name: bytes, value: int) -> bytes:
    return struct.pack("<IIIBBH", NAMES.index(name + b"\0"), value, 4, 0x12, 0, 0xFFF1)


# The strings are no multiple of 4 bytes: the next table is moved up.
TABLES = (
    Section(".strtab", NAMES + b"!", SHT_STRTAB),
    Section(".other", b"not a table of symbols"),
    Section(".symtab", bytes(16) + symbol(b"start", 0xC0100000) + symbol(b"data", 0xC0123456), SHT_SYMTAB,
            link=1, entry_size=16),
)  # fmt: skip
SOUND = replace(STANDARD.image(), segments=(Segment(STANDARD.paddr, KERNEL),), sections=TABLES)
WANTED = SOUND.with_note(text("BSD_SYMTAB", "yes"))
START = STANDARD.entry + len(KERNEL) + 3 & ~3


def booted(boot: Booter, folder: Path, image: GuestImage) -> Machine:
    """Return the machine whose domain 0 is `image`."""
    machine = boot(write_image(folder, "kernel", image), append="dom0_mem=8M", trace=False)
    machine.console.expect("entering domain 0")
    return machine


def read(machine: Machine, address: int, size: int) -> bytes:
    """Return bytes of domain 0's memory."""
    (domain,) = hypervisor_of(machine).domains()
    assert domain.vcpu is not None
    return machine.read_virtual(address, size, domain.vcpu.record.cr3)


def test_the_symbols_stand_behind_the_kernel_as_an_elf_file_of_their_own(boot: Booter, tmp_path: Path) -> None:
    machine = booted(boot, tmp_path, WANTED)
    assert read(machine, STANDARD.entry, len(KERNEL)) == KERNEL
    size = int.from_bytes(read(machine, START, 4), "little")
    elf = ELFFile(io.BytesIO(read(machine, START + 4, size)))
    assert (elf.num_segments(), elf["e_phoff"], elf["e_phentsize"]) == (0, 0, 0)
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    found = {one.name: one["st_value"] for one in table.iter_symbols() if one.name}
    assert found == {"start": 0xC0100000, "data": 0xC0123456}
    offsets = [one["sh_offset"] for one in elf.iter_sections() if one["sh_type"] in ("SHT_SYMTAB", "SHT_STRTAB")]
    assert all(offset % 4 == 0 for offset in offsets)


def test_what_follows_the_kernel_follows_the_symbols(boot: Booter, tmp_path: Path) -> None:
    many = tuple(replace(one, data=one.data * 700) if one.kind == SHT_SYMTAB else one for one in TABLES)
    machine = booted(boot, tmp_path, replace(WANTED, sections=many))
    size = int.from_bytes(read(machine, START, 4), "little")
    assert size > 48 * 700
    where = InitialLayout(STANDARD.virt_base, START + 4 + size, PAGES, is_domain_0=True)
    assert read(machine, where.start_info, 15) == b"xen-3.0-x86_32p"
    assert not any(read(machine, START + 4 + size, where.p2m - START - 4 - size))


@pytest.mark.parametrize(
    "image",
    [
        SOUND,
        SOUND.with_note(text("BSD_SYMTAB", "no")),
        replace(WANTED, sections=()),
        replace(WANTED, sections=TABLES[:2]),
    ],
    ids=["not asked for", "asked for with no", "no sections", "strings without symbols"],
)
def test_nothing_stands_behind_a_kernel_that_has_no_symbols_or_wants_none(
    boot: Booter, tmp_path: Path, image: GuestImage
) -> None:
    machine = booted(boot, tmp_path, image)
    where = InitialLayout(STANDARD.virt_base, STANDARD.entry + len(KERNEL), PAGES, is_domain_0=True)
    assert not any(read(machine, START, where.p2m - START))
    assert read(machine, where.start_info, 15) == b"xen-3.0-x86_32p"


def test_in_the_older_text_the_word_alone_is_enough(boot: Booter, tmp_path: Path) -> None:
    said = "GUEST_OS=test,XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xC0000000,PAE=yes,BSD_SYMTAB"
    image = GuestImage(
        (Segment(STANDARD.entry, KERNEL),), sections=(*TABLES, legacy(said)), entry=STANDARD.entry
    )  # fmt: skip
    machine = booted(boot, tmp_path, image)
    assert read(machine, START + 4, 4) == b"\x7fELF"


def test_symbols_that_are_not_all_in_the_file_refuse_the_image(boot: Booter, tmp_path: Path) -> None:
    cut = tuple(replace(one, size=1 << 20) if one.kind == SHT_SYMTAB else one for one in TABLES)
    machine = boot(write_image(tmp_path, "kernel", replace(WANTED, sections=cut)))
    machine.console.expect("kernel refused: it is truncated: a table of its symbols is not all in the file")


def test_tables_that_are_the_same_part_of_the_file_many_times_over_refuse_the_image(
    boot: Booter, tmp_path: Path
) -> None:
    """The sum of their sizes would wrap around, and the copy run through all memory."""
    size = 1 << 20
    whole = Section("x", b"", SHT_SYMTAB, offset=0, size=size)
    image = replace(WANTED, sections=(Section("filler", bytes(size)), *[whole] * 4096))
    machine = boot(write_image(tmp_path, "kernel", image))
    assert machine.wait(20) is Ending.NO_DOM0
    assert "kernel refused: the tables of its symbols are larger than memory\n" in machine.console.text


@pytest.mark.parametrize("left", [16, 3], ids=["in a table", "in the alignment"])
def test_symbols_that_reach_past_the_last_address_refuse_the_image(boot: Booter, tmp_path: Path, left: int) -> None:
    base = 0xFFFFF000
    image = replace(WANTED, segments=(Segment(0, KERNEL, memsz=PAGE - left),))
    image = image.with_note(number("VIRT_BASE", base)).with_note(number("ENTRY", base))
    machine = boot(write_image(tmp_path, "kernel", image))
    machine.console.expect("kernel refused: its symbols reach past the end of the address space")
