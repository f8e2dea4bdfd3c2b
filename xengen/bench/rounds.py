"""What an event to another domain costs: to one that is idle, there and back, and to one that does not come first.

Invariants
  - Two domains of the guest asm/guests/rounds send to each other; domain 0 counts, and says what it has counted.
  - Time is instructions (icount), so a second run says the same to the last digit.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from xengen.bench.trace import Trace, trace_stretch
from xengen.errors import XengenError
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec, Module
from xengen.machine.symbols import SymbolTable

GUEST = "rounds"
TIMEOUT = 120.0
TARGET = 300
# The first of a pair of rounds. A stop makes the timer of the slice due: the first sets it anew, the second need not.
WARM = 41
GUESTS = "(the guests' own)"

_LINE = re.compile(r"^\(d0\) (.*): (\d+) instructions$", re.M)
KINDS = (
    "an event to another domain that is idle, and back",
    "the same without a pause",
    "an event to another domain that is idle and does not come first",
)


class RoundsError(XengenError):
    """The guests did not say what was to be measured."""


@dataclass(frozen=True)
class Round:
    """One kind of round, a sentence without an end, and its instructions."""

    kind: str
    instructions: int


@dataclass(frozen=True)
class Part:
    """How many instructions of a round a routine of the hypervisor's executes; or the guests, all of theirs."""

    routine: str
    instructions: int


def measure_rounds(hypervisor: Path, guest: Path) -> tuple[Round, ...]:
    """Let the guests measure all KINDS, in that order. RoundsError when one of them is missing."""
    with Machine(_machine(hypervisor, guest)) as machine:
        machine.console.expect(rf"^\(d0\) {KINDS[-1]}: \d+ instructions$", TIMEOUT)
        found = dict(_LINE.findall(machine.console.text))
    for kind in KINDS:
        if kind not in found:
            raise RoundsError(f"the guests of the bench say nothing of {kind!r}")
    return tuple(Round(kind, int(found[kind])) for kind in KINDS)


def trace_round(hypervisor: Path, guest: Path) -> Trace:
    """Step through one round of the first kind, the second of a pair."""
    trace = trace_stretch(_machine(hypervisor, guest), "rounds", WARM)
    symbols = SymbolTable.from_file(guest)
    addresses = [step.address for step in trace.steps]
    begin = len(addresses) - 1 - addresses[::-1].index(symbols.address("rounds_begin"))
    end = addresses.index(symbols.address("round_end"), begin)
    return Trace("round", trace.steps[begin:end])


def parts(trace: Trace) -> tuple[Part, ...]:
    """Return where the instructions of a round are, in the order in which the parts come first."""
    found = Counter(step.routine if step.ring == 0 else GUESTS for step in trace.steps)
    return tuple(Part(routine, count) for routine, count in found.items())


def _machine(hypervisor: Path, guest: Path) -> MachineSpec:
    return MachineSpec(hypervisor, "", (Module(guest), Module(guest)), icount=True, trace_exceptions=False)
