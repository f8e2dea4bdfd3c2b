"""`Bochs`: one machine of the second emulator, from start to end.

QEMU's TCG does not enforce segment limits; Bochs does, and is unrelated otherwise (docs/emulators.md). It boots an ISO
that `xengen iso` makes, with the hypervisor's option console=e9: what is written to port 0xe9 comes out at once.

Invariants
  - A context manager: however the block is left, Bochs is gone, its descriptors too. It leaves no file behind: even its
    configuration and its log are descriptors.
  - Output is read when one asks for it (`follow`, `wait`): until then it waits in the pipe.
  - A machine ends in one of the ways of `Ending`; what is nobody's wish is an exception with a report (postmortem.py).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from string import Template
from types import TracebackType

from xengen.errors import UserError, XengenError
from xengen.machine import process
from xengen.machine.console import to_text
from xengen.machine.machine import Ending
from xengen.machine.postmortem import Hang, HypervisorPanic, MachineError, Report, TripleFault
from xengen.machine.process import Descriptors
from xengen.machine.qemu import CONFIGURATION
from xengen.machine.spec import MIB
from xengen.machine.startup import in_words
from xengen.machine.tail import Tail
from xengen.machine.transcript import Transcript, domain_ends, no_domain_0, panic_reason, transcribe

PROGRAM = "bochs"
PACKAGES = ("bochs", "bochs-term", "bochsbios", "vgabios")
BIOS = Path("/usr/share/bochs/BIOS-bochs-latest")
VGA_BIOS = Path("/usr/share/vgabios/vgabios.bin")

# A cylinder of 16 heads with 63 sectors: what Bochs takes a disk to be made of.
CYLINDER = 16 * 63 * 512
DISK = 'ata0-slave: type=disk, path="{}", mode=flat, cylinders=0\n'

CHUNK = 1 << 16
LOG_LIMIT = 16 << 10
# The processor of Bochs stands at its first instruction until its debugger lets it go on.
DEBUGGER_COMMANDS = b"c\n"
NAME = "Bochs"

# What Bochs 2.7 writes into its log when a machine ends (iodev/acpi.cc, iodev/unmapped.cc, cpu/event.cc, pc_system.cc).
POWERED_OFF = (b"ACPI control: soft power off", b"Shutdown port: shutdown requested")
HALTED = b"HLT instruction with IF=0"
TRIPLE_FAULT = b"exception with no resolution"
RESET = b"bx_pc_system_c::Reset("


class BochsExited(MachineError):
    """Bochs ended without having been told to by us or by the machine."""


@dataclass(frozen=True)
class BochsSpec:
    """One machine: an ISO, its memory in bytes, a multiple of 1 MiB, and the image of its IDE disk, if it has one.

    devices: further lines of the configuration, such as `e1000: ethmod=null, mac=52:54:00:12:34:56`.
    """

    iso: Path
    memory: int = 128 * MIB
    devices: tuple[str, ...] = ()
    disk: Path | None = None

    def check(self) -> None:
        """Raise UserError when Bochs, a part of it, or the ISO is missing."""
        missing = missing_packages()
        if missing:
            names = " ".join(missing)
            raise UserError(f"no Bochs found (looked for {PROGRAM} and its BIOS): apt-get install {names}")
        for file in (self.iso, *([self.disk] if self.disk else [])):
            if not file.is_file():
                raise UserError(f"no such file: {file}")
        if self.disk and (self.disk.stat().st_size == 0 or self.disk.stat().st_size % CYLINDER):
            raise UserError(f"Bochs takes disks of whole cylinders: make {self.disk} a multiple of {CYLINDER} bytes")


def missing_packages() -> tuple[str, ...]:
    """Return the Debian packages to install when Bochs cannot run here, else none."""
    there = shutil.which(PROGRAM) is not None and BIOS.is_file() and VGA_BIOS.is_file()
    return () if there else PACKAGES


def configuration(spec: BochsSpec, iso: str, log: str) -> str:
    """Return the text of Bochs's configuration file; `iso` and `log` are the names under which Bochs opens them."""
    template = Template((CONFIGURATION / "bochsrc.txt").read_text(encoding="utf-8"))
    disk = DISK.format(spec.disk.resolve()) if spec.disk else ""
    text = disk + template.substitute(iso=iso, memory=spec.memory // MIB, log=log, bios=BIOS, vgabios=VGA_BIOS)
    return text + "".join(f"{line}\n" for line in spec.devices)


class Bochs:
    """One machine made from `spec`; runs from `with Bochs(spec) as machine:` on. For the thread that made it only."""

    def __init__(self, spec: BochsSpec) -> None:
        self.spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._selector: selectors.BaseSelector | None = None
        self._output: FileIO | None = None
        self._log: FileIO | None = None
        self._raw = bytearray()
        self._log_line = b""
        self._log_tail = Tail(LOG_LIMIT)
        self._resets = 0
        self._ending: Ending | None = None
        self._halted = False
        self._tripled = False
        self._began = 0.0

    def __enter__(self) -> Bochs:
        try:
            self._power_on()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End Bochs and let go of everything. May be called twice."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        for pipe in (self._output, self._log):
            if pipe is not None:
                pipe.close()
        if self._process is not None and self.spec.disk is not None:
            disk = self.spec.disk.resolve()  # Bochs locks it by a file, and takes that away only when it ends by itself
            disk.with_name(f"{disk.name}.lock").unlink(missing_ok=True)

    @property
    def raw(self) -> bytes:
        """Every byte that was read so far: Bochs's own words, then what came out of port 0xe9."""
        return bytes(self._raw)

    @property
    def transcript(self) -> Transcript:
        """The same, taken apart into the hypervisor's text and each domain's; what Bochs said itself is OTHER."""
        return transcribe(self.raw)

    @property
    def pid(self) -> int:
        """Bochs's process number."""
        return self._running.pid

    def follow(self, timeout: float = 60.0) -> Iterator[bytes]:
        """Yield output as it comes, from where the last call left off, until the machine has ended.

        Raises Hang after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._over:
            fresh = self._read(deadline)
            if fresh is None:
                raise Hang(f"the machine did not end within {timeout:g} s", self.report())
            if fresh:
                yield fresh

    def wait(self, timeout: float = 60.0) -> Ending:
        """Wait until the machine has ended and say how.

        Raises Hang after `timeout` seconds, and TripleFault, HypervisorPanic or BochsExited when it ended badly.
        """
        for _ in self.follow(timeout):
            pass
        if self._ending is not None:
            return self._ending
        if self._tripled:
            raise TripleFault("triple fault: the processor could not deliver a double fault", self.report())
        said = self.transcript.hypervisor
        reason = panic_reason(said)
        if reason is not None:
            raise HypervisorPanic(f"the hypervisor panicked: {reason}", self.report())
        if self._halted and any(end.domain == 0 and end.died for end in domain_ends(said)):
            return Ending.DOM0_DIED
        if self._halted and no_domain_0(said) is not None:
            return Ending.NO_DOM0
        if self._halted:
            raise Hang("the processor was halted for ever", self.report())
        raise BochsExited(f"Bochs ended unexpectedly: {in_words(self._running.wait())}", self.report())

    def report(self) -> Report:
        """Return what is known of the machine: its console, and the end of Bochs's log with the registers."""
        seconds = time.monotonic() - self._began
        return Report(seconds, console=to_text(self.raw), emulator_output=self._log_tail.text(), emulator=NAME)

    # How it is done.

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise XengenError("the machine was not started")
        return self._process

    @property
    def _over(self) -> bool:
        """Whether nothing more is to come: Bochs is gone and everything read, or it would go on where it must not."""
        assert self._selector is not None
        return not self._selector.get_map() or self._halted or self._ending is Ending.REBOOT

    def _read(self, deadline: float) -> bytes | None:
        """Read what is there, or wait for it until `deadline`; return what is output, None when time ran out."""
        assert self._selector is not None
        ready = self._selector.select(max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        fresh = b""
        # The log last: it says that the machine ended, and then all output must have been read.
        for pipe in (self._output, self._log):
            while pipe is not None and pipe in self._selector.get_map():
                data = pipe.read(CHUNK)
                if data is None:
                    break
                if not data:
                    self._selector.unregister(pipe)
                elif pipe is self._output:
                    fresh += data
                else:
                    self._look_at_log(data)
        if self._halted:
            fresh += self._rest()
        self._raw += fresh
        return fresh

    def _rest(self) -> bytes:
        """Return what came out between the last look at the output and the news from the log."""
        assert self._output is not None and self._selector is not None
        return self._output.read(CHUNK) or b"" if self._output in self._selector.get_map() else b""

    def _look_at_log(self, data: bytes) -> None:
        self._log_tail.add(data)
        *lines, self._log_line = (self._log_line + data).split(b"\n")
        for line in lines:
            if any(words in line for words in POWERED_OFF):
                self._ending = Ending.POWEROFF
            elif HALTED in line:
                self._halted = True
            elif TRIPLE_FAULT in line:
                self._tripled = True
            elif RESET in line:
                self._resets += 1
                if self._resets > 1:
                    self._ending = Ending.REBOOT

    def _power_on(self) -> None:
        self.spec.check()
        descriptors = Descriptors()
        try:
            self._output, output_end = descriptors.pipe()
            self._log, log_end = descriptors.pipe()
            iso = descriptors.open_file(self.spec.iso)
            text = configuration(self.spec, f"/dev/fd/{iso}", f"/dev/fd/{log_end}")
            file = descriptors.memory_file("xengen-bochsrc", contents=text.encode())
            commands = descriptors.memory_file("xengen-bochs-commands", contents=DEBUGGER_COMMANDS)
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._output, selectors.EVENT_READ)
            self._selector.register(self._log, selectors.EVENT_READ)
            words = [PROGRAM, "-q", "-f", f"/dev/fd/{file}", "-rc", f"/dev/fd/{commands}"]
            self._began = time.monotonic()
            self._process = process.start(words, descriptors.theirs, output_end)
        except OSError as error:
            raise UserError(f"Bochs does not start: {os.strerror(error.errno or 0)}") from error
        finally:
            descriptors.close_theirs()
