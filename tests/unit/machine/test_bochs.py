"""The second emulator (xengen/machine/bochs.py): how a machine ends there, and what a person sees when one fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.machine.kernels import kernel
from tests.unit.machine.sources import RESET, SPIN, TRIPLE_FAULT, saying
from xengen.cli.iso import make_iso
from xengen.cli.iso import missing_packages as missing_for_iso
from xengen.errors import UserError
from xengen.machine.bochs import Bochs, BochsExited, BochsSpec, configuration, missing_packages
from xengen.machine.machine import Ending
from xengen.machine.postmortem import Hang, HypervisorPanic, TripleFault
from xengen.machine.spec import MIB

LACKING = sorted({*missing_packages(), *missing_for_iso()})
needs_bochs = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {' '.join(LACKING)}")

BANNER = "(xengen) banner\r\n"
HALT = "jmp halt"
# What Bochs takes for the power switch: the word at port 0x8900.
SWITCH_OFF = """
    movl $word, %esi
    movw $0x8900, %dx
    call print_next
    jmp halt
word:
    .byte 0x53, 0x68, 0x75, 0x74, 0x64, 0x6f, 0x77, 0x6e, 0x0
"""
SECONDS = 120

BochsBoot = Callable[[str], Bochs]


def to_debug_port(source: str) -> str:
    """Return a kernel's source that prints to port 0xe9."""
    return source.replace("call print\n", "movw $0xe9, %dx\n    call print_next\n")


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[BochsBoot]:
    """`boot(source)`: assemble, put on a CD, start; ends when the test does."""
    machines: list[Bochs] = []

    def start(source: str) -> Bochs:
        make_iso(tmp_path / "boot.iso", kernel(tmp_path, to_debug_port(source)), "", ())
        machines.append(Bochs(BochsSpec(tmp_path / "boot.iso", 32 * MIB)))
        return machines[-1].__enter__()

    yield start
    for machine in machines:
        machine.close()


def until(machine: Bochs, text: bytes) -> None:
    """Read until the machine has written `text`."""
    for _ in machine.follow(SECONDS):
        if text in machine.raw:
            return


@needs_bochs
def test_what_the_machine_says_is_told_from_what_bochs_says(boot: BochsBoot) -> None:
    machine = boot(saying("(xengen) one\r\n(d0) two\r\n(d0) three\r\n", SWITCH_OFF))
    assert machine.wait(SECONDS) is Ending.POWEROFF
    assert machine.transcript.hypervisor == "one\n"
    assert machine.transcript.text(0) == "two\nthree\n"


@needs_bochs
def test_a_reset_is_a_reboot_and_not_the_next_boot(boot: BochsBoot) -> None:
    machine = boot(saying(BANNER, RESET))
    assert machine.wait(SECONDS) is Ending.REBOOT
    assert machine.transcript.hypervisor == "banner\n"


@needs_bochs
def test_a_triple_fault_shows_the_registers_and_the_console(boot: BochsBoot) -> None:
    with pytest.raises(TripleFault) as caught:
        boot(saying(BANNER, TRIPLE_FAULT)).wait(SECONDS)
    lines = str(caught.value).splitlines()
    assert lines[0] == "triple fault: the processor could not deliver a double fault"
    assert "  | (xengen) banner" in lines
    said = lines[lines.index("Bochs said:") :]
    assert any("| EIP=" in line for line in said)


@needs_bochs
def test_a_panic_that_halts_the_machine_is_told_by_its_reason(boot: BochsBoot) -> None:
    with pytest.raises(HypervisorPanic, match=r"^the hypervisor panicked: no room\n"):
        boot(saying("(xengen) PANIC: no room\r\n", HALT)).wait(SECONDS)


@needs_bochs
def test_the_death_of_domain_0_that_halts_the_machine_is_an_ending(boot: BochsBoot) -> None:
    machine = boot(saying("(xengen) domain 0 died: of something\r\n", HALT))
    assert machine.wait(SECONDS) is Ending.DOM0_DIED


@needs_bochs
def test_a_machine_that_spins_is_a_hang_and_then_gone(
    boot: BochsBoot, open_descriptors: Callable[[], set[str]]
) -> None:
    before = open_descriptors()
    machine = boot(saying(BANNER, SPIN))
    until(machine, b"banner")
    with pytest.raises(Hang, match=r"^the machine did not end within 0\.1 s\n(.*\n)*  \| \(xengen\) banner"):
        machine.wait(0.1)
    machine.close()
    assert not Path(f"/proc/{machine.pid}").exists()
    assert open_descriptors() == before


@needs_bochs
def test_a_bochs_that_is_killed_says_so(boot: BochsBoot) -> None:
    machine = boot(saying(BANNER, SPIN))
    until(machine, b"banner")
    os.kill(machine.pid, signal.SIGKILL)
    with pytest.raises(BochsExited, match=r"^Bochs ended unexpectedly: killed by signal 9 \(SIGKILL\)\n"):
        machine.wait(SECONDS)


@needs_bochs
def test_a_missing_iso_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, Bochs(BochsSpec(tmp_path / "gone.iso")):
        pass
    assert str(caught.value) == f"no such file: {tmp_path}/gone.iso"


@needs_bochs
@pytest.mark.parametrize("size", [0, 512, 516096 + 512])
def test_a_disk_that_bochs_would_not_take_is_named(tmp_path: Path, size: int) -> None:
    iso, disk = tmp_path / "any.iso", tmp_path / "disk.img"
    iso.touch()
    disk.write_bytes(bytes(size))
    with pytest.raises(UserError) as caught, Bochs(BochsSpec(iso, disk=disk)):
        pass
    assert str(caught.value) == f"Bochs takes disks of whole cylinders: make {disk} a multiple of 516096 bytes"


def test_a_missing_bochs_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught, Bochs(BochsSpec(tmp_path / "any.iso")):
        pass
    assert str(caught.value) == (
        "no Bochs found (looked for bochs and its BIOS): apt-get install bochs bochs-term bochsbios vgabios"
    )


def test_further_devices_are_lines_at_the_end_of_the_configuration() -> None:
    spec = BochsSpec(Path("x.iso"), devices=("e1000: mac=52:54:00:12:34:56", "sb16: enabled=1"))
    text = configuration(spec, "/dev/fd/5", "/dev/fd/6")
    assert text.endswith("\ne1000: mac=52:54:00:12:34:56\nsb16: enabled=1\n")


def test_the_configuration_has_every_name_filled_in() -> None:
    text = configuration(BochsSpec(Path("x.iso"), 96 * MIB), "/dev/fd/5", "/dev/fd/6")
    assert "memory: guest=96, host=96\n" in text
    assert "ata0-master: type=cdrom, path=/dev/fd/5, status=inserted\n" in text
    assert "log: /dev/fd/6\n" in text
    assert "$" not in text.split("config_interface")[1]
