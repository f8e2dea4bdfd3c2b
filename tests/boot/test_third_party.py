"""A kernel that nobody here wrote: GRUB, built as a paravirtualized guest for 32-bit PAE.

Invariants
  - The image is made by GRUB's own tool, and nothing in the hypervisor knows it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import TREE, Booter, Images
from xengen.abi.hypercalls import by_name
from xengen.inspect.live import hypervisor_of
from xengen.machine.machine import Machine

GRUB_FOR_XEN = Path("/usr/lib/grub/i386-xen")
PATIENCE = 20.0

pytestmark = pytest.mark.skipif(
    shutil.which("grub-mkimage") is None or not GRUB_FOR_XEN.is_dir(),
    reason="GRUB for Xen guests is not installed: grub-common grub-xen-bin",
)


@pytest.fixture(scope="module")
def grub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GRUB as a guest, made as the README says."""
    folder = tmp_path_factory.mktemp("grub")
    command = re.search(r"`(grub-mkimage .* -o grub\.elf .*?)`", (TREE / "README.md").read_text(encoding="utf-8"))
    assert command is not None
    subprocess.run(shlex.split(command[1]), cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "grub.elf"


def yields(machine: Machine) -> bool:
    """Whether the last hypercall of domain 0 is sched_op."""
    domains = hypervisor_of(machine).domains()
    vcpu = domains[0].vcpu if domains else None
    return vcpu is not None and vcpu.record.last_hypercall == by_name("sched_op").number


@pytest.fixture(scope="module")
def machine(images: Images, grub: Path) -> Iterator[Machine]:
    """A machine whose domain 0 is GRUB, as far as it gets: it has asked the store something, and yields for ever."""
    booter = Booter(images)
    try:
        found = booter(grub, append="log=debug")
        found.console.expect("entering domain 0$")
        deadline = time.monotonic() + PATIENCE
        while not yields(found):
            assert time.monotonic() < deadline, "GRUB does not come to wait for the store"
            time.sleep(0.01)
        yield found
    finally:
        booter.close()


def test_it_is_accepted_as_it_is(machine: Machine) -> None:
    text = machine.transcript.hypervisor
    assert "refused" not in text
    assert re.search(r"^domain 0: grub\.elf, \d+ pages, entry 0x00000000, ", text, re.MULTILINE)


def test_it_is_entered_and_makes_hypercalls(machine: Machine) -> None:
    taken = machine.exceptions()
    assert any(exception.vector == 0x82 and exception.cpl == 1 for exception in taken)


def test_it_misses_no_hypercall(machine: Machine) -> None:
    assert "is not there" not in machine.transcript.hypervisor


def test_it_does_not_die(machine: Machine) -> None:
    assert "died" not in machine.transcript.hypervisor
    assert machine.ending() is None
