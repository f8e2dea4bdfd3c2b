"""The state machine: Hypothesis chooses operations and, when one fails, the shortest run that still does.

Invariants
  - Every run has a machine of its own, fresh from its boot: the same choices give the same run.
  - The last run of all is the shortest failing one, if there is any: `Runs.last` has its operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import seed as with_seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from xengen.fuzz.strategies import by_any_domain
from xengen.fuzz.world import Failure, Operation, World
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec

Progress = Callable[[World], None]


@dataclass
class Runs:
    """What was done so far. last: the operations of the run under way. every: how often the checker looks."""

    spec: MachineSpec
    every: int = 1
    steps: int = 0
    runs: int = 0
    failed: bool = False
    last: list[Operation] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    progress: Progress | None = None


def fuzz(runs: Runs, seed: int, examples: int, steps: int) -> str | None:
    """Do `examples` runs of at most `steps` operations each, chosen by `seed`; return what went wrong, or None."""
    settings = hypothesis_settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        phases=(Phase.generate, Phase.shrink), verbosity=Verbosity.quiet, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), derandomize=False,
    )  # fmt: skip
    machine = with_seed(seed)(type("Fuzzed", (Fuzz,), {"runs": runs}))
    try:
        run_state_machine_as_test(machine, settings=settings)
    except Failure as failure:
        return str(failure)
    return None


class Fuzz(RuleBasedStateMachine):
    """One run."""

    runs: Runs

    def __init__(self) -> None:
        super().__init__()
        self._resources = ExitStack()
        self.runs.runs += 1
        self.runs.last = []
        machine = self._resources.enter_context(Machine(self.runs.spec))
        # Once something has failed every step is looked at: the shortest run ends where it went wrong.
        self.world = World(machine, every=1 if self.runs.failed else self.runs.every)
        self._resources.callback(self.world.close)

    @rule(operation=by_any_domain("write", "mmu", "call", "base"))
    def tables(self, operation: Operation) -> None:
        """Tables and what changes them."""
        self._do(operation)

    @rule(operation=by_any_domain("mmu", "write"))
    def updates(self, operation: Operation) -> None:
        """Once more: most of what can go wrong is there."""
        self._do(operation)

    @rule(operation=by_any_domain("multicall"))
    def lists(self, operation: Operation) -> None:
        """Several calls at once."""
        self._do(operation)

    @rule(operation=by_any_domain("access", "machine", "stale"))
    def instructions(self, operation: Operation) -> None:
        """Without a hypercall."""
        self._do(operation)

    @rule(operation=by_any_domain("settings", "wild", "wild"))
    def wild(self, operation: Operation) -> None:
        """What makes no sense."""
        self._do(operation)

    @rule(operation=by_any_domain(*["call"] * 11, "end"))
    def ends(self, operation: Operation) -> None:
        """Now and then a domain ends."""
        self._do(operation)

    def teardown(self) -> None:
        """The end of the run."""
        runs = self.runs
        runs.steps += self.world.steps
        runs.outcomes += self.world.outcomes
        problem = None
        with self._resources:
            if not self._broken:
                try:
                    self.world.finish()
                except Failure as failure:
                    problem = str(failure)
            if runs.progress is not None:
                runs.progress(self.world)
        if problem is not None:
            runs.failed = True
            raise Failure(problem)

    _broken = False

    def _do(self, operation: Operation) -> None:
        self.runs.last.append(operation)
        try:
            self.world.run(operation)
        except Failure:
            self._broken = self.runs.failed = True
            raise
