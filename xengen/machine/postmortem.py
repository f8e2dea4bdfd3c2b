"""What is known of a machine that failed, and the text a person sees.

Invariants
  - A report is data, made once, at the moment of the failure; rendering it needs no machine.
  - Each part may be missing (None or empty) and is then left out: a report must never fail for want of a part.
  - The backtrace is a guess and says so: words on the stack that a call instruction could have pushed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xengen.errors import XengenError
from xengen.machine.memory import PhysicalMemory
from xengen.machine.names import Names
from xengen.machine.paging import walk
from xengen.machine.registers import Registers
from xengen.machine.trace import TakenException

EXCEPTIONS_SHOWN = 8
CONSOLE_LINES_SHOWN = 20
STACK_WORDS_SEARCHED = 1024
FRAMES_SHOWN = 16


@dataclass(frozen=True)
class ReturnAddress:
    """A word on the stack that looks like a return address: where it lies, and what it says."""

    stack: int
    address: int
    place: str


@dataclass(frozen=True)
class Report:
    """A machine's last state. Exceptions oldest first, as (exception, place); the console's tail as text."""

    seconds: float
    exceptions: tuple[tuple[TakenException, str], ...] = ()
    registers: Registers | None = None
    place: str = ""
    backtrace: tuple[ReturnAddress, ...] = ()
    console: str = ""
    emulator_output: str = ""
    emulator: str = "QEMU"

    def render(self, console: bool = True) -> str:
        """Return the report as text, without a headline; `console=False` where the console was shown already."""
        return "\n".join(self._lines(console))

    def _lines(self, console: bool) -> Iterator[str]:
        yield f"  after {self.seconds:.2f} s"
        if self.exceptions:
            yield "last exceptions, the newest at the end:"
            for exception, place in self.exceptions:
                yield f"  {exception}" + (f"  {place}" if place else "")
        if self.registers is not None:
            yield "registers:"
            yield from (f"  {line}" for line in self.registers.render().splitlines())
            if self.place:
                yield f"  eip is in {self.place}"
        if self.backtrace:
            yield "backtrace (what look like return addresses on the stack):"
            yield from (f"  {frame.stack:08x}: {frame.address:08x}  {frame.place}" for frame in self.backtrace)
        if console:
            lines = self.console.splitlines()
            yield "console, its last lines:" if lines else "console: nothing was written"
            yield from (f"  | {line}" for line in lines[-CONSOLE_LINES_SHOWN:])
        if self.emulator_output.strip():
            yield f"{self.emulator} said:"
            yield from (f"  | {line}" for line in self.emulator_output.strip().splitlines()[-CONSOLE_LINES_SHOWN:])


class MachineError(XengenError):
    """The machine did what nobody asked for. `headline` is one sentence, `report` the rest; the text has both."""

    def __init__(self, headline: str, report: Report) -> None:
        super().__init__(f"{headline}\n{report.render()}")
        self.headline = headline
        self.report = report


class TripleFault(MachineError):
    """The processor could not deliver a double fault and gave up."""


class Hang(MachineError):
    """What was waited for did not come in time."""


class QemuExited(MachineError):
    """QEMU ended without having been told to by us or by the machine."""


class HypervisorPanic(MachineError):
    """The hypervisor found itself inconsistent and stopped the machine."""


class EndedEarly(MachineError):
    """The machine ended in order, or its domain 0 died, before what was waited for came."""


def backtrace(memory: PhysicalMemory, registers: Registers, names: Names) -> tuple[ReturnAddress, ...]:
    """Search the stack upwards from esp for return addresses into known code; at most FRAMES_SHOWN of them."""
    found: list[ReturnAddress] = []
    for stack, word in _stack_words(memory, registers):
        if names.is_return_address(word, registers.cpl):
            found.append(ReturnAddress(stack, word, names.describe_caller(word, registers.cpl)))
            if len(found) == FRAMES_SHOWN:
                break
    return tuple(found)


def _stack_words(memory: PhysicalMemory, registers: Registers) -> Iterator[tuple[int, int]]:
    """Yield (virtual address, word) from esp upwards, until the stack's memory ends."""
    base = registers.ss.base
    for offset in range(0, 4 * STACK_WORDS_SEARCHED, 4):
        virtual = (base + registers.esp + offset) & 0xFFFFFFFF
        try:
            physical: int | None = virtual
            if registers.paging:
                physical = walk(memory, virtual, registers.cr3, pae=registers.pae, pse=registers.pse).physical
            if physical is None:
                return
            word = memory.u32(physical)
        except XengenError:
            return
        yield virtual, word


def with_places(exceptions: tuple[TakenException, ...], names: Names) -> tuple[tuple[TakenException, str], ...]:
    """Return each exception with what is known of its eip."""
    return tuple((one, names.describe(one.eip, one.cpl)) for one in exceptions)
