"""A flood from outside: what it may cost at once, and that guests go on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.boot.harness import Booter
from tests.boot.nic_echo import EchoImages
from tests.boot.nics import LONGEST, MODELS, SHORTEST, frames, nic, stepping, until, with_cable
from xengen.agent.agent import Agent
from xengen.bench.trace import Images, Step, parse_log
from xengen.inspect.live import check_machine
from xengen.machine.machine import Machine
from xengen.machine.symbols import SymbolTable

FLOOD = 120
AT_ONCE = 18_000  # instructions; with the echo of this test, which takes and zeroes memory for each packet


def steps(machine: Machine, log: Path) -> Iterator[Step]:
    """Yield the instructions of a log."""
    assert machine.spec.kernel is not None
    tables = (SymbolTable.from_file(file) for file in (machine.spec.kernel, machine.spec.modules[0].path))
    known = Images(*tables)
    for executed in parse_log(log.read_text(encoding="ascii", errors="replace")):
        yield known.step(*executed)


def longest(machine: Machine, log: Path) -> int:
    """Return the greatest number of instructions without a chance for an interrupt between them."""
    return max(sum(1 for _ in stretch) for off, stretch in groupby(steps(machine, log), is_off) if off)


def is_off(step: Step) -> bool:
    """Whether interrupts are off behind an instruction: an `iret` lets them in even if one comes before the guest."""
    let_in = step.instruction.lets_interrupts_in or step.instruction.text.startswith("iret")
    return step.ring == 0 and not let_in


@pytest.mark.parametrize("size", [SHORTEST, LONGEST])
@pytest.mark.parametrize("model", MODELS)
def test_a_flood_is_worked_off_in_pieces(tmp_path: Path, model: str, size: int) -> None:
    booter = Booter(EchoImages(tmp_path))
    try:
        machine = booter("agent", nics=[with_cable(model)], debug=False)
        with Agent(machine) as agent:
            machine.cables[0].send(frames(1, 1)[0])
            until(lambda: nic(machine).record.sent == 1, "the device is at work")
            log = tmp_path / "log"
            with stepping(machine, log):
                for frame in frames(2, FLOOD, (size,)):
                    machine.cables[0].send(frame)
                until(lambda: nic(machine).record.received == FLOOD + 1, "all have arrived", 120.0)
                assert agent.hypercall("xen_version", 0) == 0x40002
            assert longest(machine, log) <= AT_ONCE
        assert check_machine(machine) == []
    finally:
        booter.close()
