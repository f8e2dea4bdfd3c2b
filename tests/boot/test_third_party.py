"""A kernel that nobody here wrote: GRUB, built as a paravirtualized guest for 32-bit PAE.

Invariants
  - The image is made by GRUB's own tool, and nothing in the hypervisor knows it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.harness import TREE, Booter, Images
from xengen.abi.hypercalls import HYPERCALLS
from xengen.machine.machine import Machine

GRUB_FOR_XEN = Path("/usr/lib/grub/i386-xen")

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


@pytest.fixture(scope="module")
def machine(images: Images, grub: Path) -> Iterator[Machine]:
    """A machine whose domain 0 is GRUB, as far as it gets."""
    booter = Booter(images)
    try:
        found = booter(grub, append="log=debug")
        found.console.expect("is not there: -ENOSYS$")
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


def test_the_first_hypercall_that_it_misses_is_named(machine: Machine) -> None:
    match = re.search(r"^domain 0: hypercall (\w+) \((\d+)\) is not there", machine.transcript.hypervisor, re.MULTILINE)
    assert match is not None
    (call,) = (call for call in HYPERCALLS if call.name == match[1])
    assert (call.number, call.entry) == (int(match[2]), None)


def test_it_does_not_die_of_what_is_missing(machine: Machine) -> None:
    assert "died" not in machine.transcript.hypervisor
    assert machine.ending() is None
