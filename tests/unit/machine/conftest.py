"""Machines without a hypervisor: a few instructions that boot in less than a tenth of a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.machine.kernels import kernel
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec

Boot = Callable[..., Machine]


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    """`boot(source, **fields of MachineSpec)`: assemble and start; ends when the test does."""
    machines: list[Machine] = []

    def start(source: str, *, start: bool = True, **fields: object) -> Machine:
        spec = MachineSpec(kernel=kernel(tmp_path, source), **fields)  # type: ignore[arg-type]
        machines.append(Machine(spec, start=start))
        return machines[-1].__enter__()

    yield start
    for machine in machines:
        machine.close()


@pytest.fixture
def open_descriptors() -> Callable[[], set[str]]:
    """Return a function that says which descriptors this process has open, as "number -> what it is"."""

    def listed() -> set[str]:
        found = set()
        for name in os.listdir("/proc/self/fd"):
            try:
                found.add(f"{name} -> {os.readlink(f'/proc/self/fd/{name}')}")
            except FileNotFoundError:
                continue  # the descriptor of the listing itself
        return found

    return listed
