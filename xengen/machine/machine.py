"""`Machine`: one QEMU from start to end, and everything one can ask of it.

Invariants
  - A context manager: however the block is left, QEMU is gone, its threads, descriptors and files too.
  - Reading memory stops nothing. What needs a still processor (registers, walks from its CR3) stops it meanwhile.
  - A machine ends in one of the ways of `Ending`; what is nobody's wish is an exception with a report (postmortem.py).
  - After an orderly end QEMU is kept, its processor stopped, until the block is left: one can still look at it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from enum import Enum
from types import TracebackType
from typing import Any, NoReturn

from xengen.errors import UserError, XengenError
from xengen.machine import postmortem
from xengen.machine.cable import CableEnd
from xengen.machine.console import Console, to_text
from xengen.machine.memory import PhysicalMemory
from xengen.machine.names import Names
from xengen.machine.paging import Walk, walk
from xengen.machine.postmortem import EndedEarly, Hang, HypervisorPanic, QemuExited, Report, TripleFault
from xengen.machine.process import Descriptors
from xengen.machine.pump import Pump
from xengen.machine.qemu import command
from xengen.machine.registers import Registers, parse_registers
from xengen.machine.spec import MachineSpec
from xengen.machine.startup import check, contents, in_words, lay_out, refusal
from xengen.machine.symbols import SymbolTable
from xengen.machine.trace import TakenException, has_triple_fault, parse_trace
from xengen.machine.transcript import Transcript, panic_reason, transcribe

ELF = b"\x7fELF"

# What the hypervisor writes to port 0xf4 (qemu/pc.cfg) gives QEMU's exit status: (value << 1) | 1.
PANIC_STATUS = 0x10 << 1 | 1
DOM0_DIED_STATUS = 0x11 << 1 | 1
NO_DOM0_STATUS = 0x12 << 1 | 1


class Ending(Enum):
    """How a machine ended, where that is an answer and no failure."""

    POWEROFF = "powered off"
    REBOOT = "asked for a reboot"
    DOM0_DIED = "domain 0 died"
    NO_DOM0 = "has no domain 0"


class Machine:
    """One machine made from `spec`; runs from `with Machine(spec) as machine:` on.

    `start=False` leaves the processor stopped at its first instruction until `resume()`.
    """

    def __init__(self, spec: MachineSpec, *, start: bool = True, symbols: SymbolTable | None = None) -> None:
        self.spec = spec
        self._start = start
        self._symbols = symbols
        self._pump: Pump | None = None
        self._memory: PhysicalMemory | None = None
        self._consoles: tuple[Console, ...] = ()
        self._cables: tuple[CableEnd, ...] = ()
        self._began = 0.0
        self._ended: float | None = None

    def __enter__(self) -> Machine:
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
        """End QEMU and let go of everything. May be called twice."""
        if self._pump is not None:
            self._pump.stop()
        for cable in self._cables:
            cable.close()
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    # What the machine is.

    @property
    def memory(self) -> PhysicalMemory:
        """The machine's physical memory, live."""
        if self._memory is None:
            raise XengenError("the machine is not running: its memory is gone")
        return self._memory

    @property
    def consoles(self) -> tuple[Console, ...]:
        """The serial lines, COM1 first."""
        return self._consoles

    @property
    def console(self) -> Console:
        """COM1."""
        return self._consoles[0]

    @property
    def cables(self) -> tuple[CableEnd, ...]:
        """Our ends of the network interfaces whose specification has a Cable, in their order."""
        return self._cables

    @property
    def transcript(self) -> Transcript:
        """COM1 so far, taken apart into the hypervisor's text and each domain's."""
        return transcribe(self.console.raw)

    @property
    def symbols(self) -> SymbolTable | None:
        """Symbols and lines of the kernel that was booted; None when it is no ELF file."""
        if self._symbols is None and self.spec.kernel is not None:
            data = contents(self.spec.kernel)
            if data.startswith(ELF):
                self._symbols = SymbolTable.from_bytes(data, str(self.spec.kernel))
        return self._symbols

    @property
    def pid(self) -> int:
        """QEMU's process number."""
        return self._running.pid

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the start, until the end when there was one."""
        return (self._ended or time.monotonic()) - self._began

    # What one can do with it.

    def pause(self) -> None:
        """Stop the processor."""
        self._running.execute("stop")

    def resume(self) -> None:
        """Let the processor run."""
        self._running.execute("cont")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the processor still inside the block; it goes on afterwards when it ran before."""
        ran = bool(self._running.execute("query-status")["running"])
        if ran:
            self.pause()
        try:
            yield
        finally:
            if ran:
                self.resume()

    def qmp(self, name: str, **arguments: Any) -> Any:
        """Run a QMP command; underscores in argument names stand for hyphens. MonitorLost when QEMU refuses."""
        return self._running.execute(name, {key.replace("_", "-"): value for key, value in arguments.items()})

    def monitor(self, line: str) -> str:
        """Run a command of QEMU's human monitor and return what it prints."""
        return str(self._running.execute("human-monitor-command", {"command-line": line})).replace("\r\n", "\n")

    def registers(self) -> Registers:
        """Return the processor's registers."""
        with self.paused():
            return parse_registers(self.monitor("info registers"))

    def translate(self, virtual: int, cr3: int | None = None) -> int | None:
        """Return the physical address of `virtual`, None when it is not mapped. See `walk`."""
        return self.walk(virtual, cr3).physical

    def walk(self, virtual: int, cr3: int | None = None) -> Walk:
        """Walk the page tables at `cr3` (PAE ones then), or without it the ones that the processor uses now."""
        if cr3 is not None:
            return walk(self.memory, virtual, cr3, pae=True)
        registers = self.registers()
        if not registers.paging:
            return Walk(virtual, (), virtual, 1 << 32, True, False, False)
        return walk(self.memory, virtual, registers.cr3, pae=registers.pae, pse=registers.pse)

    def read_virtual(self, virtual: int, size: int, cr3: int | None = None) -> bytes:
        """Return `size` bytes at a virtual address; XengenError when one of its pages is not mapped."""
        data = bytearray()
        while len(data) < size:
            at = virtual + len(data)
            step = min(size - len(data), 0x1000 - at % 0x1000)
            where = self.walk(at, cr3)
            if where.physical is None:
                raise XengenError(str(where))
            data += self.memory.read(where.physical, step)
        return bytes(data)

    def trace(self, on: bool = True) -> None:
        """Switch the recording of exceptions on or off (`MachineSpec.trace_exceptions` is how it begins)."""
        self.monitor("log int,cpu_reset" if on else "log cpu_reset")

    def exceptions(self, last: int | None = None) -> tuple[TakenException, ...]:
        """Return the exceptions and interrupts that were recorded, oldest first: the last 256 or so."""
        with self._running.changed:
            text = self._running.trace.text()
        return parse_trace(text, last)

    def wait(self, timeout: float = 30.0) -> Ending:
        """Wait until the machine has ended and say how.

        Raises Hang after `timeout` seconds, and TripleFault, HypervisorPanic or QemuExited when it ended badly.
        """
        pump = self._running
        with pump.changed:
            pump.changed.wait_for(lambda: pump.ended, timeout)
        ending = self.ending()
        if ending is None:
            raise Hang(f"the machine did not end within {timeout:g} s", self.report())
        return ending

    def ending(self) -> Ending | None:
        """Return how the machine ended, None while it runs; raises as `wait` does when it ended badly."""
        pump = self._running
        with pump.changed:
            shutdown, status = pump.shutdown, pump.exit_status
            triple_fault = has_triple_fault(pump.trace.text())
        if shutdown is None and status is None:
            return None
        if self._ended is None:
            self._ended = time.monotonic()
        if shutdown == "guest-reset":
            if triple_fault:
                raise TripleFault("triple fault: the processor could not deliver a double fault", self.report())
            return Ending.REBOOT
        if shutdown is not None:
            return Ending.POWEROFF
        assert status is not None
        if status == DOM0_DIED_STATUS:
            return Ending.DOM0_DIED
        if status == NO_DOM0_STATUS:
            return Ending.NO_DOM0
        if status == PANIC_STATUS:
            reason = panic_reason(self.transcript.hypervisor) or "no reason given"
            raise HypervisorPanic(f"the hypervisor panicked: {reason}", self.report())
        raise QemuExited(f"QEMU ended unexpectedly: {in_words(status)}", self.report())

    def report(self) -> Report:
        """Return what is known of the machine now. Stops the processor when it runs; never fails."""
        pump = self._running
        registers: Registers | None = None
        if pump.exit_status is None:
            try:
                if not pump.ended:
                    self.pause()
                registers = parse_registers(self.monitor("info registers"))
            except XengenError:
                registers = None
        exceptions = self.exceptions(postmortem.EXCEPTIONS_SHOWN)
        if registers is None and exceptions:
            registers = exceptions[-1].registers
        names = self._names()
        found = postmortem.backtrace(self.memory, registers, names) if registers else ()
        with pump.changed:
            output = pump.output.text()
        return Report(
            self.seconds,
            postmortem.with_places(exceptions, names),
            registers,
            names.describe(registers.eip, registers.cpl) if registers else "",
            found,
            to_text(self.console.raw),
            output,
        )

    # How it is done.

    @property
    def _running(self) -> Pump:
        if self._pump is None:
            raise XengenError("the machine was not started")
        return self._pump

    def _names(self) -> Names:
        kernel: SymbolTable | None = None
        with contextlib.suppress(UserError):
            kernel = self.symbols
        guests = []
        for module in self.spec.modules:
            with contextlib.suppress(UserError):
                guests.append((module.path.name, SymbolTable.from_file(module.path)))
        return Names(kernel, tuple(guests))

    def _fail(self, wanted: str, overdue: bool) -> NoReturn:
        if overdue:
            raise Hang(f"waited in vain for {wanted}", self.report())
        ending = self.ending()
        how = ending.value if ending is not None else "still runs"
        raise EndedEarly(f"the machine {how}, and there was no {wanted}", self.report())

    def _power_on(self) -> None:
        spec = self.spec
        emulator = check(spec)
        descriptors = Descriptors()
        try:
            parts = lay_out(spec, descriptors)
            self._memory = PhysicalMemory(parts.memory, spec.memory)
            self._cables = tuple(CableEnd(end) for end in parts.cables)
            pump = Pump(parts.channels)
            self._pump = pump
            self._consoles = tuple(Console(pump, index, self._fail) for index in range(spec.serial_ports))
            self._began = time.monotonic()
            words = command(spec, emulator.path, parts.wiring, parts.names)
            pump.start(words, descriptors.theirs, parts.output_end)
        finally:
            descriptors.close_theirs()
        if pump.exit_status is not None:
            raise refusal(spec, pump.output.text(), pump.exit_status)
        if self._start:
            self.resume()
