"""Warping: who must answer soon runs soon, but not for longer than its share and its limits allow (ABI 12.4)."""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter, GuestMaker
from tests.boot.scheduling import (
    ALLOWANCE,
    DEFAULT_ADVANCE,
    MICROSECOND,
    MILLISECOND,
    SECOND,
    booted,
    is_running,
    lateness,
    poke,
    run_for,
    set_word,
    sleeper,
    stop,
    usages,
)
from xengen.inspect.live import check_machine
from xengen.machine.machine import Machine

SPINNERS = 16
PERIOD = 7 * MILLISECOND
ROUNDS = 20
# 500,000 instructions of 2**4 ns between two sleeps, 8 ms of 15: much more than a seventeenth of the time.
BUSY, BUSY_PERIOD = 500, 15 * MILLISECOND


def warp(machine: Machine, domain: int, value_ns: int, limit: int = 0, unwarp: int = 0) -> None:
    """Have a domain warp: it comes before others by `value_ns` of its running time; for `limit` ns at the most.

    It does so from its next turn on: the machine runs until it is somebody else's.
    """
    while is_running(machine, domain):
        machine.resume()
        stop(machine)
    poke(
        machine, domain, warpback=1, warping=1, warp_value=value_ns * DEFAULT_ADVANCE,
        warp_limit=limit, warp_rest=limit, unwarp=unwarp,
    )  # fmt: skip


def test_a_warped_domain_that_wakes_runs_at_once(boot: Booter, guest: GuestMaker) -> None:
    machine = booted(boot, guest(sleeper(ROUNDS, PERIOD)), *["spin"] * SPINNERS, shift=4)
    warp(machine, 0, SECOND)
    assert lateness(machine, 0) <= 100 * MICROSECOND
    assert check_machine(machine) == []


def test_a_warped_domain_runs_at_once_even_when_it_has_used_its_share(boot: Booter, guest: GuestMaker) -> None:
    machine = booted(boot, guest(sleeper(ROUNDS, BUSY_PERIOD, BUSY)), *["spin"] * SPINNERS, shift=4)
    warp(machine, 0, 10 * SECOND)
    assert lateness(machine, 0) <= 100 * MICROSECOND


def test_an_unwarped_domain_that_has_used_its_share_waits_its_fair_turn_and_no_longer(
    boot: Booter, guest: GuestMaker
) -> None:
    machine = booted(boot, guest(sleeper(ROUNDS, BUSY_PERIOD, BUSY)), *["spin"] * SPINNERS, shift=4)
    work = 1000 * BUSY << 4
    late = lateness(machine, 0)
    assert 100 * MICROSECOND < late <= SPINNERS * (work + ALLOWANCE)


def test_an_unwarped_domain_that_sleeps_most_of_the_time_runs_soon(boot: Booter, guest: GuestMaker) -> None:
    # It has used less than its share, and a sleeper comes no later than those who run.
    machine = booted(boot, guest(sleeper(ROUNDS, PERIOD)), *["spin"] * SPINNERS, shift=4)
    assert lateness(machine, 0) <= SPINNERS * ALLOWANCE


def test_a_warped_domain_gets_no_more_than_its_share_in_the_long_run(boot: Booter) -> None:
    machine = booted(boot, *["spin"] * 4)
    warp(machine, 1, 50 * MILLISECOND)
    ran = run_for(machine, 10 * SECOND)
    assert [each / sum(ran) for each in ran] == pytest.approx([0.25] * 4, abs=0.01)
    assert check_machine(machine) == []


def test_a_warped_domain_borrows_no_more_than_its_warp_value(boot: Booter) -> None:
    machine = booted(boot, *["spin"] * 4)
    warp(machine, 1, 50 * MILLISECOND)
    run_for(machine, SECOND)
    found = usages(machine)
    ahead = found[1].avt - min(usage.avt for usage in found.values())
    assert ahead <= (50 * MILLISECOND + 2 * ALLOWANCE) * DEFAULT_ADVANCE


@pytest.mark.parametrize("limit, unwarp", [(20, 100), (50, 200)])
def test_the_warp_limit_and_the_time_that_must_pass_unwarped_hold(boot: Booter, limit: int, unwarp: int) -> None:
    """With a warp value that never ends, and nine others, the limits alone say what the domain gets."""
    machine = booted(boot, *["spin"] * 10)
    warp(machine, 1, 1000 * SECOND, limit * MILLISECOND, unwarp * MILLISECOND)
    ran = run_for(machine, 5 * SECOND)
    # To one stretch of warping at each end.
    assert ran[1] / sum(ran) == pytest.approx(limit / (limit + unwarp), abs=2 * limit * MILLISECOND / sum(ran))
    assert check_machine(machine) == []


def test_without_a_time_to_pass_unwarped_the_limit_ends_warping_for_good(boot: Booter) -> None:
    machine = booted(boot, *["spin"] * 10)
    warp(machine, 1, 1000 * SECOND, 20 * MILLISECOND, 0)
    run_for(machine, SECOND)
    ran = run_for(machine, 5 * SECOND)
    assert ran[1] / sum(ran) == pytest.approx(0.1, abs=0.01)


def test_the_limit_counts_over_all_turns_of_one_awakening(boot: Booter) -> None:
    """Two that warp take turns: if each turn had the whole limit, neither would ever reach it."""
    machine = booted(boot, *["spin"] * 4)
    for domain in (1, 2):
        warp(machine, domain, 1000 * SECOND, 50 * MILLISECOND, SECOND)
    ran = run_for(machine, SECOND)
    assert ran[1] + ran[2] < 0.8 * sum(ran)


def test_a_negative_warp_value_puts_a_domain_back(boot: Booter) -> None:
    machine = booted(boot, "spin", "spin")
    warp(machine, 1, 0)
    poke(machine, 1, warp_value=(1 << 64) - 100 * MILLISECOND * DEFAULT_ADVANCE)
    ran = run_for(machine, SECOND)
    assert ran[0] - ran[1] == pytest.approx(100 * MILLISECOND, abs=3 * ALLOWANCE)


def test_a_smaller_allowance_makes_shorter_turns(boot: Booter) -> None:
    machine = booted(boot, "spin", "spin")
    entered = usages(machine)
    set_word(machine, "context_allowance", 50 * MICROSECOND)
    run_for(machine, 100 * MILLISECOND)
    assert abs(usages(machine)[0].avt - usages(machine)[1].avt) <= 200 * MICROSECOND * DEFAULT_ADVANCE
    assert usages(machine)[0].entered > entered[0].entered
