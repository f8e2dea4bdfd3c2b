"""From a long run that fails to a short one: operations are left out, and lists shortened, while it still fails.

Invariants
  - A shorter run is kept only if it was carried out and failed; each is tried on a machine of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from xengen.fuzz.calls import Hypercall, Multicall
from xengen.fuzz.world import Failure, Operation, World
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec

Run = Sequence[Operation]
Fails = Callable[[Run], bool]


def replay(spec: MachineSpec, run: Run) -> str | None:
    """Carry a run out on a new machine, everything checked after each step; return what went wrong, or None."""
    with Machine(spec) as machine, World(machine) as world:
        try:
            for operation in run:
                world.run(operation)
            world.finish()
        except Failure as failure:
            return str(failure)
    return None


def minimize(run: Run, fails: Fails) -> Run:
    """Return a run that still fails and has nothing that can be left out; `run` itself when that does not fail."""
    if not fails(run):
        return run
    run = _fewer(run, fails)
    again = True
    while again:
        again = False
        for index in reversed(range(len(run))):
            for simpler in _simpler(run[index]):
                shorter = [*run[:index], simpler, *run[index + 1 :]]
                if fails(shorter):
                    run, again = shorter, True
                    break
    return run


def _fewer(run: Run, fails: Fails) -> Run:
    """Leave operations out: half of them, a quarter, and so on down to single ones."""
    size = max(1, len(run) // 2)
    while True:
        end = len(run)
        while end > 0:
            shorter = [*run[: max(0, end - size)], *run[end:]]
            if shorter and fails(shorter):
                run = shorter
            end -= size
        if size == 1:
            return run
        size = max(1, size // 2)


def _simpler(operation: Operation) -> Iterator[Operation]:
    """Yield the same operation with one thing less."""
    if isinstance(operation, Multicall):
        for call in operation.calls:
            yield Hypercall(operation.domain, call)
        if operation.last != "plain":
            yield replace(operation, last="plain")
    yield from _shortened(operation)


def _shortened(what: Any) -> Iterator[Any]:
    """Yield a dataclass with one element less in one of its lists, at any depth."""
    for field in fields(what):
        value = getattr(what, field.name)
        if isinstance(value, tuple) and value and not isinstance(value[0], int):  # numbers: a call's arguments
            for index in range(len(value) if len(value) > 1 else 0):
                yield replace(what, **{field.name: (*value[:index], *value[index + 1 :])})
            for index, element in enumerate(value):
                for simpler in _shortened(element) if is_dataclass(element) else ():
                    yield replace(what, **{field.name: (*value[:index], simpler, *value[index + 1 :])})
        elif is_dataclass(value):
            for simpler in _shortened(value):
                yield replace(what, **{field.name: simpler})
