"""The bootable CD image: SeaBIOS, GRUB, the hypervisor, its guests.

Invariants
  - One ISO and one boot serve all tests: what GRUB passes on is read from the log and from what the guests say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import GuestMaker, Images
from tests.boot.snippets import IDLE
from xengen.cli.iso import make_iso, missing_packages
from xengen.inspect.live import check_machine
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec, Module
from xengen.machine.symbols import SymbolTable
from xengen.machine.transcript import DomainEnd, domain_ends

pytestmark = pytest.mark.skipif(
    bool(missing_packages()), reason=f"GRUB's tools are not installed: {' '.join(missing_packages())}"
)

INITRD = b"what GRUB has read from the CD\n" * 300


@pytest.fixture(scope="module")
def booted(images: Images, guest: GuestMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that was booted from a CD with two domains, the second of which has come to its end."""
    folder = tmp_path_factory.mktemp("iso")
    (folder / "initrd").write_bytes(INITRD)
    hypervisor, hello = images.hypervisor(), images.guest("hello")
    modules = (Module(guest(IDLE)), Module(hello, "root=cd   quiet"), Module(folder / "initrd"))
    iso: Path = folder / "xengen.iso"
    make_iso(iso, hypervisor, "log=debug  dom1_mem=24M", modules)
    with Machine(MachineSpec(iso=iso), symbols=SymbolTable.from_file(hypervisor)) as machine:
        machine.console.expect(r"^\(xengen\) domain 1 is gone$", timeout=60)
        yield machine


def test_grub_boots_the_hypervisor_and_its_guests(booted: Machine) -> None:
    assert "\nentering domain 0\n" in booted.transcript.hypervisor
    assert domain_ends(booted.transcript.hypervisor) == (DomainEnd(1, "poweroff", died=False),)


def test_the_hypervisors_command_line_comes_as_grub_passes_it(booted: Machine) -> None:
    text = booted.transcript.hypervisor
    assert re.search(r"^command line: /boot/hypervisor\.elf log=debug +dom1_mem=24M$", text, re.MULTILINE)


def test_its_options_count(booted: Machine) -> None:
    assert "\nmemory: 6144 pages (24 MB)\n" in booted.transcript.text(1)


def test_a_guests_command_line_comes_without_the_files_name(booted: Machine) -> None:
    assert re.search(r'^  command line "root=cd +quiet"$', booted.transcript.text(1), re.MULTILINE)


def test_a_guests_initrd_comes_whole(booted: Machine) -> None:
    # In whole pages, for other domains than the first (ABI 1.7).
    size = -(-len(INITRD) // 4096) * 4096
    assert re.search(rf"^  module at 0xc0\w+, {size} bytes$", booted.transcript.text(1), re.MULTILINE)


def test_memory_is_sound_after_grub(booted: Machine) -> None:
    assert check_machine(booted) == []
