"""Booting the bench guest, and reading what it says.

Invariants
  - Time is instructions (icount), so a second run says the same to the last digit.
  - A guest that does not say a line about an operation, or does not end in order, is an error and no measurement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from xengen.bench.operations import NAMES
from xengen.errors import XengenError
from xengen.machine.machine import Ending, Machine
from xengen.machine.spec import MachineSpec

GUEST = "bench"
# Ours take a second; a hypervisor that boots slowly under icount takes a while.
TIMEOUT = 120.0

_LINE = re.compile(r"^(?:\(d\d+\) |\(XEN\) )*bench (\w+) (?:(\d+) instructions|(not there)|error (-?\d+))\s*$", re.M)
_END = rf"bench {NAMES[-1]} .*\n|bench cannot be set up.*\n|shut down.*\n|(?i:crashed|panic).*\n"


class BenchError(XengenError):
    """The guest did not measure what it was to measure."""


@dataclass(frozen=True)
class Measurement:
    """What the guest says of one operation.

    instructions: per operation, rounded to the nearest; None when the hypervisor has no such operation, or it failed
    with `error` (a negative errno).
    """

    name: str
    instructions: int | None
    error: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether the hypervisor has the operation at all."""
        return self.instructions is not None or self.error is not None


def parse(text: str, names: Iterable[str] = NAMES) -> dict[str, Measurement]:
    """Return what a console says of each of the operations `names`; BenchError says the first that is missing."""
    found = {
        name: Measurement(name, int(count) if count else None, int(error) if error else None)
        for name, count, _, error in _LINE.findall(text)
    }
    for wanted in names:
        if wanted not in found:
            raise BenchError(f"the bench guest says nothing of {wanted!r}; its console ends:\n{_tail(text)}")
    return found


def measure(spec: MachineSpec, timeout: float = TIMEOUT) -> dict[str, Measurement]:
    """Boot `spec`, whose first module is the bench guest, and return what it measured.

    BenchError when the guest does not do its work; MachineError with a report when the machine fails.
    """
    with Machine(spec) as machine:
        # Not every hypervisor powers the machine off; the line of the last operation is as good an end.
        machine.console.expect(_END, timeout)
        text = machine.console.text
        ending = machine.ending()
    if ending is Ending.DOM0_DIED:
        raise BenchError(f"the bench guest died; its console ends:\n{_tail(text)}")
    return parse(text)


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-10:])
