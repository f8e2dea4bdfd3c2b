"""Where QEMU is, and the command that starts it.

Invariants
  - `command` is a function of its arguments: it looks at nothing and starts nothing, so a dry run can print it.
  - What the harness needs for itself (monitor, memory file, trace) is in `Wiring`; without it the command stands alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from xengen.errors import UserError
from xengen.machine import disks, nics
from xengen.machine.spec import MachineSpec

OLDEST = (7, 0)
CONFIGURATION = Path(__file__).resolve().parents[2] / "qemu"
PACKAGE = "qemu-system-x86"


@dataclass(frozen=True)
class Emulator:
    """A QEMU program that was found, and its version (major, minor, micro)."""

    path: Path
    version: tuple[int, int, int]


@dataclass(frozen=True)
class Wiring:
    """Where QEMU's channels go, each as the text of a QEMU option's value.

    `memory` is the object that holds the guest's memory (its id must be "ram"); `consoles` are chardevs, COM1 first;
    `cables` are network backends, one for each interface whose other end is ours.
    """

    memory: str
    consoles: tuple[str, ...]
    monitor: str | None = None
    trace: str | None = None
    cables: tuple[str, ...] = ()


def standalone(spec: MachineSpec) -> Wiring:
    """Return the wiring of a QEMU that a person starts by hand: COM1 on the terminal, ordinary memory."""
    consoles = ("stdio,id=com1,signal=on", *(f"null,id=com{number}" for number in range(2, spec.serial_ports + 1)))
    return Wiring(f"memory-backend-ram,id=ram,size={spec.memory}", consoles)


def find_emulator(name: str = "qemu-system-i386", search_path: str | None = None) -> Emulator:
    """Return the QEMU called `name`, looked for on `search_path` (default: $PATH).

    UserError when it is not there, does not run, or is older than OLDEST.
    """
    found = shutil.which(name, path=search_path)
    if found is None:
        raise UserError(f"no QEMU found (looked for {name}): install {PACKAGE} (apt-get install {PACKAGE})")
    return Emulator(Path(found), _version(found, os.stat(found).st_mtime_ns))


@lru_cache(maxsize=8)
def _version(path: str, _modified: int) -> tuple[int, int, int]:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{path} does not run ({error}): install {PACKAGE} again") from error
    match = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", said)
    if match is None:
        raise UserError(f"{path} does not say its version as QEMU does: install {PACKAGE}, or mend PATH")
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    if version[:2] < OLDEST:
        found, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
        raise UserError(f"{path} is QEMU {found}, and xengen needs {wanted} or later: install a newer {PACKAGE}")
    return version


def doubled(text: str) -> str:
    """Return `text` as QEMU's option parser wants it: each comma twice."""
    return text.replace(",", ",,")


def command(spec: MachineSpec, emulator: Path, wiring: Wiring, names: dict[Path, str] | None = None) -> list[str]:
    """Return the argument list that starts `spec`.

    `names` replaces a file's path by the name under which QEMU opens it (an inherited descriptor). UserError when a
    module's name has a space in it: QEMU ends the name there.
    """
    known = names or {}
    words = [str(emulator), "-no-user-config", "-nodefaults", "-display", "none"]
    words += ["-readconfig", str(CONFIGURATION / "pc.cfg")]
    if spec.icount:
        words += ["-readconfig", str(CONFIGURATION / "deterministic.cfg")]
        if spec.icount_shift:
            words += ["-icount", f"shift={spec.icount_shift}"]
    words += ["-cpu", spec.cpu, "-m", f"{spec.memory >> 20}M", "-object", wiring.memory]
    for number, console in enumerate(wiring.consoles, 1):
        words += ["-chardev", console, "-serial", f"chardev:com{number}"]
    words += ["-no-reboot"]
    if wiring.monitor is not None:
        words += ["-no-shutdown", "-S", "-chardev", wiring.monitor, "-mon", "chardev=qmp,mode=control"]
    if wiring.trace is not None:
        words += ["-d", "int,cpu_reset" if spec.trace_exceptions else "cpu_reset", "-D", wiring.trace]
    if spec.gdb_port is not None:
        words += ["-gdb", f"tcp:127.0.0.1:{spec.gdb_port}"]
    words += disks.words(spec.disks, known)
    words += nics.words(spec.nics, wiring.cables)
    if spec.iso is not None:
        name = doubled(known.get(spec.iso, str(spec.iso)))
        words += ["-drive", f"file={name},format=raw,media=cdrom,readonly=on,index={disks.CD_INDEX}", "-boot", "d"]
    if spec.kernel is not None:
        words += ["-kernel", known.get(spec.kernel, str(spec.kernel))]
        if spec.command_line:
            words += ["-append", spec.command_line]
    if spec.modules:
        words += ["-initrd", ",".join(_module(known.get(m.path, str(m.path)), m.command_line) for m in spec.modules)]
    return words


def _module(name: str, command_line: str) -> str:
    if any(character.isspace() for character in name):
        raise UserError(f"QEMU ends a module's name at a space: rename {name}, or link to it under another name")
    return doubled(f"{name} {command_line}" if command_line else name)
