"""BVT: shares by weight, nothing wasted, overflow (ABI 12.1, 12.3; docs/scheduling.md).

Invariants
  - A domain's lead over its share, and its lag behind it, is bounded by one turn, which is the context switch allowance
    (5 ms) when others wait; one may lead when we begin to look and lag when we end. So where 1 % of a share of 10 s is
    less than two turns, the allowance is made smaller.
"""

from __future__ import annotations

import pytest

from tests.boot.harness import Booter
from tests.boot.scheduling import (
    ALLOWANCE,
    DEFAULT_ADVANCE,
    MILLISECOND,
    SECOND,
    SHIFT,
    booted,
    counts,
    poke,
    run_for,
    set_word,
    stop,
    usages,
    weigh,
)
from xengen.inspect.live import check_machine

RUN = 10 * SECOND
WITHIN = 0.01


def wanted(advances: list[int]) -> list[float]:
    """Return the share of each: mcu_advance is an inverse weight."""
    return [1 / advance / sum(1 / each for each in advances) for advance in advances]


@pytest.mark.parametrize("advances, allowance", [
    ([10, 20], ALLOWANCE),
    ([10, 10], ALLOWANCE),
    ([10, 30, 15], ALLOWANCE),
    ([10, 10, 10, 10, 20, 20, 40, 40], MILLISECOND),
    ([10] * 16, MILLISECOND),
    ([10, 20, 5, 40] * 4, MILLISECOND // 2),
], ids=lambda given: str(len(given)) if isinstance(given, list) else f"{given / MILLISECOND} ms")  # fmt: skip
def test_domains_that_spin_get_their_shares(boot: Booter, advances: list[int], allowance: int) -> None:
    machine = booted(boot, *["spin"] * len(advances))
    weigh(machine, advances)
    set_word(machine, "context_allowance", allowance)
    ran = run_for(machine, RUN)
    assert [each / sum(ran) for each in ran] == pytest.approx(wanted(advances), rel=WITHIN)
    assert check_machine(machine) == []


def test_the_guests_own_counts_say_the_same(boot: Booter) -> None:
    machine = booted(boot, *["spin"] * 3)
    weigh(machine, [10, 20, 40])
    before = counts(machine)
    run_for(machine, RUN)
    counted = [count - before[domain] for domain, count in counts(machine).items()]
    assert [each / sum(counted) for each in counted] == pytest.approx(wanted([10, 20, 40]), rel=WITHIN)


def test_what_is_charged_is_what_was_run(boot: Booter) -> None:
    machine = booted(boot, "spin", "spin")
    weigh(machine, [7, 13])
    before = usages(machine)
    run_for(machine, SECOND)
    after = usages(machine)
    for domain, advance in enumerate((7, 13)):
        early, late = before[domain], after[domain]
        assert late.avt - early.avt == pytest.approx((late.ran - early.ran) * advance, abs=advance * ALLOWANCE)


def test_virtual_times_stay_within_an_allowance_of_each_other(boot: Booter) -> None:
    advances = [10, 20, 5]
    machine = booted(boot, *["spin"] * 3)
    weigh(machine, advances)
    run_for(machine, SECOND)
    times = [usage.avt for usage in usages(machine).values()]
    assert max(times) - min(times) <= 1.1 * max(advances) * ALLOWANCE


def test_nobody_gets_a_share_of_what_a_domain_that_ended_leaves(boot: Booter) -> None:
    machine = booted(boot, "spin", "spin", "hello", "spin")
    ran = run_for(machine, 2 * SECOND)
    assert len(ran) == 3
    assert [each / sum(ran) for each in ran] == pytest.approx([1 / 3] * 3, rel=WITHIN)


def test_one_that_runs_alone_has_the_whole_processor(boot: Booter) -> None:
    machine = booted(boot, "spin")
    counted, start = counts(machine)[0], usages(machine)[0]
    machine.resume()
    while usages(machine)[0].avt < start.avt + 400 * ALLOWANCE * DEFAULT_ADVANCE:
        assert machine.ending() is None
    stop(machine)
    charged = (usages(machine)[0].avt - start.avt) / DEFAULT_ADVANCE
    instructions = 3 * (counts(machine)[0] - counted)
    # It is charged at the end of a turn, of ten allowances when nobody waits: one may have begun before we counted.
    assert instructions << SHIFT >= 0.99 * (charged - 10 * ALLOWANCE)
    assert usages(machine)[0].entered == start.entered


def test_weights_can_change_while_domains_run(boot: Booter) -> None:
    machine = booted(boot, "spin", "spin")
    for advances in ([10, 10], [10, 40], [40, 10]):
        weigh(machine, advances)
        ran = run_for(machine, 3 * SECOND)
        assert [each / sum(ran) for each in ran] == pytest.approx(wanted(advances), abs=WITHIN)


def test_shares_hold_when_virtual_time_overflows(boot: Booter) -> None:
    """Of old those who slept wrapped below 0 when all times were reduced, and then looked far ahead."""
    machine = booted(boot, "spin", "spin", "spin")
    limit = 1 << 62
    for domain in range(3):
        poke(machine, domain, avt=limit - SECOND * DEFAULT_ADVANCE, evt=limit - SECOND * DEFAULT_ADVANCE)
    ran = run_for(machine, RUN)
    assert [each / sum(ran) for each in ran] == pytest.approx([1 / 3] * 3, rel=WITHIN)
    assert all(usage.avt < limit for usage in usages(machine).values())
    assert check_machine(machine) == []


def test_the_largest_mcu_advance_overflows_often_and_does_no_harm(boot: Booter) -> None:
    machine = booted(boot, "spin", "spin")
    weigh(machine, [0xFFFFFFFF, 0xFFFFFFFF])
    ran = run_for(machine, RUN)
    assert [each / sum(ran) for each in ran] == pytest.approx([0.5, 0.5], rel=WITHIN)
