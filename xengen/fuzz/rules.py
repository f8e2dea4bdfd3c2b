"""The state machine: Hypothesis chooses operations, in runs that each begin with a machine fresh from its boot.

Invariants
  - The same seed gives the same runs.
  - After a failure `Runs.last` has the operations that led to it. They are made fewer by minimize.py, which knows what
    an operation is; Hypothesis would boot many more machines for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import seed as with_seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from xengen.fuzz.strategies import by_any_domain
from xengen.fuzz.world import Failure, Operation, World
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec
from xengen.machine.symbols import SymbolTable

Progress = Callable[[World], None]


@dataclass
class Runs:
    """What was done so far. last: the operations of the run under way. every: how many steps the checker leaves out."""

    spec: MachineSpec
    every: int = 1
    steps: int = 0
    runs: int = 0
    last: list[Operation] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    progress: Progress | None = None

    @cached_property
    def symbols(self) -> SymbolTable:
        """The hypervisor's symbols, read once."""
        assert self.spec.kernel is not None
        return SymbolTable.from_file(self.spec.kernel)


def fuzz(runs: Runs, seed: int, examples: int, steps: int) -> str | None:
    """Do `examples` runs of at most `steps` operations each, chosen by `seed`; return what went wrong, or None."""
    settings = hypothesis_settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        phases=(Phase.generate,), verbosity=Verbosity.quiet, report_multiple_bugs=False,
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
        machine = self._resources.enter_context(Machine(self.runs.spec, symbols=self.runs.symbols))
        self.world = World(machine, every=self.runs.every)
        self._resources.callback(self.world.close)

    @rule(operation=by_any_domain("write", "mmu", "base"))
    def tables(self, operation: Operation) -> None:
        """Tables are made and changed."""
        self._do(operation)

    @rule(operation=by_any_domain("mmu", "call", "write"))
    def updates(self, operation: Operation) -> None:
        """Once more: most of what can go wrong is there."""
        self._do(operation)

    @rule(operation=by_any_domain("call", "multicall", "multicall"))
    def lists(self, operation: Operation) -> None:
        """Calls of all kinds, several at once."""
        self._do(operation)

    @rule(operation=by_any_domain("access", "access", "machine", "stale"))
    def instructions(self, operation: Operation) -> None:
        """Without a hypercall."""
        self._do(operation)

    @rule(operation=by_any_domain("memory", "descriptors"))
    def resources(self, operation: Operation) -> None:
        """Memory and descriptors."""
        self._do(operation)

    @rule(operation=by_any_domain("settings", "wild", "wild", "call", "mmu", "mmu", "end"))
    def wild(self, operation: Operation) -> None:
        """What makes no sense; now and then a domain ends."""
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
            raise Failure(problem)

    _broken = False

    def _do(self, operation: Operation) -> None:
        self.runs.last.append(operation)
        try:
            self.world.run(operation)
        except Failure:
            self._broken = True
            raise
