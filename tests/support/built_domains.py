"""Sound guests of every kind that the ABI knows (1.1 to 1.7), and a view of the domain that is made of each.

Invariants
  - The guests stay at their first instruction, `jmp .`, so that memory and registers are as the builder left them.
  - Where things must be is computed by initial_layout.py; what is there is read through the domain's own tables.
"""

from __future__ import annotations

import struct
from ctypes import sizeof
from dataclasses import dataclass, replace
from functools import cached_property

from tests.support.elf_images import SPIN, GuestImage, Segment, Standard, legacy, note_section, number, text
from tests.support.initial_layout import PAGE, InitialLayout
from xengen.abi.shared import SharedInfo
from xengen.abi.start import StartInfo
from xengen.inspect.live import hypervisor_of
from xengen.inspect.views import Domain, Hypervisor, Vcpu
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB

M2P_ALIAS, OUR_START = 0xF5800000, 0xFC000000
INITRD = bytes(range(256)) * 40 + b"the end"

STANDARD = Standard()
SOUND = STANDARD.image()
BASE, PADDR, ENTRY = STANDARD.virt_base, STANDARD.paddr, STANDARD.entry
TEXT = (
    "GUEST_OS=Mini-OS,XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xC0000000,VIRT_ENTRY=0xC0100010,PAE=yes,"
    "HYPERCALL_PAGE=0x103"
)


@dataclass(frozen=True)
class Guest:
    """A guest, and what its file says in numbers of the ABI: addresses are virtual.

    `loaded` are the bytes that must be at an address; `initrd` stands behind the kernel as a module of its own.
    """

    name: str
    image: GuestImage
    pages: int
    kernel_end: int
    loaded: tuple[tuple[int, bytes], ...]
    virt_base: int = BASE
    entry: int = ENTRY
    hypercall_page: int | None = None
    initrd: bytes = b""
    unmapped_initrd: bool = False
    virt_start: int = M2P_ALIAS
    extended_cr3: bool = True
    command_line: str = ""

    def __str__(self) -> str:
        return self.name


TWO_SEGMENTS = (
    Segment(PADDR, SPIN + b"text" * 1000, memsz=4002),
    Segment(PADDR + 4002, b"data" * 10, memsz=0x5000),
)
GUESTS = (
    Guest(
        "first", replace(SOUND.with_note(number("HYPERCALL_PAGE", ENTRY + 0x2000)), segments=TWO_SEGMENTS),
        16 * MIB // PAGE, ENTRY + 4002 + 0x5000,
        ((ENTRY, SPIN + b"text" * 1000 + b"data" * 10 + bytes(0x2000 - 4042)), (ENTRY + 0x3000, bytes(0x2FA2))),
        hypercall_page=ENTRY + 0x2000, initrd=INITRD, command_line="console=hvc0  two  blanks",
    ),
    # Linked at 0 and loaded 1 MB higher, as GRUB and mini-os are; no HYPERCALL_PAGE.
    Guest(
        "low", SOUND.with_note(number("VIRT_BASE", 0)).with_note(number("ENTRY", PADDR)),
        8 * MIB // PAGE, PADDR + 2, ((PADDR, SPIN),), virt_base=0, entry=PADDR,
    ),
    # The older text: p_paddr is the virtual address, HYPERCALL_PAGE a page number, plain PAE.
    Guest(
        "older",
        GuestImage((Segment(ENTRY, bytes(16) + SPIN, memsz=0x4000),), sections=(legacy(TEXT),), entry=0xDEADBEEF),
        8 * MIB // PAGE, ENTRY + 0x4000, ((ENTRY, bytes(16) + SPIN),), entry=ENTRY + 16,
        hypercall_page=BASE + 0x103000, extended_cr3=False, initrd=INITRD,
    ),
    # As today's Linux: says that the region may be elsewhere, and takes its initrd unmapped.
    Guest(
        "modern",
        SOUND.with_note(number("HV_START_LOW", 0xF5600000)).with_note(number("MOD_START_PFN", 1))
        .with_note(text("PAE_MODE", "bimodal")).with_note(text("FEATURES", "!writable_page_tables|dom0")),
        12 * MIB // PAGE, ENTRY + 2, ((ENTRY, SPIN),), virt_start=OUR_START, initrd=INITRD, unmapped_initrd=True,
    ),
    # Notes in a section only, numbers of 8 bytes, p_paddr that is not pseudo-physical, VIRT_BASE within 4 MB.
    Guest(
        "sections",
        GuestImage(
            (Segment(0x7000100, memsz=0x123456),),
            sections=(note_section((
                text("GUEST_OS", "linux"), text("XEN_VERSION", "xen-3.0"), text("PAE_MODE", "yes"),
                number("VIRT_BASE", 0x10300000, 8), number("PADDR_OFFSET", 0x7000000, 8),
                number("ENTRY", 0x10300100, 8),
            )),),
        ),
        12 * MIB // PAGE, 0x10300100 + 0x123456, ((0x10300100, SPIN + bytes(0x123454)),),
        virt_base=0x10300000, entry=0x10300100,
    ),
)  # fmt: skip
OTHERS = GUESTS[1:]


class Built:
    """A domain on the machine, and what it should be like."""

    def __init__(self, machine: Machine, number_of: int) -> None:
        self.machine = machine
        self.number = number_of
        self.guest = GUESTS[number_of]
        self.hypervisor: Hypervisor = hypervisor_of(machine)
        mapped = 0 if self.guest.unmapped_initrd else len(self.guest.initrd)
        self.layout = InitialLayout(
            self.guest.virt_base, self.guest.kernel_end, self.guest.pages, number_of == 0, mapped
        )  # fmt: skip

    @property
    def domain(self) -> Domain:
        """The domain as it is now."""
        return self.hypervisor.domains()[self.number]

    @property
    def vcpu(self) -> Vcpu:
        """Its vcpu."""
        assert self.domain.vcpu is not None
        return self.domain.vcpu

    @cached_property
    def p2m(self) -> tuple[int, ...]:
        """Its P2M list: the machine frame of each pseudo-physical one."""
        return struct.unpack(f"<{self.guest.pages}I", self.read(self.layout.p2m, 4 * self.guest.pages))

    @cached_property
    def start_info(self) -> StartInfo:
        """Its start_info."""
        return StartInfo.from_buffer_copy(self.read(self.layout.start_info, sizeof(StartInfo)))

    @property
    def shared_info(self) -> SharedInfo:
        """Its shared_info."""
        return SharedInfo.from_buffer_copy(
            self.machine.memory.read(self.start_info.shared_info, sizeof(SharedInfo))
        )

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes at a virtual address of the guest's."""
        return self.machine.read_virtual(address, size, self.vcpu.record.cr3)

    def mfn(self, address: int) -> int:
        """Return the machine frame that must be behind an address of the initial area."""
        return self.p2m[self.layout.pfn(address)]

    def table(self, index: int) -> tuple[int, ...]:
        """Return the 512 entries of initial page table number `index`: 0 the L3, 1 to 4 the L2s, then the L1s."""
        mfn = self.mfn(self.layout.page_tables + index * PAGE)
        return struct.unpack("<512Q", self.machine.memory.read(mfn * PAGE, PAGE))
