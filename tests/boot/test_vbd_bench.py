"""`xengen bench disk`: its numbers are held.

Invariants
  - Costs are counted in instructions. How fast a disk is on this host says nothing here, and is not looked at.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Images
from xengen.bench.disk import (
    Copies,
    Cost,
    Files,
    Speed,
    machine,
    measure_copies,
    measure_costs,
    measure_notified,
    throttle,
)

RUN = 25_000  # instructions with interrupts off; 40,000 are the most that anything may take


@pytest.fixture(scope="module")
def files(images: Images) -> Files:
    """The release build."""
    return Files(images.hypervisor(debug=False), images.guest("agent"))


@pytest.fixture(scope="module")
def costs(files: Files) -> list[Cost]:
    """What each request costs."""
    return measure_costs(files)


def test_no_request_costs_more_than_it_may(costs: list[Cost]) -> None:
    assert [(cost.title, cost.instructions) for cost in costs if cost.missed] == []


def test_requests_in_flight_together_cost_less_each(costs: list[Cost]) -> None:
    by_depth = {depth: {(cost.size, cost.operation): cost.instructions for cost in costs if cost.depth == depth}
                for depth in (1, 8)}  # fmt: skip
    assert all(by_depth[8][kind] <= by_depth[1][kind] for kind in by_depth[1])


def test_a_page_more_costs_less_than_a_copy_of_it_would(costs: list[Cost]) -> None:
    alone = {cost.size: cost.instructions for cost in costs if (cost.operation, cost.depth) == ("read", 1)}
    assert (alone["44 KB"] - alone["4 KB"]) / 10 < 4096 // 4


@pytest.mark.parametrize("requests, segments", [(32, 11), (32, 1), (8, 11), (1, 11)])
def test_a_run_of_work_is_bounded_whatever_is_in_the_ring(files: Files, requests: int, segments: int) -> None:
    with machine(files, counting=True) as (running, front):
        longest = 0
        for _ in range(4):
            throttle(running, 1)  # what a disk has done begins another run: it does one request, and no more
            front.kick(1, 1)
            front.await_answers()
            longest = max(longest, front.kick(requests, segments))
            throttle(running, 0)
            front.await_answers()
        assert longest < RUN


def test_a_deep_front_end_is_told_less_than_once_for_each_request(files: Files) -> None:
    found = {one.depth: one for one in measure_notified(files)}
    assert found[1].events == found[1].kicks == 1
    assert all(found[depth].events <= 1 and found[depth].kicks <= 1 for depth in (8, 32))
    assert found[32].events < 0.5


def test_the_device_puts_every_sector_into_the_pinned_pages_itself(files: Files) -> None:
    copies = measure_copies(files)
    assert copies.sectors > 0
    assert copies.is_without


@pytest.mark.parametrize("copies", [Copies(800, 100, 799), Copies(800, 101, 800), Copies(792, 100, 800)])
def test_sectors_that_the_device_did_not_move_there_are_noticed(copies: Copies) -> None:
    assert not copies.is_without


@pytest.mark.parametrize("speed, missed", [
    (Speed(128, 115.0, 128.0), True), (Speed(128, 116.0, 128.0), False), (Speed(0, 50.0, 100.0), False),
])  # fmt: skip
def test_a_vbd_slower_than_nine_tenths_of_its_driver_is_a_miss(speed: Speed, missed: bool) -> None:
    assert speed.missed is missed
