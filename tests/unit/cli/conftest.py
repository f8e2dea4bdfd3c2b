"""What the tests of the command line share: running a command line, and a kernel to boot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.machine.kernels import kernel
from xengen.cli.app import run_command_line


@dataclass(frozen=True)
class Said:
    """What a command line did: its exit status, and what it wrote."""

    status: int
    out: str
    err: str


Xengen = Callable[..., Said]
Hypervisor = Callable[[str], str]


@pytest.fixture
def xengen(capfd: pytest.CaptureFixture[str]) -> Xengen:
    """`xengen("run", "--help")`: carry out a command line."""

    def carry_out(*words: str) -> Said:
        capfd.readouterr()
        status = run_command_line(words)
        return Said(status, *capfd.readouterr())

    return carry_out


@pytest.fixture
def guest(tmp_path: Path) -> str:
    """Some file that a kernel gets as its module."""
    path = tmp_path / "guest.elf"
    path.write_bytes(b"a guest")
    return str(path)


@pytest.fixture
def hypervisor(tmp_path: Path) -> Hypervisor:
    """`hypervisor(source)`: a multiboot kernel from a few instructions; return its path."""

    def make(source: str) -> str:
        return str(kernel(tmp_path, source, "hypervisor.elf"))

    return make
