"""What tests of a host are written with: domains made through its methods, their consoles, and GRUB as a guest."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xengen.control.methods import Methods
from xengen.machine.spec import MIB

Record = dict[str, Any]

GRUB_MODULES = ("normal", "echo", "halt", "ls")


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def make(methods: Methods, name: str, image: Path | str, memory: int = 16 * MIB, **more: Any) -> Record:
    """Create a domain; return its record."""
    creation = methods.create(name, str(image), memory, **more)
    while True:
        try:
            next(creation)
        except StopIteration as end:
            found: Record = end.value
            return found


def console(methods: Methods, name: str) -> str:
    """Return what a domain has written so far."""
    return "".join(methods.watch_console(name, follow=False))


def free(methods: Methods) -> int:
    """Return how many bytes of the machine are free."""
    return int(methods.machine()["free"])


def make_grub(folder: Path, *modules: str) -> Path:
    """Make GRUB for 32-bit PAE Xen, by Debian's own tools, with GRUB_MODULES and these in it."""
    if shutil.which("grub-mkimage") is None or not Path("/usr/lib/grub/i386-xen").is_dir():
        pytest.skip("GRUB for Xen is not installed (packages grub-common, grub-xen-bin)")
    path = folder / "grub.elf"
    words = ["grub-mkimage", "-O", "i386-xen", "-p", "/", "-o", str(path), *GRUB_MODULES, *modules]
    subprocess.run(words, check=True)
    return path
