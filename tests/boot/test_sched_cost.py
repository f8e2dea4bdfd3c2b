"""What the scheduler costs, as `xengen bench sched` measures it (issue: no faster than O(log n))."""

from __future__ import annotations

import pytest

from tests.boot.harness import Images
from xengen.bench.sched import RUNNABLE, WEIGHTS, Files, measure_latency, measure_shares, measure_switches

MICROSECOND = 1_000


@pytest.fixture(scope="module")
def files(images: Images) -> Files:
    """The release build, and the guests."""
    return Files(images.hypervisor(debug=False), images.guest("agent"), images.guest("spin"))


def test_a_switch_costs_no_more_than_the_logarithm_of_the_runnable_says(files: Files) -> None:
    few, some, many = (found.instructions for found in measure_switches(files))
    # From 2 to 16 is as many doublings as from 16 to 128.
    assert RUNNABLE == (2, 16, 128)
    assert many - some <= 1.5 * (some - few)
    assert many <= 800


def test_a_warped_domain_wakes_within_100_microseconds_against_16_that_spin(files: Files) -> None:
    assert measure_latency(files) <= 100 * MICROSECOND


def test_what_is_measured_of_shares_is_what_the_weights_say(files: Files) -> None:
    shares, samples = measure_shares(files, 3.0)
    assert [share.weight for share in shares] == list(WEIGHTS)
    assert [share.got for share in shares] == pytest.approx([share.wanted for share in shares], abs=0.01)
    assert [sample.at for sample in samples] == sorted(sample.at for sample in samples)
