"""Hypervisors that are wrong about VBDs are found out, by the model or by the checker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import Images
from tests.boot.vbds import DiskHost
from tests.model.mutants import Mutant, built_wrong
from tests.model.vbd_model import Right
from tests.model.vbd_world import VbdWorld, Wish
from xengen.machine.postmortem import MachineError

READ, WRITE, BARRIER = range(3)
ONE = ((0, 0, 7),)

# Each with the layout and the steps that bring it to light.
Steps = list[tuple[str, tuple[object, ...]]]
MUTANTS: dict[str, tuple[Mutant, int, Steps]] = {
    "pages stay pinned": (
        Mutant("io/vbd/requests.s", "        call    grant_release\n"),
        0, [("show", ([Wish(READ, 1, 0, ONE)],))],
    ),
    "what reads from the disk need not write to memory": (
        Mutant("io/vbd/requests.s", "        sete    %dl ", "        setb    %dl "),
        0, [("permit", (0, Right.READ_ONLY)), ("show", ([Wish(READ, 1, 0, ONE)],))],
    ),
    "extents are written whatever their right": (
        Mutant("io/vbd/translate.s", "testl   $VBD_READ_ONLY, VBD_PART_flags(%edi)", "cmpl    %eax, %eax"),
        1, [("show", ([Wish(WRITE, 1, 20, ONE)],))],
    ),
    "the end of a VBD is one sector late": (
        Mutant("io/vbd/translate.s", "        addl    %ecx, %eax\n        adcl    $0, %edx\n        jc ",
               "        leal    -1(%eax,%ecx), %eax\n        jc "),
        0, [("show", ([Wish(READ, 1, 57, ONE)],))],
    ),
    "a part of a request over two extents goes astray": (
        Mutant("io/vbd/translate.s", "        addl    $VBD_PART_size, %edi\n"),
        2, [("show", ([Wish(READ, 1, 3, ONE)],))],
    ),
    "a response has the status of another operation": (
        Mutant("io/vbd/ring.s", "$BLKIF_RSP_EOPNOTSUPP, %eax\n", "$BLKIF_RSP_ERROR, %eax\n"),
        0, [("show", ([Wish(6, 1, 0, ONE)],))],
    ),
}  # fmt: skip


class WrongImages(Images):
    """The project's images, but for the hypervisor."""

    def __init__(self, elf: Path) -> None:
        super().__init__()
        self._elf = elf

    def hypervisor(self, *, debug: bool = True) -> Path:
        """Return the wrong one."""
        return self._elf


def played(images: Images, folder: Path, layout: int, steps: Steps) -> None:
    """Carry steps out in a new world."""
    folder.mkdir()
    host = DiskHost(images, folder)
    try:
        world = VbdWorld(host, layout)
        for name, arguments in steps:
            getattr(world, name)(*arguments)
            world.compare()
        host.settle()
    finally:
        host.close()


def test_a_right_hypervisor_passes_all_of_them(images: Images, tmp_path: Path) -> None:
    for number, (_, layout, steps) in enumerate(MUTANTS.values()):
        played(images, tmp_path / str(number), layout, steps)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_hypervisor_that_is_wrong_is_found_out(name: str, tmp_path: Path) -> None:
    mutant, layout, steps = MUTANTS[name]
    elf = built_wrong(mutant, tmp_path / "build")
    with pytest.raises((AssertionError, MachineError)):
        played(WrongImages(elf), tmp_path / "disk", layout, steps)
