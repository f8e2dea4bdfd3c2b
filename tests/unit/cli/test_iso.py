"""`xengen iso` (xengen/cli/iso.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Hypervisor, Xengen
from tests.unit.machine.sources import saying
from xengen.cli.iso import grub_menu, missing_packages
from xengen.cli.status import ExitStatus
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec

needs_grub = pytest.mark.skipif(bool(missing_packages()), reason=f"not installed: {' '.join(missing_packages())}")


def test_grubs_menu_loads_the_hypervisor_and_each_module() -> None:
    menu = grub_menu("/boot/h /boot/h loglvl=all", ["/boot/a /boot/a x=1", "/boot/b /boot/b"])
    multiboot = "    multiboot /boot/h /boot/h loglvl=all\n"
    assert multiboot + "    module /boot/a /boot/a x=1\n    module /boot/b /boot/b\n" in menu
    assert "$hypervisor" not in menu.split("menuentry")[1]


def test_missing_tools_are_named_with_the_command_that_installs_them(
    xengen: Xengen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = xengen("iso", "--hypervisor", "/no/xen", "--guest", "/no/guest")
    assert said.status == ExitStatus.MISUSE
    assert said.err.startswith("making an ISO needs packages that are missing (")
    assert said.err.endswith(": apt-get install grub-common mtools xorriso\n") or "grub-pc-bin" in said.err


@needs_grub
def test_a_missing_file_leaves_no_iso(xengen: Xengen, tmp_path: Path, hypervisor: Hypervisor) -> None:
    out = tmp_path / "out" / "x.iso"
    said = xengen(
        "iso", "--out", str(out), "--hypervisor", hypervisor(saying("a")), "--guest", str(tmp_path / "gone.elf")
    )
    assert said.status == ExitStatus.MISUSE
    assert said.err == f"cannot read {tmp_path}/gone.elf: No such file or directory\n"
    assert not out.parent.exists()


@needs_grub
def test_the_iso_boots_through_the_firmware_and_grub(
    xengen: Xengen, tmp_path: Path, hypervisor: Hypervisor, guest: str
) -> None:
    out = tmp_path / "x.iso"
    kernel = hypervisor(saying("(xengen) from a CD\r\n"))
    assert xengen("iso", "--out", str(out), "--hypervisor", kernel, "--guest", f"{guest},x=1").out == f"{out}\n"
    with Machine(MachineSpec(iso=out)) as machine:
        machine.console.expect(r"\(xengen\) from a CD", timeout=30)
        machine.wait()
