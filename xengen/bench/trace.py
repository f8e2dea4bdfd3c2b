"""Stepping through one operation: every instruction that the processor executes, with its ring.

QEMU translates one instruction at a time (`singlestep`) and logs each that it executes, between two breakpoints of its
gdb server. So the listing has exactly as many lines as the time stamp counter counts.

Invariants
  - What is logged is one warm operation, the WARM-th that begins; of long ones the first, which has the most to do.
  - Interrupts of the hypervisor's clockwork are taken out: a stop of QEMU's may let time jump to the next one.
  - The machine is one of its own: stepping changes when things happen, so nothing is measured on it.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from xengen.bench.gdb import Gdb
from xengen.bench.instruction import LONGEST, Instruction, Kind, decode
from xengen.bench.operations import LONG_OPERATIONS
from xengen.errors import XengenError
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec
from xengen.machine.symbols import SymbolTable

WARM = 4
LONG = frozenset(operation.name for operation in LONG_OPERATIONS)
# What QEMU calls it: until 8.0, and since.
SINGLE_STEP = ("singlestep", "one-insn-per-tb")

# Trace 0: 0x7feddc000100 [00000000/c0100000/004002b1/ff020201] symbol
_EXECUTED = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/([0-9a-f]+)/[0-9a-f]+\]", re.M)
_RING = 3
_INTERRUPT = "interrupt_entry"


class TraceError(XengenError):
    """An operation could not be stepped through."""


@dataclass(frozen=True)
class Step:
    """One executed instruction: address, ring (0 to 3), what it is, its routine, and its template file and line."""

    address: int
    ring: int
    instruction: Instruction
    routine: str
    place: str


@dataclass(frozen=True)
class Trace:
    """One operation, instruction by instruction."""

    name: str
    steps: tuple[Step, ...]

    def kinds(self) -> Counter[Kind]:
        """Return how many instructions there are of each kind."""
        return Counter(step.instruction.kind for step in self.steps)

    def by_ring(self) -> Counter[int]:
        """Return how many instructions were executed in each ring."""
        return Counter(step.ring for step in self.steps)

    def interrupts_off(self) -> int:
        """Return the greatest number of instructions in ring 0 with no chance for an interrupt between them.

        Interrupts are off in ring 0 (design, section 4); only a way out, or `sti`, lets them in.
        """
        runs = (len(list(steps)) for is_off, steps in groupby(self.steps, _is_off) if is_off)
        return max(runs, default=0)


def _is_off(step: Step) -> bool:
    return step.ring == 0 and not step.instruction.lets_interrupts_in


class Images:
    """What executes: the hypervisor in ring 0, the bench guest in the other rings."""

    def __init__(self, hypervisor: SymbolTable, guest: SymbolTable) -> None:
        self._tables = (hypervisor, guest)
        self._known: dict[tuple[int, int], Step] = {}

    def step(self, address: int, ring: int) -> Step:
        """Return the instruction at `address` as it is in the image whose code ring `ring` executes."""
        if (address, ring) not in self._known:
            table = self._tables[ring > 0]
            instruction = decode(code_at(table, address), address)
            nearest = table.nearest(address)
            place = table.line(address) or "?"
            self._known[address, ring] = Step(address, ring, instruction, nearest.name if nearest else "?", place)
        return self._known[address, ring]


def code_at(table: SymbolTable, address: int) -> bytes:
    """Return the bytes of the longest instruction that there could be at `address`; empty outside of the image."""
    for segment in table.segments:
        offset = address - segment.virtual
        if 0 <= offset < len(segment.data):
            return segment.data[offset : offset + LONGEST]
    return b""


def parse_log(text: str) -> Iterator[tuple[int, int]]:
    """Yield (address, ring) of each executed instruction in a log of QEMU's (`-d exec`), one instruction a block."""
    for match in _EXECUTED.finditer(text):
        yield int(match[1], 16), int(match[2], 16) & _RING


def undisturbed(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield `steps` without what the hypervisor did for interrupts of the hardware, from one guest to the guest."""
    for _, group in groupby(steps, lambda step: step.ring == 0):
        stretch = list(group)
        if all(step.routine != _INTERRUPT for step in stretch):
            yield from stretch


def trace_operations(spec: MachineSpec, names: Iterable[str]) -> Iterator[Trace]:
    """Boot `spec` (hypervisor and bench guest) and step through one of each operation, in the order of the guest.

    `names` must be operations that the hypervisor has, in that order. TraceError when the machine ends before.
    """
    assert spec.kernel is not None
    guest = SymbolTable.from_file(spec.modules[0].path)
    images = Images(SymbolTable.from_file(spec.kernel), guest)
    with tempfile.TemporaryDirectory(prefix="xengen-bench-") as folder, Machine(spec, start=False) as machine:
        socket = Path(folder) / "gdb"
        machine.monitor(f"gdbserver unix:{socket},server=on,wait=off")
        with Gdb(socket) as gdb:
            for name in names:
                _run_to(gdb, guest.address(f"{name}_begin"), 1 if name in LONG else WARM, name)
                log = _logged(machine, gdb, Path(folder), guest.address(f"{name}_end"), name)
                yield Trace(name, tuple(undisturbed(images.step(*executed) for executed in parse_log(log))))


def trace_stretch(spec: MachineSpec, name: str, warm: int) -> Trace:
    """Boot `spec`, whose modules are all the same guest, and step from NAME_begin, at the `warm`-th time, to NAME_end.

    TraceError when the machine ends before.
    """
    assert spec.kernel is not None
    guest = SymbolTable.from_file(spec.modules[0].path)
    images = Images(SymbolTable.from_file(spec.kernel), guest)
    with tempfile.TemporaryDirectory(prefix="xengen-bench-") as folder, Machine(spec, start=False) as machine:
        socket = Path(folder) / "gdb"
        machine.monitor(f"gdbserver unix:{socket},server=on,wait=off")
        with Gdb(socket) as gdb:
            _run_to(gdb, guest.address(f"{name}_begin"), warm, name)
            log = _logged(machine, gdb, Path(folder), guest.address(f"{name}_end"), name)
    return Trace(name, tuple(undisturbed(images.step(*executed) for executed in parse_log(log))))


def _logged(machine: Machine, gdb: Gdb, folder: Path, end: int, name: str) -> str:
    """Step to the address `end`, and return QEMU's log of it."""
    log = folder / f"{name}.log"
    _single_step(machine, True)
    machine.monitor(f"logfile {log}")
    machine.monitor("log exec,nochain")
    _run_to(gdb, end, 1, name)
    _single_step(machine, False)
    # Only closing the file makes sure that it is all there.
    machine.monitor("log none")
    machine.monitor(f"logfile {folder}/unused.log")
    text = log.read_text(encoding="ascii", errors="replace")
    log.unlink()
    return text


def _run_to(gdb: Gdb, address: int, times: int, name: str) -> None:
    gdb.breakpoint(address)
    for turn in range(times):
        if not (gdb.proceed() if turn == 0 else gdb.step() and gdb.proceed()):
            raise TraceError(f"the machine ended before operation {name!r} could be stepped through")
    gdb.clear(address)


def _single_step(machine: Machine, on: bool) -> None:
    for command in SINGLE_STEP:
        if "unknown command" not in machine.monitor(f"{command} {'on' if on else 'off'}"):
            return
    raise TraceError("this QEMU cannot translate one instruction at a time: xengen knows how with QEMU 7 to 9")
