"""Grants against the model: domains write entries and use each other's, among operations on tables and memory.

Invariants
  - As test_model.py, with every other operation one on grants; the same seed gives the same run.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.model.worlds import Images, world_of
from xengen.fuzz.choices import Choices
from xengen.fuzz.ends import ENDS, End
from xengen.fuzz.world import Operation, World

STEPS = 250
EVERY = 25
END = 200  # a domain ends in this step, with all that it shares and uses
USED = ("map_grant_ref", "unmap_grant_ref", "copy", "transfer")


def chosen(world: World, random: Random, favourite: int) -> Operation:
    """Choose what is done next."""
    choices = Choices(random, world, favourite)
    if random.random() < 0.5:
        return choices.share()
    return random.choice((choices.tables, choices.resources, choices.build, choices.multicall))()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_domains_share_the_hypervisor_does_what_the_model_says(images: Images, seed: int) -> None:
    with world_of(images) as world:
        world.every = EVERY
        for step in range(STEPS):
            world.model.begin()
            random = Random(f"{seed} {step}")
            world.run(End(2, random.choice(tuple(ENDS))) if step == END else chosen(world, random, seed))
        world.finish()
        statuses = {name for name, _ in world.outcomes}
        assert statuses >= set(USED)
        assert world.outcomes["map_grant_ref", "0"] > 5
