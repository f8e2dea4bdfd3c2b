"""Starting a machine: what is checked before, what QEMU inherits, and why it did not start.

Invariants
  - Whatever a user can have wrong (files, QEMU, memory) is found here and said in one sentence, before or by QEMU.
  - Files keep their names for QEMU except where it could not open them under those: compressed, or with a space.
"""

from __future__ import annotations

import gzip
import re
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from xengen.errors import UserError
from xengen.machine.multiboot import has_multiboot_header
from xengen.machine.nics import Cable
from xengen.machine.process import Descriptors
from xengen.machine.pump import Channels
from xengen.machine.qemu import Emulator, Wiring, find_emulator
from xengen.machine.spec import MachineSpec

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Parts:
    """What a machine is made of: the memory's descriptor, our ends, QEMU's by name, and that of its output.

    cables: our ends of those network interfaces that have one.
    """

    memory: int
    channels: Channels
    wiring: Wiring
    names: dict[Path, str]
    output_end: int
    cables: tuple[socket.socket, ...]


def check(spec: MachineSpec) -> Emulator:
    """Return the QEMU that can run `spec`; UserError when there is none, or a file is not what it should be."""
    spec.check()
    if spec.kernel is not None and not has_multiboot_header(contents(spec.kernel)):
        raise UserError(f"{spec.kernel} is no multiboot image: its first 8 KiB have no multiboot header in them")
    return find_emulator(spec.emulator)


def lay_out(spec: MachineSpec, descriptors: Descriptors) -> Parts:
    """Make memory and channels; `descriptors` takes QEMU's ends."""
    names = _names(spec, descriptors)
    memory = descriptors.memory_file("xengen-memory", spec.memory)
    monitor, monitor_end = descriptors.socket()
    # QEMU drops a character that it could not write after four attempts, and a guest that waits until we have read
    # counts instructions that depend on us: so there is room for whatever a test writes.
    consoles = [descriptors.socket(deep=True) for _ in range(spec.serial_ports)]
    trace, trace_end = descriptors.pipe()
    output, output_end = descriptors.pipe()
    cables = [descriptors.datagrams() for nic in spec.nics if isinstance(nic.end, Cable)]
    wiring = Wiring(
        f"memory-backend-file,id=ram,size={spec.memory},share=on,mem-path=/dev/fd/{memory}",
        tuple(f"socket,id=com{number},fd={end}" for number, (_, end) in enumerate(consoles, 1)),
        f"socket,id=qmp,fd={monitor_end}",
        f"/dev/fd/{trace_end}",
        tuple(f"socket,fd={end}" for _, end in cables),
    )
    channels = Channels(monitor, tuple(ours for ours, _ in consoles), trace, output)
    return Parts(memory, channels, wiring, names, output_end, tuple(ours for ours, _ in cables))


def _names(spec: MachineSpec, descriptors: Descriptors) -> dict[Path, str]:
    """Return the files that QEMU has to open under another name: compressed kernels, and names with spaces in them."""
    names = {}
    for path in spec.files():
        if path == spec.kernel and _head(path, 2) == GZIP:
            unpacked = contents(path)
            names[path] = f"/dev/fd/{descriptors.memory_file('xengen-kernel', contents=unpacked)}"
        elif any(character.isspace() for character in str(path)):
            names[path] = f"/dev/fd/{descriptors.open_file(path)}"
    return names


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def contents(path: Path) -> bytes:
    """Return the bytes of a kernel file, unpacked when it is compressed."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(GZIP) else data
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def refusal(spec: MachineSpec, output: str, status: int) -> UserError:
    """Return the error of a QEMU that ended before its machine started, in QEMU's own words."""
    lines = [line for line in output.strip().splitlines() if line.strip()]
    said = lines[-1].removeprefix(f"{spec.emulator}: ") if lines else in_words(status)
    if spec.gdb_port is not None and "Address already in use" in output:
        return UserError(f"port {spec.gdb_port} for gdb is in use: give another one, or end who has it")
    locked = re.search(r'Failed to get .* lock\s+Is another process using the image \[(.*)\]', output)
    if locked is not None:
        return UserError(f"{locked[1]} is in use, perhaps as another machine's disk: end that one first")
    forward = re.search(r"host forwarding rule '(.*?)'", output)
    if forward is not None:
        return UserError(f"the port of {forward[1]} cannot be forwarded: another program has it, or it is none")
    if spec.nics and "bind" in output:
        return UserError(f"a port of a network interface cannot be had: {said}")
    if spec.kernel is not None and not said.startswith("-"):
        return UserError(f"QEMU cannot boot {spec.kernel}: {said}")
    return UserError(f"QEMU did not start: {said}")


def in_words(status: int) -> str:
    if status < 0:
        return f"killed by signal {-status} ({signal.Signals(-status).name})"
    return f"exit status {status}"
