"""What the options of run and iso name (xengen/cli/images.py, options.py)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from xengen.cli.images import modules, parse_guest, parse_memory
from xengen.errors import UserError
from xengen.machine.spec import Module

DEMO = Path("build/guests/hello.elf")


@pytest.mark.parametrize(
    "text, module",
    [
        ("a.elf", Module(Path("a.elf"))),
        ("a.elf,console=hvc0 root=/dev/xvda", Module(Path("a.elf"), "console=hvc0 root=/dev/xvda")),
        ("a.elf,x=1,y=2,,3", Module(Path("a.elf"), "x=1,y=2,,3")),
        ("a,,b.elf,x", Module(Path("a,b.elf"), "x")),
        ("a.elf,", Module(Path("a.elf"))),
    ],
)
def test_a_guest_is_a_file_and_its_command_line(text: str, module: Module) -> None:
    assert parse_guest(text) == module


@pytest.mark.parametrize("text", ["", ",x"])
def test_a_guest_has_a_file(text: str) -> None:
    with pytest.raises(UserError, match="--guest wants FILE or FILE,CMDLINE"):
        parse_guest(text)


@pytest.mark.parametrize(
    "order, guests, initrds, files",
    [
        ("", [], [], [str(DEMO)]),
        ("i", [], ["i"], [str(DEMO), "i"]),
        ("gg", ["a", "b"], [], ["a", "b"]),
        ("gig", ["a", "b"], ["i"], ["a", "i", "b"]),
        ("ggi", ["a", "b"], ["i"], ["a", "b", "i"]),
        ("gigi", ["a", "b"], ["i", "j"], ["a", "i", "b", "j"]),
        ("igg", ["a", "b"], ["i"], ["a", "i", "b"]),
    ],
)
def test_an_initrd_belongs_to_the_last_guest_before_it(
    order: str, guests: list[str], initrds: list[str], files: list[str], tmp_path: Path
) -> None:
    names = [{"g": "guest", "i": "initrd"}[letter] for letter in order]
    found = modules(names, guests, [Path(initrd) for initrd in initrds], DEMO, tmp_path)
    assert [str(module.path) for module in found] == files


def test_a_compressed_kernel_is_unpacked_and_its_initrd_is_not(tmp_path: Path) -> None:
    packed = tmp_path / "kernel.gz"
    packed.write_bytes(gzip.compress(b"\x7fELF and so on"))
    kernel, initrd = modules(["guest", "initrd"], [f"{packed},quiet"], [packed], DEMO, tmp_path)
    assert (kernel.path.read_bytes(), kernel.command_line, initrd.path) == (b"\x7fELF and so on", "quiet", packed)


@pytest.mark.parametrize("order, guests", [("gii", ["a"]), ("iig", ["a"]), ("ii", []), ("igi", ["a"])])
def test_a_second_initrd_for_one_domain_is_refused(order: str, guests: list[str], tmp_path: Path) -> None:
    names = [{"g": "guest", "i": "initrd"}[letter] for letter in order]
    with pytest.raises(UserError, match="a domain has one initrd, and j would be its second"):
        modules(names, guests, [Path("i"), Path("j")], DEMO, tmp_path)


@pytest.mark.parametrize(
    "text, size",
    [("128", 128 << 20), ("128M", 128 << 20), ("128MiB", 128 << 20), ("1g", 1 << 30), ("65536k", 64 << 20)],
)
def test_a_size_is_in_mib_unless_it_says_otherwise(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "M", "1T", "-1", "1.5G"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--memory wants a size"):
        parse_memory(text)
