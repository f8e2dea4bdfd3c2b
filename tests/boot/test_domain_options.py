"""What the two command lines decide of a domain: how much memory it gets, and what it is told.

Invariants
  - Each test has a machine of its own, on which domain 0 spins at its first instruction.
"""

from __future__ import annotations

from ctypes import sizeof
from pathlib import Path

import pytest

from tests.boot.harness import Booter
from tests.support.built_domains import BASE, ENTRY, SOUND
from tests.support.elf_images import write_image
from tests.support.initial_layout import PAGE, InitialLayout
from xengen.abi.start import StartInfo
from xengen.inspect.live import hypervisor_of
from xengen.machine.spec import MIB


def test_domain_0_gets_what_the_others_leave_and_these_32_mb_each(boot: Booter, tmp_path: Path) -> None:
    path = write_image(tmp_path, "kernel", SOUND)
    machine = boot(path, path, path, memory=128 * MIB)
    machine.console.expect("entering domain 0")
    found = hypervisor_of(machine)
    zero, *others = (domain.record.nr_pages for domain in found.domains())
    assert others == [32 * MIB // PAGE] * 2
    assert zero > 48 * MIB // PAGE
    # What is kept back is for the hypervisor: 1 MB, less the domains' own structures.
    assert 128 <= found.word("free_frames") <= 256 + 64


def test_memory_for_all_others_gives_way_to_a_domains_own(boot: Booter, tmp_path: Path) -> None:
    path = write_image(tmp_path, "kernel", SOUND)
    machine = boot(path, path, path, path, append="dom0_mem=16M domu_mem=8M dom2_mem=12288K")
    machine.console.expect("entering domain 0")
    pages = [domain.record.nr_pages for domain in hypervisor_of(machine).domains()]
    assert pages == [size * MIB // PAGE for size in (16, 8, 12, 8)]


@pytest.mark.parametrize("length", [1022, 1023, 1024, 1100])
def test_a_command_line_is_cut_at_1023_characters(boot: Booter, tmp_path: Path, length: int) -> None:
    machine = boot((write_image(tmp_path, "kernel", SOUND), "x" * length), append="dom0_mem=16M")
    machine.console.expect("entering domain 0")
    (domain,) = hypervisor_of(machine).domains()
    assert domain.vcpu is not None
    where = InitialLayout(BASE, ENTRY + 2, 16 * MIB // PAGE, is_domain_0=True).start_info
    data = machine.read_virtual(where, sizeof(StartInfo), domain.vcpu.record.cr3)
    found = StartInfo.from_buffer_copy(data)
    assert found.cmd_line == b"x" * min(length, 1023)
    assert found.first_p2m_pfn != 0x78787878
