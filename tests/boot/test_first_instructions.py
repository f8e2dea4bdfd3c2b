"""What a new domain finds when it really runs: its own account of its registers, its tables, its hypercall page.

Invariants
  - The guests are files made of data whose code (tests/support/guest_code.py) writes down what it finds and then yields
    for ever. What was written is read from live memory, through the domain's own page tables.
  - Where things must be is computed from the ABI's tables by tests/support/initial_layout.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from ctypes import sizeof
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.boot.harness import BOOTER, Booter, Images
from tests.support.elf_images import GuestImage, Segment, Standard, number, write_image
from tests.support.guest_code import Found, Probe
from tests.support.initial_layout import PAGE, InitialLayout
from xengen.inspect.live import check_machine, hypervisor_of
from xengen.inspect.views import Domain
from xengen.machine.machine import Machine
from xengen.machine.spec import MIB

RING_1_CS, RING_1_DS = 0xE019, 0xE021
M2P_OLD, M2P_NEW, M2P_BYTES, OLD_M2P_BYTES = 0xF5800000, 0xFC000000, 4 * MIB, 16 * MIB
INVALID = 0xFFFFFFFF
DOMAINS = 32
SECONDS = 60


@dataclass(frozen=True)
class Guest:
    """A guest whose code is at `code`, the page of its findings behind it, its hypercall page, if any, behind that.

    `knows` is what its note HV_START_LOW says.
    """

    name: str
    virt_base: int
    code: int
    pages: int = 8 * MIB // PAGE
    stubs: bool = False
    knows: int | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def found(self) -> int:
        """Where its findings are."""
        return self.code + PAGE

    @property
    def kernel_end(self) -> int:
        """The end of its segments."""
        return self.code + 3 * PAGE

    @property
    def virt_start(self) -> int:
        """Where the hypervisor's part begins for it."""
        return M2P_OLD if self.knows is None else M2P_NEW

    @property
    def reads(self) -> dict[int, int]:
        """Words of the M2P table that all machines have alike: the first MB, which is nobody's, and what is no RAM."""
        size = OLD_M2P_BYTES if self.knows is None else M2P_BYTES
        return {self.virt_start: INVALID, self.virt_start + M2P_BYTES - 4: INVALID, self.virt_start + size - 4: INVALID}

    def image(self) -> GuestImage:
        """Return its file."""
        standard = Standard(virt_base=self.virt_base, paddr=self.code - self.virt_base)
        image = standard.image()
        if self.stubs:
            image = image.with_note(number("HYPERCALL_PAGE", self.code + 2 * PAGE))
        if self.knows is not None:
            image = image.with_note(number("HV_START_LOW", self.knows))
        probe = Probe(self.found, self.virt_start, self.code + 2 * PAGE if self.stubs else None, tuple(self.reads))
        # Two segments: the second may lie in another gigabyte.
        return replace(
            image, segments=(Segment(standard.paddr, probe.code()), Segment(standard.paddr + PAGE, memsz=2 * PAGE))
        )  # fmt: skip


GUESTS = (
    Guest("linked at 0", 0, 0x100000),
    Guest("linked high, with a hypercall page", 0xC0000000, 0xC0100000, stubs=True),
    Guest("right below the hypervisor", 0xFBC00000, 0xFBC10000, pages=4 * MIB // PAGE, knows=0xF5800000),
    Guest("right below the M2P table's old place", 0xF5400000, 0xF5401000, pages=4 * MIB // PAGE, stubs=True),
    Guest("across a border of gigabytes", 0x7FE00000, 0x7FFFF000, pages=6 * MIB // PAGE),
    Guest("across two borders of page tables, from the middle of one", 0x20100000, 0x203FF000, knows=0),
)


class Running:
    """A domain that runs, and where its things must be."""

    def __init__(self, machine: Machine, guest: Guest, number_of: int, pages: int) -> None:
        self.machine = machine
        self.guest = guest
        self.layout = InitialLayout(guest.virt_base, guest.kernel_end, pages, is_domain_0=number_of == 0)
        self._number = number_of

    @property
    def domain(self) -> Domain:
        """The domain as it is now."""
        (found,) = (one for one in hypervisor_of(self.machine).domains() if one.id == self._number)
        return found

    @property
    def cr3(self) -> int:
        """Its base pointer."""
        vcpu = self.domain.vcpu
        assert vcpu is not None
        return int(vcpu.record.cr3)

    def found(self, turns: int = 1) -> Found:
        """Return what the guest has written when it has run `turns` times."""
        deadline = time.monotonic() + SECONDS
        while True:
            found = Found.from_buffer_copy(self.machine.read_virtual(self.guest.found, sizeof(Found), self.cr3))
            if found.turns >= turns:
                return found
            assert self.machine.ending() is None
            assert time.monotonic() < deadline, f"{self.guest}: no sign of life in {SECONDS} s"
            time.sleep(0.01)


@pytest.fixture(scope="module")
def booter(images: Images) -> Iterator[Booter]:
    """The booter of the machine that the guests share."""
    made = Booter(images)
    yield made
    made.close()


@pytest.fixture(scope="module", params=[True, False], ids=["debug", "release"])
def machine(request: pytest.FixtureRequest, booter: Booter, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine with all guests, once with each build of the hypervisor."""
    folder = tmp_path_factory.mktemp("images")
    files = [write_image(folder, f"guest{index}", one.image()) for index, one in enumerate(GUESTS)]
    sizes = " ".join(f"dom{index}_mem={one.pages * PAGE}" for index, one in enumerate(GUESTS))
    made = booter(*files, append=sizes, trace=False, debug=request.param)
    made.console.expect("entering domain 0")
    return made


@pytest.fixture(params=range(len(GUESTS)), ids=[str(one) for one in GUESTS])
def running(request: pytest.FixtureRequest, booter: Booter, machine: Machine) -> Running:
    """Each of the domains."""
    request.node.stash[BOOTER] = booter
    guest = GUESTS[request.param]
    return Running(machine, guest, request.param, guest.pages)


def test_a_guest_starts_with_start_info_in_esi_a_stack_and_zeroes(running: Running) -> None:
    found, where = running.found(), running.layout
    assert (found.esi, found.esp) == (where.start_info, where.stack + PAGE)
    assert [getattr(found, name) for name in ("eax", "ebx", "ecx", "edx", "edi", "ebp")] == [0] * 6


def test_a_guest_starts_in_ring_1_with_flat_segments_and_sees_interrupts_on(running: Running) -> None:
    found = running.found()
    assert found.cs == RING_1_CS
    assert {getattr(found, name) for name in ("ss", "ds", "es", "fs", "gs")} == {RING_1_DS}
    assert found.eflags == 0x202


def test_a_guest_finds_its_own_frames_in_the_m2p_table(running: Running) -> None:
    assert running.found().m2p_of_pfn_1 == 1


def test_what_is_nobodys_is_invalid_in_the_m2p_table_to_its_end(running: Running) -> None:
    reads = running.guest.reads
    assert list(running.found().read)[: len(reads)] == list(reads.values())


def test_a_guest_is_told_where_the_hypervisor_begins_for_it(running: Running) -> None:
    found = running.found()
    assert (found.result, found.virt_start) == (0, running.guest.virt_start)


def test_a_guest_comes_back_from_its_hypercalls_and_all_others_run_meanwhile(running: Running) -> None:
    before = running.found().turns
    assert running.found(turns=before + 2).turns >= before + 2


def test_domains_that_run_are_sound(machine: Machine) -> None:
    assert check_machine(machine) == []


def test_as_many_domains_as_modules_take_turns(boot: Booter, tmp_path_factory: pytest.TempPathFactory) -> None:
    guest = Guest("one of many", 0, 0x100000)
    path = write_image(tmp_path_factory.mktemp("images"), "guest", guest.image())
    options = "dom0_mem=8M domu_mem=8M"
    machine = boot(*[path] * DOMAINS, append=options, memory=(DOMAINS + 4) * 8 * MIB, trace=False)
    machine.console.expect("entering domain 0")
    assert [domain.id for domain in hypervisor_of(machine).domains()] == list(range(DOMAINS))
    for index in range(DOMAINS):
        assert Running(machine, guest, index, guest.pages).found(turns=3).turns >= 3
    assert check_machine(machine) == []


@pytest.mark.parametrize("size", [64, 128, 512, 2048, 4096])
def test_domain_0_gets_all_memory_that_is_free_and_its_lists_agree(
    boot: Booter, tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    guest = Guest("alone", 0xC0000000, 0xC0100000)
    path = write_image(tmp_path_factory.mktemp("images"), "guest", guest.image())
    machine = boot(path, memory=size * MIB, trace=False)
    frames, free = map(int, machine.console.expect(r"memory: (\d+) frames, (\d+) free").groups())
    free -= frames * 4 // PAGE + 1  # the M2P table comes first
    machine.console.expect("entering domain 0", timeout=30)
    hypervisor = hypervisor_of(machine)
    (domain,) = hypervisor.domains()
    pages = int(domain.record.nr_pages)
    # What the builder keeps back is 1 MB, and a few pages are the hypervisor's before it.
    assert free - 256 - 32 <= pages <= free - 256
    running = Running(machine, guest, 0, pages)
    assert running.found().m2p_of_pfn_1 == 1
    first = machine.translate(running.layout.p2m, running.cr3)
    assert first is not None
    p2m = machine.memory.array(first, pages).copy()
    assert len(np.unique(p2m)) == pages
    assert np.array_equal(hypervisor.m2p[p2m], np.arange(pages))
    assert np.all(hypervisor.frames["owner"][p2m] == domain.address)
    assert check_machine(machine) == []
