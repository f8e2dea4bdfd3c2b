"""The whole way to a disk, from a guest's sleep to the sector and back: on every emulator that has the device.

Method: the guest asm/guests/owndisk, as domain 0, gives itself the disk, sums it up, and writes its last page. It
sleeps while the disk works, and nobody else is there: so every answer finds the hypervisor idle.
"""

from __future__ import annotations

from errno import ENOENT
from pathlib import Path

import pytest

from tests.boot.disk_machines import contents, sector_of
from tests.boot.harness import Booter, Images
from xengen.cli.iso import make_iso
from xengen.cli.iso import missing_packages as missing_for_iso
from xengen.machine.bochs import CYLINDER, Bochs, BochsSpec, missing_packages
from xengen.machine.disks import MODELS, SECTOR, DiskSpec
from xengen.machine.machine import Ending
from xengen.machine.spec import Module

LACKING = sorted({*missing_packages(), *missing_for_iso()})
needs_bochs = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {' '.join(LACKING)}")
SECTORS = 2 * CYLINDER // SECTOR
MARKED = (0x600DD15C).to_bytes(4, "little") * (8 * SECTOR // 4)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk whose sectors are all different."""
    path = tmp_path / "own.img"
    path.write_bytes(b"".join(contents(3, sector) for sector in range(SECTORS)))
    return path


def expected(path: Path, name: str) -> str:
    """What the guest is to say of a disk."""
    data = path.read_bytes()
    words = memoryview(data).cast("I")
    return f"disk {name}: {SECTORS} sectors\nsum 0x{sum(words) & 0xFFFFFFFF:08x}\nmarked\n"


def marked(path: Path) -> bytes:
    """What the disk's last page is."""
    return b"".join(sector_of(path, sector) for sector in range(SECTORS - 8, SECTORS))


@pytest.mark.parametrize("icount", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_domain_0_reads_all_of_its_disk_and_writes_it_under_qemu(
    boot: Booter, disk: Path, model: str, icount: bool
) -> None:
    wanted = expected(disk, "disk0")
    machine = boot("owndisk", disks=[DiskSpec(disk, model)], icount=icount, append="disk_timeout=0")
    assert machine.wait(60) is Ending.POWEROFF
    assert machine.transcript.text(0) == wanted
    assert marked(disk) == MARKED


@needs_bochs
def test_domain_0_reads_all_of_its_disk_and_writes_it_under_bochs(
    images: Images, disk: Path, tmp_path: Path
) -> None:
    wanted = expected(disk, "BXHD00012")
    iso = tmp_path / "boot.iso"
    make_iso(iso, images.hypervisor(), "console=e9", (Module(images.guest("owndisk")),))
    with Bochs(BochsSpec(iso, disk=disk)) as machine:
        assert machine.wait(120) is Ending.POWEROFF
        assert machine.transcript.text(0) == wanted
    assert marked(disk) == MARKED
    assert sorted(tmp_path.iterdir()) == [iso, disk]


def test_without_a_disk_domain_0_says_so(boot: Booter) -> None:
    machine = boot("owndisk")
    assert machine.wait(60) is Ending.POWEROFF
    assert machine.transcript.text(0) == f"no disk, or it failed: {-ENOENT}\n"
