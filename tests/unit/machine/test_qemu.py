"""Finding QEMU, and the command that starts it (xengen/machine/qemu.py, spec.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from xengen.errors import UserError
from xengen.machine.qemu import Wiring, command, find_emulator, standalone
from xengen.machine.spec import MIB, MachineSpec, Module

QEMU = Path("/usr/bin/qemu-system-i386")


def fake(folder: Path, script: str) -> str:
    """Put a program called qemu-system-i386 into `folder`; return the search path that finds it."""
    program = folder / "qemu-system-i386"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(folder)


def value(words: list[str], option: str) -> str:
    """Return what follows `option`."""
    return words[words.index(option) + 1]


def test_a_missing_qemu_is_one_sentence_with_the_package(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_emulator(search_path=str(tmp_path))
    assert str(caught.value) == (
        "no QEMU found (looked for qemu-system-i386): install qemu-system-x86 (apt-get install qemu-system-x86)"
    )


def test_a_qemu_that_is_too_old_is_one_sentence_with_both_versions(tmp_path: Path) -> None:
    path = fake(tmp_path, 'echo "QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)"')
    with pytest.raises(UserError) as caught:
        find_emulator(search_path=path)
    assert str(caught.value) == (
        f"{path}/qemu-system-i386 is QEMU 5.2.0, and xengen needs 7.0 or later: install a newer qemu-system-x86"
    )


@pytest.mark.parametrize(
    "script, said",
    [
        ("echo hello", "does not say its version as QEMU does"),
        ("exit 3", "does not run"),
    ],
)
def test_a_qemu_that_is_none_is_refused(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find_emulator(search_path=fake(tmp_path, script))


def test_a_qemu_is_found_with_its_version(tmp_path: Path) -> None:
    found = find_emulator(search_path=fake(tmp_path, 'echo "QEMU emulator version 9.1"'))
    assert found.version == (9, 1, 0)


def test_commas_in_modules_are_doubled_and_modules_separated_by_one() -> None:
    modules = (Module(Path("/a,b"), "x=1,2"), Module(Path("/c")))
    spec = MachineSpec(kernel=Path("/k"), modules=modules)
    assert value(command(spec, QEMU, standalone(spec)), "-initrd") == "/a,,b x=1,,2,/c"


def test_a_command_line_goes_to_the_kernel() -> None:
    spec = MachineSpec(kernel=Path("/k"), command_line="console=com1, loglvl=all")
    words = command(spec, QEMU, standalone(spec))
    assert (value(words, "-kernel"), value(words, "-append")) == ("/k", "console=com1, loglvl=all")


def test_an_iso_is_a_drive_that_nobody_writes_to() -> None:
    spec = MachineSpec(iso=Path("/a,b.iso"))
    assert value(command(spec, QEMU, standalone(spec)), "-drive") == (
        "file=/a,,b.iso,format=raw,media=cdrom,readonly=on,index=2"
    )


def test_a_command_without_the_harness_has_no_descriptors_in_it() -> None:
    spec = MachineSpec(kernel=Path("/k"), trace_exceptions=True, serial_ports=2)
    text = " ".join(command(spec, QEMU, standalone(spec)))
    assert "fd" not in text
    assert "-S" not in text.split()


def test_deterministic_time_is_a_file_of_its_own() -> None:
    for icount in (False, True):
        spec = MachineSpec(kernel=Path("/k"), icount=icount)
        files = [word.rsplit("/", 1)[-1] for word in command(spec, QEMU, standalone(spec)) if word.endswith(".cfg")]
        assert files == ["pc.cfg", "deterministic.cfg"][: 1 + icount]


@pytest.mark.parametrize("shift, words", [(0, []), (6, ["-icount", "shift=6"])])
def test_an_instruction_can_take_longer_than_a_nanosecond(shift: int, words: list[str]) -> None:
    spec = MachineSpec(kernel=Path("/k"), icount=True, icount_shift=shift)
    made = command(spec, QEMU, standalone(spec))
    assert [word for word in made if word == "-icount" or word.startswith("shift=")] == words


@pytest.mark.parametrize("shift", [-1, 11])
def test_an_instruction_takes_no_other_time_than_qemu_knows(shift: int) -> None:
    with pytest.raises(ValueError, match=r"takes 2\*\*0 to 2\*\*10 ns"):
        MachineSpec(kernel=Path("/k"), icount=True, icount_shift=shift)


def test_the_trace_has_exceptions_only_when_asked_for() -> None:
    wiring = Wiring("memory-backend-ram,id=ram,size=1", (), None, "/dev/fd/9")
    for wanted, mask in ((True, "int,cpu_reset"), (False, "cpu_reset")):
        assert value(command(MachineSpec(kernel=Path("/k"), trace_exceptions=wanted), QEMU, wiring), "-d") == mask


def test_a_file_may_have_another_name_for_qemu() -> None:
    spec = MachineSpec(kernel=Path("/my kernel"), modules=(Module(Path("/my guest"), "a b"),))
    names = {Path("/my kernel"): "/dev/fd/5", Path("/my guest"): "/dev/fd/6"}
    words = command(spec, QEMU, standalone(spec), names)
    assert (value(words, "-kernel"), value(words, "-initrd")) == ("/dev/fd/5", "/dev/fd/6 a b")


def test_a_module_with_a_space_in_its_name_is_refused_where_it_has_no_other_name() -> None:
    spec = MachineSpec(kernel=Path("/k"), modules=(Module(Path("/my guest")),))
    with pytest.raises(UserError, match="QEMU ends a module's name at a space: rename /my guest"):
        command(spec, QEMU, standalone(spec))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "kernel").touch()
    spec = MachineSpec(kernel=tmp_path / "kernel", modules=(Module(tmp_path / "guest.elf"),))
    with pytest.raises(UserError) as caught:
        spec.check()
    assert str(caught.value) == f"no such file: {tmp_path}/guest.elf"


def test_a_folder_is_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"not a file: {tmp_path}"):
        MachineSpec(kernel=tmp_path).check()


@pytest.mark.parametrize("size", [0, 4 * MIB, 128 * MIB + 1, 1 << 41])
def test_a_memory_size_that_cannot_be_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "kernel").touch()
    with pytest.raises(UserError, match=r"a whole number of MiB of memory, 8 to \d+, not \d+ bytes$"):
        MachineSpec(kernel=tmp_path / "kernel", memory=size).check()


@pytest.mark.parametrize(
    "fields", [{}, {"kernel": Path("k"), "iso": Path("i")}, {"iso": Path("i"), "modules": (Module(Path("m")),)}]
)
def test_a_machine_boots_a_kernel_or_an_iso(fields: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="kernel"):
        MachineSpec(**fields)  # type: ignore[arg-type]
