"""Images for the domain builder that are wrong in one way each, with the reason that must be given, and odd ones.

Invariants
  - An image differs from the sound one (elf_images.py) in what its case says and in nothing else.
  - What must be refused, and what only looks odd, is the ABI's word (1.1 to 1.7).
  - They are meant for domains other than 0 that get DOMU_PAGES of memory.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace

from tests.support.elf_images import (
    READ,
    Damage,
    GuestImage,
    Note,
    Segment,
    Standard,
    cut,
    legacy,
    note_kind,
    note_section,
    number,
    poke,
    text,
)
from tests.support.initial_layout import InitialLayout

MIB = 1 << 20
STANDARD = Standard()
SOUND = STANDARD.image()
BASE, PADDR, ENTRY = STANDARD.virt_base, STANDARD.paddr, STANDARD.entry
DOMU_PAGES = 6 * MIB // 4096
LEGACY = "GUEST_OS=test,XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xC0000000,PAE=yes"
# A text of that kind is linked where it runs: p_paddr is the virtual address.
OLD = GuestImage((Segment(ENTRY),), sections=(legacy(LEGACY),), entry=ENTRY)
# With a kernel of one page, as the sound one has, this is where its tables are.
TABLES = InitialLayout(BASE, ENTRY + 2, DOMU_PAGES, is_domain_0=False).page_tables
LARGE = InitialLayout(BASE, ENTRY + 16 * MIB, DOMU_PAGES, is_domain_0=False)

NO_PAE = "it does not use PAE"
NO_FEATURE = "it requires a feature that is not to be had here"
NO_LOADER = "it is neither for the generic loader nor Linux"
NO_NOTES = "it has no Xen notes"
NO_SEGMENT = "it has no loadable segment"
NOT_IN_FILE = "its program headers are not all in the file"
TRUNCATED = "it is truncated: a segment is not all in the file"
OVERLAP = "two segments overlap"
BAD_ENTRY = "its entry is outside of its segments"
BAD_HYPERCALL_PAGE = "its hypercall page is no page of the initial area"
TOO_FAR = "it is outside of memory: the initial area reaches into the hypervisor's part"


@dataclass(frozen=True)
class Case:
    """One image: what is wrong with it (or odd), and the reason that must be given."""

    what: str
    image: GuestImage
    reason: str = ""
    damage: Damage | None = None

    @property
    def file_name(self) -> str:
        """The name of its file, which has no blanks."""
        return re.sub(r"\W+", "-", self.what)


def segments(*found: Segment) -> GuestImage:
    """Return the sound image with other segments."""
    return replace(SOUND, segments=found)


def note(*notes: Note) -> GuestImage:
    """Return the sound image with other notes in place of those of their kinds."""
    image = SOUND
    for one in notes:
        image = image.with_note(one)
    return image


def without(*names: str) -> GuestImage:
    """Return the sound image without some of its notes."""
    image = SOUND
    for name in names:
        image = image.without_note(name)
    return image


def old(**items: str) -> GuestImage:
    """Return the sound image of the older kind with other items in its text."""
    given = dict(item.split("=") for item in LEGACY.split(",")) | items
    return replace(OLD, sections=(legacy(",".join(f"{key}={value}" for key, value in given.items() if value)),))


def at_the_limit(memsz: int) -> GuestImage:
    """Return an image of `memsz` bytes whose initial area begins 4 MB below the read-only M2P table."""
    image = note(number("VIRT_BASE", HIGH_BASE), number("ENTRY", HIGH_BASE + PADDR))
    return replace(image, segments=(Segment(PADDR, memsz=memsz),))


# The most that leaves 512 KB in 4 MB: two pages of P2M list, start_info, two ring pages, seven tables, the stack.
HIGH_BASE = 0xF5400000
LARGEST = 4 * MIB - MIB // 2 - 13 * 4096 - PADDR

ELF = (
    Case("shorter than an ELF header", SOUND, "it is shorter than an ELF header", cut(51)),
    Case("only the magic number", SOUND, "it is shorter than an ELF header", cut(4)),
    Case("64-bit", replace(SOUND, elf_class=2), "it is not a 32-bit ELF file"),
    Case("big-endian", replace(SOUND, byte_order=2), "it is not a little-endian ELF file"),
    Case("relocatable", replace(SOUND, kind=1), "it is no executable ELF file"),
    Case("for x86-64", replace(SOUND, machine=62), "it is for another machine than the 80386"),
    Case("program headers of a 64-bit file", replace(SOUND, phentsize=56), "its program headers have a strange size"),
    Case("no program headers", replace(SOUND, phnum=0), "it has no program headers"),
    Case("too many program headers", replace(SOUND, phnum=1025), "it has more program headers than any kernel"),
    Case("program headers behind the end", replace(SOUND, phoff=0x10000), NOT_IN_FILE),
    Case("program headers whose end wraps", replace(SOUND, phoff=0xFFFFFFF0), NOT_IN_FILE),
    Case("more program headers than there are", replace(SOUND, phnum=900), NOT_IN_FILE),
    Case("cut in its program headers", SOUND, NOT_IN_FILE, cut(100)),
)
SEGMENTS = (
    Case("nothing to load", segments(Segment(PADDR, kind=0)), NO_SEGMENT),
    Case("a segment without rights", segments(Segment(PADDR, flags=0)), NO_SEGMENT),
    Case("an empty segment", segments(Segment(PADDR, b"", memsz=0)), NO_SEGMENT),
    Case("a segment larger in the file", segments(Segment(PADDR, bytes(64), memsz=63)),
         "a segment is larger in the file than in memory"),
    Case("truncated by a byte", segments(Segment(PADDR, bytes(64))), TRUNCATED, cut(-1)),
    Case("a segment behind the end", segments(Segment(PADDR, offset=0x100000)), TRUNCATED),
    Case("a segment whose end in the file wraps", segments(Segment(PADDR, offset=0xFFFFFFFF)), TRUNCATED),
    Case("a segment whose end in memory wraps", segments(Segment(0xFFFFF000, memsz=0x2000)),
         "a segment reaches past the end of the address space"),
    Case("two segments at one address", segments(Segment(PADDR), Segment(PADDR)), OVERLAP),
    Case("a segment in another's BSS", segments(Segment(PADDR, memsz=0x3000), Segment(PADDR + 0x1000)), OVERLAP),
    Case("segments that share a byte", segments(Segment(PADDR, bytes(16)), Segment(PADDR + 15, bytes(16))), OVERLAP),
    Case("a later segment that reaches into the first", segments(Segment(PADDR), Segment(PADDR - 16, memsz=17)),
         OVERLAP),
    Case("overlapping ones that are not neighbours in the file",
         segments(Segment(PADDR), Segment(PADDR + 0x1000), Segment(PADDR, flags=READ)), OVERLAP),
)  # fmt: skip
NOTES = (
    Case("no notes at all", replace(SOUND, notes=()), NO_NOTES),
    Case("notes of somebody else", replace(SOUND, notes=tuple(replace(one, name=b"GNU\0") for one in SOUND.notes)),
         NO_NOTES),
    Case("notes at the start of the file", SOUND, NO_NOTES, poke(52 + 4, bytes(4))),
    Case("notes behind the end", SOUND, NO_NOTES, poke(52 + 4, struct.pack("<I", 0x100000))),
    Case("a name size that wraps", SOUND, NO_NOTES, poke(52 + 2 * 32, struct.pack("<I", 0xFFFFFFFF))),
    Case("only a note that says nothing, though a section has all",
         replace(SOUND, notes=(text("INFO", "hello"),), sections=(note_section(SOUND.notes),)), NO_LOADER),
    Case("for another loader", note(text("LOADER", "special"), text("GUEST_OS", "other")), NO_LOADER),
    Case("for no loader", without("LOADER", "GUEST_OS"), NO_LOADER),
    Case("for another interface", note(text("XEN_VERSION", "xen-2.0")), "it is not for the interface xen-3.0"),
    Case("for no interface", without("XEN_VERSION"), "it is not for the interface xen-3.0"),
    Case("PADDR_OFFSET alone", without("VIRT_BASE"), "it has a PADDR_OFFSET without a VIRT_BASE"),
    Case("PAE no", note(text("PAE_MODE", "no")), NO_PAE),
    Case("PAE not said", without("PAE_MODE"), NO_PAE),
    Case("PAE almost yes", note(text("PAE_MODE", "yes[extended-cr3]")), NO_PAE),
    Case("a required feature that nobody knows", note(text("FEATURES", "!time_travel")), NO_FEATURE),
    Case("required to run in ring 0", note(text("FEATURES", "dom0|!supervisor_mode_kernel")), NO_FEATURE),
    Case("required translation", note(text("FEATURES", "!auto_translated_physmap|dom0")), NO_FEATURE),
    Case("required to be domain 0", note(text("FEATURES", "!dom0")), NO_FEATURE),
    Case("a required feature whose name goes on", note(text("FEATURES", "!writable_page_tables_not")), NO_FEATURE),
    Case("a required feature without a name", note(text("FEATURES", "!")), NO_FEATURE),
    Case("a required feature in a text without an end", note(text("FEATURES", "!supervisor_mode_kernel", end=b"")),
         NO_FEATURE),
    Case("a text that is too long", note(text("FEATURES", "x" * 1200)), "the texts in its notes are too long"),
    Case("an entry above 4 GB", note(number("ENTRY", 0x1C0100000, 8)), "an address in its notes is above 4 GB"),
)  # fmt: skip
OLD_TEXTS = (
    Case("older text, no PAE", old(PAE="no"), NO_PAE),
    Case("older text, PAE not said", old(PAE=""), NO_PAE),
    Case("older text, another loader", old(LOADER="special"), NO_LOADER),
    Case("older text, another interface", old(XEN_VER="xen-2.0"), "it is not for the interface xen-3.0"),
    Case("older text, a required feature that nobody knows", old(FEATURES="!time_travel"), NO_FEATURE),
    Case("older text, hypercall page above 4 GB", old(HYPERCALL_PAGE="0x100000"),
         "its HYPERCALL_PAGE is no page number"),
    Case("older text behind the end", replace(OLD, sections=(replace(legacy(LEGACY), offset=0x100000),)), NO_NOTES),
    Case("older text that is empty", replace(OLD, sections=(legacy("", end=b""),)), NO_NOTES),
    Case("older text under another name", replace(OLD, sections=(replace(legacy(LEGACY), name="__xen_guest2"),)),
         NO_NOTES),
)  # fmt: skip
LAYOUT = (
    Case("an entry below the segments", note(number("ENTRY", ENTRY - 1)), BAD_ENTRY),
    Case("an entry above the segments", note(number("ENTRY", ENTRY + 3)), BAD_ENTRY),
    Case("no entry note and a wrong e_entry", without("ENTRY"), BAD_ENTRY),
    Case("a segment below VIRT_BASE", note(number("PADDR_OFFSET", PADDR + 0x1000), number("ENTRY", BASE - 0x1000)),
         "a segment is outside of memory: it lies below VIRT_BASE"),
    Case("segments that wrap at VIRT_BASE",
         replace(note(number("VIRT_BASE", 0xFFF00000)), segments=(Segment(0x80000, memsz=0x100000),)),
         "its segments wrap around the end of the address space"),
    Case("VIRT_BASE within a page", note(number("VIRT_BASE", BASE + 0x123), number("ENTRY", ENTRY + 0x123)),
         "its VIRT_BASE is not at the start of a page"),
    Case("an area that ends behind the limit", at_the_limit(LARGEST + 1), TOO_FAR),
    Case("an area in the hypervisor", note(number("VIRT_BASE", 0xFC000000), number("ENTRY", 0xFC100000)), TOO_FAR),
    Case("a BSS of almost 4 GB", segments(Segment(PADDR, memsz=0x3FE00000)), TOO_FAR),
    Case("HV_START_LOW too high", note(number("HV_START_LOW", 0xF5800001)), "its HV_START_LOW is too high"),
    Case("HV_START_LOW that wraps", note(number("HV_START_LOW", 0xFFFFFFFF)), "its HV_START_LOW is too high"),
    Case("a hypercall page below the area", note(number("HYPERCALL_PAGE", BASE - 0x1000)), BAD_HYPERCALL_PAGE),
    Case("a hypercall page behind the area", note(number("HYPERCALL_PAGE", BASE + 0x400000)), BAD_HYPERCALL_PAGE),
    Case("a hypercall page within a page", note(number("HYPERCALL_PAGE", ENTRY + 0x1800)), BAD_HYPERCALL_PAGE),
    Case("a hypercall page in the first page table", note(number("HYPERCALL_PAGE", TABLES)),
         "its hypercall page would be one of its page tables"),
    Case("a hypercall page in the last page table", note(number("HYPERCALL_PAGE", TABLES + 6 * 0x1000)),
         "its hypercall page would be one of its page tables"),
    Case("a kernel larger than its memory", segments(Segment(PADDR, memsz=16 * MIB)),
         f"it needs {LARGE.pages} pages to begin with and gets {DOMU_PAGES}"),
)  # fmt: skip

# Odd, and all right by the ABI or by what kernels in the field do.
SOUND_ONES = (
    Case("the image that all others are made from", SOUND),
    Case("segments that share a page", segments(Segment(PADDR, bytes(16)), Segment(PADDR + 16, bytes(16)))),
    Case("segments in falling order", segments(Segment(PADDR + 0x5000), Segment(PADDR))),
    Case("segments that touch, in falling order", segments(Segment(PADDR + 16, bytes(16)), Segment(PADDR, bytes(16)))),
    Case("an unknown kind of segment over another", segments(Segment(PADDR), Segment(PADDR, kind=0x6474E551))),
    Case("a segment that is only to be read", segments(Segment(PADDR, flags=READ))),
    Case("an empty segment beside a full one", segments(Segment(PADDR), Segment(PADDR + 0x100, b"", memsz=0))),
    Case("Linux by its system alone", note(text("GUEST_OS", "linux-like"), text("LOADER", "special"))),
    Case("a later interface", note(text("XEN_VERSION", "xen-3.0-x86_32p"))),
    Case("what Linux requires", note(text("FEATURES", "!writable_page_tables|pae_pgdir_above_4gb"))),
    # Twenty characters: no padding follows, but whatever is next in the file.
    Case("a text without an end before other bytes", note(text("FEATURES", "!pae_pgdir_above_4gb", end=b""))),
    Case("what Linux requires, without an end", note(text("FEATURES", "!writable_page_tables|dom0", end=b""))),
    Case("a supported feature that nobody knows", note(text("FEATURES", "time_travel|auto_translated_physmap"))),
    Case("no support for domain 0 in another domain", note(number("SUPPORTED_FEATURES", 1))),
    Case("a note that nobody knows", note(Note(0x7777, b"what?"))),
    Case("a number of an odd size", note(Note(note_kind("HYPERCALL_PAGE"), b"\1\2\3"))),
    Case("numbers of eight bytes", note(number("VIRT_BASE", BASE, 8), number("ENTRY", ENTRY, 8))),
    Case("a last note that runs past its segment",
         note(replace(text("PAE_MODE", "yes"), descsz=400))),
    Case("bimodal", note(text("PAE_MODE", "no,bimodal"))),
    Case("an area that ends at the limit", at_the_limit(LARGEST)),
    Case("HV_START_LOW at its limit", note(number("HV_START_LOW", 0xF5800000))),
    Case("an entry at the segments' end", note(number("ENTRY", ENTRY + 2))),
    Case("no entry note and a right e_entry", replace(without("ENTRY"), entry=ENTRY)),
    Case("everything at 0", replace(note(number("VIRT_BASE", 0), number("ENTRY", 0)), segments=(Segment(0),))),
    Case("older text", OLD),
    Case("older text without an end", replace(OLD, sections=(legacy(LEGACY, end=b""),))),
    Case("older text with extended cr3", old(PAE="yes[extended-cr3]")),
    Case("older text and items that nobody knows", old(COLOUR="blue", BSD_SYMTAB="yes")),
)  # fmt: skip

GROUPS = {"elf": ELF, "segments": SEGMENTS, "notes": NOTES, "older": OLD_TEXTS, "layout": LAYOUT, "sound": SOUND_ONES}
REFUSED = [(group, case) for group, cases in GROUPS.items() if group != "sound" for case in cases]
