"""The hypervisor against the model: random operations of three domains, all compared, the checker after each step.

`xengen fuzz` does the same for as long as one likes (docs/fuzzing.md). Here the seed and the number of steps are fixed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.worlds import Images, spec_of
from xengen.fuzz.campaign import shortest
from xengen.fuzz.reproducer import source
from xengen.fuzz.rules import Runs, fuzz

RUNS = 3
STEPS = 50


@pytest.mark.parametrize("seed", [2003, 2004, 2005, 2006])
def test_whatever_domains_do_the_hypervisor_does_what_the_model_says(images: Images, seed: int) -> None:
    runs = Runs(spec_of(images), seed)
    problem = fuzz(runs, RUNS, STEPS)
    if problem is not None:
        pytest.fail(source(Path("build/fuzz/test_it.py"), seed, shortest(runs.spec, runs.last), problem))
    assert runs.steps >= RUNS * STEPS // 2
    assert len(runs.outcomes) > 40
