"""Steps of domains with event channels, as Hypothesis makes them, and the worlds that they are carried out in.

Invariants
  - A step is the name of a method of EventWorld and its arguments: numbers that mean something in every world.
  - The number of steps of a list is fixed. A failure's shortest list has steps that do nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from hypothesis import strategies as st

from tests.boot.harness import Booter, Images
from tests.model.event_world import WILD, EventWorld
from xengen.agent.names import value
from xengen.machine.spec import MIB

STEPS = 30
Step = tuple[str, tuple[int, ...]]


def steps(domains: int, *, count: int = STEPS) -> st.SearchStrategy[list[Step]]:
    """Lists of `count` steps of that many domains. A pick below WILD is one of the ports in use, a greater one any."""
    who = st.integers(0, domains - 1)
    whom = st.integers(0, domains)  # the last one does not exist
    pick = st.integers(0, WILD + 6)
    used = st.integers(0, WILD - 1)
    vcpu = st.sampled_from((0, 0, 0, 1))
    virq = st.sampled_from([value(f"VIRQ_{name}") for name in ("DEBUG", "DOM_EXC", "ARGO", "ARCH_7")] + [24])
    each = [
        ("alloc_unbound", who, whom), ("bind_interdomain", who, whom, pick), ("bind_ipi", who, vcpu),
        ("bind_virq", who, virq, vcpu), ("bind_vcpu", pick, vcpu), ("unmask_alone", used), ("reset", who),
        ("fill", who, st.integers(1, 34)), ("send_open", used),
    ]  # fmt: skip
    # What makes channels, and what goes through them, is done more often than what is refused most of the time.
    often = [
        ("connect", who, whom), ("send", pick), ("send", pick), ("send", pick), ("close_port", pick), ("mask", used),
        ("unmask", pick), ("let_in", who), ("let_in", who), *[("sleep", used, st.booleans())] * 4,
    ]  # fmt: skip
    ways: list[st.SearchStrategy[Step]] = [
        st.tuples(st.just(str(name)), st.tuples(*parts)) for name, *parts in (*each, *often)
    ]
    first = st.tuples(*[
        st.tuples(st.just(name), st.tuples(*parts))
        for name, *parts in (("connect", who, who), ("fill", who, st.integers(1, 34)), ("connect", who, who))
    ])  # fmt: skip
    rest = st.lists(st.one_of(ways), min_size=count, max_size=count)
    return st.tuples(first, rest).map(lambda parts: [*parts[0], *parts[1]])


def run(world: EventWorld, given_steps: list[Step]) -> None:
    """Carry steps out, and compare after each."""
    for name, arguments in given_steps:
        getattr(world, name)(*arguments)
        world.compare()


class Worlds:
    """Worlds of `domains` agents: one machine serves until something goes wrong on it."""

    def __init__(self, images: Images, domains: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self._booter = Booter(images)
        self._domains = domains
        self._world: EventWorld | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def world(self) -> Iterator[EventWorld]:
        """A world without ports, which can be had again if the block comes to its end."""
        world, self._world = self._world, None
        if world is None:
            self.close()
            machine = self._booter(*["agent"] * self._domains, memory=(64 + 32 * self._domains) * MIB, trace=False)
            world = EventWorld(machine, self._domains)
        world.begin()
        done = False
        try:
            yield world
            done = True
        finally:
            self.outcomes.update(world.outcomes)
            world.outcomes.clear()
            self._world = world
            if not done or len(world.agents) < self._domains:
                self.close()

    def close(self) -> None:
        """End the machine."""
        if self._world is not None:
            self._world.close()
            self._world = None
        self._booter.close()
