"""A campaign: rounds of runs for as long as one likes, and what is left of it: a table of outcomes, or a reproducer.

Invariants
  - Round r has the seed `seed + r`: any of them can be had again alone.
  - The campaign ends with its time, at the end of a round, or with the first failure.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xengen.fuzz.minimize import Run, minimize, replay
from xengen.fuzz.reproducer import save
from xengen.fuzz.rules import Runs, fuzz
from xengen.machine.spec import MIB, MachineSpec, Module

DOMAINS = 3
MEMORY = 64 * MIB
COMMAND_LINE = "dom0_mem=8M domu_mem=8M"
RUNS_OF_A_ROUND = 20
STEPS = 100
EVERY = 25

Say = Callable[[str], None]


@dataclass
class Report:
    """What a campaign came to. problem: what went wrong first, None when nothing did. outcomes: by operation."""

    seed: int
    rounds: int = 0
    runs: int = 0
    steps: int = 0
    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    problem: str | None = None
    operations: int = 0
    reproducer: Path | None = None

    def as_object(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "seed": self.seed,
            "rounds": self.rounds,
            "runs": self.runs,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "outcomes": {f"{name}: {outcome}": count for (name, outcome), count in sorted(self.outcomes.items())},
            "problem": self.problem,
            "operations": self.operations,
            "reproducer": None if self.reproducer is None else str(self.reproducer),
        }


def machine_of(hypervisor: Path, agent: Path) -> MachineSpec:
    """Return the machine that everything here runs on: three domains, each with an agent."""
    return MachineSpec(hypervisor, COMMAND_LINE, (Module(agent),) * DOMAINS, memory=MEMORY)


def campaign(spec: MachineSpec, seconds: float, seed: int, folder: Path, say: Say) -> Report:
    """Go on for `seconds`; `say` is told of progress. A failure is made short and saved in `folder`."""
    report = Report(seed)
    began = time.monotonic()
    while report.problem is None and (report.rounds == 0 or time.monotonic() - began < seconds):
        runs = Runs(spec, seed + report.rounds, EVERY)
        report.problem = fuzz(runs, RUNS_OF_A_ROUND, STEPS)
        report.rounds += 1
        report.runs += runs.runs
        report.steps += runs.steps
        report.outcomes += runs.outcomes
        report.seconds = time.monotonic() - began
        say(
            f"{report.seconds:6.0f} s  round {report.rounds} (seed {runs.seed}): {report.runs} runs, "
            f"{report.steps} steps, {report.steps / report.seconds:.0f} a second, {len(report.outcomes)} outcomes"
        )
        if report.problem is not None:
            say(f"{report.problem}\nmaking the run of {len(runs.last)} operations shorter ...")
            run = shortest(spec, runs.last)
            report.operations = len(run)
            report.problem = replay(spec, run) or report.problem
            report.reproducer = save(folder, runs.seed, run, report.problem)
    report.seconds = time.monotonic() - began
    return report


def shortest(spec: MachineSpec, run: Run) -> Run:
    """Return a run that fails as `run` does and has nothing that can be left out."""
    return minimize(run, lambda shorter: replay(spec, shorter) is not None)
