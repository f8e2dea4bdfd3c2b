"""What the boot tests are written with: the project's images, machines that boot them, and guests made on the spot.

Invariants
  - An image is built once per run, whichever of the parallel workers comes first; the others wait for it.
  - Every machine belongs to one test and ends with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from xengen.machine.disks import DiskSpec
from xengen.machine.machine import Machine
from xengen.machine.nics import NicSpec
from xengen.machine.spec import CPU, MIB, MachineSpec, Module
from xengen.toolchain.build import build

# Where a test's item keeps the Booter of its machines, for the report of a failure (conftest.py).
BOOTER = pytest.StashKey["Booter"]()

TREE = Path(__file__).resolve().parents[2]

# A guest of the project by name, a file, a file with its command line, or a module as it is.
Guest = str | Path | tuple[str | Path, str] | Module


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` inside the block; wait for whoever holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Images:
    """The project's images, built when they are first asked for."""

    def __init__(self, tree: Path = TREE) -> None:
        self._tree = tree
        self._built: dict[tuple[str, bool], Path] = {}

    def hypervisor(self, *, debug: bool = True) -> Path:
        """Return the hypervisor's ELF file, the debug or the release build."""
        return self._image("hypervisor", debug)

    def guest(self, name: str, *, debug: bool = True) -> Path:
        """Return the ELF file of the guest asm/guests/NAME."""
        return self._image(name, debug)

    def _image(self, name: str, debug: bool) -> Path:
        if (name, debug) not in self._built:
            out = self._tree / "build" / ("" if debug else "release")
            with locked(out / ".lock"):
                (result,) = build(self._tree, out, images=[name], debug=debug)
            self._built[name, debug] = result.elf
        return self._built[name, debug]


class GuestMaker:
    """Makes guests from a few lines of assembly, each source once per worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, str], Path] = {}
        self._numbers = count()

    def __call__(self, source: str, *, like: str = "hello") -> Path:
        """Return the ELF file of a guest whose only file is `source`, laid out as the guest `like` is.

        `source` is a template as in asm/guests, with the project's macros and the libraries that image.toml names.
        BuildError when it cannot be built.
        """
        if (source, like) not in self._made:
            self._made[source, like] = self._make(source, like, f"snippet{next(self._numbers)}")
        return self._made[source, like]

    def _make(self, source: str, like: str, name: str) -> Path:
        tree = self._folder / name
        image = tree / "asm/guests" / name
        image.mkdir(parents=True)
        (image / "image.toml").write_bytes((TREE / "asm/guests" / like / "image.toml").read_bytes())
        (image / "main.s").write_text(source, encoding="utf-8")
        (tree / "asm/lib").symlink_to(TREE / "asm/lib")
        (tree / "templates").symlink_to(TREE / "templates")
        (result,) = build(tree, tree / "build", images=[name])
        return result.elf


class Booter:
    """Boots the hypervisor with guests; `close` ends every machine that it booted."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.machines: list[Machine] = []

    def __call__(
        self,
        *guests: Guest,
        append: str = "",
        memory: int = 128 * MIB,
        icount: bool = False,
        icount_shift: int = 0,
        debug: bool = True,
        trace: bool = True,
        start: bool = True,
        cpu: str = CPU,
        serial_ports: int = 1,
        disks: Sequence[DiskSpec] = (),
        nics: Sequence[NicSpec] = (),
    ) -> Machine:
        """Start the hypervisor with `guests` as its modules, the first of them domain 0; return the running machine.

        A guest is a project guest's name, a file, (either of them, its command line), or a Module. `append` is the
        hypervisor's command line, `memory` the machine's in bytes. `debug=False` boots the release build.
        """
        modules = tuple(self._module(guest) for guest in guests)
        spec = MachineSpec(
            self._images.hypervisor(debug=debug), append, modules,
            memory=memory, icount=icount, icount_shift=icount_shift, trace_exceptions=trace, cpu=cpu,
            serial_ports=serial_ports, disks=tuple(disks), nics=tuple(nics),
        )  # fmt: skip
        self.machines.append(Machine(spec, start=start))
        return self.machines[-1].__enter__()

    def close(self) -> None:
        """End all machines."""
        for machine in self.machines:
            machine.close()

    def consoles(self) -> Sequence[str]:
        """Return the console text of each machine that was started."""
        return [machine.console.text for machine in self.machines if machine.consoles]

    def _module(self, guest: Guest) -> Module:
        match guest:
            case Module():
                return guest
            case (file, command_line):
                return Module(self._file(file), command_line)
            case str() | Path():
                return Module(self._file(guest))

    def _file(self, guest: str | Path) -> Path:
        return guest if isinstance(guest, Path) else self._images.guest(guest)
