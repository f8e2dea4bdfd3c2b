"""What to boot, as data.

Invariants
  - A specification names either a multiboot kernel (with modules) or an ISO, never both and never none.
  - Nothing here touches the machine; `check` alone looks at the files that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xengen.errors import UserError
from xengen.machine import disks
from xengen.machine.disks import DiskSpec
from xengen.machine.nics import NicSpec

MIB = 1 << 20
SMALLEST_MEMORY = 8 * MIB
LARGEST_MEMORY = 1 << 40
LARGEST_ICOUNT_SHIFT = 10

# PAE, PSE, PGE, SSE2, SEP, CX8, CMOV and the local APIC come with qemu32; every one of these is emulated by TCG.
CPU = "qemu32,+nx,+clflush,+mtrr,+mca,+pse36"
# A hypervisor that is not ours may want long mode; this one runs 32-bit images as well.
CPU_64 = "max"


@dataclass(frozen=True)
class Module:
    """A multiboot module: a file, and the text that follows its name (a domain's command line)."""

    path: Path
    command_line: str = ""


@dataclass(frozen=True)
class MachineSpec:
    """One machine. `memory` is in bytes, a multiple of 1 MiB.

    icount: time counts instructions, so runs repeat exactly; an instruction takes 2**icount_shift ns (0 to 10): with a
    larger one a second takes fewer of them. trace_exceptions: QEMU records every exception and
    interrupt (the tail is kept for reports; costs 8 microseconds each). gdb_port: a gdb server on 127.0.0.1.
    """

    kernel: Path | None = None
    command_line: str = ""
    modules: tuple[Module, ...] = ()
    iso: Path | None = None
    memory: int = 128 * MIB
    icount: bool = False
    icount_shift: int = 0
    trace_exceptions: bool = False
    serial_ports: int = 1
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = ()
    gdb_port: int | None = None
    cpu: str = CPU
    emulator: str = "qemu-system-i386"

    def __post_init__(self) -> None:
        if (self.kernel is None) == (self.iso is None):
            raise ValueError("a machine boots a kernel or an ISO: give exactly one of the two")
        if self.modules and self.kernel is None:
            raise ValueError("modules go with a kernel; an ISO brings its own")
        if not 0 <= self.icount_shift <= LARGEST_ICOUNT_SHIFT:
            raise ValueError(f"an instruction takes 2**0 to 2**10 ns, not 2**{self.icount_shift}")
        if not 1 <= self.serial_ports <= 4:
            raise ValueError(f"a PC has one to four serial ports, not {self.serial_ports}")

    def files(self) -> tuple[Path, ...]:
        """Return every file that the machine reads, in boot order."""
        first = self.kernel if self.kernel is not None else self.iso
        assert first is not None
        return (first, *(module.path for module in self.modules))

    def check(self) -> None:
        """Raise UserError when a file is missing, a disk or the memory size cannot be."""
        for path in self.files():
            if not path.exists():
                raise UserError(f"no such file: {path}")
            if not path.is_file():
                raise UserError(f"not a file: {path}")
        disks.check(self.disks, with_cd=self.iso is not None)
        for nic in self.nics:
            nic.check()
        if self.memory % MIB or not SMALLEST_MEMORY <= self.memory <= LARGEST_MEMORY:
            raise UserError(
                f"a machine has a whole number of MiB of memory, {SMALLEST_MEMORY // MIB} to {LARGEST_MEMORY // MIB}, "
                f"not {self.memory} bytes"
            )
