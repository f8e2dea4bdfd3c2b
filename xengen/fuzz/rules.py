"""The state machine: Hypothesis chooses kinds of operations, in runs that each begin with a freshly booted machine.

Invariants
  - The same seed gives the same runs.
  - After a failure `Runs.last` has the operations that led to it. They are made fewer by minimize.py, which knows what
    an operation is; Hypothesis would boot many more machines for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import seed as with_seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from xengen.fuzz.choices import Choices
from xengen.fuzz.world import Failure, Operation, World
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec
from xengen.machine.symbols import SymbolTable

NUMBERS = st.binary(min_size=8, max_size=8)  # what the random numbers of a step begin with


@dataclass
class Runs:
    """What was done so far. last: the operations of the run under way. every: how many steps the checker leaves out."""

    spec: MachineSpec
    seed: int = 0
    every: int = 1
    steps: int = 0
    runs: int = 0
    failure: str | None = None
    last: list[Operation] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    progress: Callable[[Runs], None] | None = None

    @cached_property
    def symbols(self) -> SymbolTable:
        """The hypervisor's symbols, read once."""
        assert self.spec.kernel is not None
        return SymbolTable.from_file(self.spec.kernel)


def fuzz(runs: Runs, examples: int, steps: int) -> str | None:
    """Do `examples` runs of at most `steps` operations each, chosen by the seed; return what went wrong, or None."""
    settings = hypothesis_settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        phases=(Phase.generate,), verbosity=Verbosity.quiet, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), derandomize=False,
    )  # fmt: skip
    machine = with_seed(runs.seed)(type("Fuzzed", (Fuzz,), {"runs": runs}))
    with suppress(Failure, HypothesisException):
        run_state_machine_as_test(machine, settings=settings)
    return runs.failure


class Fuzz(RuleBasedStateMachine):
    """One run."""

    runs: Runs

    def __init__(self) -> None:
        super().__init__()
        self._resources = ExitStack()
        self.world: World | None = None
        if self.runs.failure is not None:
            return  # Hypothesis shows what failed once more, for which there is no need of a machine
        self.runs.runs += 1
        self.runs.last = []
        machine = self._resources.enter_context(Machine(self.runs.spec, symbols=self.runs.symbols))
        self.world = World(machine, every=self.runs.every)
        self._resources.callback(self.world.close)

    @rule(numbers=NUMBERS)
    def tables(self, numbers: bytes) -> None:
        """A call on page tables."""
        self._do(numbers, Choices.tables)

    @rule(numbers=NUMBERS)
    def resources(self, numbers: bytes) -> None:
        """Memory and descriptors."""
        self._do(numbers, Choices.resources)

    @rule(numbers=NUMBERS)
    def calls_at_once(self, numbers: bytes) -> None:
        """Several calls at once."""
        self._do(numbers, Choices.multicall)

    @rule(numbers=NUMBERS)
    def instruction(self, numbers: bytes) -> None:
        """Something without a hypercall."""
        self._do(numbers, Choices.instruction)

    @rule(numbers=NUMBERS)
    def grants(self, numbers: bytes) -> None:
        """Pages that domains show to each other."""
        self._do(numbers, Choices.share)

    @rule(numbers=NUMBERS)
    def wild(self, numbers: bytes) -> None:
        """What makes no sense; now and then a domain ends."""
        self._do(numbers, Choices.wild)

    @rule(numbers=NUMBERS)
    def making_of_tables(self, numbers: bytes) -> None:
        """A page becomes a table, or what is to be one."""
        self._do(numbers, Choices.build)

    def teardown(self) -> None:
        """The end of the run."""
        world, runs = self.world, self.runs
        with self._resources:
            if world is None:
                return
            runs.steps += world.steps
            runs.outcomes += world.outcomes
            if runs.failure is None:
                self._note(world.finish)
            if runs.progress is not None:
                runs.progress(runs)
        self._raise()

    def _do(self, numbers: bytes, choose: Callable[[Choices], Operation]) -> None:
        world = self.world
        if world is not None and self.runs.failure is None:
            world.model.begin()
            operation = choose(Choices(self._random(numbers), world, self.runs.runs))
            self.runs.last.append(operation)
            self._note(lambda: world.run(operation))
        self._raise()

    def _random(self, numbers: bytes) -> Random:
        """Return random numbers for this step: Hypothesis likes to choose the same ones again, and we do not."""
        return Random(f"{self.runs.seed} {self.runs.runs} {len(self.runs.last)} {numbers.hex()}")

    def _note(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Failure as failure:
            self.runs.failure = str(failure)

    def _raise(self) -> None:
        if self.runs.failure is not None:
            raise Failure(self.runs.failure)
