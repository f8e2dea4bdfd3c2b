"""Each rule of the checker: memory that is consistent but for one thing, and what the checker says of it."""

from __future__ import annotations

import pytest

from tests.unit.inspect.plantings import PLANTINGS, Planting, make_world
from xengen.inspect.invariants import Rule, check

WITHOUT_PLANTING = {Rule.REGISTERS}  # about the processor's registers: see test_live.py


def test_the_checker_finds_nothing_in_a_consistent_memory() -> None:
    assert check(make_world().machine.hypervisor()) == []


@pytest.mark.parametrize("planting", PLANTINGS, ids=lambda planting: planting.name)
def test_the_checker_finds(planting: Planting) -> None:
    world = make_world()
    expected = planting.break_it(world)
    found = check(world.machine.hypervisor())
    assert {violation.rule for violation in found} == {expected.rule}, "\n".join(map(str, found))
    assert any(
        (violation.frame, violation.domain) == (expected.frame, expected.domain)
        and expected.path in " -> ".join(map(str, violation.path))
        and expected.text in violation.detail
        for violation in found
    ), "\n".join(map(str, found))


def test_every_rule_has_a_planting_that_breaks_it() -> None:
    planted = {planting.break_it(make_world()).rule for planting in PLANTINGS}
    assert planted == set(Rule) - WITHOUT_PLANTING
