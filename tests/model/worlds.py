"""What tests of the model begin with: a world on a machine of its own, with the project's images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.boot.harness import Images
from xengen.fuzz.campaign import machine_of
from xengen.fuzz.world import World
from xengen.machine.machine import Machine
from xengen.machine.spec import MachineSpec

__all__ = ["Images", "spec_of", "world_of"]


def spec_of(images: Images) -> MachineSpec:
    """Return the machine that the fuzzer uses."""
    return machine_of(images.hypervisor(), images.guest("agent"))


@contextmanager
def world_of(images: Images) -> Iterator[World]:
    """Boot it and hold it inside the block; everything is checked after each step."""
    with Machine(spec_of(images)) as machine, World(machine) as world:
        yield world
