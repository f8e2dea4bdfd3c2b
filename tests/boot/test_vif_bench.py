"""What virtual interfaces cost, as `xengen bench net` measures it, and how fair they are served."""

from __future__ import annotations

import pytest

from tests.boot.harness import Images
from xengen.bench.net import MOST, Cost, Files, measure_costs, measure_fairness, measure_notified, measure_runs


@pytest.fixture(scope="module")
def files(images: Images) -> Files:
    """The release build."""
    return Files(images.hypervisor(debug=False), images.guest("agent", debug=False))


@pytest.fixture(scope="module")
def costs(files: Files) -> list[Cost]:
    """What each kind of packet costs."""
    return list(measure_costs(files))


def test_a_packet_costs_no_more_than_it_may(costs: list[Cost]) -> None:
    assert {(cost.way, cost.size) for cost in costs} == set(MOST)
    assert [cost.title for cost in costs if cost.missed] == []


def test_what_is_sent_is_not_copied_but_for_its_head(costs: list[Cost]) -> None:
    """A copy of 1514 bytes would be some 380 instructions more than one of 60."""
    for nic in ("virtio", "e1000"):
        short, long = (cost.instructions for cost in costs if (cost.way, cost.nic) == ("sent", nic))
        assert long - short < 150


def test_one_run_of_work_is_bounded_whatever_waits(files: Files) -> None:
    runs = list(measure_runs(files))
    assert [run.way for run in runs if run.missed] == []
    assert {run.way.split(",")[0] for run in runs} == {"switched", "exchanged", "sent", "sent in many slots"}


def test_under_load_many_packets_come_with_one_event(files: Files) -> None:
    assert [one.way for one in measure_notified(files) if one.missed] == []


def test_three_senders_get_the_same_within_two_percent(files: Files) -> None:
    shares = measure_fairness(files)
    assert sum(share.part for share in shares) == pytest.approx(1)
    assert [share.part * 3 for share in shares] == pytest.approx([1, 1, 1], abs=0.02)
