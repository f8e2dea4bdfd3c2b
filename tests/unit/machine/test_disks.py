"""Disks of a machine: which files can be one, what QEMU is told of them, and what it does with them (disks.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.machine.conftest import Boot
from tests.unit.machine.sources import SPIN
from xengen.errors import UserError
from xengen.machine.disks import DiskSpec, Fault
from xengen.machine.qemu import command, standalone
from xengen.machine.spec import MachineSpec


def image(folder: Path, name: str = "disk.img", size: int = 4096) -> Path:
    """Make a file of zeros."""
    path = folder / name
    path.write_bytes(bytes(size))
    return path


def options(spec: MachineSpec, option: str) -> list[str]:
    """Return what follows each `option` in the command that starts `spec`."""
    words = command(spec, Path("/usr/bin/qemu"), standalone(spec))
    return [words[place + 1] for place, word in enumerate(words) if word == option]


def missing(folder: Path) -> tuple[DiskSpec, ...]:
    return (DiskSpec(folder / "none.img"),)


def a_folder(folder: Path) -> tuple[DiskSpec, ...]:
    return (DiskSpec(folder),)


def half_a_sector(folder: Path) -> tuple[DiskSpec, ...]:
    return (DiskSpec(image(folder, size=1000)),)


def nothing(folder: Path) -> tuple[DiskSpec, ...]:
    return (DiskSpec(image(folder, size=0)),)


def the_same_twice(folder: Path) -> tuple[DiskSpec, ...]:
    path = image(folder)
    return (DiskSpec(path), DiskSpec(folder / "." / path.name, "ide"))


def five_on_ide(folder: Path) -> tuple[DiskSpec, ...]:
    return tuple(DiskSpec(image(folder, f"{number}.img"), "ide") for number in range(5))


def read_only_ide(folder: Path) -> tuple[DiskSpec, ...]:
    return (DiskSpec(image(folder), "ide", read_only=True),)


@pytest.mark.parametrize(
    ("disks", "sentence"),
    [
        (missing, "no such disk image: {}/none.img (xengen disk create {}/none.img SIZE makes one)"),
        (a_folder, "{} is no disk image: not a file"),
        (half_a_sector, "{}/disk.img is no disk image: its size, 1000 bytes, is not a multiple of 512"),
        (nothing, "{}/disk.img is no disk image: its size, 0 bytes, is not a multiple of 512"),
        (the_same_twice, "{}/disk.img is named as a disk twice: a file can be one disk only"),
        (five_on_ide, "a machine has places for 4 IDE disks: use virtio"),
        (read_only_ide, "{}/disk.img cannot be a read-only IDE disk, for there is none: make it virtio"),
    ],
)
def test_what_cannot_be_a_disk_is_one_sentence(
    tmp_path: Path, disks: Callable[[Path], tuple[DiskSpec, ...]], sentence: str
) -> None:
    kernel = image(tmp_path, "kernel")
    with pytest.raises(UserError) as caught:
        MachineSpec(kernel, disks=disks(tmp_path)).check()
    assert str(caught.value) == sentence.format(tmp_path, tmp_path)


def test_a_disk_beside_a_cd_has_a_place_less(tmp_path: Path) -> None:
    disks = tuple(DiskSpec(image(tmp_path, f"{number}.img"), "ide") for number in range(4))
    MachineSpec(iso=image(tmp_path, "cd"), disks=disks[:3]).check()
    with pytest.raises(UserError, match="places for 3 IDE disks beside its CD"):
        MachineSpec(iso=image(tmp_path, "cd"), disks=disks).check()


def test_each_disk_is_a_device_of_its_model_with_a_serial_number() -> None:
    disks = (DiskSpec(Path("/a")), DiskSpec(Path("/b"), "ide"), DiskSpec(Path("/c"), "ide"))
    spec = MachineSpec(Path("/k"), disks=disks)
    assert [device.partition(",werror")[0] for device in options(spec, "-device")] == [
        "virtio-blk-pci,drive=disk0,serial=disk0",
        "ide-hd,drive=disk1,bus=ide.0,unit=0,serial=disk1",
        "ide-hd,drive=disk2,bus=ide.0,unit=1,serial=disk2",
    ]


def test_names_go_to_qemu_as_they_are() -> None:
    spec = MachineSpec(Path("/k"), disks=(DiskSpec(Path('/a, "b"'), read_only=True),))
    (said,) = options(spec, "-blockdev")
    assert json.loads(said) == {
        "driver": "raw", "node-name": "disk0", "read-only": True, "file": {"driver": "file", "filename": '/a, "b"'},
    }


def test_faults_are_rules_of_blkdebug() -> None:
    faults = (Fault("read", 7), Fault("write", once=True))
    (said,) = options(MachineSpec(Path("/k"), disks=(DiskSpec(Path("/a"), faults=faults),)), "-blockdev")
    file = json.loads(said)["file"]
    assert (file["driver"], file["image"]) == ("blkdebug", {"driver": "file", "filename": "/a"})
    assert file["inject-error"] == [
        {"event": "none", "iotype": "read", "errno": 5, "once": False, "sector": 7},
        {"event": "none", "iotype": "write", "errno": 5, "once": True},
    ]


@pytest.mark.parametrize("make", [lambda: DiskSpec(Path("/a"), "scsi"), lambda: Fault("format")])
def test_what_there_is_no_device_for_is_refused_at_once(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"is (of )?one of"):
        make()


def test_a_machine_has_its_disks_and_locks_them(boot: Boot, tmp_path: Path) -> None:
    failing = DiskSpec(image(tmp_path, "c.img"), "ide", faults=(Fault("read", 1),))
    disks = (DiskSpec(image(tmp_path, "a, b.img")), failing)
    machine = boot(SPIN, disks=disks)
    shown = machine.monitor("info block")
    assert f"disk0: {tmp_path}/a, b.img (raw)" in shown
    assert "disk1:" in shown
    with pytest.raises(UserError) as caught:
        boot(SPIN, disks=disks[:1])
    assert str(caught.value) == (
        f"{tmp_path}/a, b.img is in use, perhaps as another machine's disk: end that one first"
    )
